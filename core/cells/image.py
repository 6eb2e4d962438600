"""Brightness as pixels, for terminals that show pictures."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.cells.colour import indexed

PIXELS = (20, 10)  # of a usual cell, high and wide: a picture of more than these has nothing to show for it


class Image(NamedTuple):
    """An indexed picture, equal to any other of the same pixels.

    Attributes
    ----------
    width, height : int
        In pixels.
    pixels : bytes
        The index of each pixel's colour, row by row from the top.
    colours : tuple of int
        0xRRGGBB of each index.
    """

    width: int
    height: int
    pixels: bytes
    colours: tuple[int, ...]


def picture(brightness: NDArray[np.float32], colour_map: str) -> Image:
    """One pixel a sample.

    Parameters
    ----------
    brightness : (height, width) float32
        From 0 to 1, NaN where masked.
    colour_map : str
        A name of `COLOUR_MAPS`.
    """
    indices, colours = indexed(brightness, colour_map)
    height, width = brightness.shape
    return Image(width, height, indices.tobytes(), colours)
