r"""What a tile's filters make of it: difference, flux of a point source at each pixel, and its error.

With S the matched filter and :math:`k_n, k_r` its parts, :math:`S = k_n * N - k_r * R`, its variance is
(Zackay, Ofek & Gal-Yam 2016, eqs 25 to 33)

.. math::
    V = V(N) * k_n^2 + V(R) * k_r^2 + V_{registration} + V_{flux}

where V(N) and V(R) are the variances of all pixels, sources included. The registration term is
:math:`rms^2 \nabla(k_n * N) \cdot \nabla(k_r * R)`, negative products as 0: a shift leaves a residual only
where both images have light, and the product's noise averages to nothing on empty sky. V_flux, likewise,
is the measured scatter of the flux ratio squared times both filtered images, and times the square of their
difference: the flux of what changed is known no better than those of the stars.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.frame import Image
from pipeline.subtraction.arrays import Arrays, Spectrum, Values
from pipeline.subtraction.filters import Filters, squared
from pipeline.subtraction.match import Match
from pipeline.subtraction.tiles import Tile

MAX_FLUX_SCATTER = 0.05  # more is not a property of single stars


@dataclass(frozen=True, slots=True)
class Side:
    """One image of a tile, transformed: its light, its variance, its PSF, and its background noise."""

    light: Spectrum
    variance: Spectrum
    psf: Spectrum
    sigma: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One tile's results, of the pixels that it answers for, in reference electrons."""

    data: Image
    flux: Image
    flux_err: Image


def measure(made: Filters, new: Side, reference: Side, tile: Tile, matched: Match, xp: Arrays) -> Measured:
    """Apply a tile's filters and give every pixel its variance."""
    shape, inside = tile.shape, tile.inside
    variance = squared(made.match, made.of_new, shape, xp)
    variance *= new.variance
    variance += squared(made.match, made.of_ref, shape, xp) * reference.variance
    variance = xp.irfft2(variance, shape)[inside]
    least = float(variance[::8, ::8].mean()) * 1e-6  # rounding may leave less than nothing
    variance = xp.at_least(variance, max(least, 1e-30))

    ours = made.of_new * new.light
    theirs = made.of_ref * reference.light
    difference = ours - theirs
    if made.whiten is not None:
        difference *= made.whiten
    data = xp.irfft2(difference, shape)[inside]
    ours *= made.match
    theirs *= made.match
    ours, theirs = xp.irfft2(ours, shape), xp.irfft2(theirs, shape)
    if matched.rms_px > 0:
        product = slope(ours, inside, 0)
        product *= slope(theirs, inside, 0)
        variance += xp.at_least(product, 0.0) * matched.rms_px**2
        product = slope(ours, inside, 1)
        product *= slope(theirs, inside, 1)
        variance += xp.at_least(product, 0.0) * matched.rms_px**2
    ours, theirs = ours[inside], theirs[inside]
    scatter = min(matched.gain_scatter, MAX_FLUX_SCATTER)
    flux = ours - theirs
    if scatter > 0:
        variance += (xp.at_least(ours * theirs, 0.0) + flux * flux) * scatter**2
    error = xp.sqrt(variance)
    error *= 1.0 / made.flux_norm
    flux *= 1.0 / made.flux_norm
    return Measured(xp.host(data), xp.host(flux), xp.host(error))


def slope(image: Values, inside: tuple[slice, slice], axis: int) -> Values:
    """The centred gradient along one axis, of a part of an image: one-sided ones lie half a pixel off."""
    before, after = list(inside), list(inside)
    before[axis] = slice(inside[axis].start - 1, inside[axis].stop - 1)
    after[axis] = slice(inside[axis].start + 1, inside[axis].stop + 1)
    gradient = image[tuple(after)] - image[tuple(before)]
    gradient *= 0.5
    return gradient
