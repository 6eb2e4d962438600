"""The textbook way of one frame, to be measured against: no tiles, no tricks, double precision.

`reproject_interp` onto the reference's grid, proper subtraction with one PSF a frame in complex128
and its significance with source and registration noise (Zackay, Ofek & Gal-Yam 2016, equations 12
to 16 and 25 to 33), photutils segmentation of the score.
"""

import numpy as np
from astropy.stats import mad_std
from astropy.wcs import WCS
from numpy.typing import NDArray
from photutils.segmentation import SourceCatalog, detect_sources
from reproject import reproject_interp

Array = NDArray[np.float64]


def difference(
    new: Array,
    new_wcs: WCS,
    psf_new: Array,
    new_variance: Array,
    ref: Array,
    ref_wcs: WCS,
    psf_ref: Array,
    ref_variance: Array,
    rms_px: float,
) -> int:
    """Subtract and detect.

    Images are electrons above the sky in one flux unit, variances electrons squared, PSFs stamps of
    unit sum.

    Returns
    -------
    int
        How many sources of either sign stand above five sigma.
    """
    aligned, footprint = reproject_interp((new, new_wcs), ref_wcs, shape_out=ref.shape)
    aligned = np.where((footprint > 0) & np.isfinite(aligned), aligned, 0.0)
    psfs = (placed(psf_new, ref.shape), placed(psf_ref, ref.shape))
    significance = score(aligned, ref, *psfs, new_variance, ref_variance, rms_px)
    found = 0
    for signed in (significance, -significance):
        segments = detect_sources(signed, 5.0, 5)
        if segments is not None:
            found += len(SourceCatalog(signed, segments).to_table())
    return found


def placed(stamp: Array, shape: tuple[int, int]) -> Array:
    """A stamp in an image of zeros, its central pixel at the origin."""
    image = np.zeros(shape)
    image[: stamp.shape[0], : stamp.shape[1]] = stamp
    return np.roll(image, (-(stamp.shape[0] // 2), -(stamp.shape[1] // 2)), axis=(0, 1))


def score(
    new: Array, ref: Array, psf_new: Array, psf_ref: Array, new_var: Array, ref_var: Array, rms_px: float
) -> Array:
    """S_corr: the matched-filtered proper difference over its noise."""
    var_n, var_r = mad_std(new) ** 2, mad_std(ref) ** 2
    n, r, pn, pr = (np.fft.fft2(image) for image in (new, ref, psf_new, psf_ref))
    weight = var_n * np.abs(pr) ** 2 + var_r * np.abs(pn) ** 2
    proper = (pr * n - pn * r) / np.sqrt(weight)
    f_d = 1.0 / np.sqrt(var_n + var_r)
    psf_d = pn * pr / (f_d * np.sqrt(weight))
    matched = np.fft.ifft2(f_d * proper * np.conj(psf_d)).real
    k_n, k_r = np.conj(pn) * np.abs(pr) ** 2 / weight, np.conj(pr) * np.abs(pn) ** 2 / weight
    noise = np.zeros_like(new)
    for kernel, variance, image in ((k_n, new_var, n), (k_r, ref_var, r)):
        square = np.fft.fft2(np.fft.ifft2(kernel).real ** 2)
        noise += np.fft.ifft2(np.fft.fft2(variance) * square).real
        down, across = np.gradient(np.fft.ifft2(kernel * image).real)
        noise += rms_px**2 * (down**2 + across**2)
    return np.asarray(matched / np.sqrt(np.maximum(noise, 1e-30)))
