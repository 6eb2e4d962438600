"""Which steps of the calibration a header says were done, and what was added to the pixels with them."""

from __future__ import annotations

import re

from astropy.io.fits import Header

from core.header_words import PEDESTAL, STEPS
from core.vocabulary import FrameKind
from pipeline.files.cards import look_up, numbers
from pipeline.files.kinds import steps_in_words

NOT_DONE = {"", "0", "f", "false", "n", "no", "none", "omit", "perform", "skipped"}
LETTERS = {"B": FrameKind.BIAS, "D": FrameKind.DARK, "F": FrameKind.FLAT}  # of CALSTAT: MaxIm, ASTAP

_LETTERS = re.compile(r"[BDFSCM]+", re.IGNORECASE)


def told_steps(header: Header) -> frozenset[FrameKind]:
    """The steps that a header names."""
    done = {kind for kind, keywords in STEPS.items() if any(_says_yes(header, key) for key in keywords)}
    done |= steps_in_words(header)
    letters = str(look_up(header, ("CALSTAT",)) or "").upper()
    if _LETTERS.fullmatch(letters):
        done |= {LETTERS[letter] for letter in letters if letter in LETTERS}
    if FrameKind.DARK in done:  # with a dark the bias goes, that is in it
        done.add(FrameKind.BIAS)
    return frozenset(done)


def pedestal_of(header: Header) -> float | None:
    """What a header says was added to all pixels so that none is below zero, in data units.

    By SBIG's words the card has what is to be added to come back to zero, so that it is -100 of a hundred
    that were added; others write 100. Nobody takes light away: either is the same.
    """
    told = next(numbers(header, (PEDESTAL,)), None)
    return None if told is None else abs(told.value)


def _says_yes(header: Header, keyword: str) -> bool:
    value = look_up(header, (keyword,))
    return value is not None and str(value).lower() not in NOT_DONE
