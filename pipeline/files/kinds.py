"""What an exposure was taken for, in the words of observatories and of the programs of amateurs."""

from __future__ import annotations

import re

from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.files.cards import look_up, text
from pipeline.frame import FrameRefused

# Parts of what headers call the kind of an exposure. Flats come first: "sky flat", "dome flat".
KINDS: tuple[tuple[FrameKind, tuple[str, ...]], ...] = (
    (FrameKind.FLAT, ("flat", "twilight")),
    (FrameKind.BIAS, ("bias", "zero", "offset")),
    (FrameKind.DARK, ("dark",)),
)

OF_THE_SKY = {
    "object",
    "science",
    "light",
}  # whole words that no bias, dark or twilight has, such as in "object, offset"
NOT_IMAGES = {"arc", "comp", "comparison", "lamp", "focus", "focusing", "wave"}  # whole words of the kind
# What goes with an image and comes in a file of its own, by the words of NOIRLab, ESO and the DES.
PRODUCTS = ("PRODTYPE", "PRODCATG", "DES_EXT")
NOT_EXPOSURES = {"dqmask", "wtmap", "expmap", "mask", "weight", "ancillary"}  # whole words of those
_STEP = r"(?:flat|dark|bias|zero|offset)(?:[\s_-]*(?:field|frame|current|level)s?)?"
# What was done to the exposure, and not what it is of: "flat-fielded", "bias and dark subtracted". A comma
# joins no steps, for a "flat, dark subtracted" is a flat.
_DONE = re.compile(
    rf"\b{_STEP}(?:\s*(?:and\b|[&+/])\s*{_STEP})*"
    r"[\s_-]*(?:fielded|subtracted|sub|corrected|corr|divided|removed|applied|calibrated)\b|\bflattened\b"
)
_DARK_FOR_FLATS = re.compile(r"dark[\s_-]*flat|flat[\s_-]*dark")  # as long as they: no flat
_CALIBRATION_TARGET = re.compile(
    r"(?:dome|sky|twilight|master)?[\s_-]*(?P<kind>flat|bias|zero|dark)s?(?:[\s_-]*(?:field|frame)s?)?[\s_-]*\d*",
    re.IGNORECASE,
)


def kind_of(header: Header) -> FrameKind:
    """What an exposure was taken for, by its image type or, without one, by the name of its target.

    Raises
    ------
    FrameRefused
        It is no image of the sky and no bias, dark or flat: a lamp, a focus run, a spectrum, a weight map.
    """
    for product in (str(look_up(header, (keyword,)) or "") for keyword in PRODUCTS):
        if _words(product) & NOT_EXPOSURES:
            raise FrameRefused(f"its header calls it {product[:40]!r}: it goes with an image, and is none")
    said = _DONE.sub(" ", (text(header, "kind") or "").lower()).strip(" ,;:()[]_-")
    words = _words(said)
    if _DARK_FOR_FLATS.search(said):
        return FrameKind.DARK
    for kind, parts in KINDS:
        if any(part in said for part in parts) and ("flat" in said or not words & OF_THE_SKY):
            return kind
    if words & NOT_IMAGES or "spectr" in said:
        raise FrameRefused(f"its header calls it {said[:40]!r}: not an image of the sky")
    if not said and (target := _CALIBRATION_TARGET.fullmatch(text(header, "field") or "")):
        names = {"flat": FrameKind.FLAT, "dark": FrameKind.DARK}
        return names.get(target["kind"].lower(), FrameKind.BIAS)
    return FrameKind.SCIENCE


def steps_in_words(header: Header) -> frozenset[FrameKind]:
    """The kinds of calibration frames that the image type says were applied to an exposure."""
    done = " ".join(_DONE.findall((text(header, "kind") or "").lower()))
    return frozenset(kind for kind, parts in KINDS if any(part in done for part in parts))


def _words(said: str) -> set[str]:
    return set(re.split(r"[^a-z]+", said.lower()))
