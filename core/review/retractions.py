"""Decisions taken back, and given again: rows of the chain that answer earlier ones, which stay as they are.

What was decided as one step is answered as one. The states of all objects follow in the same transaction.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import SkyObject, Verdict
from core.database.turns import take_turn
from core.frames.standing import is_taken_back, stands
from core.review.chain import next_sequence
from core.review.states import contradicted, follow_verdicts
from core.review.verdicts import BULK, append, locked_with_objects, repeals


def undo(
    store: Store, *, session: str, reviewer: str, own: bool = False, only: int | None = None
) -> Verdict | None:
    """Take back the reviewer's newest standing decision, of this session or an earlier one.

    What was decided as one step is taken back as one. Can be repeated until none stands. A retraction
    is a row of `session`; the object's state goes back to what stood before.

    Parameters
    ----------
    own : bool
        Only one of this session: another console of the same person may be at work.
    only : int, optional
        Nothing but the decision of this id, and only while it is the newest.

    Returns
    -------
    Verdict or None
        The retraction, whose `retracts_id` is the decision, the first of a step of many (`step_size`);
        none where no decision stands.
    """
    with store.write(durable=True) as db:
        _hold(db, reviewer)
        last = _newest(db, *_of_person(reviewer, session if own else None), stands(Verdict))
        if last is None or only not in (None, last.id):
            return None
        step = _step_of(db, last)
        return _answer(db, step, session, reviewer, lambda row: {"retracts_id": row.id})


def newest(store: Store, reviewer: str) -> Verdict | None:
    """The reviewer's newest standing decision, which `undo` would take back."""
    with store.read() as db:
        return _newest(db, col(Verdict.reviewer) == reviewer, stands(Verdict))


def label_of(store: Store, verdict_id: int | None) -> str | None:
    """What a verdict says; none for one that there is not."""
    with store.read() as db:
        row = db.get(Verdict, verdict_id) if verdict_id is not None else None
        return row.label if row else None


def redo(store: Store, *, session: str, reviewer: str, own: bool = False) -> Verdict | None:
    """Give again the decision that the reviewer's last `undo` took back.

    Can be repeated for as many as were undone, until a new decision is made.

    Parameters
    ----------
    own : bool
        Only what was taken back, and only what was decided since, in this session.

    Returns
    -------
    Verdict or None
        The decision, given again, the first of a step of many; none where there is nothing to redo.
    """
    with store.write(durable=True) as db:
        _hold(db, reviewer)
        mine = _of_person(reviewer, session if own else None)
        is_retraction = col(Verdict.label).is_(None) & col(Verdict.retracts_id).is_not(None)
        retraction = _newest(db, *mine, is_retraction, ~is_taken_back(Verdict))
        if retraction is None or retraction.id is None:
            return None
        is_fresh = col(Verdict.label).is_not(None) & col(Verdict.retracts_id).is_(None)
        if _newest(db, *mine, is_fresh, col(Verdict.id) > retraction.id) is not None:
            return None
        step = _step_of(db, retraction)

        def again(row: Verdict) -> dict[str, Any]:
            taken_back = db.get_one(Verdict, row.retracts_id)
            return {
                "label": taken_back.label,
                "retracts_id": row.id,
                "note": taken_back.note,
                "tags": taken_back.tags,
                "shown": taken_back.shown,
            }

        return _answer(db, step, session, reviewer, again)


def step_size(row: Verdict) -> int:
    """How many rows were written as one step with this one."""
    bulk = row.shown.get(BULK)
    return bulk[1] if isinstance(bulk, list) and len(bulk) == 2 else 1


def decision(store: Store, row: Verdict) -> tuple[Verdict, str]:
    """The decision that a row gives or takes back, and the name of its object."""
    with store.read() as db:
        given = row if row.label is not None else db.get_one(Verdict, row.retracts_id)
        return given, db.get_one(SkyObject, row.sky_object_id).name


def objects_of_step(store: Store, row: Verdict) -> tuple[int, ...]:
    """The objects of all rows that were written as one step with this one."""
    with store.read() as db:
        return tuple(each.sky_object_id for each in _step_of(db, row))


def _hold(db: Session, reviewer: str) -> None:
    """Let one console of a reviewer at a time take back or give again: two would answer the same row."""
    take_turn(db, f"undo of {reviewer}")


def _step_of(db: Session, row: Verdict) -> list[Verdict]:
    """The rows that were written as one step with this one, in order; none is answered without the others."""
    if step_size(row) == 1:
        return [row]
    first, count = row.shown[BULK]
    query = select(Verdict).where(
        col(Verdict.session) == row.session,
        col(Verdict.sequence).between(first, first + count - 1),
    )
    return list(db.scalars(query.order_by(col(Verdict.sequence))))


def _answer(
    db: Session,
    step: Sequence[Verdict],
    session: str,
    reviewer: str,
    content: Callable[[Verdict], dict[str, Any]],
) -> Verdict:
    """Append what answers each row of a step, as one step; the first of the new rows."""
    _, objects = locked_with_objects(db, sorted({row.candidate_id for row in step}))
    bulk = {BULK: [next_sequence(db, session), len(step)]} if len(step) > 1 else {}
    repealed = contradicted(db, objects)
    rows = []
    for row in step:
        facts = content(row)
        before = facts.get("shown", {})
        facts["shown"] = {name: value for name, value in before.items() if name != BULK} | bulk
        facts["shown"] |= repeals(row.sky_object_id, repealed)
        rows.append(
            append(
                db,
                session=session,
                reviewer=reviewer,
                candidate_id=row.candidate_id,
                sky_object_id=row.sky_object_id,
                **facts,
            )
        )
    follow_verdicts(db, objects)
    return rows[0]


def _of_person(reviewer: str, session: str | None) -> list[Any]:
    """What a reviewer wrote, at all or in one session."""
    found: list[Any] = [col(Verdict.reviewer) == reviewer]
    return found if session is None else [*found, col(Verdict.session) == session]


def _newest(db: Session, *conditions: Any) -> Verdict | None:
    return db.scalar(select(Verdict).where(*conditions).order_by(col(Verdict.id).desc()).limit(1))
