"""The queue of frames: claimed by one runner at a time, under a lease.

The queue is the `observation` table itself. Any number of runners may claim at once: one statement
takes a row, skipping those that others are taking. A lease that runs out gives its frame back, and
who lost it cannot commit any more (`core.commit`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, update
from sqlmodel import Session, col, func, select

from core.errors import AstridError
from core.store import Store
from core.tables import Observation
from core.vocabulary import ObservationState

ATTEMPTS = 3  # as the settings have it
MAX_INTERRUPTIONS = 10  # beyond power cuts and impatience: the frame itself kills its runs

# What a person may put back into the queue, and take out of it.
REQUEUED = (
    ObservationState.DONE,
    ObservationState.REJECTED,
    ObservationState.QUARANTINED,
    ObservationState.DROPPED,
    ObservationState.WAITING,
)
DROPPABLE = (
    ObservationState.QUEUED,
    ObservationState.WAITING,
    ObservationState.REJECTED,
    ObservationState.QUARANTINED,
)

NO_LEASE = {"lease_owner": None, "lease_token": None, "lease_until": None}


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
        Who claims: `core.runs.owner`.
    lease_s : float
        How long the lease lasts unless it is renewed.
    attempts : int
        How often a frame is tried.
    """
    token = secrets.token_hex(16)
    due = and_(
        col(Observation.state) == ObservationState.QUEUED.value,
        col(Observation.not_before) <= store.clock(),
    )
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
    often = col(Observation.interruptions) + 1 >= MAX_INTERRUPTIONS
    result = session.exec(
        update(Observation)
        .where(col(Observation.state) == ObservationState.RUNNING.value, owned)
        .values(
            state=case((often, ObservationState.QUARANTINED.value), else_=ObservationState.QUEUED.value),
            reason=case((often, f"{MAX_INTERRUPTIONS} runs ended while they processed it"), else_=None),
            attempts=col(Observation.attempts) - 1,
            interruptions=col(Observation.interruptions) + 1,
            **NO_LEASE,
        )
        .returning(col(Observation.id))
    )
    return len(result.all())


def counts_by_state(store: Store) -> dict[str, int]:
    """How many observations are in each state; states without any are left out."""
    with store.read() as session:
        query = select(Observation.state, func.count()).group_by(Observation.state)
        return dict(sorted(session.exec(query).all()))


def requeue(store: Store, ids: Sequence[int]) -> int:
    """Put frames back into the queue as new; those that run or are calibration stay. How many went."""
    return _move(
        store,
        ids,
        REQUEUED,
        {
            "state": ObservationState.QUEUED.value,
            "reason": None,
            "attempts": 0,
            "interruptions": 0,
            "not_before": 0.0,
            "finished_at": None,
        },
    )


def drop(store: Store, ids: Sequence[int], reason: str = "dropped by hand") -> int:
    """Take frames out of the queue; those that run or are done stay. How many went."""
    return _move(store, ids, DROPPABLE, {"state": ObservationState.DROPPED.value, "reason": reason})


def _move(
    store: Store, ids: Sequence[int], states: Sequence[ObservationState], values: dict[str, object]
) -> int:
    moved = 0
    with store.write() as session:
        for start in range(0, len(ids), 1000):
            result = session.exec(
                update(Observation)
                .where(
                    col(Observation.id).in_(ids[start : start + 1000]),
                    col(Observation.state).in_([state.value for state in states]),
                )
                .values(**values)
                .returning(col(Observation.id))
            )
            moved += len(result.all())
    return moved


def _take_back(session: Session, store: Store, attempts: int) -> None:
    """End the leases that ran out; never wait for a row that somebody is committing."""
    expired = (
        select(Observation.id)
        .where(
            col(Observation.state) == ObservationState.RUNNING.value,
            col(Observation.lease_until) <= store.clock(),
        )
        .with_for_update(skip_locked=True)
    )
    spent = col(Observation.attempts) >= attempts
    session.exec(
        update(Observation)
        .where(col(Observation.id).in_(expired.scalar_subquery()))
        .values(
            state=case((spent, ObservationState.QUARANTINED.value), else_=ObservationState.QUEUED.value),
            reason=case((spent, f"its worker fell silent in each of {attempts} attempts"), else_=None),
            **NO_LEASE,
        )
        .execution_options(synchronize_session=False)
    )
