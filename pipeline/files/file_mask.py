"""The mask that a file holds for an image, in the planes of AstrID: of its masks and its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from core.vocabulary import MaskPlane
from pipeline.files.extension_roles import MASK, is_weight, masks, role_of
from pipeline.files.fits_selection import wrong_claim
from pipeline.frame import MaskImage

HARMLESS_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED", "CLIPPED", "INEXACT_PSF", "REJECTED")
SATURATED_PLANES = ("SAT", "SATURATED")


def file_mask(hdus: fits.HDUList, extension: int, shape: tuple[int, ...], path: Path) -> MaskImage:
    """What a mask of the file declares bad, or saturated where its header names that plane.

    A pixel of no weight is bad too; but a map that gives none to any tells nothing.

    Raises
    ------
    FrameRefused
        A mask or a map of weights is not there as its header says.
    """
    mask = np.zeros(shape, dtype=np.uint16)
    for hdu in hdus:
        is_mask = role_of(hdu) == MASK
        if not (is_mask or is_weight(hdu)) or hdu.shape != shape or not masks(hdu, hdus[extension]):
            continue
        if (wrong := wrong_claim(hdu, path)) is not None:
            raise wrong
        if not is_mask:
            weighs = hdu.data > 0
            mask[~weighs & weighs.any()] |= np.uint16(MaskPlane.BAD)
            continue
        flags, full = hdu.data.astype(np.int64), _bits(hdu.header, SATURATED_PLANES)
        mask[(flags & full) != 0] |= np.uint16(MaskPlane.SATURATED)
        mask[(flags & ~(full | _bits(hdu.header, HARMLESS_PLANES))) != 0] |= np.uint16(MaskPlane.BAD)
    return mask


def _bits(header: fits.Header, planes: tuple[str, ...]) -> np.int64:
    """The bits of some planes, as far as a mask's header names them (``MP_DETECTED = 5``)."""
    numbers = [header.get(f"MP_{name}") for name in planes]
    return np.int64(sum({1 << number for number in numbers if isinstance(number, int) and 0 <= number < 62}))
