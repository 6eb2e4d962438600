"""Calibration frames that show the same pixels of their detector, and those that do not.

All of a camera's frames are cut to their illuminated part before they are combined. One whose header names
another part than most do, or whose file is of another size, would end every frame that it serves: it is set
aside, and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.text import counted
from pipeline.calibration.choice import Calibrator
from pipeline.calibration.overscan import Section, illuminated
from pipeline.frame import FrameRefused, RawFrame

MOST_NAMED = 5  # files in a sentence


class OddPart(FrameRefused):
    """A calibration frame is of another part of the detector than those before it."""


def same_part(calibrators: Iterable[Calibrator]) -> tuple[Calibrator, ...]:
    """The same calibration frames, each of which raises OddPart when it is read and is unlike the first."""
    first: list[Section] = []

    def checked(one: Calibrator) -> Calibrator:
        def read() -> RawFrame:
            raw = one.read()
            part = _part(raw)
            if not first:
                first.append(part)
            if part != first[0]:
                raise OddPart(f"{one.exposure.name} is of other pixels than the calibration frames before it")
            return raw

        return replace(one, read=read)

    return tuple(checked(one) for one in calibrators)


def fitting(calibrators: Sequence[Calibrator]) -> tuple[tuple[Calibrator, ...], tuple[str, ...]]:
    """Those that are of the part of which most are, and a sentence for each part of which the others are.

    Where as many are of one part as of another, the earlier one in the sequence decides. All are read.
    """
    parts = [_part(one.read()) for one in calibrators]
    ((usual, fit),) = Counter(parts).most_common(1)
    kept = tuple(one for one, part in zip(calibrators, parts, strict=True) if part == usual)
    aside: dict[Section, list[str]] = {}
    for one, part in zip(calibrators, parts, strict=True):
        if part != usual:
            aside.setdefault(part, []).append(f"{one.exposure.kind} {one.exposure.name}")
    return kept, tuple(_told(names, part, usual, fit) for part, names in aside.items())


def _part(raw: RawFrame) -> Section:
    """Which pixels of its array remain of a frame."""
    height, width = raw.data.shape
    return illuminated(raw.header, raw.data.shape) or Section(0, width, 0, height)


def _told(names: Sequence[str], part: Section, usual: Section, fit: int) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        shown += f" and {len(names) - MOST_NAMED} more"
    were, they = ("was", "it is") if len(names) == 1 else ("were", "they are")
    return (
        f"{shown} {were} set aside: {they} {part} without overscan, "
        f"{counted(fit, 'calibration frame')} {usual}; "
        "if TRIMSEC or DATASEC in the header is wrong, correct it and `astrid ingest` again"
    )
