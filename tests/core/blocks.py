"""Block scores for tests: a quiet difference of 100 x 100 pixels on the grid of `tests.core.frames`."""

from typing import Any

import numpy as np

from core.places.block_scores import BlockScores, encode, pack
from core.places.grid_maps import PlaneMap, SkyMap
from tests.core.frames import DEC, PIXEL_SCALE, RA

SIDE, BLOCK = 100, 4


def grid() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(-0.5, SIDE - 0.5, 9), np.linspace(-0.5, SIDE - 0.5, 9))
    return x.ravel(), y.ravel()


def sky_of(x: Any, y: Any) -> tuple[Any, Any]:
    """Right ascension and declination of a pixel, as `tests.core.frames.candidate` has them."""
    return RA + (x - 50.0) * PIXEL_SCALE / 3600.0, DEC + (y - 50.0) * PIXEL_SCALE / 3600.0


def block_scores(
    scores: dict[tuple[float, float], float] | None = None,
    frame_mask: dict[tuple[float, float], int] | None = None,
    reference_mask: dict[tuple[float, float], int] | None = None,
    *,
    on_sky: bool = True,
) -> BlockScores:
    """Scores of 0.1 sigma but where told, by pixel; a masked block has no good pixel."""
    count = SIDE // BLOCK
    values = np.full((count, count), 0.1, dtype=np.float32)
    masks = np.zeros((2, count, count), dtype=np.uint8)
    for (x, y), value in (scores or {}).items():
        values[int(y // BLOCK), int(x // BLOCK)] = value
    for mask, planes in zip(masks, (frame_mask, reference_mask), strict=True):
        for (x, y), bits in (planes or {}).items():
            mask[int(y // BLOCK), int(x // BLOCK)] |= bits
    x, y = grid()
    return BlockScores(
        SIDE,
        SIDE,
        BLOCK,
        5.0,
        2.0,
        encode(values, (masks[0] | masks[1]) == 0),
        masks[0],
        masks[1],
        PlaneMap.fit(x, y, x + 3.0, y - 3.0),
        SkyMap.fit(*sky_of(x, y), x, y) if on_sky else None,
    )


def packed(*args: Any, **named: Any) -> bytes:
    return pack(block_scores(*args, **named))
