"""What a sitting taught a search by example: which candidates are as the examples, and which are not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Verdict
from core.frames.standing import candidate_label, stands
from core.review.agreement import side
from core.review.alike import current


@dataclass(frozen=True, slots=True)
class Learnt:
    """Candidates that are examples, and that are none; all still count, and have cutouts."""

    like: tuple[int, ...]
    unlike: tuple[int, ...]


def newest_row(store: Store) -> int:
    """The number of the newest verdict or note of all, 0 without any: what follows it is said later."""
    with store.read() as db:
        return db.scalar(select(func.max(col(Verdict.id)))) or 0


def learnt(
    store: Store, examples: Collection[int], *, session: str, since: int, tag: str | None = None
) -> Learnt:
    """The examples of a search, and what a sitting said of others since.

    Whatever was given a label of an example since, or its tag, is one; what was given another label that
    takes a side, real or bogus, is none. Without a label on any example, and without a word, verdicts teach
    nothing, for they may mean either.

    Parameters
    ----------
    examples : collection of int
        Candidates.
    session : str
        The sitting.
    since : int
        What `newest_row` gave when the search began.
    tag : str, optional
        The tag or label that is looked for.
    """
    with store.read() as db:
        kinds, words = _of_examples(db, examples)
        if tag is not None:
            word = tag.removeprefix("#").lower()
            kinds, words = kinds | {word}, words | {word}
        said = _said(db, session, since)
        like, unlike = set(examples), set()
        for key, (label, tags) in said.items():
            if tags & words or label in kinds:
                like.add(key)
            elif kinds and label is not None and side(label) is not None:
                unlike.add(key)
        unlike -= set(examples)
        asked = sorted(like | unlike)
        counts = set(db.scalars(current(col(Candidate.id)).where(col(Candidate.id).in_(asked))))
    return Learnt(tuple(sorted(like & counts)), tuple(sorted(unlike & counts)))


def _of_examples(db: Session, examples: Collection[int]) -> tuple[set[str], set[str]]:
    """The labels that take a side, and the tags, of some candidates."""
    rows = db.execute(
        current(col(Candidate.sky_object_id), candidate_label().label("label")).where(
            col(Candidate.id).in_(examples)
        )
    ).all()
    labels = {row.label for row in rows if row.label is not None and side(row.label) is not None}
    tagged = select(col(Verdict.tags)).where(col(Verdict.sky_object_id).in_([row[0] for row in rows]))
    return labels, {word for tags in db.scalars(tagged) for word in _words(tags)}


def _said(db: Session, session: str, since: int) -> dict[int, tuple[str | None, set[str]]]:
    """The label that stands of each candidate of which something was said, and its tags."""
    rows = select(col(Verdict.candidate_id), col(Verdict.label), col(Verdict.tags), stands(Verdict)).where(
        col(Verdict.session) == session, col(Verdict.id) > since
    )
    found: dict[int, tuple[str | None, set[str]]] = {}
    for key, label, tags, is_standing in db.execute(rows.order_by(col(Verdict.id))):
        before, words = found.get(key, (None, set()))
        found[key] = (label if is_standing else before, words | _words(tags))
    return found


def _words(tags: Any) -> set[str]:
    return {each.lower() for each in tags if isinstance(each, str)} if isinstance(tags, list) else set()
