r"""Proper image subtraction (Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27): the filters of one tile.

Both images are given in the same flux unit, so the paper's F_n = F_r = 1. For a PSF ``P`` (transformed:
:math:`\hat P`) and a background noise ``sigma``, subscripts n for the new image and r for the reference:

.. math::
    \hat D = \frac{\hat P_r \hat N - \hat P_n \hat R}
                  {\sqrt{\sigma_n^2 |\hat P_r|^2 + \sigma_r^2 |\hat P_n|^2}}   \quad (eq. 13)

What is returned makes :math:`D / F_D`, the two parts of :math:`S` (eqs 28, 29), its normalisation
:math:`F_S` and the PSF of the difference (eq. 14). What is measured in tiles with these filters, the
variance maps included, is the same for every method: `pipeline.subtraction.tile_score`.
"""

from __future__ import annotations

from pipeline.subtraction.arrays import Arrays, Spectrum
from pipeline.subtraction.filters import Filters, mean_of, power

FLOOR = 1e-14  # of the noise power: keeps 0 / 0 away where both PSFs have no power at all


def filters(
    psf_new: Spectrum,
    psf_ref: Spectrum,
    sigma_new: float,
    sigma_ref: float,
    shape: tuple[int, int],
    xp: Arrays,
) -> Filters:
    """The filters of proper subtraction.

    Parameters
    ----------
    psf_new, psf_ref : (h, w // 2 + 1) complex64
        Transforms of both PSFs, each centred on index 0, 0 and of unit sum.
    sigma_new, sigma_ref : float
        Noise of the background alone, per pixel; source noise enters through the variance maps.
    shape : (h, w)
        Of the tile.
    xp : Arrays
        Of the device that holds the spectra.
    """
    total = sigma_new**2 + sigma_ref**2
    noise, other = power(psf_ref), power(psf_new)
    strength = noise * other
    noise *= sigma_new**2 / total
    other *= sigma_ref**2 / total
    noise += other
    noise += FLOOR
    inverse = 1.0 / noise
    strength *= inverse
    both = psf_new * psf_ref
    match = both.conj() * (inverse * (1.0 / total))  # torch's `conj` alone is a view of both
    return Filters(
        of_new=psf_ref,
        of_ref=psf_new,
        whiten=xp.sqrt(inverse),  # 1 / (F_D * sqrt(noise))
        match=match,
        psf=both,
        flux_norm=mean_of(strength, shape) / total,
    )
