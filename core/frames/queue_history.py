"""What happened to a frame in the queue, from its first failure on: for whoever has to judge it.

A frame that goes its way writes no events; each failure, silence, interruption and each hand laid upon
it writes one, in the transaction that does it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session, col, func, insert, select

from core.database.store import Store
from core.database.tables import Observation, QueueEvent, StageRun
from core.vocabulary import QueueEventKind


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a frame's history.

    Attributes
    ----------
    at : float
        Unix seconds.
    what : str
        A `QueueEventKind`, or the name of a stage that ended then.
    attempt : int
        Counted from 1, and anew after a person retried the frame.
    outcome : str
        The frame's state after an event; ``done``, ``rejected`` or ``failed`` for a stage.
    by : str or None
        The worker that had the frame, or the person; ``run-N`` for a stage.
    reason : str or None
    seconds : float or None
        That the stage took.
    """

    at: float
    what: str
    attempt: int
    outcome: str
    by: str | None = None
    reason: str | None = None
    seconds: float | None = None

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def note_all(
    session: Session,
    event: QueueEventKind,
    frames: Iterable[tuple[int, str, int, str | None]],
    *,
    reason: str | None = None,
) -> None:
    """Write one event for each of some frames, as part of the transaction that makes it true.

    Parameters
    ----------
    frames : iterable of tuple
        The id of each, its state now, its attempt, and who had it or laid hands upon it.
    """
    rows = [
        {
            "observation_id": key,
            "at": time.time(),
            "event": event.value,
            "state": state,
            "attempt": attempt,
            "by": by,
            "reason": reason,
        }
        for key, state, attempt, by in frames
    ]
    if rows:
        session.connection().execute(insert(QueueEvent), rows)


def waits_since(session: Session, row: Observation) -> float:
    """Since when a frame is in the queue: registered, put back by a person, or its file replaced."""
    anew = (QueueEventKind.RETRIED.value, QueueEventKind.REPLACED.value)
    query = select(func.max(QueueEvent.at)).where(
        col(QueueEvent.observation_id) == row.id, col(QueueEvent.event).in_(anew)
    )
    return max(row.created_at, session.exec(query).one() or 0.0)


def history(store: Store, observation_id: int) -> tuple[Happening, ...]:
    """All that happened to a frame since it was registered, stages included, oldest first."""
    return histories(store, [observation_id])[observation_id]


def histories(store: Store, ids: Sequence[int]) -> Mapping[int, tuple[Happening, ...]]:
    """The same of several frames at once."""
    found: dict[int, list[Happening]] = {key: [] for key in ids}
    with store.read() as session:
        events = session.exec(select(QueueEvent).where(col(QueueEvent.observation_id).in_(ids))).all()
        stages = session.exec(select(StageRun).where(col(StageRun.observation_id).in_(ids))).all()
    # A failed attempt is written after its last stage, within the same instant perhaps.
    for stage in sorted(stages, key=lambda each: each.id or 0):
        found[stage.observation_id].append(_of_stage(stage))
    for event in sorted(events, key=lambda each: each.id or 0):
        found[event.observation_id].append(_of_event(event))
    return {key: tuple(sorted(lines, key=lambda line: line.at)) for key, lines in found.items()}


def _of_event(row: QueueEvent) -> Happening:
    return Happening(row.at, row.event, row.attempt, row.state, row.by, row.reason)


def _of_stage(row: StageRun) -> Happening:
    by = None if row.run_id is None else f"run-{row.run_id}"
    ended = row.started_at + row.seconds
    return Happening(ended, row.stage, row.attempt, row.outcome, by, row.reason, row.seconds)
