"""What belongs to a candidate, as conditions: answers of catalogues, a tracklet, a line, a zone, tags."""

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, Text, and_, cast, exists, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.database.tables import Candidate, CandidateMatch, SkyObject, TrackletMember, Verdict
from core.frames.standing import is_taken_back
from core.line_words import LINES
from core.review.bodies import is_of_body, its_body, with_their_bodies
from core.review.filter_terms import KNOWN
from core.review.zones import Limits, Zone, lies_in


@lru_cache(maxsize=32)
def is_known(answer: str) -> ColumnElement[bool]:
    """By the answers of one candidate at a time: they are read by its key, wherever the order leads."""
    of_it = select(col(CandidateMatch.candidate_id)).where(
        col(CandidateMatch.candidate_id) == col(Candidate.id)
    )

    def status(kind: str) -> SQLColumnExpression[str | None]:
        answers: Any = col(CandidateMatch.answers)
        found: SQLColumnExpression[str | None] = answers[(kind, "status")].as_string()
        return found

    def is_one(kind: str, word: str) -> ColumnElement[bool]:
        return func.coalesce(status(kind), "unknown") == word

    if answer in KNOWN:
        return exists(of_it.where(is_one(KNOWN[answer], "match")))
    was_asked = or_(*(is_one(kind, "none") | is_one(kind, "match") for kind in KNOWN.values()))
    if answer == "unknown":
        return ~exists(of_it.where(was_asked))
    nothing = and_(*(~is_one(kind, "match") for kind in KNOWN.values()))
    return exists(of_it.where(was_asked, nothing))


def in_tracklet(number: int | None) -> ColumnElement[bool]:
    """A detection of a tracklet, by its number, or of any."""
    members = select(col(TrackletMember.candidate_id))
    if number is not None:
        members = members.where(col(TrackletMember.tracklet_id) == number)
    return col(Candidate.id).in_(members)


def on_line(kind: str | None) -> ColumnElement[bool]:
    """It has the feature that only what is a line, or on one, has."""
    features: Any = col(Candidate.features)
    names = LINES.values() if kind is None else (LINES[kind],)
    return or_(*(features[name].as_float().is_not(None) for name in names))


def in_zone(zone: Zone, limits: Limits) -> ColumnElement[bool]:
    """Its score lies in a zone."""
    return lies_in(zone, col(Candidate.score), limits)


@lru_cache(maxsize=32)
def are_tagged(tag: str | None) -> ColumnElement[bool]:
    """All objects that have a tag are found first."""
    given = aliased(Verdict)
    named = select(col(given.sky_object_id)).where(*_names(given, tag))
    return col(SkyObject.id).in_(with_their_bodies(named))


@lru_cache(maxsize=32)
def is_tagged(tag: str | None) -> ColumnElement[bool]:
    """The same, asked of one object."""
    own, others = aliased(Verdict), aliased(Verdict)
    by_itself = exists().where(col(own.sky_object_id) == col(SkyObject.id), *_names(own, tag))
    with_others = exists().where(col(others.sky_object_id).in_(its_body()), *_names(others, tag))
    return or_(by_itself, and_(is_of_body(), with_others))


def _names(given: type[Verdict], tag: str | None) -> tuple[ColumnElement[bool], ...]:
    """Tags are a list in JSON, which both databases keep as it was written: ASCII, in double quotes."""
    tags = cast(col(given.tags), Text)
    has = tags != "[]" if tag is None else tags.contains(json.dumps(tag), autoescape=True)
    return has, ~is_taken_back(given)
