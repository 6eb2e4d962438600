"""How a camera was read out, as far as its calibration frames must share it.

A bias holds the offset of one gain and mode, a dark the current at one temperature. Frames agree as far as
both headers tell; one that is silent agrees with all.
"""

from __future__ import annotations

import math

from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.files.headers import look_up
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
WITHIN_DEGREES = 2.0  # a silicon detector's dark current changes by a fifth in these
SAME_NUMBER = 0.02  # relative: headers round
LONGEST = 40


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
    return tuple(told)


def differing(readout: Readout, other: Readout, kind: FrameKind) -> str | None:
    """The first thing in which a calibration frame of some kind differs from the frame that it is for."""
    values = dict(other)
    for name, value in readout:
        if name not in values or (name == TEMPERATURE and kind is not FrameKind.DARK):
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
