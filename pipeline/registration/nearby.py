"""A spline through an image at places that follow its own pixels: block by block, in single precision.

Frames of one telescope differ from their reference by a shift, a little rotation and distortion. In a block
of such a map the pixels of the spline around each place are, for all places, the same few steps away. Then
they are slices of the image, and a sum over them takes a third of the time that looking up each one takes.
"""

from __future__ import annotations

import math
from functools import lru_cache
from math import comb, factorial
from typing import Literal

import numpy as np
from numpy.polynomial.polynomial import polypow
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.frame import Image
from pipeline.registration.pixel_map import PixelMap

Values = NDArray[np.float64]
Order = Literal[3, 5]

BLOCK = 64, 128  # rows and columns of a block: its images stay in a processor's cache
MOST_TURN = 0.02  # of a map, from the pixels' own directions and scale, that blocks are worth
MOST_STEPS = 3  # by which the places of a block may stray from its pixels, over both axes


def follows(to_frame: PixelMap) -> bool:
    """Whether a map leads along the rows and columns of both images, in either direction."""
    linear = to_frame.affine[:, :2]
    return bool(np.abs(linear - np.diag(np.sign(np.diagonal(linear)))).max() < MOST_TURN)


def spline_nearby(coefficients: Image, to_frame: PixelMap, order: Order) -> Image:
    """A spline at the places of a map that `follows`; mirrored at the edges of its image.

    Parameters
    ----------
    coefficients : (height, width) float32
        Of the B-spline.
    to_frame : PixelMap
    order : {3, 5}

    Returns
    -------
    (height, width) float32
        Of the map's shape; 0 where a whole block lies outside.
    """
    turned = to_frame.affine[[0, 1], [0, 1]] < 0  # along x and y
    if turned.any():
        coefficients = coefficients[:: -1 if turned[1] else 1, :: -1 if turned[0] else 1]
    spare = tuple(
        length + order + MOST_STEPS for length in BLOCK
    )  # of a block that is outside but for a pixel
    wide = np.pad(coefficients, [(each, each) for each in spare], mode="reflect")
    size, (height, width) = coefficients.shape, to_frame.shape
    out = np.zeros(to_frame.shape, dtype=np.float32)
    for top in range(0, height, BLOCK[0]):
        rows = slice(top, min(top + BLOCK[0], height))
        x, y = to_frame.rows(rows)
        x, y = (n - 1.0 - p if back else p for n, p, back in zip(size[::-1], (x, y), turned, strict=True))
        for left in range(0, width, BLOCK[1]):
            block = rows, slice(left, min(left + BLOCK[1], width))
            places = y[:, block[1]], x[:, block[1]]
            if any(p.max() < 0.0 or p.min() > n - 1.0 for p, n in zip(places, size, strict=True)):
                continue
            found = _block(wide, places, spare, order)
            if found is None:
                found = ndimage.map_coordinates(
                    coefficients, places, np.float32, order, mode="mirror", prefilter=False
                )
            out[block] = found
    return out


def _block(wide: Image, places: tuple[Values, Values], spare: tuple[int, ...], order: Order) -> Image | None:
    """The spline at the places (y, x) of a block; none where they stray from its pixels."""
    height, width = places[0].shape
    away = places[0] - np.arange(height)[:, None], places[1] - np.arange(width)
    first = [math.floor(way.min()) for way in away]
    more = [math.floor(way.max()) - least for way, least in zip(away, first, strict=True)]
    if sum(more) > MOST_STEPS:
        return None
    down, across = (
        _weights((way - least).astype(np.float32), further, order)
        for way, least, further in zip(away, first, more, strict=True)
    )
    top, left = (beyond + least - order // 2 for beyond, least in zip(spare, first, strict=True))
    total = np.zeros((height, width), dtype=np.float32)
    row, part = np.empty((2, height, width), dtype=np.float32)
    for i, weight in enumerate(down):
        strip = wide[top + i : top + i + height]
        np.multiply(across[0], strip[:, left : left + width], out=row)
        for j in range(1, len(across)):
            np.multiply(across[j], strip[:, left + j : left + j + width], out=part)
            row += part
        row *= weight
        total += row
    return total


def _weights(beyond: Image, more: int, order: Order) -> Image:
    """The weight of each pixel along one axis, (order + 1 + more, height, width).

    ``beyond`` is how far each place lies beyond the first pixel that is the last one before a place; as
    many ``more`` are such.
    """
    if more:
        step = np.floor(beyond)
        beyond = beyond - step
    powers = np.empty((order + 1, *beyond.shape), dtype=np.float32)
    powers[0] = 1.0
    for i in range(order):
        np.multiply(powers[i], beyond, out=powers[i + 1])
    own = (_pieces(order) @ powers.reshape(order + 1, -1)).reshape(powers.shape)
    if more == 0:
        return own
    weights = np.zeros((order + 1 + more, *beyond.shape), dtype=np.float32)
    for i in range(more + 1):
        weights[i : i + order + 1] += own * (step == i)
    return weights


@lru_cache(maxsize=2)
def _pieces(order: Order) -> Image:
    """The polynomials that a B-spline is made of, [pixel, power of the way beyond the one before the place].

    They are sums of truncated powers (Unser 1999, IEEE Signal Processing Magazine 16, 22, eq. 3).
    """
    pieces = np.zeros((order + 1, order + 1))
    for pixel in range(order + 1):
        for k in range(order + 1 - pixel):
            shift = float(order - pixel - k)
            pieces[pixel] += (-1) ** k * comb(order + 1, k) * polypow([shift, 1.0], order)
    return np.asarray(pieces / factorial(order), dtype=np.float32)
