"""Colours of a brightness: maps in true colour, and greys of the 256-colour palette."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Anchors from dark to bright, as 0xRRGGBB, evenly spaced and joined linearly. `viridis` (Smith and
# van der Walt) and `cividis` (Nunez et al. 2018) read the same to colour-blind eyes; `red` spares
# the dark adaptation of a dome.
COLOUR_MAPS: dict[str, tuple[int, ...]] = {
    "grey": (0x030303, 0xFDFDFD),  # of `STEPS` every second is in the 256-colour palette: half the bytes
    "viridis": (0x440154, 0x3B528B, 0x21918C, 0x5EC962, 0xFDE725),
    "cividis": (0x00224E, 0x414D6B, 0x7C7B78, 0xBBAF71, 0xFEE838),
    "red": (0x000000, 0xFF0000),
}

MASKED = {"grey": 0x303070, "viridis": 0x303030, "cividis": 0x303030, "red": 0x300000}
MASKED_INDEX = 17  # the palette's darkest blue

# Every second grey: no faint source is lost by it, and neighbours that are alike cost nothing to send.
GREY_INDICES = np.array([16, *range(233, 256, 2), 231], dtype=np.int32)
STEPS = 51  # beyond what an eye tells apart, and fewer bytes than 256
_SHORT_REACH = 0.65  # steps
_INDEXED_LEVELS = 64
_GREY_LEVELS = np.array([0, *range(18, 239, 20), 255], dtype=np.float32) / 255


def grey_indices(brightness: NDArray[np.float32]) -> NDArray[np.int32]:
    """The palette's nearest grey; masked (NaN) is `MASKED_INDEX`."""
    halfway = (_GREY_LEVELS[1:] + _GREY_LEVELS[:-1]) / 2
    indices = GREY_INDICES.take(np.searchsorted(halfway, np.nan_to_num(brightness)))
    indices[np.isnan(brightness)] = MASKED_INDEX
    return indices


def true_colours(brightness: NDArray[np.float32], name: str, levels: int) -> NDArray[np.int32]:
    """0xRRGGBB of each brightness in ``levels`` steps of a map; masked (NaN) has its own colour."""
    place = np.nan_to_num(brightness) * (levels - 1)
    step = np.rint(place).astype(int)
    if name == "grey" and levels == STEPS:
        short = 2 * (place // 2).astype(int) + 1  # in the palette, so a bit more is taken for it
        step = np.where(np.abs(place - short) < _SHORT_REACH, short, step)
    colours = _table(name, levels).take(step)
    colours[np.isnan(brightness)] = MASKED[name]
    return colours


def indexed(brightness: NDArray[np.float32], name: str) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Each brightness as the index of one of 64 colours of a map, and the colours.

    Masked (NaN) is a colour of its own, the last, which is only there where something is masked.
    """
    masked = np.isnan(brightness)
    indices = np.rint(np.nan_to_num(brightness) * (_INDEXED_LEVELS - 1)).astype(np.uint8)
    indices[masked] = _INDEXED_LEVELS
    colours = tuple(_table(name, _INDEXED_LEVELS).tolist())
    return indices, (*colours, MASKED[name]) if masked.any() else colours


@lru_cache(maxsize=16)
def _table(name: str, levels: int) -> NDArray[np.int32]:
    anchors = np.array(COLOUR_MAPS[name])
    place = np.linspace(0, len(anchors) - 1, levels)
    red, green, blue = (
        np.rint(np.interp(place, np.arange(len(anchors)), (anchors >> shift) & 255)).astype(np.int32)
        for shift in (16, 8, 0)
    )
    colours: NDArray[np.int32] = (red << 16) | (green << 8) | blue
    return colours
