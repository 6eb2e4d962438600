"""What a source in the new frame adds to a difference: both are linear in the frame's light.

With ``k`` the matched filter's part for the new image and ``F`` its norm, light ``n`` adds ``k * n / F`` to
the flux and, with the filter ``d`` of the difference image, ``d * n`` to the difference; its variance ``v``
adds ``k^2 * v / F^2`` to the variance of the flux (Zackay, Ofek & Gal-Yam 2016, eqs 13 and 25 to 29).
``k / F`` and ``d`` are kept here as stamps, one pair a tile, so that light can be sent through them later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.subtraction.tiles import Tile, stamp_of

if TYPE_CHECKING:
    from pipeline.frame import Image
    from pipeline.subtraction.match import Field
    from pipeline.subtraction.zogy import Filters, Spectrum

NARROW_PX = 112  # what a kernel may need at least, as in `pipeline.subtraction.subtract`


@dataclass(frozen=True, slots=True)
class TileResponse:
    """The response of one tile to a unit of light in one pixel, reference electrons to the same.

    ``flux`` and ``data`` are (size, size) float32, that pixel in the middle; ``x, y`` is the middle of
    what the tile answers for.
    """

    x: float
    y: float
    flux: Image
    data: Image


@dataclass(frozen=True, slots=True)
class Response:
    """How a whole difference answers to light in the new frame.

    Attributes
    ----------
    tiles : tuple of TileResponse
    log_gain : Field
        Natural logarithm of new electrons per reference electron.
    flux_scale : float
        Reference electrons per unit of the difference.
    """

    tiles: tuple[TileResponse, ...]
    log_gain: Field
    flux_scale: float

    def nearest(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
        """The tile that answers for each place."""
        to_x = np.array([tile.x for tile in self.tiles]) - x[:, None]
        to_y = np.array([tile.y for tile in self.tiles]) - y[:, None]
        found: NDArray[np.int64] = np.argmin(np.hypot(to_x, to_y), axis=1)
        return found


def response_of(made: Filters, tile: Tile, reach: int) -> TileResponse:
    """The response of one tile.

    Parameters
    ----------
    made : Filters
    tile : Tile
    reach : int
        How far from a lit pixel the response matters.
    """
    x, y = tile.centre
    return TileResponse(
        x=x,
        y=y,
        flux=_stamp(made.score_new, tile.shape, reach) / np.float32(made.flux_norm),
        data=_stamp(made.diff_new, tile.shape, reach),
    )


def _stamp(kernel: Spectrum, shape: tuple[int, int], reach: int) -> Image:
    """A kernel around its middle, from its transform.

    Every third or second frequency is the same kernel in a smaller image, if that is wide enough.
    """
    wide = max(NARROW_PX, 2 * reach + 1)
    part = next(
        n
        for n in (3, 2, 1)
        if n == 1 or (all(length % n == 0 for length in shape) and min(shape) // n >= wide)
    )
    small = shape[0] // part, shape[1] // part
    image: Image = fft.irfft2(kernel[::part, ::part], s=small, workers=1)
    return stamp_of(image, 2 * min(reach, (min(small) - 1) // 2) + 1)
