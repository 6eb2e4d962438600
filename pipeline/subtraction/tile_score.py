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
    """One image of a tile, transformed: its light, its PSF, and its background noise.

    ``variance`` is transformed in the tile's `near`.
    """

    light: Spectrum
    variance: Spectrum
    psf: Spectrum
    sigma: float


def measure(
    made: Filters, new: Side, reference: Side, tile: Tile, matched: Match, xp: Arrays
) -> tuple[Image, Image, Image]:
    """What a tile finds at the pixels that it answers for, in reference electrons.

    Returns
    -------
    difference, flux, error : (h, w) float32
        Flux and error are those of a point source at each pixel.
    """
    shape, near = tile.shape, tile.near
    variance = squared(made.match, made.of_new, shape, near.shape, xp)
    variance *= new.variance
    other = squared(made.match, made.of_ref, shape, near.shape, xp)
    other *= reference.variance
    variance += other
    del other
    rows, columns = near.inside
    variance = xp.irfft2(variance, near.shape, rows)[:, columns]
    rows, columns = tile.inside
    alike = made.of_new * new.light, made.of_ref * reference.light
    change = alike[0] - alike[1]
    if made.whiten is not None:
        change *= made.whiten
    change = xp.irfft2(change, shape, rows)[:, columns]
    # With a pixel more on every side, for gradients.
    rows, columns = (slice(part.start - 1, part.stop + 1) for part in (rows, columns))
    ours, theirs = (xp.irfft2(spectrum * made.match, shape, rows)[:, columns] for spectrum in alike)
    del alike
    flux, error = point_source(ours, theirs, variance, made.flux_norm, matched, xp)
    return xp.host(change), xp.host(flux), xp.host(error)


def point_source(
    ours: Values, theirs: Values, variance: Values, flux_norm: float, matched: Match, xp: Arrays
) -> tuple[Values, Values]:
    """The flux of a point source at each pixel and its error.

    Parameters
    ----------
    ours, theirs : (h + 2, w + 2)
        Both parts of the matched filter, with a pixel more on every side.
    variance : (h, w)
        That of their difference, by the variances of all pixels; overwritten.
    flux_norm : float
        Of the filter.
    """
    height, width = variance.shape
    least = max(float(variance[::8, ::8].mean()) * 1e-6, 1e-30)  # rounding may leave less than nothing
    scatter = min(matched.gain_scatter, MAX_FLUX_SCATTER)
    flux = xp.empty((height, width))
    step = max(1, xp.pixels_at_once // width)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        around = slice(rows.start, rows.stop + 2)
        a, b = ours[around], theirs[around]
        total = xp.at_least(variance[rows], least)
        if matched.rms_px > 0:
            for axis in (0, 1):
                product = across_two(a, axis)
                product *= across_two(b, axis)
                product = xp.at_least(product, 0.0)
                product *= (0.5 * matched.rms_px) ** 2
                total += product
        a, b = a[1:-1, 1:-1], b[1:-1, 1:-1]
        change = a - b
        if scatter > 0:
            product = xp.at_least(a * b, 0.0)
            product += change * change
            product *= scatter**2
            total += product
        total = xp.sqrt(total)
        total *= 1.0 / flux_norm
        change *= 1.0 / flux_norm
        flux[rows] = change
    return flux, variance


def across_two(image: Values, axis: int) -> Values:
    """Twice the gradient along an axis, but for the outermost pixels: others would lie half a pixel off."""
    return image[2:, 1:-1] - image[:-2, 1:-1] if axis == 0 else image[1:-1, 2:] - image[1:-1, :-2]
