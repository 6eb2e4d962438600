"""How a camera was read out, as far as its calibration frames must share it.

A bias holds the offset of one gain and mode, a dark the current at one temperature. Frames agree as far as
both headers tell; one that is silent agrees with all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from astropy.io.fits import Header

from core.header_words import PAIRS, READOUT, SECTION_OF_CHIP, STACKED, WINDOWS
from core.vocabulary import FrameKind
from pipeline.files.cards import look_up, text
from pipeline.files.steps import pedestal_of, told_steps
from pipeline.frame import Readout

TEMPERATURE = "temperature"
WINDOW = "window"
COMBINED = "combined"  # of how many exposures it is: nothing that frames must share
MASTER_OF = 10  # where a header calls it a master and does not say of how many
WITHIN_DEGREES = 2.0  # a silicon detector's dark current changes by a fifth in these
SAME_NUMBER = 0.02  # relative: headers round
LONGEST = 40
MOST = 100_000  # exposures of a master: more is no count


def readout_of(header: Header) -> Readout:
    """What a header says of it: names such as those of `READOUT`, each with a number or a short text."""
    told: list[tuple[str, float | str]] = []
    for name, value in _values(header):
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


def _values(header: Header) -> Iterator[tuple[str, object]]:
    """What is told under each name, if anything is, as it stands in the header."""
    for name, keywords in READOUT.items():
        value = look_up(header, keywords)
        axis = {"x": 0, "y": 1}.get(name[-1:]) if value is None and name[:-2] in PAIRS else None
        yield name, value if axis is None else _pair(look_up(header, PAIRS[name[:-2]]))[axis]
    for name, both in WINDOWS.items():
        yield from (
            (f"{name} {side}", look_up(header, (word,))) for side, word in zip("xy", both, strict=True)
        )
    # Of a calibrated frame it says nothing of the readout: it was added to what was left (`overscan.trim`).
    yield "pedestal", None if told_steps(header) else pedestal_of(header)
    numbers = re.findall(r"\d+", str(look_up(header, (SECTION_OF_CHIP,)) or ""))
    if len(numbers) == 4 and "0" not in numbers:  # counted from 1
        x1, x2, y1, y2 = map(int, numbers)
        yield from ((f"{WINDOW} (CCDSEC) x", min(x1, x2)), (f"{WINDOW} (CCDSEC) y", min(y1, y2)))


def _pair(value: object) -> tuple[object, object]:
    """Two numbers that a text holds, or one for both; none where it holds others."""
    numbers = re.findall(r"\d+(?:\.\d+)?", str(value or ""))
    return (numbers[0], numbers[-1]) if 1 <= len(numbers) <= 2 else (None, None)


def stacked_of(header: Header) -> int:
    """How many exposures a frame was combined of, where its header counts them; else one."""
    counts = (look_up(header, (keyword,)) for keyword in STACKED)
    return max((1, *(int(each) for each in counts if isinstance(each, int | float) and each < MOST)))


def combined_of(header: Header) -> int:
    """How many exposures a frame is the mean of: one, but for masters and stacks."""
    if (stacked := stacked_of(header)) > 1:
        return stacked
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
    if name.startswith(WINDOW):
        return value == other
    return abs(value - other) <= SAME_NUMBER * max(abs(value), abs(other))
