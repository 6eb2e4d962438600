"""What a pixel's unit is worth in electrons, by the variance that a file holds beside an image.

Images in physical units, as of surveys, have no gain in their headers. Where the variance counts the
photons of sources, it is the inverse of the slope over their light.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from pipeline.files.extension_roles import ERROR_NAMES, VARIANCE_NAMES, masks
from pipeline.files.fits_selection import wrong_claim
from pipeline.frame import Image, MaskImage
from pipeline.quantile import MAD_TO_SIGMA

BRIGHT_SIGMA = 10.0  # above the sky, where light tells the slope
FEWEST = 30  # pixels
MOST_SCATTER = 0.3  # of the slope: else the variance does not follow the light


def variance_gain(
    hdus: fits.HDUList, extension: int, data: Image, mask: MaskImage, path: Path
) -> tuple[float, str] | None:
    """Electrons per unit of the data, and the extension that tells it; none where none does.

    Parameters
    ----------
    hdus : HDUList
    extension : int
        The image's.
    data, mask : (height, width)
        Of the image, as it was read.
    path : Path

    Raises
    ------
    FrameRefused
        The variance is not there as its header says.
    """
    for hdu in hdus:
        name = str(getattr(hdu, "name", "")).upper()
        if name not in VARIANCE_NAMES | ERROR_NAMES or not getattr(hdu, "is_image", False):
            continue
        if hdu.shape != data.shape or not masks(hdu, hdus[extension]):
            continue
        if (wrong := wrong_claim(hdu, path)) is not None:
            raise wrong
        variance = np.asarray(hdu.data, dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            gain = _gain(data, np.square(variance) if name in ERROR_NAMES else variance, mask)
        if gain is not None:
            return gain, str(hdu.name)
    return None


def _gain(data: Image, variance: Image, mask: MaskImage) -> float | None:
    good = (mask == 0) & np.isfinite(variance) & (variance > 0.0)
    if np.count_nonzero(good) < FEWEST:
        return None
    values, noise2 = data[good].astype(np.float64), variance[good].astype(np.float64)
    level = float(np.median(values))
    of_sky = float(np.median(noise2[values <= level]))
    bright = values - level > BRIGHT_SIGMA * np.sqrt(of_sky)
    if np.count_nonzero(bright) < FEWEST:
        return None
    slopes = (noise2[bright] - of_sky) / (values[bright] - level)
    slope = float(np.median(slopes))
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(slopes - slope)))
    return 1.0 / slope if slope > 0.0 and scatter <= MOST_SCATTER * slope else None
