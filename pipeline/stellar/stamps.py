"""Small square images of single stars: cut out, moved by parts of a pixel, freed of neighbours."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import sparse, special
from scipy.sparse.linalg import lsmr

from pipeline.frame import PsfModel
from pipeline.registration.pixel_map import polynomial_terms

Values = NDArray[np.float64]
Whole = NDArray[np.int64]
Stamps = NDArray[np.float32]
Pixel = TypeVar("Pixel", bound=np.generic)

SINC_LOBES = 8
KAISER_BETA = 8.0  # passes what a star of FWHM 2.5 px or more is made of to within 0.01 %


def cut(
    image: NDArray[Pixel], rows: Whole, columns: Whole, half: int, beyond: float = np.nan
) -> NDArray[Pixel]:
    """Stamps of an image around some pixels: (n, 2 half + 1, 2 half + 1), ``beyond`` outside the image."""
    size, (height, width) = 2 * half + 1, image.shape
    stamps = np.empty((len(rows), size, size), dtype=image.dtype)
    for stamp, top, left in zip(stamps, (rows - half).tolist(), (columns - half).tolist(), strict=True):
        if 0 <= top <= height - size and 0 <= left <= width - size:
            stamp[:] = image[top : top + size, left : left + size]
            continue
        part = image[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)]
        down, across = max(-top, 0), max(-left, 0)
        stamp[:] = beyond
        stamp[down : down + part.shape[0], across : across + part.shape[1]] = part
    return stamps


def shifted(stamps: NDArray[np.floating], dx: Values, dy: Values) -> Stamps:
    """Stamps moved by dx, dy pixels (less than one), interpolated by a windowed sinc.

    Parameters
    ----------
    stamps : (n, size, size) or (1, size, size)
    dx, dy : (n,)
    """
    size = stamps.shape[-1]
    down, across = np.split(_shift_matrices(np.concatenate([dy, dx]), size), 2)
    moved: Stamps = down @ stamps.astype(np.float32, copy=False) @ across.transpose(0, 2, 1)
    return moved


def _shift_matrices(shift: Values, size: int) -> Stamps:
    """Matrices (n, size, size) that move a row of pixels, with sums of 1."""
    offset = np.arange(-SINC_LOBES, SINC_LOBES + 1)
    distance = offset + shift[:, None]
    taper = np.sqrt(np.maximum(1.0 - (distance / SINC_LOBES) ** 2, 0.0))
    taps = np.where(taper > 0.0, np.sinc(distance) * special.i0(KAISER_BETA * taper), 0.0)
    # Each row of a matrix is a part of the taps between zeros, one pixel before that of the row above.
    row = np.zeros((len(shift), 2 * max(size, SINC_LOBES + 1) - 1), dtype=np.float32)
    middle = row.shape[1] // 2
    row[:, middle - SINC_LOBES : middle + SINC_LOBES + 1] = taps
    first = middle - size + 1
    windows = sliding_window_view(row[:, first : middle + size], size, axis=1)[:, ::-1]
    normalised: Stamps = windows / windows.sum(axis=2, keepdims=True)
    return normalised


def psf_stamps(model: PsfModel, x: Values, y: Values) -> Stamps:
    """The PSF at each place, centred: (n, size, size), unit sums."""
    terms = polynomial_terms(x, y, model.shape, model.degree)
    terms /= (terms @ model.basis.sum(axis=(1, 2), dtype=np.float64))[:, None]
    stamps: Stamps = np.tensordot(terms.astype(np.float32), model.basis, axes=1)
    return stamps


def placed_psfs(model: PsfModel, x: Values, y: Values) -> tuple[Stamps, Whole, Whole]:
    """The PSF of each star as it falls on the pixels, and the row and column of its stamp's centre."""
    rows, columns = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    return shifted(psf_stamps(model, x, y), x - columns, y - rows), rows, columns


def star_model(
    shape: tuple[int, int], stamps: Stamps, rows: Whole, columns: Whole, flux: Values
) -> NDArray[np.float32]:
    """The light of all stars in an image."""
    half = stamps.shape[-1] // 2
    padded = np.zeros((shape[0] + 4 * half, shape[1] + 4 * half), dtype=np.float32)
    light = flux.astype(np.float32)[:, None, None] * stamps
    for stamp, row, column in zip(light, rows, columns, strict=True):
        # A centre may lie up to half a stamp outside the image.
        padded[row + half : row + 3 * half + 1, column + half : column + 3 * half + 1] += stamp
    return padded[2 * half : 2 * half + shape[0], 2 * half : 2 * half + shape[1]]


def joint_fluxes(
    signal: NDArray[np.floating],
    weight: NDArray[np.floating],
    stamps: Stamps,
    rows: Whole,
    columns: Whole,
    core: NDArray[np.bool_],
    reach: NDArray[np.bool_],
) -> Values:
    """Fluxes of all stars at once, by least squares on the pixels of their cores.

    Parameters
    ----------
    signal, weight : (height, width)
        Light above the sky, and the inverse of its standard deviation; 0 where masked.
    stamps : (n, size, size)
        From `placed_psfs`, with `rows` and `columns`.
    core, reach : (size, size) bool
        The pixels of a stamp that are to be explained, and those on which its star may explain the
        cores of others.
    """
    height, width = signal.shape
    half = core.shape[0] // 2

    def pixels(within: NDArray[np.bool_]) -> tuple[Whole, NDArray[np.bool_]]:
        dy, dx = np.nonzero(within)
        row, column = rows[:, None] + dy - half, columns[:, None] + dx - half
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return np.where(inside, row * width + column, 0), inside

    pixel, inside = pixels(core)
    wanted = np.zeros(height * width, dtype=bool)
    wanted[pixel[inside]] = True
    used = np.flatnonzero(wanted)
    number = np.empty(height * width, dtype=np.int32)  # of each pixel that is used
    number[used] = np.arange(used.size, dtype=np.int32)
    pixel, inside = pixels(reach)
    inside &= wanted[pixel]
    pixel, count = pixel[inside], np.count_nonzero(inside, axis=1)
    flat_weight = weight.reshape(-1)
    # Double precision: the solver's own squares overflow in single.
    value = stamps[:, reach][inside].astype(np.float64) * flat_weight[pixel]
    # In units of their errors fluxes are nearly independent, and a few steps find them all.
    star = np.repeat(np.arange(len(rows)), count)
    precision = np.sqrt(np.bincount(star, value**2, minlength=len(rows)))
    precision[precision == 0.0] = 1.0
    value /= precision[star]
    matrix = sparse.csc_matrix(
        (value, number[pixel], np.r_[0, np.cumsum(count)]), shape=(used.size, len(rows))
    )
    target = (signal.reshape(-1)[used] * flat_weight[used]).astype(np.float64)
    solution = lsmr(matrix, target, atol=1e-6, btol=1e-6, maxiter=200)
    return np.asarray(solution[0] / precision)
