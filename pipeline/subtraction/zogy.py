r"""Proper image subtraction (Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27): the filters of one tile.

Both images are given in the same flux unit, so the paper's F_n = F_r = 1. For a PSF ``P`` (transformed:
:math:`\hat P`) and a background noise ``sigma``, subscripts n for the new image and r for the reference:

.. math::
    \hat D = \frac{\hat P_r \hat N - \hat P_n \hat R}
                  {\sqrt{\sigma_n^2 |\hat P_r|^2 + \sigma_r^2 |\hat P_n|^2}}   \quad (eq. 13)

What is returned is the pair of filters for :math:`D / F_D`, the pair for :math:`S` (eqs 28, 29), the
normalisation :math:`F_S` and the PSF of the difference (eq. 14). What is measured in tiles with these
filters, the variance maps included, is the same for every method: `pipeline.subtraction.subtract`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.frame import Image

Spectrum = NDArray[np.complex64]  # half plane, as `scipy.fft.rfft2` gives it
FLOOR = 1e-14  # of the noise power: keeps 0 / 0 away where both PSFs have no power at all


@dataclass(frozen=True, slots=True)
class Filters:
    """How a method turns one tile of two images into a difference and a score; spectra, (h, w // 2 + 1).

    ``difference = diff_new * N - diff_ref * R`` has the flux unit of the images and the PSF ``psf``;
    ``S = score_new * N - score_ref * R`` is the matched filter, and ``S / flux_norm`` the flux of a
    point source. ``psf`` is a real image of the tile's shape, centred on index 0, 0, of unit sum.
    """

    diff_new: Spectrum
    diff_ref: Spectrum
    score_new: Spectrum
    score_ref: Spectrum
    flux_norm: float
    psf: Image


def filters(
    psf_new: Spectrum, psf_ref: Spectrum, sigma_new: float, sigma_ref: float, shape: tuple[int, int]
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
    """
    power_new, power_ref = power(psf_new), power(psf_ref)
    total = np.float32(sigma_new**2 + sigma_ref**2)
    noise: Image = np.float32(sigma_new**2) * power_ref + np.float32(sigma_ref**2) * power_new
    noise += np.float32(FLOOR) * total
    scale: Image = np.sqrt(total / noise)  # 1 / (F_D * sqrt(noise))
    diff_new = psf_ref * scale
    return Filters(
        diff_new=diff_new,
        diff_ref=psf_new * scale,
        score_new=np.conj(psf_new) * (power_ref / noise),
        score_ref=np.conj(psf_ref) * (power_new / noise),
        flux_norm=mean_of(power_new * power_ref / noise, shape),
        psf=fft.irfft2(psf_new * diff_new, s=shape, workers=1),
    )


def power(spectrum: Spectrum) -> Image:
    """Its absolute square."""
    squared: Image = np.square(spectrum.real) + np.square(spectrum.imag)
    return squared


def mean_of(half: NDArray[np.float32], shape: tuple[int, int]) -> float:
    """The mean of a real spectrum over the whole plane, from its half: the value at the origin."""
    wide = shape[1]
    inside = half[:, 1 : (wide + 1) // 2].sum(dtype=np.float64)
    edge = half[:, 0].sum(dtype=np.float64)
    if wide % 2 == 0:
        edge += half[:, -1].sum(dtype=np.float64)
    return float((2.0 * inside + edge) / (shape[0] * wide))
