"""Candidates for a search by example: what tells them apart, and which of them are what is looked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, SkyObject
from core.errors import AstridError
from core.frames.standing import candidate_label
from core.review.agreement import side
from core.review.filters import conditions, parse
from core.review.names import looked_up
from core.review.waiting import awaiting
from core.vocabulary import Label

BATCH = 2000
MOST_NAMED = 2000  # of one tag or label, and beside the queue of all that is judged, the newest
STAMP = 8  # bytes
NO_TAG = "none"  # as filters have it
_LABELS = {label.value for label in Label}
_COLUMNS = (
    col(Candidate.id), col(Candidate.sky_object_id), col(SkyObject.name), col(Candidate.source),
    col(Candidate.snr), col(Candidate.score), col(Candidate.scores), col(Candidate.external_id),
    col(Candidate.mjd), col(Candidate.x), col(Candidate.y), col(Candidate.flux),
)  # fmt: skip


class SearchError(AstridError):
    """A search has nothing to begin with."""


@dataclass(frozen=True, slots=True)
class Alike:
    """One candidate with cutouts.

    ``is_wanted`` is true of an example, false of what is known to be something else, none of the rest.
    ``source`` is the survey, or AstrID itself. ``stamp`` is another where the cutouts are others: it is of
    what was detected and of how long they are, for to read them takes long.
    """

    candidate_id: int
    object_id: int
    name: str
    source: str
    snr: float
    score: float | None
    oddness: float | None
    stamp: int
    is_wanted: bool | None


def candidates_alike(
    store: Store,
    *,
    tag: str | None,
    like: Collection[int] = (),
    unlike: Collection[int] = (),
    filters: str = "",
    limit: int = 20_000,
    is_queue: bool = False,
    asker: str | None = None,
) -> list[Alike]:
    """The newest current candidates with cutouts that pass a filter, and all examples besides.

    Parameters
    ----------
    tag : str, optional
        What reviewers tagged so, or judged by that word, is an example, the newest `MOST_NAMED`; other
        objects that were judged real or bogus are none.
    like, unlike : collection of int
        Candidates that are examples, and that are none, whatever else is said of them.
    filters : str
        Terms of `core.review.filters`, in the queue as its cards have them.
    limit : int
        Candidates besides the examples.
    is_queue : bool
        Only what awaits a verdict, by the candidate that its card shows; and what teaches.
    asker : str, optional
        As `core.review.waiting.queue_page` has it.

    Raises
    ------
    SearchError
        One of the examples does not exist, or has no cutouts; or the tag is `NO_TAG`.
    FilterError
    """
    with store.read() as db:
        tagged, labelled = _named(db, tag) if tag is not None else (set(), set())
        judged: set[int] = set()
        if is_queue:
            among = awaiting(db, filters=filters, limit=limit, asker=asker)
            judged = set(_newest(db, "verdict:any")) if tag is not None else set()
        else:
            newest = current(col(Candidate.id)).where(*conditions(looked_up(db, parse(filters))))
            among = list(db.scalars(newest.order_by(col(Candidate.id).desc()).limit(limit)))
        wished = {*like, *unlike, *tagged, *labelled, *judged, *among}
        rows = {row[0]: row for row in _facts(db, sorted(wished), with_labels=tag is not None)}
    if missing := {*like, *unlike} - rows.keys():
        raise SearchError(f"candidate {min(missing)} is not there, or has no cutouts")
    looked_through = set(among)
    objects = {row[1] for key, row in rows.items() if key in tagged}
    found = []
    for key, row in sorted(rows.items()):
        wanted: bool | None = None
        if key in like or ((row[1] in objects or key in labelled) and key not in unlike):
            wanted = True
        elif key in unlike or (tag is not None and row.label is not None and side(row.label) is not None):
            wanted = False
        if wanted is not None or key in looked_through:
            found.append(_alike(row, wanted))
    return found


def is_given(store: Store, word: str) -> bool:
    """Whether any candidate bears a tag, or was judged by that word, and has cutouts.

    Raises
    ------
    SearchError, FilterError
        It can be neither.
    """
    with store.read() as db:
        return any(_named(db, word))


def packed_cutouts(store: Store, candidates: Collection[int]) -> dict[int, bytes]:
    """The cutouts of some candidates, as `core.review.cutouts.pack` made them, of those that have any."""
    found: dict[int, bytes] = {}
    with store.read() as db:
        for some in _batches(sorted(candidates)):
            query = select(col(Cutout.candidate_id), col(Cutout.pixels)).where(
                col(Cutout.candidate_id).in_(some)
            )
            found |= {row[0]: row[1] for row in db.execute(query)}
    return found


def current(*columns: Any) -> Any:
    """A query of current candidates with cutouts and their objects."""
    return (
        select(*columns)
        .select_from(Candidate)
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .join(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .where(col(Candidate.is_current))
    )


def _named(db: Session, word: str) -> tuple[set[int], set[int]]:
    """Candidates whose objects bear a tag, and those that were judged by that word."""
    bare = word.removeprefix("#")
    if bare.lower() == NO_TAG:
        raise SearchError(f"'{NO_TAG}' is no kind to look for: filters mean by it what bears no tag")
    kinds = [f"tag:{bare}", *([f"verdict:{bare.lower()}"] if bare.lower() in _LABELS else [])]
    found = [set(_newest(db, kind)) for kind in kinds]
    return found[0], set().union(*found[1:])


def _newest(db: Session, filters: str) -> list[int]:
    """The newest candidates that pass a filter of one name."""
    query = current(col(Candidate.id)).where(*conditions(parse(filters)))
    return list(db.scalars(query.order_by(col(Candidate.id).desc()).limit(MOST_NAMED)))


def _facts(db: Session, candidates: list[int], *, with_labels: bool) -> Iterator[Any]:
    columns: list[Any] = [*_COLUMNS, func.length(col(Cutout.pixels)).label("size")]
    if with_labels:
        columns.append(candidate_label().label("label"))
    for some in _batches(candidates):
        yield from db.execute(current(*columns).where(col(Candidate.id).in_(some)))


def _batches(keys: list[int]) -> Iterable[list[int]]:
    return (keys[first : first + BATCH] for first in range(0, len(keys), BATCH))


def _alike(row: Any, wanted: bool | None) -> Alike:
    scores: Mapping[str, Any] = row.scores or {}
    odd = scores.get("isolation_forest")
    told = (row.source, row.external_id, row.mjd, row.x, row.y, row.snr, row.flux, row.size)
    return Alike(
        row.id,
        row.sky_object_id,
        row.name,
        row.source,
        row.snr,
        row.score,
        float(odd) if isinstance(odd, int | float) else None,
        int.from_bytes(blake2b(repr(told).encode(), digest_size=STAMP).digest()),
        wanted,
    )
