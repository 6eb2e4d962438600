r"""What a PSF that is not known exactly leaves beside bright stars, as a variance.

A star of flux F whose PSF is wrong by :math:`\Delta P` leaves :math:`F\, (\Delta P * k)` in the matched
filter, with the filter's part k of that image. How large that is, is seen on the stars that the PSF was
measured from: their residuals are filtered with the same k, and what they scatter by beyond their own
noise, ring by ring around the star, is the error that every star of the frame must be expected to leave.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from pipeline.frame import Image, PsfMisfit, PsfModel
from pipeline.stellar.profile import WING_PRIOR
from pipeline.subtraction.tiles import centred, fast_length, stamp_of

Array = NDArray[np.float64]

BRIGHTEST = 0.3  # of the stars: the others show their noise
FEWEST = 12
MIDDLE = 0.7  # of the half width and height of a frame
MATTERS = 0.3  # of the flux error on the sky: smaller errors change nothing
WINGS_FWHM = 2.5  # from the centre: farther out the PSF is its profile, known to within `WING_PRIOR`
NORMAL_MEDIAN = 0.4549  # of the square of a normal deviate


@dataclass(frozen=True, slots=True)
class StarLight:
    """Stars that may leave something: places on the reference's grid, fluxes in its electrons."""

    x: Array
    y: Array
    flux: Array


def error_profiles(psf: PsfModel, kernel: Image) -> Array | None:
    """The relative error that a star leaves, squared, at each whole radius; none where it is unknown.

    Two of them, (2, radii): of stars in the middle of the field, and toward its edges, where a polynomial
    is tied down from one side alone.

    Parameters
    ----------
    psf : PsfModel
        With its `PsfMisfit`.
    kernel : (size, size) float32
        The part of the matched filter that this image goes through, centred, per unit of its norm: the
        filtered image is a flux.
    """
    misfit = psf.misfit
    if misfit is None or len(misfit.residual) < FEWEST:
        return None
    chosen = _brightest(misfit)
    residual, variance = misfit.residual[chosen], misfit.variance[chosen]
    outer = toward_edges(misfit.x[chosen], misfit.y[chosen], psf.shape)
    groups = [group if group.sum() >= FEWEST else outer | True for group in (~outer, outer)]
    known = np.isfinite(variance)
    size = residual.shape[-1]
    wide = fast_length(size + kernel.shape[0])
    filters = [fft.rfft2(centred(each, (wide, wide)), workers=1) for each in (kernel, np.square(kernel))]

    def filtered(stamps: Image, by: NDArray[np.complex64]) -> Image:
        whole: Image = fft.irfft2(
            fft.rfft2(stamps, s=(wide, wide), workers=1) * by, s=(wide, wide), workers=1
        )
        return whole[:, :size, :size]

    noise = filtered(np.where(known, variance, np.float32(0.0)), filters[1])
    squares = np.square(filtered(residual, filters[0]))
    half = size // 2
    offset = np.arange(size) - half
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int)
    seen = np.array(
        [
            [_excess(squares[group][:, ring == r], noise[group][:, ring == r]) for r in range(half)]
            for group in groups
        ]
    )
    # What does not fall off with the star is none of its light: sky, and neighbours too faint to be known.
    seen = np.maximum(seen - np.median(seen[:, -max(half // 4, 3) :], axis=1, keepdims=True), 0.0)
    wings = WING_PRIOR**2 * np.square(_filtered_wings(psf, kernel))
    wings[: int(np.ceil(WINGS_FWHM * psf.fwhm))] = 0.0
    profiles = np.stack([wings, wings])
    profiles[:, : min(half, len(wings))] += seen[:, : len(wings)]
    return profiles


def toward_edges(x: Array, y: Array, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether places lie in the outer part of a frame."""
    height, width = shape
    across, down = np.abs(2.0 * x / max(width - 1, 1) - 1.0), np.abs(2.0 * y / max(height - 1, 1) - 1.0)
    return np.asarray(np.maximum(across, down) > MIDDLE)


def _filtered_wings(psf: PsfModel, kernel: Image) -> Array:
    """The PSF seen through a kernel, at each whole radius."""
    stamp = psf.basis[0]
    half = stamp.shape[0] // 2
    seen = signal.fftconvolve(stamp, kernel, mode="same")
    offset = np.arange(-half, half + 1)
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int)
    sums = np.bincount(ring.ravel(), seen.ravel())[: half + 1]
    return np.asarray(sums / np.bincount(ring.ravel())[: half + 1])


def _brightest(misfit: PsfMisfit) -> NDArray[np.int64]:
    """The stars with the least noise relative to their flux."""
    noise = np.median(misfit.variance.reshape(len(misfit.variance), -1), axis=1)
    return np.argsort(noise)[: max(FEWEST, int(BRIGHTEST * len(noise)))]


def _excess(squares: Image, noise: Image) -> float:
    """The variance that squares show beyond that of their noise, by medians and bisection."""
    squares, noise = squares.ravel().astype(np.float64), noise.ravel().astype(np.float64)

    def too_small(extra: float) -> bool:
        return bool(np.median(squares / (noise + extra + 1e-300)) > NORMAL_MEDIAN)

    if not too_small(0.0):
        return 0.0
    low, high = 0.0, float(squares.max())
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return high


def add_psf_errors(flux_err: Image, stars: StarLight, profiles: Array, sky_error: float) -> None:
    """Add what stars may leave to the error of the flux at each pixel, in place.

    Parameters
    ----------
    flux_err : (height, width) float32
    stars : StarLight
    profiles : (2, radii) float64
        Of both images together, in the middle of the field and toward its edges.
    sky_error : float
        The flux error on empty sky: smaller terms are left out.
    """
    reach = profiles.shape[1]
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    shapes = [np.interp(distance, np.arange(reach), each, right=0.0).astype(np.float32) for each in profiles]
    height, width = flux_err.shape
    extra = np.zeros((height + 2 * reach, width + 2 * reach), dtype=np.float32)
    bright = stars.flux**2 * profiles.max(initial=0.0) > (MATTERS * sky_error) ** 2
    inside = (stars.x > -0.5) & (stars.y > -0.5) & (stars.x < width - 0.5) & (stars.y < height - 0.5)
    places = [each[bright & inside] for each in (stars.x, stars.y, stars.flux)]
    outer = toward_edges(places[0], places[1], flux_err.shape)
    for x, y, flux, at_edge in zip(*places, outer, strict=True):
        row, column = round(y), round(x)
        part = extra[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        part += np.float32(flux**2) * shapes[int(at_edge)]
    inner = extra[reach : reach + height, reach : reach + width]
    touched = inner > 0
    flux_err[touched] = np.sqrt(np.square(flux_err[touched]) + inner[touched])


def middle_kernel(image: Image, size: int) -> Image:
    """A kernel wrapped around index 0, 0 as a centred stamp."""
    return stamp_of(image, min(size, (min(image.shape) - 1) // 2 * 2 - 1))
