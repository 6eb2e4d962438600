"""The commit of a frame: all that it yielded in one transaction, or nothing.

The first statement ends the lease, and only where it still holds: a worker that was taken for dead
writes nothing. The same subtraction committed again replaces what it wrote before; another reference,
method or configuration makes a new version, and the older one leaves the queue with its verdicts kept.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from core.database.rows import insert_rows
from core.database.storable import storable
from core.database.store import Store
from core.database.tables import (
    Candidate,
    Difference,
    ForcedFlux,
    Observation,
    Rejection,
    ScoreMap,
    StageRun,
    Thumbnail,
)
from core.frames import injected
from core.frames.commit_candidates import candidate_columns, write_candidates
from core.frames.forced import forced_rows
from core.frames.outcome import DifferenceFacts, FrameOutcome
from core.frames.queue import NO_LEASE, Lease, LeaseLost, held
from core.frames.queue_history import note_all, waits_since
from core.frames.references import best
from core.frames.shown import in_order
from core.objects.association import lock, refresh
from core.objects.seen_again import Rule
from core.objects.sphere import zone_of
from core.vocabulary import ObservationState, QueueEventKind

LONGEST_LOOK_S = 600.0  # so often, at least, it is looked whether the folder of a frame is there again


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What the store made of an outcome.

    Attributes
    ----------
    state, reason
        Of the observation now; a failed frame is ``queued`` again or ``quarantined``.
    candidate_ids : tuple of int
        In the order of the outcome's candidates.
    new_objects : int
        How many sky objects the frame founded.
    """

    state: str
    reason: str | None = None
    difference_id: int | None = None
    candidate_ids: tuple[int, ...] = ()
    new_objects: int = 0


def commit_frame(
    store: Store,
    lease: Lease,
    outcome: FrameOutcome,
    *,
    attempts: int,
    retry_s: float,
    run_id: int | None = None,
    seen_again: Rule | None = None,
) -> CommitResult:
    """Write what a frame yielded, and end its lease.

    A ``failed`` frame is queued again, to be tried ``retry_s * 2**(attempt - 1)`` seconds later; after
    `attempts` it is quarantined. One that is ``waiting`` for a reference has not been tried, nor has one
    whose folder is ``away``: that is queued again, to be looked for ever more rarely.

    Parameters
    ----------
    seen_again : Rule, optional
        What brings objects back that were judged bogus; else that of the settings' defaults.

    Raises
    ------
    LeaseLost
        The lease ran out, or the frame was taken from it; nothing was written.
    ValueError
        The outcome has no such state, or candidates without a difference or a time.
    """
    _check(lease.observation, outcome)
    state = _next_state(lease, outcome, attempts)
    # Prepared before the transaction: while it lasts, no verdict can be written.
    shown = in_order(outcome, lambda fact: candidate_columns(fact, lease.observation, outcome))
    with store.write() as session:
        _end_lease(session, store, lease, outcome, state, retry_s)
        _write_stages(session, lease, outcome, run_id)
        _write_thumbnail(session, lease, outcome)
        if outcome.state == "failed":
            owner = lease.observation.lease_owner
            note_all(
                session,
                QueueEventKind.FAILED,
                [(lease.observation_id, state, lease.attempt, owner)],
                reason=outcome.reason,
            )
        if state == ObservationState.WAITING and _waits_in_vain(session, lease):
            return CommitResult(ObservationState.QUEUED.value)
        difference_id: int | None = None
        keys: list[int] = []
        new_objects = 0
        if outcome.state == ObservationState.DONE and outcome.difference is not None:
            lock(session)
            spent = injected.revealed_ids(session, [each.sky_object_id or 0 for each in outcome.injected])
            shown = [each for each in shown if each.sky_object_id not in spent]
            difference_id = _write_difference(session, lease, outcome.difference, len(shown))
            keys, new_objects = write_candidates(
                session, lease, outcome, shown, difference_id, seen_again or Rule()
            )
            _write_forced(session, lease.observation, outcome, difference_id, spent)
            _write_score_map(session, outcome, difference_id)
        elif outcome.state in {ObservationState.DONE, ObservationState.REJECTED}:
            lock(session)
            refresh(session, _supersede(session, lease.observation_id, keep=None))
        if outcome.state not in {"failed", "away"}:
            _write_rejections(session, lease, outcome, difference_id)
    return CommitResult(state, outcome.reason, difference_id, tuple(keys), new_objects)


def _check(observation: Observation, outcome: FrameOutcome) -> None:
    states = ObservationState
    allowed = {states.DONE, states.REJECTED, states.WAITING, states.DROPPED, "away", "failed"}
    if outcome.state not in allowed:
        raise ValueError(f"no frame ends as {outcome.state}")
    if outcome.n_candidates and outcome.difference is None:
        raise ValueError("candidates come from a difference")
    if outcome.n_candidates and observation.mjd is None:
        raise ValueError("candidates need the time of their frame")


def _next_state(lease: Lease, outcome: FrameOutcome, attempts: int) -> str:
    if outcome.state == "away":
        return ObservationState.QUEUED.value
    if outcome.state != "failed":
        return str(outcome.state)
    last = lease.attempt >= attempts
    return (ObservationState.QUARANTINED if last else ObservationState.QUEUED).value


def _end_lease(
    session: Session, store: Store, lease: Lease, outcome: FrameOutcome, state: str, retry_s: float
) -> None:
    values: dict[str, Any] = {"state": state, "reason": outcome.reason, **NO_LEASE}
    if outcome.quality is not None:
        values |= asdict(outcome.quality)
    if outcome.state == "away":
        # There is no count of looks: half of what a frame waited until now makes them as rare.
        waited = max(time.time() - waits_since(session, lease.observation), 0.0)
        values["attempts"] = col(Observation.attempts) - 1
        values["not_before"] = store.clock() + min(max(retry_s, waited / 2), LONGEST_LOOK_S)
    elif state == ObservationState.QUEUED:
        values["not_before"] = store.clock() + retry_s * 2 ** (lease.attempt - 1)
    elif state == ObservationState.WAITING:
        values["attempts"] = col(Observation.attempts) - 1
    else:
        values["finished_at"] = time.time()
    result = session.exec(
        update(Observation)
        .where(held(store, lease))
        .values(**values)
        .returning(col(Observation.id))
        .execution_options(synchronize_session=False)
    )
    if result.first() is None:
        raise LeaseLost(f"the lease on {lease.observation.frame} is lost: another worker has the frame now")


def _waits_in_vain(session: Session, lease: Lease) -> bool:
    """Queue a frame again whose reference was added after it had looked for one."""
    lock(session)
    if best(session, lease.observation) is None:
        return False
    session.exec(
        update(Observation)
        .where(col(Observation.id) == lease.observation_id)
        .values(state=ObservationState.QUEUED.value, reason=None)
        .execution_options(synchronize_session=False)
    )
    return True


def _write_stages(session: Session, lease: Lease, outcome: FrameOutcome, run_id: int | None) -> None:
    common = {"run_id": run_id, "observation_id": lease.observation_id, "attempt": lease.attempt}
    insert_rows(session, StageRun, [asdict(record) | common for record in outcome.stages])


def _write_thumbnail(session: Session, lease: Lease, outcome: FrameOutcome) -> None:
    """Replace the frame's thumbnail; an attempt that did not come so far leaves the old one."""
    if outcome.thumbnail is not None:
        key = lease.observation_id
        session.exec(delete(Thumbnail).where(col(Thumbnail.observation_id) == key))
        insert_rows(session, Thumbnail, [{"observation_id": key, "pixels": outcome.thumbnail}])


def _write_difference(session: Session, lease: Lease, facts: DifferenceFacts, n_candidates: int) -> int:
    """Make the difference the current one of its observation; its key."""
    row = session.exec(
        select(Difference).where(
            col(Difference.observation_id) == lease.observation_id,
            col(Difference.reference_id) == facts.reference_id,
            col(Difference.method) == facts.method,
            col(Difference.config_hash) == facts.config_hash,
        )
    ).first()
    refresh(session, _supersede(session, lease.observation_id, keep=row.id if row else None))
    values = storable(asdict(facts)) | {"is_current": True, "n_candidates": n_candidates}
    if row is None:
        row = Difference(observation_id=lease.observation_id, created_at=time.time(), **values)
    else:
        row.sqlmodel_update(values)
    session.add(row)
    session.flush()
    return row.id or 0


def _supersede(session: Session, observation_id: int, keep: int | None) -> set[int]:
    """Let no difference of an observation be current but one; the objects of what left the queue."""
    old = session.exec(
        select(Difference.id).where(
            col(Difference.observation_id) == observation_id,
            col(Difference.is_current),
            col(Difference.id) != (keep or 0),
        )
    ).all()
    if not old:
        return set()
    session.exec(update(Difference).where(col(Difference.id).in_(old)).values(is_current=False))
    left = session.exec(
        update(Candidate)
        .where(col(Candidate.difference_id).in_(old), col(Candidate.is_current))
        .values(is_current=False)
        .returning(col(Candidate.sky_object_id))
        .execution_options(synchronize_session=False)
    )
    return {row[0] for row in left.all()}


def _write_forced(
    session: Session,
    observation: Observation,
    outcome: FrameOutcome,
    difference_id: int,
    spent: Collection[int],
) -> None:
    session.exec(delete(ForcedFlux).where(col(ForcedFlux.difference_id) == difference_id))
    if outcome.difference is not None and observation.mjd is not None:
        rows = forced_rows(
            injected.forced_points(outcome, spent), outcome.difference, difference_id, observation
        )
        insert_rows(session, ForcedFlux, rows)
    session.exec(
        update(Difference)
        .where(col(Difference.id) == difference_id)
        .values(forced_through=outcome.forced_through)
    )


def _write_score_map(session: Session, outcome: FrameOutcome, difference_id: int) -> None:
    session.exec(delete(ScoreMap).where(col(ScoreMap.difference_id) == difference_id))
    if outcome.score_map is not None:
        insert_rows(session, ScoreMap, [{"difference_id": difference_id, "blocks": outcome.score_map}])


def _write_rejections(
    session: Session, lease: Lease, outcome: FrameOutcome, difference_id: int | None
) -> None:
    session.exec(
        delete(Rejection).where(
            col(Rejection.observation_id) == lease.observation_id,
            col(Rejection.difference_id).is_not_distinct_from(difference_id),
        )
    )
    rows = []
    for fact in outcome.rejections:
        on_sky = fact.ra is not None and fact.dec is not None
        rows.append(
            asdict(fact)
            | {
                "observation_id": lease.observation_id,
                "difference_id": difference_id,
                "ra": fact.ra % 360.0 if fact.ra is not None and on_sky else None,
                "zone": zone_of(fact.dec) if fact.dec is not None and on_sky else None,
            }
        )
    insert_rows(session, Rejection, rows)
