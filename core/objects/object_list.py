"""Sky objects as a list: a page at a time, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import col

from core.database.keyset import Cursor, check_limit, fetch
from core.database.records import finite
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Verdict
from core.frames.standing import stands
from core.review.filter_terms import Term
from core.review.filters import conditions, parse
from core.review.names import looked_up
from core.vocabulary import ReviewState

Record = dict[str, Any]
_ORDER = "-id"


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """A page of sky objects.

    Attributes
    ----------
    rows : tuple of dict
        ``id, name, ra, dec, x, y, reference`` (degrees; without a place on the sky, pixels of that
        reference's grid), ``first_mjd, last_mjd, n_candidates, state, label, moving, tracklet`` and, of the
        candidate that stands for it, ``candidate, source, filter, snr, mag, score``.
    next : str or None
        The cursor of the page after it, none on the last.
    """

    rows: tuple[Record, ...]
    next: str | None


def object_page(
    store: Store, *, filters: str = "", limit: int = 50, after: str | None = None, blind_to: str | None = None
) -> ObjectPage:
    """A page of the objects that have candidates, the newest first.

    Parameters
    ----------
    filters : str
        Terms of `core.review.filters`, on the candidate that stands for each object.
    blind_to : str, optional
        A reviewer who is told of no decision on an object that this one has not judged.

    Raises
    ------
    FilterError, PageError
    """
    check_limit(limit)
    key = col(SkyObject.id)
    terms: Sequence[Term] = parse(filters)
    query: Select[Any] = select(SkyObject, Candidate).join(
        Candidate, col(SkyObject.best_candidate_id) == col(Candidate.id)
    )
    start = Cursor.read(after, _ORDER) if after is not None else None
    with store.read() as db:
        query = query.where(*conditions(looked_up(db, terms)))
        found = fetch(db, query, key=key, row_id=key, descending=True, after=start, limit=limit + 1)
        rows = found[:limit]
        judged = {row[0].id for row in rows}
        if blind_to is not None:
            own = col(Verdict.sky_object_id).in_(judged) & (col(Verdict.reviewer) == blind_to)
            judged = set(db.scalars(select(col(Verdict.sky_object_id)).where(own, stands(Verdict))))
    records = tuple(_record(*row, is_told=row[0].id in judged) for row in rows)
    if len(found) <= limit:
        return ObjectPage(records, None)
    last = rows[-1][0].id
    return ObjectPage(records, str(Cursor(_ORDER, last, last)))


def _record(row: SkyObject, best: Candidate, *, is_told: bool) -> Record:
    return {
        "id": row.id,
        "name": row.name,
        "ra": finite(row.ra),
        "dec": finite(row.dec),
        "x": finite(row.x),
        "y": finite(row.y),
        "reference": row.reference_id,
        "first_mjd": finite(row.first_mjd),
        "last_mjd": finite(row.last_mjd),
        "n_candidates": row.n_candidates,
        "state": row.review_state if is_told else ReviewState.UNREVIEWED.value,
        "label": row.review_label if is_told else None,
        "moving": row.moving,
        "tracklet": row.tracklet_id,
        "candidate": best.id,
        "source": best.source,
        "filter": best.filter,
        "snr": finite(best.snr),
        "mag": finite(best.mag),
        "score": finite(best.score),
    }
