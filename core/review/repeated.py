"""A verdict that would only repeat the one in force: a script that is run twice says nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Verdict
from core.review.states import newest_standing
from core.vocabulary import LABELS, Label


def already_said(
    store: Store,
    *,
    reviewer: str,
    candidate_id: int,
    label: Label,
    note: str | None = None,
    tags: Sequence[str] = (),
) -> Verdict | None:
    """The verdict in force that this one would repeat; none where it would change or add anything.

    One that others have contradicted since, or that a later detection has, is in force no more: to give it
    again changes what stands of the object.
    """
    with store.read() as db:
        row = _in_force(db, candidate_id)
        if row is None or (row.reviewer, row.candidate_id, row.label) != (reviewer, candidate_id, label):
            return None
        adds = (note is not None and note != row.note) or not set(tags) <= set(row.tags)
        return None if adds else row


def _in_force(db: Session, candidate_id: int) -> Verdict | None:
    """The verdict that a candidate's object stands as it does by."""
    candidate = db.get(Candidate, candidate_id)
    sky_object = db.get(SkyObject, candidate.sky_object_id) if candidate else None
    if sky_object is None or sky_object.id is None:
        return None
    said = newest_standing(db, [sky_object.id]).get(sky_object.id)
    if said is None or sky_object.review_state != LABELS[said.label].review_state:
        return None
    return db.get(Verdict, said.id) if sky_object.review_label == said.label else None
