"""Human decisions: appended to the chain of `core.review.chain`, never changed.

The state of the sky object, and of those that are judged with it, follows in the same transaction
(`core.review.states`). A verdict is on disk when a function here returns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Assignment, Candidate, SkyObject, Verdict
from core.errors import AstridError
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
from core.vocabulary import Label, ReviewState

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
    judged, objects = locked_with_objects(db, [candidate_id])
    ((_, sky_object),) = judged
    forget_answered(db, objects, label)
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
        shown={**shown, LAST_SEEN: last_seen(objects, sky_object), **repeals(sky_object.id, repealed)},
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
    locked_with_objects(db, candidate_ids)


def decide_together(
    store: Store,
    *,
    session: str,
    reviewer: str,
    candidate_ids: Sequence[int],
    label: Label,
    shown: Mapping[str, Any],
) -> list[Verdict]:
    """Append one decision on many candidates, all or none; they are also taken back as one.

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
        judged, objects = locked_with_objects(db, ids)
        bulk = [next_sequence(db, session), len(ids)]
        forget_answered(db, objects, label)
        repealed = contradicted(db, objects)
        rows = []
        for candidate, sky_object in judged:
            facts = {
                "snr": candidate.snr,
                "score": candidate.score,
                LAST_SEEN: last_seen(objects, sky_object),
                **repeals(sky_object.id, repealed),
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
        ((_, sky_object),) = locked_with_objects(db, [candidate_id])[0]
        return append(
            db,
            session=session,
            reviewer=reviewer,
            candidate_id=candidate_id,
            sky_object_id=sky_object.id,
            note=note,
            tags=words,
        )


def locked_with_objects(
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
        raise VerdictError(f"there is no candidate {min(missing)}: `astrid candidates list` shows them")
    objects = locked(db, {candidate.sky_object_id for candidate in found})
    by_id = {row.id: row for row in objects}
    pairs = [(candidate, by_id[candidate.sky_object_id]) for candidate in found]
    return sorted(pairs, key=lambda pair: (pair[1].id or 0, pair[0].id or 0)), objects


def forget_answered(db: Session, objects: Sequence[SkyObject], label: Label) -> None:
    """A new question is not for the expert who answered an earlier one.

    Whom that was for is kept until then: an answer that is taken back is awaited again.
    """
    if label == Label.ASK_EXPERT:
        open_states = (ReviewState.ESCALATED, ReviewState.LINKED)  # of a body one object tells of all
        answered = [row.id for row in objects if row.review_state not in open_states]
        db.execute(delete(Assignment).where(col(Assignment.sky_object_id).in_(answered)))


def repeals(object_id: int | None, repealed: Mapping[int, int]) -> dict[str, int]:
    """The verdict on an object that a detection had contradicted, for `shown`."""
    verdict = repealed.get(object_id or 0)
    return {} if verdict is None else {SEEN_AGAIN: verdict}


def append(db: Session, **content: Any) -> Verdict:
    """Append a row to its session's chain, and reveal what it judges if that was injected."""
    row = chain.append(db, **content)
    reveal(db, row)
    return row
