"""Candidates for a search by example: their cutouts, and which of them are what is looked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, SkyObject
from core.errors import AstridError
from core.frames.standing import candidate_label
from core.review.agreement import side
from core.review.filters import conditions, parse
from core.review.names import looked_up

BATCH = 2000


class SearchError(AstridError):
    """A search has nothing to begin with."""


@dataclass(frozen=True, slots=True)
class Alike:
    """One candidate, with its packed cutouts.

    ``is_wanted`` is true of an example, false of what is known to be something else, none of the rest.
    ``source`` is the survey, or AstrID itself.
    """

    candidate_id: int
    object_id: int
    name: str
    source: str
    snr: float
    score: float | None
    oddness: float | None
    cutouts: bytes
    is_wanted: bool | None


def candidates_alike(
    store: Store,
    *,
    tag: str | None,
    like: Collection[int] = (),
    unlike: Collection[int] = (),
    filters: str = "",
    limit: int = 20_000,
) -> list[Alike]:
    """The newest current candidates with cutouts that pass a filter, and all examples besides.

    Parameters
    ----------
    tag : str, optional
        Objects that reviewers tagged so are examples; others that were judged real or bogus are none.
    like, unlike : collection of int
        Candidates that are examples, and that are none.
    filters : str
        Terms of `core.review.filters`.
    limit : int
        Candidates besides the examples.

    Raises
    ------
    SearchError
        One of the examples does not exist, or has no cutouts.
    FilterError
    """
    query = (
        select(Candidate, col(SkyObject.name), col(Cutout.pixels), candidate_label())
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .join(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .where(col(Candidate.is_current))
    )
    with store.read() as db:
        tagged_rows = {}
        if tag is not None:
            bearing = query.where(*conditions(parse(f"tag:{tag.removeprefix('#')}")))
            tagged_rows = {row[0].id: row for row in db.execute(bearing)}
        newest = (
            query.where(*conditions(looked_up(db, parse(filters))))
            .order_by(col(Candidate.id).desc())
            .limit(limit)
        )
        rows = {row[0].id: row for row in db.execute(newest)}
        named = sorted({*like, *unlike} - rows.keys())
        for first in range(0, len(named), BATCH):
            some = query.where(col(Candidate.id).in_(named[first : first + BATCH]))
            rows |= {row[0].id: row for row in db.execute(some)}
        rows |= tagged_rows
        tagged = {row[0].sky_object_id for row in tagged_rows.values()}
    if missing := {*like, *unlike} - rows.keys():
        raise SearchError(f"candidate {min(missing)} is not there, or has no cutouts")
    found = []
    for key, (candidate, name, pixels, label) in sorted(rows.items()):
        wanted: bool | None = None
        if key in like or (candidate.sky_object_id in tagged and key not in unlike):
            wanted = True
        elif key in unlike or (tag is not None and label is not None and side(label) is not None):
            wanted = False
        odd = candidate.scores.get("isolation_forest")
        found.append(
            Alike(
                key,
                candidate.sky_object_id,
                name,
                candidate.source,
                candidate.snr,
                candidate.score,
                float(odd) if isinstance(odd, int | float) else None,
                pixels,
                wanted,
            )
        )
    return found
