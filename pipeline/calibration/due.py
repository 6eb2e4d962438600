"""Which calibration a frame still needs: what its header says was done must not be done again."""

from __future__ import annotations

import re
from dataclasses import replace

from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.calibration.masters import Masters
from pipeline.files.headers import data_unit, look_up

# Of IRAF's ccdproc and of Hubble's pipelines; true, or a text that tells when and how.
STEPS: dict[FrameKind, tuple[str, ...]] = {
    FrameKind.BIAS: ("ZEROCOR", "BIASCOR", "BIASCORR"),
    FrameKind.DARK: ("DARKCOR", "DARKCORR"),
    FrameKind.FLAT: ("FLATCOR", "FLATCORR"),
}
NOT_DONE = {"", "0", "f", "false", "n", "no", "none", "omit", "perform", "skipped"}
LETTERS = {"B": FrameKind.BIAS, "D": FrameKind.DARK, "F": FrameKind.FLAT}  # of CALSTAT: MaxIm, ASTAP
STACKED = ("STACKCNT", "NCOMBINE")  # how many frames it is of: Siril, IRAF
LEVEL = "RLEVEL"  # 0 is raw: Las Cumbres Observatory
ALL = frozenset(STEPS)

_LETTERS = re.compile(r"[BDFSCM]+", re.IGNORECASE)


def due(masters: Masters, header: Header) -> Masters:
    """The masters without those whose work is done in a frame already, and a sentence that says so.

    Raises
    ------
    FrameRefused
        The unit of the frame is not one of light per pixel.
    """
    done = done_by(header)
    if masters.bias is None and FrameKind.BIAS in done:  # the dark holds the bias
        done |= {FrameKind.DARK}
    parts = {FrameKind.BIAS: masters.bias, FrameKind.DARK: masters.dark, FrameKind.FLAT: masters.flat}
    again = [kind.value for kind, part in parts.items() if part is not None and kind in done]
    if not again:
        return masters
    note = f"its header says that it is reduced: no {' and no '.join(again)} of yours is applied again"
    if all(part is None or kind in done for kind, part in parts.items()):
        return Masters(content=masters.content, notes=(note,))
    bias, dark, flat = (None if kind in done else part for kind, part in parts.items())
    return replace(masters, bias=bias, dark=dark, flat=flat, notes=(*masters.notes, note))


def done_by(header: Header) -> frozenset[FrameKind]:
    """The steps that a header says were done; all where what is stored are no single camera's counts."""
    unit = data_unit(header)
    if unit.kind != "counts" or unit.per_second:
        return ALL
    if any(_number(header, keyword) > 1.0 for keyword in STACKED) or _number(header, LEVEL) > 0.0:
        return ALL
    done = {kind for kind, keywords in STEPS.items() if any(_says_yes(header, key) for key in keywords)}
    letters = str(look_up(header, ("CALSTAT",)) or "").upper()
    if _LETTERS.fullmatch(letters):
        done |= {LETTERS[letter] for letter in letters if letter in LETTERS}
    if FrameKind.DARK in done:  # with a dark the bias goes, that is in it
        done.add(FrameKind.BIAS)
    return frozenset(done)


def _says_yes(header: Header, keyword: str) -> bool:
    value = look_up(header, (keyword,))
    return value is not None and str(value).lower() not in NOT_DONE


def _number(header: Header, keyword: str) -> float:
    """What a header counts; 0 where it does not."""
    value = look_up(header, (keyword,))
    return float(value) if isinstance(value, int | float) else 0.0
