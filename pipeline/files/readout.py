"""How a camera was read out, as far as its calibration frames must share it.

A bias holds the offset of one gain and mode, a dark the current at one temperature. Frames agree as far as
both headers tell; one that is silent agrees with all.
"""

from __future__ import annotations

import math

from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.files.cards import look_up, text
from pipeline.frame import Readout

KEYWORDS: dict[str, tuple[str, ...]] = {
    "binning x": ("XBINNING", "CCDXBIN", "BINX", "XBIN", "HIERARCH ESO DET WIN1 BINX"),
    "binning y": ("YBINNING", "CCDYBIN", "BINY", "YBIN", "HIERARCH ESO DET WIN1 BINY"),
    "gain": ("GAIN", "CCDGAIN", "HIERARCH ESO DET OUT1 CONAD"),
    "offset": ("BLKLEVEL", "OFFSET"),
    "mode": ("READOUTM", "READMODE", "RDMODE", "HIERARCH ESO DET READ CLOCK", "HIERARCH ESO DET READ MODE"),
    "temperature": ("CCD-TEMP", "CCDTEMP", "CCDATEMP", "DET-TEMP", "DETTEMP", "DET-TMP"),
}
TEMPERATURE = "temperature"
COMBINED = "combined"  # of how many exposures it is: nothing that frames must share
STACKED = ("STACKCNT", "NCOMBINE")  # how many frames it is of: Siril, IRAF
MASTER_OF = 10  # where a header calls it a master and does not say of how many
WITHIN_DEGREES = 2.0  # a silicon detector's dark current changes by a fifth in these
SAME_NUMBER = 0.02  # relative: headers round
LONGEST = 40
MOST = 100_000  # exposures of a master: more is no count


def readout_of(header: Header) -> Readout:
    """What a header says of it: names of `KEYWORDS`, each with a finite number or a short text."""
    told: list[tuple[str, float | str]] = []
    for name, keywords in KEYWORDS.items():
        value = look_up(header, keywords)
        if isinstance(value, bool) or value is None:
            continue
        try:
            number = float(value)  # type: ignore[arg-type]  # a text that is no number raises
        except ValueError:
            told.append((name, str(value)[:LONGEST]))
            continue
        if math.isfinite(number):
            told.append((name, number))
    exposures = combined_of(header)
    return (*told, (COMBINED, exposures)) if exposures > 1 else tuple(told)


def combined_of(header: Header) -> int:
    """How many exposures a frame is the mean of: one, but for masters and stacks."""
    counts = (look_up(header, (keyword,)) for keyword in STACKED)
    most = max((int(each) for each in counts if isinstance(each, int | float) and each < MOST), default=1)
    if most > 1:
        return most
    said = text(header, "kind") or text(header, "field") or ""
    is_master = "master" in said.lower() or look_up(header, ("COMBINED",)) is True  # ccdproc's
    return MASTER_OF if is_master else 1


def differing(readout: Readout, other: Readout, kind: FrameKind) -> str | None:
    """The first thing in which a calibration frame of some kind differs from the frame that it is for."""
    values = dict(other)
    for name, value in readout:
        if name not in values or name == COMBINED or (name == TEMPERATURE and kind is not FrameKind.DARK):
            continue
        if not _agree(name, value, values[name]):
            return name
    return None


def _agree(name: str, value: float | str, other: float | str) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return str(value).casefold() == str(other).casefold()
    if name == TEMPERATURE:
        return abs(value - other) <= WITHIN_DEGREES
    return abs(value - other) <= SAME_NUMBER * max(abs(value), abs(other))
