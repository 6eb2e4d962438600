"""Forced photometry: the flux of a point source at a place, detected or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Difference, Image
from pipeline.stellar.profile import COARSE_FWHM

Array = NDArray[np.float64]

# Of the Lanczos kernel, on either side. With more of them it keeps finer detail, as that of coarse pixels is.
LOBES, COARSE_LOBES = 6, 16


def forced_flux(difference: Difference, x: float, y: float) -> tuple[float, float]:
    """The PSF-fit flux at one place of a difference and its error, in the difference's flux unit.

    Both are NaN where the nearest pixel is masked or outside.

    Parameters
    ----------
    difference : Difference
    x, y : float
        0-based pixel centres on the reference's grid.
    """
    flux, flux_err = forced_fluxes(difference, np.array([x]), np.array([y]))
    return float(flux[0]), float(flux_err[0])


def forced_fluxes(difference: Difference, x: Array, y: Array) -> tuple[Array, Array]:
    """`forced_flux` of many places at once.

    Parameters
    ----------
    difference : Difference
    x, y : (n,) float64

    Returns
    -------
    flux, flux_err : (n,) float64
    """
    height, width = difference.mask.shape
    row, column = np.rint(y), np.rint(x)  # of a NaN no comparison holds
    seen = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    seen[seen] = difference.mask[row[seen].astype(int), column[seen].astype(int)] == 0
    flux, flux_err = np.full(len(x), np.nan), np.full(len(x), np.nan)
    flux[seen] = flux_at(difference, x[seen], y[seen])
    flux_err[seen] = bilinear(difference.flux_err, x[seen], y[seen])
    return flux, flux_err


def flux_at(difference: Difference, x: Array, y: Array) -> Array:
    """The flux of a point source at some places of a difference, masked or not."""
    lobes = COARSE_LOBES if difference.psf.fwhm < COARSE_FWHM else LOBES
    return interpolate(difference.flux, x, y, lobes)


def interpolate(image: Image, x: Array, y: Array, lobes: int = LOBES) -> Array:
    """A band-limited image at some places, by a Lanczos kernel; constants stay what they are.

    The flux of a matched filter has no detail finer than its PSF, so that this is exact to a few parts
    in a thousand for a PSF of 3 px. Beyond the edges the nearest pixel is repeated.
    """
    height, width = image.shape
    steps = np.arange(1 - lobes, lobes + 1)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    across = _lanczos((x - column)[:, None] - steps)
    down = _lanczos((y - row)[:, None] - steps)
    columns = np.clip(column[:, None] + steps, 0, width - 1)
    rows = np.clip(row[:, None] + steps, 0, height - 1)
    values: Array = np.einsum("nij,ni,nj->n", image[rows[:, :, None], columns[:, None, :]], down, across)
    return values


def bilinear(image: Image, x: Array, y: Array) -> Array:
    """A smooth positive image at some places: between the four pixels around each."""
    height, width = image.shape
    column = np.clip(np.floor(x).astype(int), 0, max(width - 2, 0))
    row = np.clip(np.floor(y).astype(int), 0, max(height - 2, 0))
    u, v = np.clip(x - column, 0.0, 1.0), np.clip(y - row, 0.0, 1.0)
    right, below = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    top = image[row, column] * (1.0 - u) + image[row, right] * u
    bottom = image[below, column] * (1.0 - u) + image[below, right] * u
    values: Array = top * (1.0 - v) + bottom * v
    return values


def _lanczos(distance: Array) -> Array:
    lobes = distance.shape[1] // 2
    weight = np.sinc(distance) * np.sinc(distance / lobes) * (np.abs(distance) < lobes)
    normalised: Array = weight / weight.sum(axis=1, keepdims=True)
    return normalised
