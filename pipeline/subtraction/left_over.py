r"""What bright stars leave of themselves in a difference, as a variance.

A star of flux F whose PSF is wrong by :math:`\Delta P` leaves :math:`F\, (\Delta P * k)` in the matched
filter with kernel k. How large that is, the calibrating stars of the very pair show: constant stars leave
nothing else, whatever stands beside them. What they scatter by beyond the noise that is known, ring by
ring and relative to their flux, is what every star of the field must be expected to leave. It is one
function of the distance from a star, taken by a quantile over all of them: no star, variable or not, is
judged by itself. Its size follows what the fits of the PSFs say of their own errors at each place: toward the
edges and in the corners of a field, where stars tie a PSF down from one side alone, they are several times as
large as in its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import MaskPlane
from pipeline.frame import Image, MaskImage
from pipeline.neighbourhood import blurred, grown
from pipeline.quantile import quantile
from pipeline.stellar.profile import WING_PRIOR
from pipeline.subtraction.tiles import stamp_of

Array = NDArray[np.float64]

REACH_PX = 40
WINGS_FWHM = 2.5  # from the centre: farther out the PSF is its profile
BRIGHT = 60.0  # flux errors of the sky, that a star must have to show anything
MOST_STARS = 50  # the brightest
FEWEST = 12
MATTERS = 0.3  # of the flux error on the sky: smaller errors change nothing
# Stars leave unlike amounts, even for what is known of the PSF at each: the larger quarter decides.
QUANTILE, NORMAL_QUANTILE = 0.75, 1.3233  # of the square of a normal deviate

# Of a star that is cut by an edge, the light beyond is not known; what that leaves in the flux is about this
# part of the light along the edge, spread over a FWHM.
UNSEEN = 0.4


@dataclass(frozen=True, slots=True)
class StarLight:
    """Stars of a field: places on the reference's grid, fluxes in its electrons, which are measured ones."""

    x: Array
    y: Array
    flux: Array
    whole: NDArray[np.bool_]  # neither saturated nor masked
    doubt: Array  # how far the PSFs may be off at each, in any unit

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> StarLight:
        """Some of them."""
        return StarLight(*(getattr(self, name)[chosen] for name in StarLight.__slots__))


def left_over(flux: Image, flux_err: Image, mask: MaskImage, stars: StarLight) -> Array | None:
    """The relative error that stars leave, in units of their ``doubt``, squared, at each whole radius.

    Parameters
    ----------
    flux, flux_err : (height, width) float32
        The flux of a point source at each pixel, and its error so far.
    mask : (height, width) uint16
    stars : StarLight

    Returns
    -------
    (REACH_PX + 1,) float64 or None
        None where too few stars tell.
    """
    bright = stars.flux > BRIGHT * sky_error(flux_err)
    chosen = np.flatnonzero(stars.whole & bright & _inside(stars, flux.shape))
    chosen = chosen[np.argsort(-stars.flux[chosen], kind="stable")[:MOST_STARS]]
    if len(chosen) < FEWEST:
        return None
    seen = stars.take(chosen)
    offset = np.arange(-REACH_PX, REACH_PX + 1)
    rows = np.rint(seen.y).astype(int)[:, None, None] + offset[:, None]
    columns = np.rint(seen.x).astype(int)[:, None, None] + offset
    height, width = flux.shape
    known = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    at = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    known &= mask[at] == 0
    scale = (seen.flux * seen.doubt)[:, None, None] ** 2
    squares = np.where(known, flux[at].astype(np.float64) ** 2 / scale, np.nan)
    noise = np.where(known, flux_err[at].astype(np.float64) ** 2 / scale, np.nan)
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int)
    excess = np.array([_excess(squares[:, ring == r], noise[:, ring == r]) for r in range(REACH_PX + 1)])
    # What does not fall off with the star is none of its light.
    return np.asarray(np.maximum(excess - np.median(excess[-REACH_PX // 4 :]), 0.0))


def wing_error(response: Image, fwhm: float) -> Array:
    """What the wings of a star may leave, relative and squared, at each whole radius, (REACH_PX + 1,).

    Far from a star the PSF is a profile that goes on as turbulence makes it go on, within `WING_PRIOR`.

    Parameters
    ----------
    response : (height, width) float32
        What the matched filter makes of a star of unit flux, around index 0, 0.
    fwhm : float
        Of the wider PSF.
    """
    offset = np.arange(-REACH_PX, REACH_PX + 1)
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int)
    stamp = stamp_of(response, 2 * REACH_PX + 1)
    profile = np.bincount(ring.ravel(), stamp.ravel()) / np.bincount(ring.ravel())
    profile = profile[: REACH_PX + 1]
    profile[: int(np.ceil(WINGS_FWHM * fwhm))] = 0.0
    return np.asarray((WING_PRIOR * profile) ** 2)


def add_left_over(flux_err: Image, stars: StarLight, profile: Array) -> None:
    """Add what stars may leave to the error of the flux at each pixel, in place.

    Parameters
    ----------
    flux_err : (height, width) float32
    stars : StarLight
        All that are bright, saturated ones too.
    profile : (radii,) float64
        From `left_over`.
    """
    reach = len(profile) - 1
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    shape = np.interp(distance, np.arange(reach + 1), profile, right=0.0).astype(np.float32)
    height, width = flux_err.shape
    extra = np.zeros((height + 2 * reach, width + 2 * reach), dtype=np.float32)
    least = (MATTERS * sky_error(flux_err)) ** 2 / max(float(profile.max(initial=0.0)), 1e-30)
    loud = (stars.flux * stars.doubt) ** 2 > least
    bright = stars.take((stars.flux > 0) & loud & _inside(stars, flux_err.shape))
    for x, y, error in zip(bright.x, bright.y, bright.flux * bright.doubt, strict=True):
        row, column = round(y), round(x)
        part = extra[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        part += np.float32(error**2) * shape
    inner = extra[reach : reach + height, reach : reach + width]
    touched = inner > 0
    inner += np.square(flux_err)
    np.sqrt(inner, out=flux_err, where=touched)


def add_unseen(flux_err: Image, light: Image, mask: MaskImage, fwhm: float) -> None:
    """Add what stars cut by the edge may leave beside it to the error of the flux at each pixel, in place.

    Parameters
    ----------
    flux_err, light : (height, width) float32
        ``light`` above the sky.
    mask : (height, width) uint16
        Of both frames; what is masked as `EDGE` in it, or not in it at all, is not known.
    fwhm : float
        Of the wider PSF.
    """
    beyond = np.pad((mask & np.uint16(MaskPlane.EDGE)) != 0, 1, constant_values=True)
    border = (grown(beyond, 1) & ~beyond)[1:-1, 1:-1]
    area = np.pi * fwhm**2 / (2.0 * np.log(2.0))  # pixels' noise in a fit of a Gaussian PSF
    least = MATTERS * sky_error(flux_err) / (UNSEEN * area)
    cut = np.where(border & (light > least), light, np.float32(0.0))
    if not cut.any():
        return
    extra = blurred(cut, fwhm) * np.float32(UNSEEN * area)
    touched = extra > 0
    flux_err[touched] = np.hypot(flux_err[touched], extra[touched])


def sky_error(flux_err: Image) -> float:
    """The flux error on empty sky, nearly."""
    return quantile(flux_err[::8, ::8].ravel(), 0.4)


def _inside(stars: StarLight, shape: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = shape
    inside = (stars.x > -0.5) & (stars.y > -0.5) & (stars.x < width - 0.5) & (stars.y < height - 0.5)
    return np.asarray(inside)


def _excess(squares: Array, noise: Array) -> float:
    """The variance that squares show beyond that of their noise, by a quantile and bisection."""
    known = np.isfinite(squares)
    if known.sum() < FEWEST:
        return 0.0
    squares, noise = squares[known], noise[known]

    def too_small(extra: float) -> bool:
        return quantile(squares / (noise + extra + 1e-300), QUANTILE) > NORMAL_QUANTILE

    if not too_small(0.0):
        return 0.0
    low, high = 0.0, float(squares.max())
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return high
