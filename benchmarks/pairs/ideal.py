r"""How well a change can be measured at best: the information of both images about a point source.

Two images N and R of one unknown constant sky with white noise of variances v_n and v_r per pixel, PSFs
of unit sum, in one flux unit: the best estimate of the flux of a source that only one of them has (the
matched filter of Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27; the inverse of their F_S) has the variance

.. math::
    \sigma_F^{-2} = \int \frac{|\hat P_n|^2 |\hat P_r|^2}{v_n |\hat P_r|^2 + v_r |\hat P_n|^2} \, d^2 f

over the frequencies of the pixel grid. The light under the source makes variances differ from pixel to
pixel: for v the mean of the pixels' variances is taken, weighted with P^2, which is exact for a PSF fit to a
single image with weights P. The variances are those of sky, read-out, constant sources **and of the
source itself**, so that ``snr`` is its flux over the error of a fit to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]


def flux_error(psf_new: Array, psf_ref: Array, var_new: Array, var_ref: Array) -> Array:
    """The least error of the flux of a change, of each of n places.

    Parameters
    ----------
    psf_new, psf_ref : (n, k, k) float
        PSFs of unit sum.
    var_new, var_ref : (n, k, k) float
        Variances of the pixels under them, in the unit of the flux squared.
    """
    size = fft.next_fast_len(2 * psf_new.shape[-1], real=True)
    powers = [np.abs(np.fft.fft2(psf, s=(size, size))) ** 2 for psf in (psf_new, psf_ref)]
    v_n, v_r = (
        np.sum(variance * psf**2, axis=(1, 2)) / np.sum(psf**2, axis=(1, 2))
        for variance, psf in ((var_new, psf_new), (var_ref, psf_ref))
    )
    noise = v_n[:, None, None] * powers[1] + v_r[:, None, None] * powers[0]
    information = np.mean(powers[0] * powers[1] / np.maximum(noise, 1e-30), axis=(1, 2))
    return np.asarray(1.0 / np.sqrt(information))


def flux_of_snr(
    snr: Array,
    in_new: NDArray[np.bool_],
    psf_new: Array,
    psf_ref: Array,
    var_new: Array,
    var_ref: Array,
    electrons: tuple[float, float],
) -> Array:
    """The flux at which a change has this signal-to-noise ratio, its own photons' noise included.

    ``in_new`` says which of the images has the source; ``electrons`` are those per unit of flux of the
    new image and the reference.
    """
    flux = snr * flux_error(psf_new, psf_ref, var_new, var_ref)
    for _ in range(12):
        own = flux[:, None, None]
        more_new = np.where(in_new[:, None, None], own * psf_new / electrons[0], 0.0)
        more_ref = np.where(in_new[:, None, None], 0.0, own * psf_ref / electrons[1])
        flux = snr * flux_error(psf_new, psf_ref, var_new + more_new, var_ref + more_ref)
    return flux
