r"""What bright stars leave of themselves in a difference, as a variance.

A star of flux F whose PSF is wrong by :math:`\Delta P` leaves :math:`F\, (\Delta P * k)` in the matched
filter with kernel k. How large that is, the calibrating stars of the very pair show: constant stars leave
nothing else, whatever stands beside them. What they scatter by beyond the noise that is known, ring by
ring and relative to their flux, is what every star of the field must be expected to leave. It is one
function of the distance from a star, a robust mean square over all of them, in which a star counts the more
the less its own noise hides: no star, variable or not, is judged by itself. Its size follows what the fits of
the PSFs say of their own errors at each place: toward the edges and in the corners of a field, where stars
tie a PSF down from one side alone, they are several times as large as in its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import MaskPlane
from pipeline.frame import Image, MaskImage
from pipeline.neighbourhood import blurred, grown
from pipeline.quantile import quantile
from pipeline.stellar.profile import WING_PRIOR
from pipeline.subtraction.scatter import FEWEST, excess
from pipeline.subtraction.tiles import stamp_of

Array = NDArray[np.float64]

REACH_PX = 40
WINGS_FWHM = 1.8  # from the centre: farther out the PSF is little but its profile
BRIGHT = 60.0  # flux errors of the sky, that a star must have to show anything
MOST_STARS = 100  # the brightest
MATTERS = 0.3  # of the flux error on the sky: smaller errors change nothing
# Rings are so wide, or this part of their radius: what is left varies no quicker, and each then tells.
RING_FWHM, RING_SHARE = 0.4, 0.15
# A square counts to so many times its expectation. In the middle some of the stars themselves have changed;
# farther out only few leave most, for aberrations cast light to one side.
MIDDLE_FWHM = 1.25
BOUND_MIDDLE, BOUND_BEYOND = 2.5, 9.0
LEAST = 1e-14
FARTHEST = 3  # rings
MOST_FOLLOWED = 0.6  # of the variance beside a star: its places take 0.37 of that by white noise

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
    astray: Array  # what the map adds to the variance of the place of each, an axis, in square pixels
    fwhm: float  # of the wider PSF

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> StarLight:
        """Some of them."""
        return StarLight(
            self.x[chosen],
            self.y[chosen],
            self.flux[chosen],
            self.whole[chosen],
            self.doubt[chosen],
            self.astray[chosen],
            self.fwhm,
        )


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
    edges = _rings(stars.fwhm)
    squares = _around(np.square(flux), mask, seen, edges)
    noise = _around(np.square(flux_err), mask, seen, edges)
    first = _profile(squares, noise, edges)
    # What the neighbours leave there is no more their own than the noise.
    extra = _around(_variance(flux.shape, stars, first, flux_err), mask, seen, edges)
    radius = 0.5 * (edges[1:] + edges[:-1])
    own = np.interp(radius, np.arange(REACH_PX + 1), first)
    for i, more in enumerate(extra):
        noise[i] = noise[i] + np.maximum(more - own[i], 0.0)
    return _profile(squares, noise, edges)


def _profile(squares: list[Array], noise: list[Array], edges: Array) -> Array:
    """What is left at each whole radius, from squares and their noise, (stars, pixels) of each ring."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    middle[0] = 0.0
    left = np.array(
        [
            excess(seen, known, BOUND_MIDDLE if seen.shape[1] > 1 else BOUND_BEYOND)
            for seen, known in zip(squares, noise, strict=True)
        ]
    )
    # What does not fall off with the star is none of its light.
    left = np.maximum(left - np.median(left[-FARTHEST:]), LEAST)
    return np.asarray(np.exp(np.interp(np.arange(REACH_PX + 1), middle, np.log(left))))


def _rings(fwhm: float) -> Array:
    """The radii that part the surroundings of a star."""
    edges = [0.0, max(1.0, RING_FWHM * fwhm)]
    while edges[-1] < REACH_PX:
        edges.append(edges[-1] + max(1.0, RING_FWHM * fwhm, RING_SHARE * edges[-1]))
    return np.array([*edges[:-1], REACH_PX])


def _around(image: Image, mask: MaskImage, stars: StarLight, edges: Array) -> list[Array]:
    """What is around each star, in units of its doubted light squared, ring by ring, NaN if unknown.

    Of the middle all pixels, (stars, pixels), beyond the mean over the ring, (stars, 1).
    """
    offset = np.arange(-REACH_PX, REACH_PX + 1)
    ring = np.digitize(np.hypot(offset[:, None], offset[None, :]), edges) - 1
    count = len(edges) - 1
    ring[ring > count] = count  # the corners, which are left out
    centres = 0.5 * (edges[1:] + edges[:-1])
    whole = int(np.count_nonzero(centres < MIDDLE_FWHM * stars.fwhm))
    height, width = image.shape
    found = [
        np.full((len(stars.x), np.count_nonzero(ring == i) if i < whole else 1), np.nan) for i in range(count)
    ]
    for i, (x, y, error) in enumerate(zip(stars.x, stars.y, stars.flux * stars.doubt, strict=True)):
        top, left = round(y) - REACH_PX, round(x) - REACH_PX
        bottom, right = min(height - top, len(offset)), min(width - left, len(offset))
        own = np.s_[max(-top, 0) : bottom, max(-left, 0) : right]
        part = np.s_[max(top, 0) : top + bottom, max(left, 0) : left + right]
        stamp = np.full(ring.shape, np.nan)
        stamp[own] = np.where(mask[part] == 0, image[part], np.nan)
        stamp /= error**2
        known = np.isfinite(stamp)
        label = ring[known]
        pixels = np.bincount(label, minlength=count + 1)[:count]
        sums = np.bincount(label, stamp[known], minlength=count + 1)[:count]
        for k, values in enumerate(found):
            if k < whole:
                values[i] = stamp[ring == k]
            elif pixels[k]:
                values[i] = sums[k] / pixels[k]
    return found


def shift_error(response: Image) -> Array:
    """What a shift by a pixel an axis leaves of a star, relative and squared, (REACH_PX + 1,).

    Parameters
    ----------
    response : (height, width) float32
        What the matched filter makes of a star of unit flux, around index 0, 0.
    """
    stamp = stamp_of(response, 2 * REACH_PX + 1).astype(np.float64)
    down, across = np.gradient(stamp, axis=0), np.gradient(stamp, axis=1)
    return _ring_means(np.asarray(down**2 + across**2))


def wing_error(response: Image, fwhm: float) -> Array:
    """What the wings of a star may leave, relative and squared, at each whole radius, (REACH_PX + 1,).

    Far from a star the PSF is a profile that goes on as turbulence makes it go on, within `WING_PRIOR` where
    that begins and in proportion to the radius beyond: its slope is what is least known.

    Parameters
    ----------
    response : (height, width) float32
        What the matched filter makes of a star of unit flux, around index 0, 0.
    fwhm : float
        Of the wider PSF.
    """
    profile = _ring_means(stamp_of(response, 2 * REACH_PX + 1))
    radius = np.arange(REACH_PX + 1) / (WINGS_FWHM * fwhm)
    share = np.where(radius >= 1.0, WING_PRIOR * radius, 0.0)
    return np.asarray((share * profile) ** 2)


def _ring_means(stamp: NDArray[Any]) -> Array:
    """The mean at each whole radius from the middle, (REACH_PX + 1,)."""
    offset = np.arange(-REACH_PX, REACH_PX + 1)
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int).ravel()
    means = np.bincount(ring, stamp.ravel()) / np.bincount(ring)
    return np.asarray(means[: REACH_PX + 1])


def add_astray(flux_err: Image, stars: StarLight, shifts: Array) -> None:
    """Add what the map misplaces of stars to the error of the flux at each pixel, in place.

    Where it follows the noise of a star, so much is taken off.

    Parameters
    ----------
    flux_err : (height, width) float32
    stars : StarLight
    shifts : (radii,) float64
        From `shift_error`.
    """
    add_left_over(flux_err, replace(stars, doubt=np.sqrt(np.maximum(stars.astray, 0.0))), shifts)
    followed = replace(stars, doubt=np.sqrt(np.maximum(-stars.astray, 0.0)))
    less = _variance(flux_err.shape, followed, shifts, flux_err)
    touched = less > 0
    variance = np.square(flux_err[touched])
    flux_err[touched] = np.sqrt(variance - np.minimum(less[touched], np.float32(MOST_FOLLOWED) * variance))


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
    extra = _variance(flux_err.shape, stars, profile, flux_err)
    touched = extra > 0
    extra += np.square(flux_err)
    np.sqrt(extra, out=flux_err, where=touched)


def _variance(shape: tuple[int, ...], stars: StarLight, profile: Array, flux_err: Image) -> Image:
    """The variance of what stars may leave, at each pixel."""
    reach = len(profile) - 1
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(offset[:, None], offset[None, :])
    stamp = np.interp(distance, np.arange(reach + 1), profile, right=0.0).astype(np.float32)
    height, width = shape
    extra = np.zeros((height + 2 * reach, width + 2 * reach), dtype=np.float32)
    least = (MATTERS * sky_error(flux_err)) ** 2 / max(float(profile.max(initial=0.0)), 1e-30)
    loud = (stars.flux * stars.doubt) ** 2 > least
    bright = stars.take((stars.flux > 0) & loud & _inside(stars, (height, width)))
    for x, y, error in zip(bright.x, bright.y, bright.flux * bright.doubt, strict=True):
        row, column = round(y), round(x)
        part = extra[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        part += np.float32(error**2) * stamp
    return extra[reach : reach + height, reach : reach + width]


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
