"""The queue of frames: claimed by one runner at a time, under a lease.

The queue is the `observation` table itself. Any number of runners may claim at once: one statement
takes a row, skipping those that others are taking. A lease that runs out gives its frame back, and
who lost it cannot commit any more (`core.frames.commit`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, true, update
from sqlmodel import Session, col, func, select

from core.database.store import Store
from core.database.tables import Observation
from core.errors import AstridError
from core.frames.queue_history import note_all
from core.vocabulary import DROPPABLE, ORDERED, REQUEUED, FrameKind, ObservationState, QueueEventKind

ATTEMPTS = 3  # as the settings have it
BATCH = 1000
MAX_INTERRUPTIONS = 10  # beyond power cuts and impatience: the frame itself kills its runs

NO_LEASE = {"lease_owner": None, "lease_token": None, "lease_until": None}
UNTRIED = {"attempts": 0, "interruptions": 0, "not_before": 0.0, "finished_at": None}


class LeaseLost(AstridError):
    """Somebody else has the frame now; nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to process one frame until a moment.

    Attributes
    ----------
    observation : Observation
        The row as it was claimed, detached from the store.
    token : str
        Proof of this claim, and of no other.
    attempt : int
        1 at the first.
    """

    observation: Observation
    token: str
    attempt: int

    @property
    def observation_id(self) -> int:
        """The row's key."""
        key = self.observation.id
        if key is None:
            raise ValueError("a lease is on a row of the store")
        return key


def claim(store: Store, owner: str, lease_s: float, *, attempts: int = ATTEMPTS) -> Lease | None:
    """Take the next frame, or none when no frame is due.

    Frames go by priority (lower first), then in the order in which they came. Frames whose lease ran
    out are put back first; one that has had its `attempts` is quarantined instead, so that a frame
    that crashes its worker does not do so for ever.

    Parameters
    ----------
    owner : str
        Who claims: `core.operations.runs.owner`.
    lease_s : float
        How long the lease lasts unless it is renewed.
    attempts : int
        How often a frame is tried.
    """
    token = secrets.token_hex(16)
    due = _due(store)
    query = (
        select(Observation.id)
        .where(due)
        .order_by(col(Observation.priority), col(Observation.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    take = (
        update(Observation)
        .where(col(Observation.id) == query.scalar_subquery(), due)
        .values(
            state=ObservationState.RUNNING.value,
            reason=None,
            attempts=col(Observation.attempts) + 1,
            lease_owner=owner,
            lease_token=token,
            lease_until=store.clock() + lease_s,
        )
        .returning(Observation)
    )
    with store.write() as session:
        _take_back(session, store, attempts)
        row = session.scalars(take).one_or_none()
    return None if row is None else Lease(row, token, row.attempts)


def count_takeable(store: Store, most: int) -> int:
    """How many frames `claim` could give now, those included whose lease ran out; counted up to `most`."""
    lapsed = and_(
        col(Observation.state) == ObservationState.RUNNING.value,
        col(Observation.lease_until) <= store.clock(),
    )
    with store.read() as session:
        return len(session.exec(select(Observation.id).where(or_(_due(store), lapsed)).limit(most)).all())


def due(store: Store) -> list[int]:
    """The keys of all frames that could be claimed now."""
    with store.read() as session:
        return [key or 0 for key in session.exec(select(Observation.id).where(_due(store)))]


def unfinished(store: Store, ids: Iterable[int]) -> set[int]:
    """Which of some frames could be claimed now, or are in somebody's hands."""
    pending = or_(_due(store), col(Observation.state) == ObservationState.RUNNING.value)
    return {key for key, _ in _states(store, ids, pending)}


def states(store: Store, ids: Iterable[int]) -> dict[int, str]:
    """The state of each of some frames."""
    return dict(_states(store, ids, true()))


def rows_queued(store: Store, ids: Sequence[int]) -> list[Observation]:
    """Those of some frames, no more than `BATCH`, that wait for a worker."""
    waits = col(Observation.state) == ObservationState.QUEUED.value
    query = select(Observation).where(col(Observation.id).in_(ids), waits).order_by(col(Observation.id))
    with store.read() as session:
        return list(session.exec(query))


def _states(store: Store, ids: Iterable[int], where: ColumnElement[bool]) -> Iterator[tuple[int, str]]:
    wanted = sorted(ids)
    with store.read() as session:
        for start in range(0, len(wanted), BATCH):
            some = col(Observation.id).in_(wanted[start : start + BATCH])
            rows = session.exec(select(Observation.id, Observation.state).where(some, where))
            yield from ((key or 0, state) for key, state in rows)


def renew(store: Store, lease: Lease, lease_s: float) -> bool:
    """Make a lease last from now on; false when it is lost already."""
    with store.write() as session:
        result = session.exec(
            update(Observation)
            .where(held(store, lease))
            .values(lease_until=store.clock() + lease_s)
            .returning(col(Observation.id))
        )
        return result.first() is not None


def release(store: Store, lease: Lease) -> bool:
    """Give a frame back unprocessed, as if it had not been tried; false when the lease is lost."""
    with store.write() as session:
        result = session.exec(
            update(Observation)
            .where(held(store, lease))
            .values(state=ObservationState.QUEUED.value, attempts=col(Observation.attempts) - 1, **NO_LEASE)
            .returning(col(Observation.id))
        )
        return result.first() is not None


def held(store: Store, lease: Lease) -> ColumnElement[bool]:
    """The condition that a lease still holds, by the database's own clock."""
    return and_(
        col(Observation.id) == lease.observation_id,
        col(Observation.state) == ObservationState.RUNNING.value,
        col(Observation.lease_token) == lease.token,
        col(Observation.lease_until) > store.clock(),
    )


def interrupt(session: Session, owned: ColumnElement[bool]) -> int:
    """Take frames from runs that ended with them in hand; how many.

    Their attempts do not count: to be in hand when the power fails is no fault of a frame's. Only
    one that has been so in `MAX_INTERRUPTIONS` runs is quarantined.
    """
    in_hand = and_(col(Observation.state) == ObservationState.RUNNING.value, owned)
    rows = session.exec(select(Observation).where(in_hand).with_for_update()).all()
    ended = []
    for row in rows:
        ended.append((row.id or 0, row.attempts, row.lease_owner))
        row.attempts -= 1
        row.interruptions += 1
        often = row.interruptions >= MAX_INTERRUPTIONS
        row.state = (ObservationState.QUARANTINED if often else ObservationState.QUEUED).value
        row.reason = f"{MAX_INTERRUPTIONS} runs ended while they processed it" if often else None
        row.sqlmodel_update(NO_LEASE)
    session.flush()
    note_all(
        session,
        QueueEventKind.INTERRUPTED,
        [(key, row.state, attempt, by) for row, (key, attempt, by) in zip(rows, ended, strict=True)],
        reason="its run ended with the frame in hand",
    )
    return len(rows)


def counts_by_state(store: Store, where: Sequence[ColumnElement[bool]] = ()) -> dict[str, int]:
    """How many observations are in each state; states without any are left out.

    Parameters
    ----------
    where : sequence of conditions
        What is counted: see `core.frames.frame_filters`.
    """
    with store.read() as session:
        query = select(Observation.state, func.count()).where(*where).group_by(Observation.state)
        return dict(sorted(session.exec(query).all()))


def count_left(store: Store) -> int:
    """How many frames a run would find to do: those in the queue, and those that are at work."""
    counts = counts_by_state(store)
    return counts.get(ObservationState.QUEUED, 0) + counts.get(ObservationState.RUNNING, 0)


def requeue(store: Store, ids: Sequence[int], by: str | None = None) -> int:
    """Put frames back into the queue as new; those that run or are calibration stay. How many went.

    Refused files of alerts stay as well: no worker takes them, `astrid ingest` does.
    """
    values = {"state": ObservationState.QUEUED.value, "reason": None, **UNTRIED}
    are_frames = col(Observation.kind) != FrameKind.ALERTS.value
    return _move(store, ids, REQUEUED, values, QueueEventKind.RETRIED, by, only=are_frames)


def drop(store: Store, ids: Sequence[int], reason: str = "dropped by hand", by: str | None = None) -> int:
    """Take frames out of the queue; those that run or are done stay. How many went."""
    values = {"state": ObservationState.DROPPED.value, "reason": reason}
    return _move(store, ids, DROPPABLE, values, QueueEventKind.DROPPED, by, reason)


def prioritise(store: Store, ids: Sequence[int], priority: int, by: str | None = None) -> int:
    """Move frames that wait within the queue: a lower priority runs first. How many were moved."""
    values = {"priority": priority}
    return _move(store, ids, ORDERED, values, QueueEventKind.PRIORITISED, by, f"priority {priority}")


def _due(store: Store) -> ColumnElement[bool]:
    return and_(
        col(Observation.state) == ObservationState.QUEUED.value,
        col(Observation.not_before) <= store.clock(),
    )


def _move(
    store: Store,
    ids: Sequence[int],
    states: Sequence[ObservationState],
    values: Mapping[str, object],
    event: QueueEventKind,
    by: str | None,
    reason: str | None = None,
    only: ColumnElement[bool] | None = None,
) -> int:
    moved = 0
    with store.write() as session:
        for start in range(0, len(ids), BATCH):
            movable = (
                select(Observation.id, Observation.state, Observation.attempts)
                .where(
                    col(Observation.id).in_(ids[start : start + BATCH]),
                    col(Observation.state).in_([state.value for state in states]),
                    true() if only is None else only,
                )
                .order_by(col(Observation.id))  # so that two who move the same frames never wait in a circle
                .with_for_update()
            )
            rows = session.exec(movable).all()
            keys = [key for key, _, _ in rows]
            session.exec(update(Observation).where(col(Observation.id).in_(keys)).values(**values))
            state = values.get("state")
            note_all(
                session,
                event,
                [(key or 0, str(state or before), attempts, by) for key, before, attempts in rows],
                reason=reason,
            )
            moved += len(rows)
    return moved


def _take_back(session: Session, store: Store, attempts: int) -> None:
    """End the leases that ran out; never wait for a row that somebody is committing."""
    expired = (
        select(Observation)
        .where(
            col(Observation.state) == ObservationState.RUNNING.value,
            col(Observation.lease_until) <= store.clock(),
        )
        .with_for_update(skip_locked=True)
    )
    for row in session.exec(expired).all():
        owner, spent = row.lease_owner, row.attempts >= attempts
        row.state = (ObservationState.QUARANTINED if spent else ObservationState.QUEUED).value
        row.reason = f"its worker fell silent in each of {attempts} attempts" if spent else None
        row.sqlmodel_update(NO_LEASE)
        session.flush()
        note_all(
            session,
            QueueEventKind.EXPIRED,
            [(row.id or 0, row.state, row.attempts, owner)],
            reason="its worker fell silent, and the lease ran out",
        )
