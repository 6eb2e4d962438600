"""The mask that a file holds for an image, in the planes of AstrID."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from core.vocabulary import MaskPlane
from pipeline.files.extension_roles import MASK, masks, role_of
from pipeline.frame import MaskImage

HARMLESS_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED", "CLIPPED", "INEXACT_PSF", "REJECTED")
SATURATED_PLANES = ("SAT", "SATURATED")


def file_mask(hdus: fits.HDUList, extension: int, shape: tuple[int, ...]) -> MaskImage:
    """What a mask extension of the file declares bad, or saturated where its header names that plane."""
    mask = np.zeros(shape, dtype=np.uint16)
    for hdu in hdus:
        if role_of(hdu) != MASK or hdu.shape != shape or not masks(hdu, hdus[extension]):
            continue
        flags, full = hdu.data.astype(np.int64), _bits(hdu.header, SATURATED_PLANES)
        mask[(flags & full) != 0] |= np.uint16(MaskPlane.SATURATED)
        mask[(flags & ~(full | _bits(hdu.header, HARMLESS_PLANES))) != 0] |= np.uint16(MaskPlane.BAD)
    return mask


def _bits(header: fits.Header, planes: tuple[str, ...]) -> np.int64:
    """The bits of some planes, as far as a mask's header names them (``MP_DETECTED = 5``)."""
    numbers = [header.get(f"MP_{name}") for name in planes]
    return np.int64(sum({1 << number for number in numbers if isinstance(number, int) and 0 <= number < 62}))
