"""Objects that were found later, measured in frames that were processed before.

A difference image is not kept: the frame is calibrated, aligned and subtracted again as it was, and the
flux is measured at the places of all objects that it lacks. Its candidates, scores and verdicts stay as
they are. Each frame is written at once, so that what was done stays done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from core.database.store import Store
from core.frames.content import was_written_over
from core.frames.drawn import Draw
from core.frames.forced import Lack, add_points, lacking, look
from core.frames.injected import content_of
from core.frames.outcome import ForcedFacts
from core.settings import Settings
from pipeline.calibration.calibrators import masters_of, served
from pipeline.clock import one_line
from pipeline.engines.worker import WRITTEN_OVER
from pipeline.frame import FrameRefused
from pipeline.outcome_facts import known_objects
from pipeline.process import measure_again
from pipeline.reference.prepare import prepare

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Remeasured:
    """What became of one frame: how many points it got, or the reason why it got none."""

    observation_id: int
    frame: str
    points: int
    reason: str | None = None


def remeasure(
    store: Store,
    settings: Settings,
    object_ids: Collection[int] | None = None,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> tuple[list[Remeasured], int]:
    """Measure objects in all frames that cover them and were processed before they were known.

    Parameters
    ----------
    object_ids : collection of int, optional
        Whose frames; else those of all objects that were not judged bogus. A frame that is subtracted
        again is measured at the places of all objects that it lacks.
    limit : int, optional
        Frames to subtract again at most.
    progress : callable, optional
        ``report(done, total, frame)``.

    Returns
    -------
    list of Remeasured
        The frames that lacked something.
    left : int
        Frames that were not looked at because of the limit.
    """
    frames = lacking(store, object_ids)
    report = progress or (lambda _done, _total, _what: None)
    done: list[Remeasured] = []
    for number, (_, difference_id) in enumerate(frames):
        if limit is not None and len(done) >= limit:
            return done, len(frames) - number
        lack = look(store, difference_id, object_ids)
        if lack is None or not lack.is_wanted:
            if lack is not None and not lack.objects:  # and nobody needs to look again
                add_points(store, difference_id, (), lack.through)
            continue
        report(number, len(frames), lack.observation.frame)
        done.append(_one(store, settings, lack))
    report(len(frames), len(frames), "")
    return done, 0


def _one(store: Store, settings: Settings, lack: Lack) -> Remeasured:
    observation, difference = lack.observation, lack.difference
    key, name = observation.id or 0, observation.frame
    if (difference.config_hash, difference.method) != (settings.science_hash, settings.subtract.method):
        reason = "it was subtracted with other settings than those in force"
        return Remeasured(key, name, 0, f"{reason}: `astrid queue retry {key}` does it anew")
    if was_written_over(Path(observation.path), observation.content):
        return Remeasured(key, name, 0, WRITTEN_OVER)
    try:
        points = _measured(store, settings, lack)
    except FrameRefused as refused:
        return Remeasured(key, name, 0, str(refused))
    except Exception as error:  # whatever broke, the other frames go on
        log.exception("%s could not be measured again", name)
        return Remeasured(key, name, 0, one_line(error))
    added = add_points(store, difference.id or 0, points, lack.through)
    if added is None:
        return Remeasured(key, name, 0, "it was processed anew meanwhile")
    return Remeasured(key, name, added)


def _measured(store: Store, settings: Settings, lack: Lack) -> tuple[ForcedFacts, ...]:
    observation = lack.observation
    return measure_again(
        Path(observation.path),
        observation.extension,
        prepare(lack.reference, settings),
        masters_of(store, settings)(*served(observation, settings)),
        known_objects([row for row in lack.objects if not row.injected]),
        settings,
        Draw(content_of(observation), lack.sources),
    )
