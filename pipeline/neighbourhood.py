"""What a pixel's neighbours make of it, on whole images: blurred light, grown masks, other positions.

The filters of `scipy.ndimage` take any kernel and go pixel by pixel in double precision. These few go
row by row in single precision, which takes a quarter of the time or less.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.frame import Image

Mask = NDArray[np.bool_]
Whole = NDArray[np.intp]
Pixel = TypeVar("Pixel", bound=np.generic)

STRIP_ROWS = 32  # so many rows of a common image stay in a processor's cache
BLOCK_PX = 16  # a product of matrices makes so many rows or columns at a time
TRUNCATE = 4.0  # sigma
SAMPLED_SPLINE = {3: (4 / 6, 1 / 6), 5: (66 / 120, 26 / 120, 1 / 120)}  # from the centre outwards
SPLINE_REACH = {3: 10, 5: 15}


def gaussian_taps(sigma: float, truncate: float = TRUNCATE) -> Image:
    """A Gaussian at whole pixels, of sum 1: (2 reach + 1,)."""
    reach = int(truncate * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), dtype=np.float32)


def blurred(image: Image, sigma: float, truncate: float = TRUNCATE) -> Image:
    """An image blurred by a Gaussian; mirrored at its edges, the outermost pixel twice.

    Parameters
    ----------
    image : (height, width) float32
    sigma, truncate : float
        Pixels, and how many sigma the kernel reaches.
    """
    return convolved(image, gaussian_taps(sigma, truncate))


def convolved(image: Image, taps: Image, edge: Literal["symmetric", "reflect"] = "symmetric") -> Image:
    """An image convolved with one row of numbers along both axes, strip by strip, as products of matrices.

    Parameters
    ----------
    image : (height, width) float32
        Finite.
    taps : (2 reach + 1,) float32
        Symmetric.
    edge : {"symmetric", "reflect"}
        How the image goes on beyond its edges, as `numpy.pad` calls it.
    """
    reach = len(taps) // 2
    height, width = image.shape
    mirrored, beside = (np.pad(np.arange(length), reach, mode=edge) for length in image.shape)
    blocks = -(-width // BLOCK_PX)
    down = _band(taps, BLOCK_PX)
    across = down.T
    wide = np.zeros((BLOCK_PX, blocks * BLOCK_PX + 2 * reach), dtype=np.float32)
    parts = sliding_window_view(wide, BLOCK_PX + 2 * reach, axis=1)[:, ::BLOCK_PX]
    out = np.empty((height, width), dtype=np.float32)
    for top in range(0, height, BLOCK_PX):
        rows = min(BLOCK_PX, height - top)
        above, below = top - reach, top + rows + reach
        inside = above >= 0 and below <= height
        strip = image[above:below] if inside else image[mirrored[top : top + rows + 2 * reach]]
        own = wide[:rows, reach : reach + width]
        np.matmul(down[:rows, : rows + 2 * reach], strip, out=own)
        wide[:rows, :reach] = own[:, beside[:reach]]
        wide[:rows, reach + width : width + 2 * reach] = own[:, beside[reach + width :]]
        each = parts[:rows].reshape(rows * blocks, -1) @ across
        out[top : top + rows] = each.reshape(rows, -1)[:, :width]
    return out


def _band(taps: Image, size: int) -> Image:
    """The matrix (size, size + 2 reach) that convolves as many pixels with taps."""
    band = np.zeros((size, size + len(taps) - 1), dtype=np.float32)
    for i, row in enumerate(band):
        row[i : i + len(taps)] = taps
    return band


def spline_coefficients(image: Image, order: Literal[3, 5]) -> Image:
    """The coefficients of the B-spline through an image, mirrored at its edges.

    The recursive filter of `scipy.ndimage.spline_filter` is a short kernel here, right to some
    millionths of the largest coefficient.
    """
    middle, *sides = SAMPLED_SPLINE[order]
    angle = 2.0 * np.pi * np.fft.rfftfreq(64)
    response = middle + 2.0 * sum(side * np.cos(i * angle) for i, side in enumerate(sides, start=1))
    inverse = np.fft.irfft(1.0 / response)
    reach = SPLINE_REACH[order]
    return convolved(image, inverse[np.arange(-reach, reach + 1)].astype(np.float32), "reflect")


def grown(mask: Mask, radius: int) -> Mask:
    """The mask and all within the square of ``2 radius + 1`` pixels around it."""
    out = mask
    for axis, length in enumerate(mask.shape):
        reach = min(radius, length - 1)
        spare = [(0, 0), (0, 0)]
        spare[axis] = (reach, reach)
        # Each pixel gets those after it, twice as many with each step.
        source = np.moveaxis(np.pad(out, spare), axis, 0)
        width = 1
        while width <= 2 * reach:
            step = min(width, 2 * reach + 1 - width)
            source = source[:-step] | source[step:]
            width += step
        out = np.moveaxis(source, 0, axis)
    return out


def places(mask: Mask) -> tuple[Whole, Whole]:
    """Rows and columns where a mask is true, as `numpy.nonzero`, which takes ten times as long."""
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return rows, columns


def patches(
    image: NDArray[Pixel],
    rows: Whole,
    columns: Whole,
    size: int,
    edge: Literal["reflect", "edge"] = "reflect",
) -> NDArray[Pixel]:
    """The squares of ``size`` pixels around some pixels, (n, size, size), continued beyond the edges."""
    steps = np.arange(size)
    along_y, along_x = (
        np.pad(np.arange(length), size // 2, mode=edge)[centre[:, None] + steps]
        for centre, length in ((rows, image.shape[0]), (columns, image.shape[1]))
    )
    squares: NDArray[Pixel] = image[along_y[:, :, None], along_x[:, None, :]]
    return squares
