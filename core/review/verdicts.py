"""Human decisions: appended, chained by hashes, never changed.

Each row carries the hash of the row before it in the same session, so that a row which was changed,
removed or slipped in later breaks its chain. The state of the sky object follows in the same
transaction, from the newest verdict on it that stands. A verdict is on disk when a function here
returns.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Verdict
from core.errors import AstridError
from core.frames.standing import is_taken_back, stands
from core.objects.association import lock
from core.review.fakes import any_injected, is_revealed, reveal
from core.vocabulary import LABELS, ONCE_FOR_DAYS, Label, ReviewState

FIRST_HASH = "0" * 64  # what the first row of a session has before it
LAST_SEEN = "object_last_mjd"  # in `shown`: the object's newest epoch when it was judged
BULK = "bulk"  # in `shown`: [first, n], the rows of the session that were written as one step
MOST_AT_ONCE = 2000  # decisions of one step
AWAITING = (ReviewState.UNREVIEWED, ReviewState.ESCALATED)
_BATCH = 2000  # ids of one query


class VerdictError(AstridError):
    """A verdict cannot be given; the message says why."""


@dataclass(frozen=True, slots=True)
class SessionHead:
    """The end of one session's chain: who keeps it can prove that no row before it was changed."""

    session: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A row that does not fit its chain."""

    session: str
    sequence: int
    verdict_id: int
    reason: str


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
        sky_object = _locked_object(db, candidate_id)
        row = _append(
            db,
            session=session,
            reviewer=reviewer,
            candidate_id=candidate_id,
            sky_object_id=sky_object.id,
            label=Label(label).value,
            note=note,
            tags=list(tags),
            shown={**shown, LAST_SEEN: sky_object.last_mjd},
        )
        _follow(db, sky_object)
    return row


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
        objects = _locked_objects(db, ids)
        bulk = [_next_sequence(db, session), len(ids)]
        rows = []
        for candidate, sky_object in objects:
            facts = {"snr": candidate.snr, "score": candidate.score, LAST_SEEN: sky_object.last_mjd}
            row = _append(
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
            _follow(db, sky_object)
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
        sky_object = _locked_object(db, candidate_id)
        return _append(
            db,
            session=session,
            reviewer=reviewer,
            candidate_id=candidate_id,
            sky_object_id=sky_object.id,
            note=note,
            tags=words,
        )


def undo(store: Store, *, session: str, reviewer: str) -> Verdict | None:
    """Take back the reviewer's newest standing decision, of this session or an earlier one.

    What was decided as one step is taken back as one. Can be repeated until none stands. A retraction
    is a row of `session`; the object's state goes back to what stood before.

    Returns
    -------
    Verdict or None
        The retraction, whose `retracts_id` is the decision, the first of a step of many (`step_size`);
        none where no decision stands.
    """
    with store.write(durable=True) as db:
        last = _newest(db, col(Verdict.reviewer) == reviewer, stands(Verdict))
        if last is None:
            return None
        step = _step_of(db, last, stands(Verdict))
        return _answer(db, step, session, reviewer, lambda row: {"retracts_id": row.id})


def redo(store: Store, *, session: str, reviewer: str) -> Verdict | None:
    """Give again the decision that the reviewer's last `undo` took back.

    Can be repeated for as many as were undone, until a new decision is made.

    Returns
    -------
    Verdict or None
        The decision, given again, the first of a step of many; none where there is nothing to redo.
    """
    with store.write(durable=True) as db:
        mine = col(Verdict.reviewer) == reviewer
        is_retraction = col(Verdict.label).is_(None) & col(Verdict.retracts_id).is_not(None)
        retraction = _newest(db, mine, is_retraction, ~is_taken_back(Verdict))
        if retraction is None or retraction.id is None:
            return None
        is_fresh = col(Verdict.label).is_not(None) & col(Verdict.retracts_id).is_(None)
        if _newest(db, mine, is_fresh, col(Verdict.id) > retraction.id) is not None:
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


def objects_of_step(store: Store, row: Verdict) -> tuple[int, ...]:
    """The objects of all rows that were written as one step with this one."""
    with store.read() as db:
        return tuple(each.sky_object_id for each in _step_of(db, row))


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
    locked = _locked_objects(db, sorted({row.candidate_id for row in step}))
    objects = {candidate.id: sky_object for candidate, sky_object in locked}
    bulk = {BULK: [_next_sequence(db, session), len(step)]} if len(step) > 1 else {}
    rows = []
    for row in step:
        facts = content(row)
        before = facts.get("shown", {})
        facts["shown"] = {name: value for name, value in before.items() if name != BULK} | bulk
        rows.append(
            _append(
                db,
                session=session,
                reviewer=reviewer,
                candidate_id=row.candidate_id,
                sky_object_id=row.sky_object_id,
                **facts,
            )
        )
        _follow(db, objects[row.candidate_id])
    return rows[0]


def verify(store: Store) -> list[BrokenLink]:
    """Walk every chain and name each row that does not fit.

    Rows that were cut off a chain's end leave no trace in it; compare `session_heads` with the heads
    that an earlier export printed.
    """
    broken: list[BrokenLink] = []
    session, sequence, previous = "", 0, FIRST_HASH
    with store.read() as db:
        rows = select(Verdict).order_by(col(Verdict.session), col(Verdict.sequence))
        for row in db.scalars(rows.execution_options(yield_per=500)):
            if row.session != session:
                session, sequence, previous = row.session, 0, FIRST_HASH
            reasons = []
            if row.sequence != sequence + 1:
                reasons.append(f"the row before it is {sequence}, not {row.sequence - 1}")
            if row.previous_hash != previous:
                reasons.append("it names another row before it")
            if row.hash != row_hash(row):
                reasons.append("its content does not have its hash")
            if reasons:
                broken.append(BrokenLink(row.session, row.sequence, row.id or 0, "; ".join(reasons)))
            sequence, previous = row.sequence, row.hash
    return broken


def session_heads(store: Store) -> list[SessionHead]:
    """The last row of every session, in order of the sessions' names."""
    session, sequence = col(Verdict.session), col(Verdict.sequence)
    ends = select(session, func.max(sequence).label("sequence")).group_by(session).subquery()
    query = (
        select(session, sequence, col(Verdict.hash))
        .join(ends, (session == ends.c.session) & (sequence == ends.c.sequence))
        .order_by(session)
    )
    with store.read() as db:
        return [SessionHead(*row) for row in db.execute(query)]


def row_hash(row: Verdict) -> str:
    """SHA-256 of a row's content, in canonical JSON, that of the row before it included."""
    content = {
        "session": row.session,
        "sequence": row.sequence,
        "reviewer": row.reviewer,
        "candidate_id": row.candidate_id,
        "sky_object_id": row.sky_object_id,
        "label": row.label,
        "retracts_id": row.retracts_id,
        "note": row.note,
        "tags": row.tags,
        "shown": row.shown,
        "created_at": row.created_at,
        "previous_hash": row.previous_hash,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _locked_object(db: Session, candidate_id: int) -> SkyObject:
    """The object of a candidate, locked so that two reviewers' verdicts on it follow each other."""
    return _locked_objects(db, [candidate_id])[0][1]


def _locked_objects(db: Session, candidate_ids: Sequence[int]) -> list[tuple[Candidate, SkyObject]]:
    """Candidates with their objects, in one order for everybody: two who lock many never wait crosswise.

    What is injected may be revealed, which takes candidates out of the queue as the commit of a frame does:
    so this waits for such a commit first, as that one would for this.
    """
    if any_injected(db, candidate_ids):
        lock(db)
    found: list[tuple[Candidate, SkyObject]] = []
    for start in range(0, len(candidate_ids), _BATCH):
        query = (
            select(Candidate, SkyObject)
            .join(SkyObject, col(Candidate.sky_object_id) == SkyObject.id)
            .where(col(Candidate.id).in_(candidate_ids[start : start + _BATCH]))
            .order_by(col(SkyObject.id), col(Candidate.id))
            .with_for_update(of=SkyObject)
        )
        found += [(candidate, sky_object) for candidate, sky_object in db.execute(query)]
    if missing := set(candidate_ids) - {candidate.id for candidate, _ in found}:
        raise VerdictError(f"there is no candidate {min(missing)}")
    return found


def _next_sequence(db: Session, session: str) -> int:
    """The number that the next row of a session will have, which nobody else can take meanwhile."""
    end = _end_of(db, storable(session))
    return end.sequence + 1 if end else 1


def _end_of(db: Session, session: str) -> Any:
    """The last row of a session, none before its first; the session is held to the end of the transaction."""
    if db.get_bind().dialect.name == "postgresql":
        # SQLite has one writer at a time; here two of one session must wait for each other.
        db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(session, 0))))
    return db.execute(
        select(col(Verdict.sequence), col(Verdict.hash))
        .where(col(Verdict.session) == session)
        .order_by(col(Verdict.sequence).desc())
        .limit(1)
    ).first()


def _newest(db: Session, *conditions: Any) -> Verdict | None:
    return db.scalar(select(Verdict).where(*conditions).order_by(col(Verdict.id).desc()).limit(1))


def _append(db: Session, **content: Any) -> Verdict:
    session = storable(content.pop("session"))
    end = _end_of(db, session)
    row = Verdict(
        session=session,
        sequence=end.sequence + 1 if end else 1,
        previous_hash=end.hash if end else FIRST_HASH,
        created_at=time.time(),
        hash="",
        **{name: storable(value) for name, value in content.items()},
    )
    row.hash = row_hash(row)
    db.add(row)
    db.flush()
    reveal(db, row)
    return row


def _follow(db: Session, sky_object: SkyObject) -> None:
    """Let the object's state be what the newest standing verdict on it says."""
    last = _newest(db, col(Verdict.sky_object_id) == sky_object.id, stands(Verdict))
    state, label, snoozed_at = ReviewState.UNREVIEWED, None, None
    if last is not None and last.label is not None:
        state, label = LABELS[Label(last.label)].review_state, last.label
    if last is not None and (state == ReviewState.SNOOZED or label in ONCE_FOR_DAYS):
        snoozed_at = (last.shown.get(LAST_SEEN) or 0.0) + (
            ONCE_FOR_DAYS.get(Label(label), 0.0) if label else 0.0
        )
        if (sky_object.last_mjd or 0.0) > snoozed_at:
            # Detected again since: undoing a later verdict must not put it back to sleep.
            state, label, snoozed_at = ReviewState.UNREVIEWED, None, None
    if state in AWAITING and is_revealed(db, sky_object.id or 0):
        state, label = ReviewState.INDETERMINATE, None  # whatever is taken back: nobody need judge it again
    sky_object.review_state = state
    sky_object.review_label = label
    sky_object.snoozed_at_mjd = snoozed_at
    db.add(sky_object)
