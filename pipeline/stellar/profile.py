r"""What a PSF is where no single pixel shows it: a smooth profile, and wings smoothed along it.

The profile is an elliptical Moffat function with a fainter one that carries the far wings (Racine 1996,
PASP 108, 699): turbulence alone gives these as :math:`r^{-11/3}`. A single Moffat function fitted to the
core falls off too quickly, and every bright star would leave a halo in a difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

Values = NDArray[np.float64]

WING_BETA = 11.0 / 6.0  # r**-11/3, of Kolmogorov turbulence
# A priori the wings are no more than about this part of the peak: a few faint stars cannot tell them from a
# core of another shape, and light that is made up far out would be missing from every flux.
WING_SHARE = 0.005
# In coarser pixels than this, interpolated, no profile follows the core, and what it misses there must not
# decide on the wings: they have about this share, and the core falls off as this power, as turbulence has it.
COARSE_FWHM = 2.2
COARSE_SHARE, COARSE_SPREAD = 0.05, 0.02
COARSE_BETA, BETA_SPREAD = 5.0, 0.7  # the spread is that of the logarithm
WING_WIDTH = 1.5  # of the wings' Moffat function, in FWHM of the core
# A priori, the PSF is its profile to within about this part of its value, pixel by pixel in the core ...
PROFILE_PRIOR = 0.2
# ... and smoothed along the wings.
WING_PRIOR = 0.1
WINGS_FROM = 1.0  # FWHM from the centre
# Gaussians that smooth the wings, and from which radius on; what is there is as large as it is far out.
SMOOTHING = ((0.6, 0.0), (0.9, 6.0), (1.3, 8.0), (1.8, 11.0), (2.5, 15.0), (3.2, 20.0))  # sigma, radius, px
FIT_TOLERANCE = 1e-4  # of chi squared, which is a few hundred
EDGE_PX = 4  # of a stamp: what lies there tells how the profile goes on


@dataclass(frozen=True, slots=True)
class Profile:
    """A fitted profile.

    ``light`` is (size, size), positive; ``sky`` what lay under it.
    """

    light: Values
    sky: float
    parameters: Values

    def widened(self, stamp: Values, half: int) -> Values:
        """A stamp of the PSF continued by the profile to a larger half width."""
        edge = stamp.shape[0] // 2
        ring = np.hypot(*offsets(edge)) > edge - EDGE_PX
        scale = float(stamp[ring].sum() / self.light[ring].sum())
        wide: Values = scale * _shape(offsets(half), self.parameters)
        inner = slice(half - edge, half + edge + 1)
        wide[inner, inner] = stamp
        return wide


def offsets(half: int) -> tuple[Values, Values]:
    """dx, dy of a stamp's pixels from its centre."""
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    return dx, dy


def moffat(
    places: tuple[Values, Values], fwhm: float, beta: float, e1: float = 0.0, e2: float = 0.0
) -> Values:
    """An elliptical Moffat function, 1 at its peak."""
    dx, dy = places
    alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
    square = dx * dx * (1.0 + e1) + dy * dy * (1.0 - e1) + 2.0 * e2 * dx * dy
    profile: Values = (1.0 + np.maximum(square, 0.0) / alpha**2) ** -beta
    return profile


def _shape(places: tuple[Values, Values], parameters: Values) -> Values:
    """Core and wings; parameters: logarithms of peak, FWHM and beta, ellipticities, the wings' share."""
    peak, fwhm, beta = np.exp(parameters[:3])
    e1, e2, wing = parameters[3:6]
    core = moffat(places, fwhm, beta, e1, e2)
    far = moffat(places, WING_WIDTH * fwhm, WING_BETA, e1, e2)
    return np.asarray(peak * ((1.0 - wing) * core + wing * far))


def _slopes(places: tuple[Values, Values], parameters: Values) -> Values:
    """The derivatives of the same along each of its parameters, (6, size, size)."""
    dx, dy = places
    peak, fwhm, beta = np.exp(parameters[:3])
    e1, e2, wing = parameters[3:6]
    squares = np.stack([dx * dx - dy * dy, 2.0 * dx * dy])
    square = np.maximum(dx * dx + dy * dy + e1 * squares[0] + e2 * squares[1], 0.0)
    slopes = np.zeros((6, *square.shape))
    lights = []
    parts = (1.0 - wing, fwhm, beta, True), (wing, WING_WIDTH * fwhm, WING_BETA, False)
    for share, width, power, free in parts:
        spread = 2.0 ** (1.0 / power) - 1.0  # width**2 / 4 alpha**2
        over = 4.0 * spread / width**2
        base = 1.0 + over * square
        logarithm = np.log(base)
        light = np.exp(-power * logarithm)
        lights.append(light)
        steep = peak * share * power * light / base  # down, along the base
        slopes[1] += 2.0 * (base - 1.0) * steep
        slopes[3:5] -= over * squares * steep
        if free:
            slopes[2] = math.log(2.0) / power * (1.0 + 1.0 / spread) * (base - 1.0) * steep
            slopes[2] -= peak * share * power * logarithm * light
        slopes[0] += peak * share * light
    slopes[5] = peak * (lights[1] - lights[0])
    return slopes


def fit_profile(stack: Values, error: Values, fwhm: float, sky_error: float) -> Profile:
    """The profile that follows a stack from core to wings.

    The fit allows for 10 % of the profile itself, so that the wings, with their many pixels,
    count as much as the core, which is seen well without a profile.

    Parameters
    ----------
    stack, error : (size, size) float64
        A PSF pixel by pixel, and how well each is known.
    fwhm : float
        About, in pixels.
    sky_error : float
        How much sky may be left in the stack, per pixel, in its unit.
    """
    half = stack.shape[0] // 2
    places = offsets(half)
    peak = float(max(stack.max(), 1e-9))
    start = np.array([np.log(peak), np.log(fwhm), np.log(4.0), 0.0, 0.0, 0.05, 0.0])
    sigma = np.sqrt(error**2 + (0.1 * np.maximum(_shape(places, start), 0.0)) ** 2)

    def residual(parameters: Values) -> Values:
        misfit = (stack - _shape(places, parameters) - parameters[6] * sky_error) / sigma
        share, beta = parameters[5] / WING_SHARE, 0.0
        if fwhm < COARSE_FWHM:
            share = (parameters[5] - COARSE_SHARE) / COARSE_SPREAD
            beta = (parameters[2] - math.log(COARSE_BETA)) / BETA_SPREAD
        return np.append(misfit.reshape(-1), [share, beta, parameters[6]])

    def slopes(parameters: Values) -> Values:
        of_misfit = -(_slopes(places, parameters) / sigma).reshape(6, -1)
        told = np.zeros((3, 7))
        told[0, 5] = 1.0 / (COARSE_SPREAD if fwhm < COARSE_FWHM else WING_SHARE)
        told[1, 2] = 1.0 / BETA_SPREAD if fwhm < COARSE_FWHM else 0.0
        told[2, 6] = 1.0
        return np.vstack([np.vstack([of_misfit, -(sky_error / sigma).reshape(1, -1)]).T, told])

    low = [np.log(peak) - 1.0, np.log(fwhm) - 0.7, np.log(1.3), -0.7, -0.7, 0.0, -10.0]
    high = [np.log(peak) + 1.0, np.log(fwhm) + 0.7, np.log(20.0), 0.7, 0.7, 0.5, 10.0]
    best = optimize.least_squares(
        residual, start, slopes, bounds=(low, high), x_scale=[1, 1, 1, 1, 1, 0.1, 1], ftol=FIT_TOLERANCE
    )
    light = _shape(places, best.x)
    return Profile(light, float(best.x[6] * sky_error), best.x)


def settled_centre(stack: Values, error: Values, profile: Values, fwhm: float) -> Values:
    """A stack where it is known better than its profile, and the profile where it is not.

    In the wings it is compared with the profile not pixel by pixel but in averages along them.
    """
    pixel = _pulled(stack / profile - 1.0, error / profile, PROFILE_PRIOR)
    wings = _smoothed(stack / profile - 1.0, error / profile, WING_PRIOR)
    return np.asarray(profile * (1.0 + _joined(pixel, wings, fwhm)))


def settled_terms(terms: Values, errors: Values, profile: Values, fwhm: float, prior: float) -> Values:
    """The same of the terms of the PSF's variation, (n, size, size).

    A priori they are 0 to within ``prior`` of the profile.
    """
    wings = _smoothed(terms / profile, errors / profile, prior)
    return np.asarray(profile * _joined(terms / profile, wings, fwhm))


def _pulled(ratio: Values, error: Values, prior: float) -> Values:
    """A value drawn towards 0 by what is known beforehand."""
    return np.asarray(ratio * prior**2 / (prior**2 + error**2))


def _smoothed(ratio: Values, error: Values, prior: float) -> Values:
    """Averages over wider and wider surroundings, each drawn towards 0 as far as it is uncertain.

    The averages are plain ones: weighted by their errors they would follow the brighter, inner pixels.
    """
    half = ratio.shape[-1] // 2
    radius = np.hypot(*offsets(half))
    out = np.zeros_like(ratio)
    for i, (sigma, start) in enumerate(SMOOTHING):
        if start > radius[0, 0]:
            break
        # Up to where the next one begins.
        stop = half if i + 1 == len(SMOOTHING) else min(half, int(SMOOTHING[i + 1][1]))
        inner = slice(half - stop, half + stop + 1)
        rows, halved = (_window(2 * half + 1, width)[inner] for width in (sigma, sigma / math.sqrt(2.0)))
        mean = rows @ ratio @ rows.T
        pixels = 4.0 * np.pi * sigma**2  # that such a Gaussian averages
        spread = halved @ error**2 @ halved.T / pixels
        part = out[..., inner, inner]
        np.copyto(part, mean * prior**2 / (prior**2 + spread), where=radius[inner, inner] >= start)
    return out


@lru_cache(maxsize=64)
def _window(size: int, sigma: float) -> Values:
    """The matrix (size, size) that blurs a row of pixels by a Gaussian, the outermost repeated beyond."""
    return np.asarray(ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode="nearest"))


def _joined(inner: Values, outer: Values, fwhm: float) -> Values:
    """One in the core and the other in the wings, faded into each other over one FWHM."""
    radius = np.hypot(*offsets(inner.shape[-1] // 2))
    share = np.clip((radius - WINGS_FROM * fwhm) / fwhm, 0.0, 1.0)
    return np.asarray((1.0 - share) * inner + share * outer)
