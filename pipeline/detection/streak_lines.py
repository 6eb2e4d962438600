"""Lines along which the light adds up to more than chance allows, however faint each pixel of them is.

The sums of an image along all its lines are taken by the fast Radon transform (Brandt and Dym 1999, SIAM J.
Appl. Math. 60, 211; for streaks Nir, Zackay and Ofek 2018, AJ 156, 229): the sum of a long line is that of
two half as long, and so the shorter ones come for nothing. The image is the score, which is matched to the
PSF already; summed along a line it is matched to the streak.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detection.unet_objects import StreakObject
from pipeline.quantile import MAD_TO_SIGMA

Array = NDArray[np.float64]
Image = NDArray[np.float32]

CLIP_SIGMA = 2.5  # one star counts no more than this
GROUND_FWHM = 16.0  # over squares of this side the image is levelled
BIN_FWHM = 0.8  # pixels are summed to squares of about this side
LEVELS = range(3, 8)  # lines over 8, 16, 32, 64 and 128 of them
LEAST_SIGMA = 5.5  # of a line among all others of its length
MOST = 40  # lines of a frame that are looked at
TRIED = 400
BESIDE_FWHM, BEYOND = 2.0, 0.5  # around a line, and beyond its ends in its length, its light is its own
SHIFTS = np.arange(-1, 2)


class _Line(NamedTuple):
    sigma: float  # its sum in `noise`
    noise: float
    begin: tuple[float, float]  # row and column
    end: tuple[float, float]


def lit_lines(score: Image, masked: NDArray[np.bool_], fwhm: float) -> list[StreakObject]:
    """Lines of more light than chance gives, the most significant first.

    Parameters
    ----------
    score : (height, width) float32
        Significance of a point source.
    masked : (height, width) bool
    fwhm : float
        Pixels.

    Returns
    -------
    list of StreakObject
        Of evidence 0. Where a streak begins and ends they tell no better than by a factor of two.
    """
    step = max(1, round(BIN_FWHM * fwhm))
    if min(score.shape) < step * 2 ** LEVELS[0]:
        return []
    image = _binned(np.where(masked, 0.0, score.clip(-CLIP_SIGMA, CLIP_SIGMA)), step)
    image -= ndimage.uniform_filter(image, max(3, round(GROUND_FWHM * fwhm / step)), mode="nearest")
    image[_binned(masked, step) > 0.0] = 0.0
    found: list[StreakObject] = []
    for line in sorted(_lines(image), reverse=True)[:TRIED]:
        if _sum(image, line) > LEAST_SIGMA * line.noise:
            _take(image, line, BESIDE_FWHM * fwhm / step)
            rows, columns = ((at + 0.5) * step - 0.5 for at in _within(image, *_along(line, 0.0)))
            if len(rows) < 2:  # it only touches the border
                continue
            x, y, x_end, y_end = (float(at) for at in (columns[0], rows[0], columns[-1], rows[-1]))
            found.append(StreakObject(x, y, x_end, y_end, 0.0))
            if len(found) == MOST:
                break
    return found


def _binned(image: NDArray[np.generic], step: int) -> Image:
    height, width = (side - side % step for side in image.shape)
    squares = image[:height, :width].reshape(height // step, step, width // step, step)
    binned: Image = squares.sum(axis=(1, 3), dtype=np.float32) / np.float32(step)
    return binned


def _lines(image: Image) -> Iterator[_Line]:
    """Lines nearer the columns and nearer the rows, leaning to either side."""
    for transposed, mirrored in product((False, True), repeat=2):
        upright = image.T if transposed else image
        seen = np.ascontiguousarray(upright[:, ::-1] if mirrored else upright)
        last = seen.shape[1] - 1.0
        for line in _leaning(seen):
            ends = [(row, last - column if mirrored else column) for row, column in (line.begin, line.end)]
            begin, end = ((column, row) if transposed else (row, column) for row, column in ends)
            yield line._replace(begin=begin, end=end)


def _leaning(image: Image) -> Iterator[_Line]:
    """Lines that lean towards higher columns, the best of each square."""
    size = 2 ** LEVELS[-1]
    height, width = image.shape
    rows = -(-height // size) * size
    columns = -(-width // size) * size + 2 * size
    sums = np.zeros((rows, 1, columns), dtype=np.float32)  # of block, lean and column where it begins
    sums[:height, 0, size : size + width] = image
    noise = np.inf
    for level in range(1, LEVELS[-1] + 1):
        lower, upper = sums[0::2], sums[1::2]
        between = _joined(sums[1:-1:2], sums[2::2]) if level in LEVELS and len(sums) > 2 else None
        sums = _joined(lower, upper)
        if level in LEVELS:
            # Of lines wholly within the image: others are of fewer pixels.
            high = 2**level
            noise = _spread(
                sums[: height // high, :, size : size + max(width - high, 0)], np.sqrt(2.0) * noise
            )
            yield from _best(sums, noise, 0, level, size)
            if between is not None:
                yield from _best(between, noise, 2 ** (level - 1), level, size)


def _joined(lower: Image, upper: Image) -> Image:
    """Sums along lines over two blocks, of those over each: a lean is shared by both halves."""
    blocks, leans, columns = lower.shape
    joined = np.zeros((blocks, 2 * leans, columns), dtype=np.float32)
    for lean in range(2 * leans):
        shift = (lean + 1) // 2
        joined[:, lean] = lower[:, lean // 2]
        joined[:, lean, : columns - shift] += upper[:, lean // 2, shift:]
    return joined


def _spread(sums: Image, otherwise: float) -> float:
    """Robust standard deviation of the sums that hold anything."""
    some = sums[:, ::3, ::3]
    some = some[some != 0.0]
    return MAD_TO_SIGMA * float(np.median(np.abs(some))) if some.size else otherwise


def _best(sums: Image, noise: float, first: int, level: int, size: int) -> Iterator[_Line]:
    """The best line of each block and as many columns."""
    high, leans = 2**level, sums.shape[1]
    squares = sums.reshape(len(sums), leans, -1, high)
    peaks = squares.max(axis=(1, 3))
    for block, square in zip(*np.nonzero(peaks > LEAST_SIGMA * noise), strict=True):
        lean, column = np.unravel_index(int(squares[block, :, square].argmax()), (leans, high))
        row, begin = float(first + block * high), float(square * high + column - size)
        end = (row + high - 1.0, begin + float(lean))
        yield _Line(float(peaks[block, square]) / noise, noise, (row, begin), end)


def _along(line: _Line, beyond: float) -> tuple[Array, Array]:
    """Rows and columns of a line, a pixel apart, and of what lies beyond its ends in its length."""
    (row, column), (row_end, column_end) = line.begin, line.end
    count = max(abs(row_end - row), abs(column_end - column))
    share = np.arange(-beyond * count, (1.0 + beyond) * count + 0.5) / count
    return row + share * (row_end - row), column + share * (column_end - column)


def _within(image: Image, rows: Array, columns: Array) -> tuple[Array, Array]:
    """Those of some places that are within an image."""
    inside = (rows >= 0) & (rows <= image.shape[0] - 1) & (columns >= 0) & (columns <= image.shape[1] - 1)
    return rows[inside], columns[inside]


def _sum(image: Image, line: _Line) -> float:
    """Along a line, or beside it where more."""
    rows, columns = _along(line, 0.0)
    across = SHIFTS[:, None]
    steep = abs(line.end[0] - line.begin[0]) >= abs(line.end[1] - line.begin[1])
    places = (rows, columns + across) if steep else (rows + across, columns)
    rows, columns = np.broadcast_arrays(*places)
    values = ndimage.map_coordinates(image, [rows, columns], order=1, mode="constant")
    return float(values.sum(axis=1).max())


def _take(image: Image, line: _Line, aside: float) -> None:
    """Take the light on and near a line, in place."""
    rows, columns = _along(line, BEYOND)
    length = np.hypot(line.end[0] - line.begin[0], line.end[1] - line.begin[1])
    way = (line.end[0] - line.begin[0]) / length, (line.end[1] - line.begin[1]) / length
    across = np.arange(-aside, aside + 0.25, 0.5)[:, None]
    places = _within(image, (rows - across * way[1]).ravel(), (columns + across * way[0]).ravel())
    row, column = (np.rint(each).astype(int) for each in places)
    image[row, column] = 0.0
