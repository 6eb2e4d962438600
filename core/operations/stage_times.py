"""What the stages took of late: percentiles, how fast frames go by, and when the queue will be empty.

One bounded read of the newest stages feeds all of it; the rest is arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import StageRun

READ = 1500  # stages: some 150 frames
RECENT_S = 1800.0  # the pace is that of this long before the newest frame ended
ENOUGH, LONG_S = 20, 60.0  # frames, or seconds, that make a pace: two frames within a second are none


@dataclass(frozen=True, slots=True)
class StageFact:
    """One stage of one attempt."""

    id: int
    observation_id: int
    attempt: int
    stage: str
    started_at: float
    seconds: float
    outcome: str  # done, rejected, failed

    @property
    def ended_at(self) -> float:
        """Unix seconds."""
        return self.started_at + self.seconds


@dataclass(frozen=True, slots=True)
class StageTimes:
    """A stage's times in seconds over the newest frames.

    ``times`` counts how often it ran, ``refused`` and ``failed`` how often it ended so.
    """

    stage: str
    times: int
    p50: float
    p95: float
    last: float
    share: float  # of all the time that was spent
    refused: int
    failed: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast frames go by.

    Attributes
    ----------
    frames : int
        That the pace was measured on.
    per_hour : float or None
        None before `ENOUGH` frames have gone by or, be it two, within `LONG_S`.
    work_s : float or None
        What one frame takes a worker, the median.
    last_at : float or None
        When the newest frame ended.
    """

    frames: int = 0
    per_hour: float | None = None
    work_s: float | None = None
    last_at: float | None = None


def recent_stages(store: Store, run_id: int | None = None, limit: int = READ) -> tuple[StageFact, ...]:
    """The newest stages, oldest first; those of one run, if one is named."""
    query = (
        select(
            col(StageRun.id),
            col(StageRun.observation_id),
            col(StageRun.attempt),
            col(StageRun.stage),
            col(StageRun.started_at),
            col(StageRun.seconds),
            col(StageRun.outcome),
        )
        .order_by(col(StageRun.id).desc())
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(col(StageRun.run_id) == run_id)
    with store.read() as session:
        rows: Sequence[Any] = session.connection().execute(query).all()
    return tuple(StageFact(*row) for row in reversed(rows))


def stage_times(facts: Sequence[StageFact]) -> tuple[StageTimes, ...]:
    """Times by stage, in the order in which a frame goes through them."""
    by_stage: dict[str, list[StageFact]] = {}
    place: dict[str, list[int]] = {}
    for attempt in _attempts(facts):
        for number, fact in enumerate(attempt):
            by_stage.setdefault(fact.stage, []).append(fact)
            place.setdefault(fact.stage, []).append(number)
    spent = sum(fact.seconds for fact in facts) or 1.0
    ordered = sorted(by_stage, key=lambda stage: float(np.median(place[stage])))
    return tuple(_times(stage, by_stage[stage], spent) for stage in ordered)


def pace(facts: Sequence[StageFact]) -> Pace:
    """How fast frames went by in the last `RECENT_S` before the newest one ended."""
    attempts = _attempts(facts)
    if not attempts:
        return Pace()
    ends = np.sort([attempt[-1].ended_at for attempt in attempts])
    last = float(ends[-1])
    recent = ends[ends > last - RECENT_S]
    began = min(attempt[0].started_at for attempt in attempts if attempt[-1].ended_at >= recent[0])
    # Between their ends there is one frame fewer, and hardly any time where workers end together.
    seconds = max((last - float(recent[0])) / max(recent.size - 1, 1), (last - began) / recent.size)
    work = float(np.median([sum(fact.seconds for fact in attempt) for attempt in attempts[-recent.size :]]))
    is_pace = recent.size >= ENOUGH or (recent.size > 1 and last - began >= LONG_S)
    per_hour = 3600.0 / seconds if is_pace and seconds > 0 else None
    return Pace(int(recent.size), per_hour, work, last)


def time_left_s(frames: int, now: Pace, workers: int) -> float | None:
    """How long so many frames take some workers; none where nothing is known or nobody works.

    The pace as it was counts everything, also what one worker waits for another; only where too few
    frames have gone by does the work alone have to do.
    """
    if frames == 0:
        return 0.0
    if workers < 1:
        return None
    if now.per_hour:
        return frames / now.per_hour * 3600.0
    return None if now.work_s is None else frames * now.work_s / workers


def _attempts(facts: Sequence[StageFact]) -> list[list[StageFact]]:
    """The stages by attempt, in the order in which the attempts began.

    A frame that a person retried counts its attempts anew: a stage that comes again begins another one.
    """
    attempts: list[list[StageFact]] = []
    open_: dict[tuple[int, int], list[StageFact]] = {}
    for fact in facts:
        key = fact.observation_id, fact.attempt
        if key not in open_ or any(fact.stage == before.stage for before in open_[key]):
            open_[key] = []
            attempts.append(open_[key])
        open_[key].append(fact)
    return [sorted(attempt, key=lambda fact: (fact.started_at, fact.id)) for attempt in attempts]


def _times(stage: str, facts: list[StageFact], spent: float) -> StageTimes:
    seconds = np.array([fact.seconds for fact in facts])
    p50, p95 = np.percentile(seconds, (50, 95))
    newest = max(facts, key=lambda fact: fact.id)
    return StageTimes(
        stage,
        len(facts),
        float(p50),
        float(p95),
        newest.seconds,
        float(seconds.sum()) / spent,
        sum(fact.outcome == "rejected" for fact in facts),
        sum(fact.outcome == "failed" for fact in facts),
    )
