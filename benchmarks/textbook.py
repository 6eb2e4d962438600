"""The textbook way of one frame, to be measured against: no tiles, no tricks, double precision.

`reproject_interp` onto the reference's grid, proper subtraction with one PSF a frame in complex128
(Zackay, Ofek & Gal-Yam 2016, equations 12 to 16), photutils segmentation of the score.
"""

import numpy as np
from astropy.stats import mad_std
from astropy.wcs import WCS
from numpy.typing import NDArray
from photutils.segmentation import SourceCatalog, detect_sources
from reproject import reproject_interp

Array = NDArray[np.float64]


def difference(
    new: Array, new_wcs: WCS, psf_new: Array, ref: Array, ref_wcs: WCS, psf_ref: Array, flux_ratio: float
) -> int:
    """Subtract and detect; images are electrons above the sky, PSFs are stamps of unit sum.

    Returns
    -------
    int
        How many sources of either sign stand above five sigma.
    """
    aligned, footprint = reproject_interp((new, new_wcs), ref_wcs, shape_out=ref.shape)
    aligned = np.where((footprint > 0) & np.isfinite(aligned), aligned, 0.0)
    score = _score(aligned, ref, _placed(psf_new, ref.shape), _placed(psf_ref, ref.shape), flux_ratio)
    score /= mad_std(score)
    found = 0
    for signed in (score, -score):
        segments = detect_sources(signed, 5.0, 5)
        if segments is not None:
            found += len(SourceCatalog(signed, segments).to_table())
    return found


def _placed(stamp: Array, shape: tuple[int, int]) -> Array:
    """A stamp in an image of zeros, its central pixel at the origin."""
    image = np.zeros(shape)
    image[: stamp.shape[0], : stamp.shape[1]] = stamp
    return np.roll(image, (-(stamp.shape[0] // 2), -(stamp.shape[1] // 2)), axis=(0, 1))


def _score(new: Array, ref: Array, psf_new: Array, psf_ref: Array, flux_ratio: float) -> Array:
    """The matched-filtered proper difference, in arbitrary units."""
    sigma_new, sigma_ref = mad_std(new), mad_std(ref)
    f_new, f_ref = flux_ratio, 1.0
    n, r, pn, pr = (np.fft.fft2(image) for image in (new, ref, psf_new, psf_ref))
    weight = sigma_new**2 * f_ref**2 * np.abs(pr) ** 2 + sigma_ref**2 * f_new**2 * np.abs(pn) ** 2
    proper = (f_ref * pr * n - f_new * pn * r) / np.sqrt(weight)
    f_d = f_new * f_ref / np.sqrt(sigma_new**2 * f_ref**2 + sigma_ref**2 * f_new**2)
    psf_d = f_new * f_ref * pn * pr / (f_d * np.sqrt(weight))
    return np.asarray(np.fft.ifft2(f_d * proper * np.conj(psf_d)).real)
