"""What an extension of a FITS file is, by its name and by what it says of itself.

Files name what goes with an image in one word (``DQ``, ``WHT``), with a number (``DQ_1``), with more words
(``VAR_POISSON``), or with the name of the image before it (``CHIP1.INT1.ERR``). ESO's files say it by
``HDUCLAS2`` as well.
"""

from __future__ import annotations

import re

from astropy.io import fits

from pipeline.files.cards import look_up

MASK_WORDS = {"MASK", "MSK", "DQ", "BPM", "FLAG", "FLAGS", "FLG", "BITMASK"}
WEIGHT_WORDS = {"WEIGHT", "WGT", "WHT", "CONFIDENCE", "IVAR", "INVVAR"}
COMPANION_WORDS = {"ERR", "ERROR", "RMS", "UNCERT", "UNCERTAINTY", "VAR", "VARIANCE", *WEIGHT_WORDS}
# Words that mean this only where they are the whole name: others hold them too, such as SKY.
MASK_NAMES = {"BADPIX", "DQMASK", "QUALITY", "QUAL", "DATAQUALITY"}
WEIGHT_NAMES = {"WEIGHTS", "WT", "CONF"}
COMPANION_NAMES = {
    *WEIGHT_NAMES, "ERRORS", "SIGMA", "STD", "STDDEV", "NOISE", "STAT", "PSF", "PSFIMAGE", "KERNEL",
    "SKY", "BACKGROUND", "BKG", "BACK", "MODEL", "EXPMAP", "EXP", "SAMP", "TIME", "CTX", "CON", "AREA",
    "DIMARR", "WCSDVARR", "THUMBNAIL", "PREVIEW", "DIFF", "DIFFERENCE", "TEMPLATE", "SCORE", "SCORR",
}  # fmt: skip
VARIANCE_NAMES = {"VAR", "VARIANCE"}
ERROR_NAMES = {"ERR", "ERROR", "ERRORS", "UNCERT", "UNCERTAINTY", "SIGMA", "STD", "STDDEV", "RMS"}
ROLES_OF_ESO = {"QUALITY": MASK_WORDS, "ERROR": COMPANION_WORDS}  # values of HDUCLAS2
OF_ANY_IMAGE = {"IMAGE", "IMG", "SCI", "DATA", "MAP", "BAD", "PIXEL", "PIX", "QUALITY"}  # tell no two apart
OF_NO_IMAGE = (
    MASK_WORDS | MASK_NAMES | WEIGHT_WORDS | WEIGHT_NAMES | VARIANCE_NAMES | ERROR_NAMES | OF_ANY_IMAGE
)

IMAGE = "image"
MASK = "a mask"
COMPANION = "an extension named"
NOT_IMAGES = (
    (fits.GroupsHDU, "random groups"),
    (fits.BinTableHDU, "tables"),
    (fits.TableHDU, "tables"),
)


def role_of(hdu: object) -> str:
    """`IMAGE` for an exposure's array, `MASK`, or what else it is; empty where there are no data."""
    for kind, what in NOT_IMAGES:
        if isinstance(hdu, kind):
            return what
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return "data that are not standard FITS"
    if not hdu.shape or 0 in hdu.shape:
        return ""
    words = [word for word in _words(hdu) if word.isalpha()]
    name = "".join(words)
    said = ROLES_OF_ESO.get(str(look_up(hdu.header, ("HDUCLAS2",)) or "").upper())
    if said is MASK_WORDS or name in MASK_NAMES or not MASK_WORDS.isdisjoint(words):
        return MASK
    if said is COMPANION_WORDS or name in COMPANION_NAMES or not COMPANION_WORDS.isdisjoint(words):
        return f"{COMPANION} {hdu.name}"
    return IMAGE if len(hdu.shape) > 1 else "data of one axis"


def is_companion(role: str) -> bool:
    """Whether a role is that of an image which goes with another, and is no mask."""
    return role.startswith(COMPANION)


def is_weight(hdu: fits.ImageHDU) -> bool:
    """Whether an image that goes with another tells how much each of its pixels is worth."""
    words = [word for word in _words(hdu) if word.isalpha()]
    named = "".join(words) in WEIGHT_NAMES or not WEIGHT_WORDS.isdisjoint(words)
    return is_companion(role_of(hdu)) and named


def masks(mask: fits.ImageHDU, image: fits.ImageHDU) -> bool:
    """Whether a mask, weight or variance is an image's: of its size, ``EXTVER`` and name if it has one."""
    if mask.shape != image.shape or mask.ver != image.ver:
        return False
    names = _words(image)
    own = [word for word in _words(mask) if word not in OF_NO_IMAGE]
    if all(name.isalpha() for name in names):  # the number tells masks apart, and no images
        own = [word for word in own if word.isalpha()]
    rest = iter(names)
    return all(word in rest for word in own)  # in this order


def _words(hdu: fits.hdu.base._BaseHDU) -> list[str]:
    """The words and numbers of an extension's name: ``DQ_1`` and ``dq1`` are both DQ and 1."""
    return re.findall(r"[A-Z]+|\d+", str(hdu.name).upper())
