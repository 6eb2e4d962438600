"""Calibration frames that can be used together for a frame, and those that cannot.

All of a camera's frames are cut to their illuminated part before they are combined. One whose header names
another part than that of the frame they are for, or whose file is of another size, would end every frame that
it serves, and so would one that cannot be read: it is set aside, and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.text import counted
from pipeline.calibration.choice import Calibrator
from pipeline.calibration.overscan import Section, remaining
from pipeline.frame import FrameRefused, RawFrame

MOST_NAMED = 5  # files in a sentence


class Unfit(FrameRefused):
    """A calibration frame cannot be read, or is of another part of the detector than it should be."""


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
            found = _part(raw)
            if not wanted:
                wanted.append(found)
            if found != wanted[0]:
                raise Unfit(f"{one.exposure.name} is of other pixels than the others")
            return raw

        return replace(one, read=read)

    return tuple(checked(one) for one in calibrators)


def fitting(calibrators: Sequence[Calibrator], part: Section | None) -> Fitting:
    """Those that can be read and are of the frame's part. All are read.

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
        None of a kind can be read.
    """
    parts: dict[str, Section] = {}
    unread: dict[str, str] = {}
    for one in calibrators:
        try:
            parts[one.content] = _part(one.read())
        except FrameRefused as refused:
            unread[one.content] = str(refused)
    _check_kinds(calibrators, unread)
    count = Counter(parts.values())
    size = None if part is None else part.size
    usual = max(count, key=lambda each: (each == part, each.size == size, count[each]))
    aside: dict[str, list[Calibrator]] = {}
    for one in calibrators:
        if one.content in unread:
            aside.setdefault(unread[one.content], []).append(one)
    notes = [f"{_named(group)}: {reason}" for reason, group in aside.items()]
    others = "the frame" if usual == part else counted(count[usual], "calibration frame")
    for odd in count:
        if odd != usual:
            group = [one for one in calibrators if parts.get(one.content) == odd]
            notes.append(_of_other_part(group, odd, f"{others} {usual}"))
    kept = tuple(one for one in calibrators if parts.get(one.content) == usual)
    return Fitting(kept, tuple(notes), tuple(unread))


def _check_kinds(calibrators: Sequence[Calibrator], unread: Mapping[str, str]) -> None:
    """Refuse frames to be calibrated without a kind of which there are files."""
    for kind in dict.fromkeys(one.exposure.kind for one in calibrators):
        group = [one for one in calibrators if one.exposure.kind is kind]
        if all(one.content in unread for one in group):
            first = group[0]
            which = f"its only {kind}" if len(group) == 1 else f"none of its {len(group)} {kind} frames"
            can = "cannot" if len(group) == 1 else "can"
            raise FrameRefused(f"{which} {can} be read; {first.exposure.name}: {unread[first.content]}")


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
    return (
        f"{_named(calibrators)}: {they} {part} without overscan, {others}; "
        "if TRIMSEC or DATASEC in the header is wrong, correct it and `astrid ingest` again"
    )
