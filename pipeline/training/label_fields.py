"""Windows of labelled frames as the U-Net learns from them: of each pixel at a label it is told what it is.

A difference image is not kept, so the frames are subtracted again, with the settings in force. Around what
reviewers agree on a window is cut and kept like a simulated field, but that nothing else in it has a class:
pixels away from labels carry no loss, for what nobody judged there may be real. A label is held out with all
that shares its object, its night or its field.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.database.store import Store
from core.database.tables import Difference, Observation, Reference
from core.frames.content import was_written_over
from core.frames.reference_files import file_of
from core.settings import Settings
from core.unfinished import unfinished
from pipeline.calibration.calibrators import MastersFor, masters_of, served
from pipeline.classify.unet_input import frame_input
from pipeline.frame import FrameRefused
from pipeline.process import subtract_again
from pipeline.reference.prepare import prepare
from pipeline.training import field_cache
from pipeline.training.agreed_candidates import AgreedCandidate, agreed_candidates
from pipeline.training.examples import LABELLED
from pipeline.training.holding_out import held_out
from pipeline.training.label_examples import rows_of
from pipeline.training.label_window import WINDOW_PX, mark_of, middles, window

log = logging.getLogger(__name__)

VERSION = 4  # of what a window holds

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame on which something is agreed on, and its reference, as the store has them."""

    observation: Observation
    reference: Reference
    candidates: tuple[AgreedCandidate, ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """All that is agreed on in frames of a store, and how many candidates are of no frame, as alerts are."""

    frames: tuple[LabelledFrame, ...]
    alerts: int
    masters_for: MastersFor


@dataclass(frozen=True, slots=True)
class LabelFields:
    """Windows that were made, by file.

    Attributes
    ----------
    learnt, held_out : tuple of Path
        To learn from, and to judge by.
    objects, nights : tuple of str
        Of what is learnt from: names of objects, and of nights and fields.
    told : dict of str to int
        How many candidates are ``learnt`` and ``held_out``, of how many ``frames``; and how many are neither:
        ``alerts``, ``untold`` as masked or trails of unknown course, or of frames of which a file is ``gone``
        or ``changed``, or that were ``refused``.
    """

    learnt: tuple[Path, ...]
    held_out: tuple[Path, ...]
    objects: tuple[str, ...]
    nights: tuple[str, ...]
    told: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Rows:
    """By what candidates belong together, as arrays: (n,) str."""

    group: NDArray[np.str_]
    night: NDArray[np.str_]
    field: NDArray[np.str_]
    source: NDArray[np.str_]


def labels_of(store: Store, settings: Settings) -> Labels:
    """What reviewers agree on, by frame."""
    pages = agreed_candidates(store, settings.review, settings.site)
    by_difference: dict[int, list[AgreedCandidate]] = {}
    agreed = 0
    for page in pages:
        agreed += len(page)
        for key, each in _of_differences(page):
            by_difference.setdefault(key, []).append(each)
    frames = []
    with store.read() as session:
        for key, candidates in sorted(by_difference.items()):
            difference, observation = session.get_one(Difference, key), candidates[0].observation
            if observation is not None:
                reference = session.get_one(Reference, difference.reference_id)
                frames.append(LabelledFrame(observation, reference, tuple(candidates)))
    alerts = agreed - sum(len(each.candidates) for each in frames)
    return Labels(tuple(frames), alerts, masters_of(store, settings))


def _of_differences(page: Sequence[AgreedCandidate]) -> Iterator[tuple[int, AgreedCandidate]]:
    """Those in a difference, with its key; of their cutouts the number alone, for frames have the pixels."""
    found = [
        (key, each)
        for each in page
        if (key := each.candidate.difference_id) is not None and each.candidate.x is not None
    ]
    rows = rows_of([each for _, each in found])
    for (key, each), row in zip(found, rows, strict=True):
        yield key, replace(each, pixels=None, row=row)


def make(
    folder: Path, labels: Labels, settings: Settings, report: Report, stopped: Callable[[], bool]
) -> LabelFields | None:
    """Make the windows that a folder lacks; none where it was stopped before all were there.

    Parameters
    ----------
    folder : Path
    labels : Labels
    settings : Settings
    report : callable
        Told of each frame.
    stopped : callable
        Asked after each frame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_held = held_frames(labels.frames)
    files: dict[bool, list[Path]] = {False: [], True: []}
    learnt: list[AgreedCandidate] = []
    counts = Counter({"learnt": 0, "held_out": 0, "frames": 0, "alerts": labels.alerts})
    for number, frame in enumerate(labels.frames, start=1):
        found = _windows(folder, frame, labels.masters_for, settings)
        if isinstance(found, str):
            counts[found] += len(frame.candidates)
        else:
            told = sum(len(field_cache.kinds_of(path)) for path in found)
            counts["frames"] += told > 0
            counts["held_out" if is_held[number - 1] else "learnt"] += told
            counts["untold"] += len(frame.candidates) - told
            if is_held[number - 1]:
                files[True] += found  # what is said of their labels is kept, whether these judge or not
            else:
                files[False] += [path for path in found if len(field_cache.kinds_of(path))]
                learnt += frame.candidates
        report(number, len(labels.frames), "labelled frames")
        if stopped():
            return None
    return LabelFields(
        tuple(files[False]),
        tuple(files[True]),
        tuple(sorted({each.group for each in learnt})),
        tuple(sorted({name for each in learnt for name in (each.night, each.field)})),
        dict(counts),
    )


def keep(found: LabelFields, path: Path) -> None:
    """Write down, whole or not at all, what a training learns from: verdicts may change meanwhile."""
    names = {side: [each.name for each in getattr(found, side)] for side in ("learnt", "held_out")}
    with unfinished(path) as part:
        part.write_text(json.dumps(asdict(found) | names), encoding="utf-8")


def kept(path: Path, folder: Path) -> LabelFields | None:
    """What was written down; none where there is nothing, or a window is not in its folder any more."""
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        found = LabelFields(
            tuple(folder / Path(each).name for each in told["learnt"]),
            tuple(folder / Path(each).name for each in told["held_out"]),
            tuple(map(str, told["objects"])),
            tuple(map(str, told["nights"])),
            {str(name): int(count) for name, count in told["told"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if all(each.is_file() for each in (*found.learnt, *found.held_out)) else None


def held_frames(frames: Sequence[LabelledFrame]) -> list[bool]:
    """Which frames judge: what is agreed on in one is of one night and field, and so on one side."""
    every = [(each, number) for number, frame in enumerate(frames) for each in frame.candidates]
    if not every:
        return []
    group, night, field = (
        np.array([getattr(each, name) for each, _ in every]) for name in ("group", "night", "field")
    )
    held = held_out(_Rows(group, night, field, np.full(len(every), LABELLED)))
    found = [False] * len(frames)
    for (_, number), is_held in zip(every, held.tolist(), strict=True):
        found[number] = found[number] or is_held
    return found


def _windows(
    folder: Path, frame: LabelledFrame, masters_for: MastersFor, settings: Settings
) -> list[Path] | str:
    """The files of a frame's windows, made where they are not there; or in a word why there are none."""
    places = middles(frame.candidates)
    begin = _name(frame, settings)
    paths = [folder / f"{begin}-{number}.npz" for number in range(len(places))]
    if all(map(_is_whole, paths)):
        for path in paths:
            with suppress(OSError):  # of another login
                os.utime(path)  # it is used: `pipeline.training.outdated`
        return paths
    observation = frame.observation
    if not Path(observation.path).is_file() or not file_of(frame.reference.path, settings.home).is_file():
        return "gone"
    if was_written_over(Path(observation.path), observation.content):
        return "changed"
    try:
        reference = prepare(frame.reference, settings)
        masters = masters_for(*served(observation, settings))
        new, difference = subtract_again(
            Path(observation.path), observation.extension, reference, masters, settings
        )
        planes = frame_input(difference, new, reference)
    except FrameRefused as refused:
        log.warning("%s could not be subtracted again: %s", observation.frame, refused)
        return "refused"
    except Exception:  # SEP raises no narrower type: the other frames go on
        log.exception("%s could not be subtracted again", observation.frame)
        return "refused"
    for path, middle in zip(paths, places, strict=True):
        field_cache.store(window(path.stem, middle, frame.candidates, planes, difference), path)
    return paths


def _is_whole(path: Path) -> bool:
    try:
        field_cache.kinds_of(path)
    except field_cache.FieldDamaged:
        return False
    return True


def _name(frame: LabelledFrame, settings: Settings) -> str:
    """The same for the same pixels, settings and labels alone."""
    marks = [asdict(mark_of(each, 0, 0)) | {"row": each.row} for each in frame.candidates]
    observation, reference = frame.observation, frame.reference
    made_of = [
        observation.content, observation.extension, reference.content, settings.science_hash, WINDOW_PX, marks
    ]  # fmt: skip
    return f"label-{VERSION}-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]}"
