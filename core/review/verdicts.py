"""Human decisions: appended to the chain of `core.review.chain`, never changed.

The state of the sky object, and of those that are judged with it, follows in the same transaction
(`core.review.states`). A verdict is on disk when a function here returns.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Verdict
from core.database.turns import take_turn
from core.errors import AstridError
from core.frames.standing import is_taken_back, stands
from core.objects.association import lock
from core.review import chain
from core.review.chain import next_sequence
from core.review.fakes import any_injected, reveal
from core.review.states import (
    LAST_SEEN,
    SEEN_AGAIN,
    any_linked,
    contradicted,
    follow_verdicts,
    last_seen,
    locked,
)
from core.vocabulary import Label

BULK = "bulk"  # in `shown`: [first, n], the rows of the session that were written as one step
MOST_AT_ONCE = 2000  # decisions of one step


class VerdictError(AstridError):
    """A verdict cannot be given; the message says why."""


def decide(
    store: Store,
    *,
    session: str,
    reviewer: str,
    candidate_id: int,
    label: Label,
    shown: Mapping[str, Any],
    note: str | None = None,
    tags: Iterable[str] = (),
) -> Verdict:
    """Append a decision on the candidate that was shown.

    Every call appends a row, also one that repeats the row before: what keeps a held key from
    deciding twice is the console's business.

    Parameters
    ----------
    store : Store
    session : str
        The reviewer's sitting; the chain runs within it.
    reviewer : str
    candidate_id : int
        What was on the screen.
    label : Label
    shown : mapping
        What the decision rests on: scores, model, configuration hash, stretch, SHA-256 of the
        cutouts. Anything that JSON can hold; numbers that are not finite become null.
    note, tags
        The reviewer's own words.

    Returns
    -------
    Verdict
        The row as it was written.

    Raises
    ------
    VerdictError
        There is no such candidate.
    """
    with store.write(durable=True) as db:
        return decide_in(
            db,
            session=session,
            reviewer=reviewer,
            candidate_id=candidate_id,
            label=label,
            shown=shown,
            note=note,
            tags=tags,
        )


def decide_in(
    db: Session,
    *,
    session: str,
    reviewer: str,
    candidate_id: int,
    label: Label,
    shown: Mapping[str, Any],
    note: str | None = None,
    tags: Iterable[str] = (),
) -> Verdict:
    """As `decide` does it, within a durable transaction that does more."""
    judged, objects = _locked_objects(db, [candidate_id])
    ((_, sky_object),) = judged
    repealed = contradicted(db, objects)
    row = append(
        db,
        session=session,
        reviewer=reviewer,
        candidate_id=candidate_id,
        sky_object_id=sky_object.id,
        label=Label(label).value,
        note=note,
        tags=list(tags),
        shown={**shown, LAST_SEEN: last_seen(objects, sky_object), **_of(sky_object.id, repealed)},
    )
    follow_verdicts(db, objects)
    return row


def lock_judged(db: Session, candidate_ids: Sequence[int]) -> None:
    """Lock all that verdicts on some candidates will touch, for a transaction that gives them one by one.

    Locked one by one in another order than others lock them, each would wait for the other.

    Raises
    ------
    VerdictError
        There is no such candidate.
    """
    _locked_objects(db, candidate_ids)


def decide_together(
    store: Store,
    *,
    session: str,
    reviewer: str,
    candidate_ids: Sequence[int],
    label: Label,
    shown: Mapping[str, Any],
) -> list[Verdict]:
    """Append one decision on many candidates, all or none; `undo` takes them back as one step.

    Parameters
    ----------
    shown : mapping
        What the decision rests on, the same for all: that they were not looked at one by one, and how
        they were chosen. Significance and score of each are added.

    Raises
    ------
    VerdictError
        A candidate does not exist, none is given, or there are more than `MOST_AT_ONCE`.
    """
    ids = sorted(set(candidate_ids))
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise VerdictError(f"{len(ids)} verdicts at once are not possible: 1 to {MOST_AT_ONCE} are")
    with store.write(durable=True) as db:
        judged, objects = _locked_objects(db, ids)
        bulk = [next_sequence(db, session), len(ids)]
        repealed = contradicted(db, objects)
        rows = []
        for candidate, sky_object in judged:
            facts = {
                "snr": candidate.snr,
                "score": candidate.score,
                LAST_SEEN: last_seen(objects, sky_object),
                **_of(sky_object.id, repealed),
            }
            row = append(
                db,
                session=session,
                reviewer=reviewer,
                candidate_id=candidate.id,
                sky_object_id=sky_object.id,
                label=Label(label).value,
                note=None,
                tags=[],
                shown={**shown, **facts, BULK: bulk},
            )
            rows.append(row)
        follow_verdicts(db, objects)
    return rows


def annotate(
    store: Store,
    *,
    session: str,
    reviewer: str,
    candidate_id: int,
    note: str | None = None,
    tags: Iterable[str] = (),
) -> Verdict:
    """Append a note or tags to a candidate without deciding anything.

    Raises
    ------
    VerdictError
        There is no such candidate, or neither note nor tags.
    """
    words = list(tags)
    if not (note and note.strip()) and not words:
        raise VerdictError("a note without words and tags says nothing")
    with store.write(durable=True) as db:
        ((_, sky_object),) = _locked_objects(db, [candidate_id])[0]
        return append(
            db,
            session=session,
            reviewer=reviewer,
            candidate_id=candidate_id,
            sky_object_id=sky_object.id,
            note=note,
            tags=words,
        )


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
        step = _step_of(db, last, stands(Verdict))
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
        step = _step_of(db, retraction, is_retraction, ~is_taken_back(Verdict))

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
    take_turn(db, f"undo of {storable(reviewer)}")


def _step_of(db: Session, row: Verdict, *conditions: Any) -> list[Verdict]:
    """The rows that were written as one step with this one and fulfil some conditions, in order."""
    if step_size(row) == 1:
        return [row]
    first, count = row.shown[BULK]
    query = select(Verdict).where(
        col(Verdict.session) == row.session,
        col(Verdict.sequence).between(first, first + count - 1),
        *conditions,
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
    _, objects = _locked_objects(db, sorted({row.candidate_id for row in step}))
    bulk = {BULK: [next_sequence(db, session), len(step)]} if len(step) > 1 else {}
    repealed = contradicted(db, objects)
    rows = []
    for row in step:
        facts = content(row)
        before = facts.get("shown", {})
        facts["shown"] = {name: value for name, value in before.items() if name != BULK} | bulk
        facts["shown"] |= _of(row.sky_object_id, repealed)
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


def _locked_objects(
    db: Session, candidate_ids: Sequence[int]
) -> tuple[list[tuple[Candidate, SkyObject]], list[SkyObject]]:
    """Candidates with their objects, in order of these; and all objects that verdicts on them touch.

    The commit of a frame takes objects and candidates in an order of its own. So whoever takes more than one
    row waits for such a commit first: for many objects, for those of a tracklet, and for what is injected,
    whose candidates leave the queue when it is revealed.
    """
    if len(candidate_ids) > 1 or any_linked(db, candidate_ids) or any_injected(db, candidate_ids):
        lock(db)
    found = list(db.scalars(select(Candidate).where(col(Candidate.id).in_(candidate_ids))))
    if missing := set(candidate_ids) - {candidate.id for candidate in found}:
        raise VerdictError(f"there is no candidate {min(missing)}")
    objects = locked(db, {candidate.sky_object_id for candidate in found})
    by_id = {row.id: row for row in objects}
    pairs = [(candidate, by_id[candidate.sky_object_id]) for candidate in found]
    return sorted(pairs, key=lambda pair: (pair[1].id or 0, pair[0].id or 0)), objects


def _of(object_id: int | None, repealed: Mapping[int, int]) -> dict[str, int]:
    """The verdict on an object that a detection had contradicted, for `shown`."""
    verdict = repealed.get(object_id or 0)
    return {} if verdict is None else {SEEN_AGAIN: verdict}


def _of_person(reviewer: str, session: str | None) -> list[Any]:
    """What a reviewer wrote, at all or in one session."""
    found: list[Any] = [col(Verdict.reviewer) == reviewer]
    return found if session is None else [*found, col(Verdict.session) == session]


def _newest(db: Session, *conditions: Any) -> Verdict | None:
    return db.scalar(select(Verdict).where(*conditions).order_by(col(Verdict.id).desc()).limit(1))


def append(db: Session, **content: Any) -> Verdict:
    """Append a row to its session's chain, and reveal what it judges if that was injected."""
    row = chain.append(db, **content)
    reveal(db, row)
    return row
