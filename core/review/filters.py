"""The filter language of candidate lists and of the review queue.

Terms are separated by spaces and all of them must hold::

    score>0.8  |snr|>=7  mag<20  mjd>60000     a number
    filter:r  source:astrid                     a word as it is written (r and R are two bands)
    field:M31  frame:kb*  object:*ab            text, case ignored, * stands for anything
    field:"M 31"                                text with spaces
    verdict:none  verdict:bogus  verdict:dipole what was decided of the candidate
    state:unreviewed                            where its sky object stands
    near:10.68,41.27,30arcsec                   right ascension, declination, radius

`parse` turns an expression into frozen terms and `conditions` turns terms into SQL for a query
that joins `Candidate` and `SkyObject`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.coordinates import CoordinateError, parse_radius
from core.database.tables import Candidate, Observation, SkyObject, SurveyObject, Verdict
from core.frames.standing import candidate_label
from core.objects.sky import MARGIN_DEG, haversine, ra_ranges, zone_of
from core.review.filter_words import (
    OPERATORS,
    FilterError,
    Word,
    comparison,
    finite,
    like,
    refusal,
    refuse_order,
    words,
)
from core.text import safe_text
from core.vocabulary import LABELS, Label, ReviewState

__all__ = ["FilterError", "Term", "conditions", "parse"]

NUMBERS = ("score", "snr", "|snr|", "mag", "flux", "mjd", "ra", "dec", "x", "y")
EXACT = ("filter", "source")
WORDS = (*EXACT, "field", "frame", "object")


@dataclass(frozen=True, slots=True)
class Compare:
    """A number against a limit; what has no value never matches."""

    field: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True)
class Match:
    """A text against a pattern: in `EXACT` as it is, else ``*`` is anything and case is ignored."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class HasVerdict:
    """The verdict on the candidate is one of these; none of them: there is no verdict."""

    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class InState:
    """The review state of the candidate's sky object."""

    state: ReviewState


@dataclass(frozen=True, slots=True)
class Near:
    """Within a radius of a place. Degrees."""

    ra: float
    dec: float
    radius: float


Term = Compare | Match | HasVerdict | InState | Near


def parse(expression: str) -> tuple[Term, ...]:
    """Read a filter.

    Parameters
    ----------
    expression : str
        Terms separated by spaces; an empty one gives no terms, which every candidate passes.

    Raises
    ------
    FilterError
        A term is not understood.
    """
    return tuple(_term(word) for word in words(expression))


def conditions(terms: Sequence[Term]) -> list[ColumnElement[bool]]:
    """Terms as conditions on a query that joins `Candidate` and `SkyObject`."""
    found: list[ColumnElement[bool]] = []
    for term in terms:
        match term:
            case Compare(field, sign, limit):
                found.append(OPERATORS[sign](_number(field), limit))
            case Match(field, pattern):
                found.append(_match(field, pattern))
            case HasVerdict(()):
                found.append(candidate_label().is_(None))
            case HasVerdict(labels):
                found.append(_judged() & candidate_label().in_(labels))
            case InState(state):
                found.append(col(SkyObject.review_state) == state)
            case Near(ra, dec, radius):
                found.append(_in_cone(ra, dec, radius))
    return found


def _term(word: Word) -> Term:
    key, value = word.key, word.value
    if key in NUMBERS:
        return Compare(key, *comparison(word))
    if key not in {*WORDS, "verdict", "state", "near"}:
        allowed = ", ".join((*NUMBERS, *WORDS, "verdict", "state", "near"))
        raise refusal(word.text, f"there is no '{safe_text(key, 40)}' to filter by; there are {allowed}")
    refuse_order(word)
    if key in WORDS:
        return Match(key, value)
    if key == "verdict":
        return HasVerdict(_labels(word.text, value.lower()))
    if key == "state":
        return InState(_state(word.text, value.lower()))
    return _near(word)


def _labels(text: str, value: str) -> tuple[Label, ...]:
    if value == "none":
        return ()
    if value == "any":
        return tuple(Label)
    if value in {label.value for label in Label}:
        own = (Label(value),)
        # `real` is a label and the state that other labels give as well: it means them all.
        return own if value != Label.REAL else _labels_of(ReviewState.REAL)
    if value == ReviewState.BOGUS:
        return _labels_of(ReviewState.BOGUS)
    allowed = ", ".join(("none", "any", ReviewState.BOGUS, *Label))
    raise refusal(text, f"a verdict is one of {allowed}")


def _labels_of(state: ReviewState) -> tuple[Label, ...]:
    return tuple(label for label, facts in LABELS.items() if facts.review_state == state)


def _state(text: str, value: str) -> ReviewState:
    try:
        return ReviewState(value)
    except ValueError:
        raise refusal(text, f"a state is one of {', '.join(ReviewState)}") from None


def _near(word: Word) -> Near:
    parts = word.value.split(",")
    if len(parts) != 3:
        raise refusal(word.text, "a place is RA,DEC,RADIUS such as 10.68,41.27,30arcsec")
    ra, dec = finite(word, parts[0]), finite(word, parts[1])
    try:
        degrees = parse_radius(parts[2])
    except CoordinateError as error:
        raise refusal(word.text, str(error)) from None
    if not (0 <= ra < 360 and -90 <= dec <= 90):
        raise refusal(word.text, "right ascension is 0 to below 360 and declination -90 to 90 degrees")
    return Near(ra, dec, degrees)


def _number(field: str) -> SQLColumnExpression[Any]:
    if field == "|snr|":
        return func.abs(col(Candidate.snr))
    column: SQLColumnExpression[Any] = col(getattr(Candidate, field))
    return column


def _match(field: str, pattern: str) -> ColumnElement[bool]:
    if field == "field":
        observations = select(col(Observation.id)).where(like(col(Observation.field), pattern))
        return col(Candidate.observation_id).in_(observations)
    if field == "object":  # by any of its names
        named = select(col(SurveyObject.sky_object_id)).where(like(col(SurveyObject.external_id), pattern))
        return or_(like(col(SkyObject.name), pattern), col(SkyObject.id).in_(named))
    column: SQLColumnExpression[Any] = col(getattr(Candidate, field))
    return column == pattern if field in EXACT else like(column, pattern)


def _in_cone(ra: float, dec: float, radius: float) -> ColumnElement[bool]:
    """One search by zone and right ascension, apart from the query: its order wants another index."""
    near = aliased(Candidate)
    zone, near_ra, near_dec = col(near.zone), col(near.ra), col(near.dec)
    edge = radius + MARGIN_DEG
    zones = zone.between(zone_of(max(dec - edge, -90.0)), zone_of(min(dec + edge, 90.0)))
    ranges = or_(*(near_ra.between(low, high) for low, high in ra_ranges(ra, dec, radius)))
    distance = haversine(near_ra, near_dec, ra, dec)
    inside = select(col(near.id)).where(zones, ranges, distance <= math.sin(math.radians(radius) / 2) ** 2)
    return col(Candidate.id).in_(inside)


def _judged() -> ColumnElement[bool]:
    """Anything was ever said of the object; it spares all others the search for their label."""
    other = aliased(Candidate)
    said = select(col(Verdict.sky_object_id))
    return col(Candidate.id).in_(select(col(other.id)).where(col(other.sky_object_id).in_(said)))
