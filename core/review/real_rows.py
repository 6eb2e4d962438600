"""Candidates, verdicts and objects that no injected source can be: what may leave AstrID, and what may teach.

The types here are made in this module alone, out of rows that were joined with the record of what was
injected. Whatever exports, reports, compares reviewers or makes training labels takes one of them, so that
an injected source cannot even be handed to it.

What is absent tells too: where sources were ever injected, an undecided candidate is no `RealCandidate`,
whatever it is, and an undecided object no `RealObject`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select
from sqlmodel import Session, col

from core.database.keyset import Cursor, fetch
from core.database.records import Record, candidate_rows, record
from core.database.store import Store
from core.database.tables import Candidate, InjectedSource, Injection, SkyObject, Verdict
from core.errors import AstridError
from core.frames.injected import revealed_ids
from core.frames.scored_by import scored_by
from core.frames.standing import candidate_label, stands
from core.objects.detail import ObjectDetail, read_object
from core.objects.sky import objects_on_grid, rows_in_cone
from core.objects.sphere import separation_deg
from core.places.place_facts import Place
from core.review.fakes import are_injected
from core.review.filter_terms import Term
from core.review.filters import conditions, parse
from core.review.names import looked_up
from core.review.opinions import is_disputed
from core.review.states import judged_as
from core.vocabulary import LABELS, Label, ReviewState

PAGE = 500
PLACE_ARCSEC = 10.0  # what counts as at a place: wider than a star of any telescope
PLACE_PX = 5.0  # the same where there is no sky
_MADE_HERE = object()
_DECIDED = (ReviewState.REAL, ReviewState.BOGUS, ReviewState.INDETERMINATE)


class InjectedSourceError(AstridError):
    """Something real was to be made of what is, or may be, an injected source."""


@dataclass(frozen=True, slots=True)
class _Real:
    """Made in this module alone."""

    _proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._proof is not _MADE_HERE:
            raise InjectedSourceError(f"{type(self).__name__} is made by core.review.real_rows alone")


@dataclass(frozen=True, slots=True)
class RealCandidate(_Real):
    """One candidate that is fit to leave: no injected source.

    Attributes
    ----------
    candidate, sky_object : Candidate, SkyObject
    record : dict
        The candidate's record.
    scored_by : str or None
        Which versions of which models scored it; a survey's alert does not say.
    verdict : Verdict or None
        The decision in force.
    remarks : tuple of Verdict
        The notes and tags that were given to its object, or the body it is, without a decision; oldest first.
    disputed : bool
        Reviewers differ on its object, and no expert has settled it.
    """

    candidate: Candidate
    sky_object: SkyObject
    record: Record
    scored_by: str | None
    verdict: Verdict | None
    remarks: tuple[Verdict, ...]
    disputed: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What reviewers wrote, that of the decision in force last."""
        said = (row.note for row in (*self.remarks, *self._decided))
        return tuple(note for note in said if note and note.strip())

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the decision in force and of notes, each once."""
        return tuple(dict.fromkeys(str(tag) for row in (*self.remarks, *self._decided) for tag in row.tags))

    @property
    def _decided(self) -> tuple[Verdict, ...]:
        return () if self.verdict is None else (self.verdict,)


@dataclass(frozen=True, slots=True)
class RealVerdict(_Real):
    """One standing decision on what is no injected source: what a model may learn from."""

    verdict: Verdict
    sky_object: SkyObject


@dataclass(frozen=True, slots=True)
class RealObject(_Real):
    """One sky object that is no injected source, with all that is known of it."""

    detail: ObjectDetail


@dataclass(frozen=True, slots=True)
class RealPlace(_Real):
    """A place on the sky, or on a reference's grid, where no injected source awaits its verdict.

    Attributes
    ----------
    place : Place
    objects : tuple of dict
        The sky objects there, nearest first: ``id, name, state, label, n_candidates`` and how far away
        they are, in ``arcsec`` or, without a position on the sky, in ``px``.
    """

    place: Place
    objects: tuple[Record, ...]


def is_injected_object() -> ColumnElement[bool]:
    """Whether a sky object is injected, in a query that has `SkyObject`."""
    drawn = exists().where(col(InjectedSource.sky_object_id) == col(SkyObject.id))
    return or_(col(SkyObject.injected), drawn)


def is_injected_candidate() -> ColumnElement[bool]:
    """Whether a candidate is injected, in a query that has `Candidate` and `SkyObject`."""
    drawn = exists().where(col(Injection.candidate_id) == col(Candidate.id))
    return or_(drawn, is_injected_object())


def real_candidates(
    store: Store, *, filters: str = "", judged_only: bool = False, experts: Sequence[str] = ()
) -> Iterator[RealCandidate]:
    """The current candidates that are no injected sources, in order of time, a page at a time.

    Where sources were ever injected, those without a verdict are left out: one that awaits its verdict
    could be told by its absence from all that does. What ``experts`` settled is not disputed.

    Raises
    ------
    FilterError
    """
    terms = parse(filters)
    return _candidates(store, terms, judged_only or are_injected(store), experts)


def real_verdicts(store: Store) -> Iterator[RealVerdict]:
    """All standing decisions on what is no injected source, by object and then in order of time."""
    query = (
        select(Verdict, SkyObject)
        .join(SkyObject, col(Verdict.sky_object_id) == col(SkyObject.id))
        .join(Candidate, col(Verdict.candidate_id) == col(Candidate.id))
        .where(stands(Verdict), ~is_injected_candidate())
        .order_by(col(Verdict.sky_object_id), col(Verdict.id))
    )
    with store.read() as db:
        for verdict, sky_object in db.execute(query.execution_options(yield_per=PAGE)):
            yield RealVerdict(_MADE_HERE, verdict, sky_object)


def real_object(store: Store, what: str) -> RealObject:
    """A sky object by its number or name, to be handed on.

    Raises
    ------
    InjectedSourceError
        It is an injected source, or undecided where sources were injected, and so may be one.
    ObjectError
        There is no such object.
    """
    detail = read_object(store, what)
    row = detail.object
    with store.read() as db:
        is_injected = db.scalar(select(is_injected_object()).where(col(SkyObject.id) == row.id))
        is_revealed = row.id in _revealed(db, row.id or 0)
    if is_revealed:
        raise InjectedSourceError(f"{row.name} was an injected source")
    if is_injected or (row.review_state not in _DECIDED and are_injected(store)):
        raise InjectedSourceError(
            f"{row.name} is undecided and may be an injected source: a verdict comes before its data leave"
        )
    return RealObject(_MADE_HERE, detail)


def real_place(store: Store, place: Place) -> RealPlace:
    """A place, to be measured in the frames themselves, where injected sources are not.

    Raises
    ------
    InjectedSourceError
        What is there is undecided where sources were injected, and so may be one: that the frames do
        not show it would tell.
    """
    with store.read() as db:
        if place.ra is not None and place.dec is not None:
            ra, dec = place.ra, place.dec
            rows = rows_in_cone(db, SkyObject, ra, dec, PLACE_ARCSEC / 3600.0)
            away = [float(separation_deg(row.ra or 0.0, row.dec or 0.0, ra, dec)) * 3600.0 for row in rows]
            unit = "arcsec"
        else:
            x, y, reference = place.x or 0.0, place.y or 0.0, place.reference or 0
            rows = [
                *objects_on_grid(db, reference, x, y, PLACE_PX),
                *objects_on_grid(db, reference, x, y, PLACE_PX, injected=True),
            ]
            away = [math.hypot((row.x or 0.0) - x, (row.y or 0.0) - y) for row in rows]
            unit = "px"
        spent = revealed_ids(db, [row.id or 0 for row in rows])
    there = [(each, row) for each, row in zip(away, rows, strict=True) if row.id not in spent]
    open_ones = [row.name for _, row in there if row.injected or row.review_state not in _DECIDED]
    if open_ones and are_injected(store):
        raise InjectedSourceError(
            f"{open_ones[0]} is there, undecided, and may be an injected source: a verdict comes before "
            "the place is measured"
        )
    found = tuple(
        {
            "id": row.id,
            "name": row.name,
            "state": row.review_state,
            "label": row.review_label,
            "n_candidates": row.n_candidates,
            unit: round(each, 3),
        }
        for each, row in sorted(there, key=lambda pair: pair[0])
    )
    return RealPlace(_MADE_HERE, place, found)


def _revealed(db: Session, object_id: int) -> set[int]:
    query = select(col(InjectedSource.sky_object_id)).where(
        col(InjectedSource.sky_object_id) == object_id, col(InjectedSource.revealed_at).is_not(None)
    )
    return set(db.scalars(query))


def _candidates(
    store: Store, terms: Sequence[Term], judged_only: bool, experts: Sequence[str]
) -> Iterator[RealCandidate]:
    with store.read() as db:
        terms = looked_up(db, terms)
    query = candidate_rows(SkyObject).where(
        col(Candidate.is_current).is_(True), ~is_injected_candidate(), *conditions(terms)
    )
    if judged_only:
        query = query.where(candidate_label().is_not(None))
    last: Cursor | None = None
    while True:
        with store.read() as db:
            found = fetch(
                db,
                query,
                key=col(Candidate.mjd),
                row_id=col(Candidate.id),
                descending=False,
                after=last,
                limit=PAGE,
            )
            verdicts = _verdicts(db, found)
            remarks = _remarks(db, found)
            disputed = _disputed(db, found, experts)
            scored = scored_by(db, [row.Candidate for row in found])
        for row in found:
            own = row.SkyObject
            yield RealCandidate(
                _MADE_HERE,
                row.Candidate,
                own,
                record(row),
                scored[row.Candidate.id],
                verdicts.get(row.Candidate.id),
                remarks.get(judged_as(own), ()),
                own.id in disputed,
            )
        if len(found) < PAGE:
            return
        end: Candidate = found[-1].Candidate
        last = Cursor("mjd", end.mjd, end.id or 0)


def _verdicts(db: Session, found: Sequence[Any]) -> dict[int, Verdict]:
    """The verdict in force on each candidate of some rows (`core.frames.standing.candidate_label`)."""
    query = (
        select(Verdict, col(SkyObject.tracklet_id), col(SkyObject.review_state))
        .join(SkyObject, col(Verdict.sky_object_id) == col(SkyObject.id))
        .where(_of_any(found), stands(Verdict))
        .order_by(col(Verdict.id))
    )
    on_candidate: dict[int, Verdict] = {}
    on_object: dict[int, Verdict] = {}
    on_tracklet: dict[int, Verdict] = {}
    for verdict, tracklet, state in db.execute(query):  # the newest stays
        on_candidate[verdict.candidate_id] = verdict
        on_object[verdict.sky_object_id] = verdict
        # What was judged bogus since is no longer of the body.
        if tracklet is not None and state != ReviewState.BOGUS and _judges_object(verdict):
            on_tracklet[tracklet] = verdict
    in_force: dict[int, Verdict] = {}
    for row in found:
        given = on_candidate.get(row.Candidate.id)
        if given is None and row.SkyObject.review_state == ReviewState.REAL:
            given = on_tracklet.get(row.SkyObject.tracklet_id) or on_object.get(row.SkyObject.id)
        if given is not None and (given.candidate_id == row.Candidate.id or _judges_object(given)):
            in_force[row.Candidate.id] = given
    return in_force


def _remarks(db: Session, found: Sequence[Any]) -> dict[int, tuple[Verdict, ...]]:
    """Notes and tags without a decision, by `core.review.states.judged_as`."""
    query = (
        select(Verdict, SkyObject)
        .join(SkyObject, col(Verdict.sky_object_id) == col(SkyObject.id))
        .where(_of_any(found), col(Verdict.label).is_(None), col(Verdict.retracts_id).is_(None))
        .order_by(col(Verdict.id))
    )
    remarks: dict[int, tuple[Verdict, ...]] = {}
    for verdict, sky_object in db.execute(query):
        key = judged_as(sky_object)
        remarks[key] = (*remarks.get(key, ()), verdict)
    return remarks


def _disputed(db: Session, found: Sequence[Any], experts: Sequence[str]) -> set[int | None]:
    """The objects of some rows that reviewers differ on."""
    objects = [row.SkyObject.id for row in found]
    return set(
        db.scalars(
            select(col(SkyObject.id)).where(col(SkyObject.id).in_(objects), is_disputed(tuple(experts)))
        )
    )


def _of_any(found: Sequence[Any]) -> ColumnElement[bool]:
    """The objects of some rows, and all that are of their tracklets."""
    objects = {row.SkyObject.id for row in found}
    tracklets = {row.SkyObject.tracklet_id for row in found if row.SkyObject.tracklet_id is not None}
    return or_(col(SkyObject.id).in_(objects), col(SkyObject.tracklet_id).in_(tracklets))


def _judges_object(verdict: Verdict) -> bool:
    return verdict.label is not None and LABELS[Label(verdict.label)].review_state == ReviewState.REAL
