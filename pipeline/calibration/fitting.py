"""Calibration frames that can be used together for a frame, and those that cannot.

What does not fit the frame, as its header names another part of the detector, and what is of no use, as it
cannot be read, is saturated, without light or scaled to 1, is set aside, and told. A frame goes on without a
kind of which nothing fits it. Where something of a kind fits and nothing of that is of use the frame fails:
that can be mended, and the frame is there to be tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.text import counted
from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator
from pipeline.calibration.overscan import Section, remaining
from pipeline.calibration.scaled import SCALED, ScaledPart, is_scaled
from pipeline.frame import FrameRefused, RawFrame

MOST_NAMED = 5  # files in a sentence


class Unfit(FrameRefused):
    """A calibration frame is of no use, or of another part of the detector than it should be."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Calibration frames that can be used together.

    Attributes
    ----------
    kept : tuple of Calibrator
    notes : tuple of str
        What of the others is to be told, a sentence each.
    unread : tuple of str
        The contents of those that could not be read.
    """

    kept: tuple[Calibrator, ...]
    notes: tuple[str, ...]
    unread: tuple[str, ...]


def same_part(calibrators: Iterable[Calibrator], part: Section | None) -> tuple[Calibrator, ...]:
    """The same calibration frames, each of which raises Unfit when it is read and cannot be used.

    Parameters
    ----------
    calibrators : iterable of Calibrator
    part : Section, optional
        Of which they should be; without one, of that of the first that is read.
    """
    wanted: list[Section] = [] if part is None else [part]

    def checked(one: Calibrator) -> Calibrator:
        def read() -> RawFrame:
            try:
                raw = one.read()
            except FrameRefused as refused:
                raise Unfit(str(refused)) from refused
            if not one.is_part and is_scaled(raw):
                raise Unfit(SCALED)
            found = _part(raw)
            if not wanted:
                wanted.append(found)
            if found != wanted[0]:
                raise Unfit(f"{one.exposure.name} is of other pixels than the others")
            return raw

        return replace(one, read=read)

    return tuple(checked(one) for one in calibrators)


def fitting(calibrators: Sequence[Calibrator], part: Section | None) -> Fitting:
    """Those that are of use and of the frame's part. All are read.

    Where none is of that very part those of its size serve, and where none is of that either, or the part is
    not known, the part decides of which most are; of as many, the earlier in the sequence.

    Parameters
    ----------
    calibrators : sequence of Calibrator
    part : Section, optional
        That of the frame that they are for.

    Raises
    ------
    FrameRefused
        Of a kind nothing is left, and something of it is of no use.
    """
    parts: dict[str, Section] = {}
    useless: dict[str, str] = {}
    unread: list[str] = []
    for one in calibrators:
        try:
            raw = one.read()
        except FrameRefused as refused:
            useless[one.content] = str(refused)
            if not isinstance(refused, ScaledPart):  # which another look does not change
                unread.append(one.content)
            continue
        if not one.is_part and is_scaled(raw):
            useless[one.content] = SCALED
        else:
            parts[one.content] = _part(raw)
    count = Counter(parts.values())
    size = None if part is None else part.size
    usual = max(count, key=lambda each: (each == part, each.size == size, count[each]), default=None)
    kept = tuple(one for one in calibrators if usual is not None and parts.get(one.content) == usual)
    without = _kinds_left_out(calibrators, kept, useless)
    aside: dict[str, list[Calibrator]] = {}
    for one in calibrators:
        if one.content in useless:
            aside.setdefault(useless[one.content], []).append(one)
    notes = [set_aside(group, reason) for reason, group in aside.items()]
    others = "the frame" if usual == part else counted(len(kept), "calibration frame")
    for odd in count:
        if odd != usual:
            group = [one for one in calibrators if parts.get(one.content) == odd]
            notes.append(_of_other_part(group, odd, f"{others} {usual}"))
    return Fitting(kept, (*notes, *(f"no {kind} is left" for kind in without)), tuple(unread))


def none_of_use(calibrators: Sequence[Calibrator], one: Calibrator, reason: str) -> FrameRefused:
    """What ends a frame that needs some calibration frames of one kind, with the reason of one of them."""
    kind, count = one.exposure.kind, len(calibrators)
    which = f"its only {kind} cannot" if count == 1 else f"none of its {count} {kind} frames can"
    return FrameRefused(f"{which} be used, ingest others; {one.exposure.name}: {reason}")


def set_aside(calibrators: Sequence[Calibrator], reason: str) -> str:
    """One sentence: which do not serve, and why."""
    return f"{_named(calibrators)}: {reason}"


def _kinds_left_out(
    calibrators: Sequence[Calibrator], kept: Sequence[Calibrator], useless: Mapping[str, str]
) -> list[FrameKind]:
    """The kinds of which nothing fits.

    Raises
    ------
    FrameRefused
        Something of such a kind is of no use.
    """
    left = {one.exposure.kind for one in kept}
    without = [kind for kind in dict.fromkeys(one.exposure.kind for one in calibrators) if kind not in left]
    for kind in without:
        group = [one for one in calibrators if one.exposure.kind is kind]
        for one in group:
            if one.content in useless:
                raise none_of_use(group, one, useless[one.content])
    return without


def _part(raw: RawFrame) -> Section:
    height, width = raw.data.shape
    return remaining(raw.header, (height, width))


def _named(calibrators: Sequence[Calibrator]) -> str:
    """Which were set aside."""
    names = [f"{one.exposure.kind} {one.exposure.name}" for one in calibrators]
    shown = ", ".join(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        shown += f" and {len(names) - MOST_NAMED} more"
    return f"{shown} {'was' if len(names) == 1 else 'were'} set aside"


def _of_other_part(calibrators: Sequence[Calibrator], part: Section, others: str) -> str:
    they = "it is" if len(calibrators) == 1 else "they are"
    return set_aside(
        calibrators,
        f"{they} {part} without overscan, {others}; "
        "if TRIMSEC or DATASEC in the header is wrong, correct it and `astrid ingest` again",
    )
