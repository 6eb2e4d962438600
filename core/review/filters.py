"""The filter language of candidate lists and of the review queue.

Terms are separated by spaces and all of them must hold, where no ``or`` stands between them::

    score>0.8  |snr|>=7  mag<20  mjd>60000     a number
    filter:r  source:astrid                     a word as it is written (r and R are two bands)
    field:M31  frame:kb*  object:*ab            text, case ignored, * stands for anything
    field:"M 31"                                text with spaces
    verdict:none  verdict:bogus  verdict:dipole what was decided of the candidate
    state:unreviewed                            where its sky object stands
    near:10.68,41.27,30arcsec                   right ascension, declination, radius
    near:0:42:44.3,+41:16:9,30arcsec            hours and degrees
    mjd>2026-03-01  mjd<2026-03-01T04:30        a time of UTC; a date is its midnight
    known:star  known:none  known:unknown       what catalogues say of its place (`KNOWN`)
    tracklet:any  tracklet:none  tracklet:12    whether it moves with others of its night
    survey:any  survey:none  survey:ztf         from a survey's alerts, from our own frames
    tag:host  tag:any  tag:none                 tags that reviewers gave its object
    line:streak  line:row  line:any  line:none  a streak, or one of several sources in a row
    zone:fast  zone:human  zone:reject          what its score puts it among (`core.review.zones`)
    expert:eve  expert:me  expert:any           who was asked to judge it, while it awaits an expert
    disputed:yes  disputed:no                   whether reviewers differ on its object
    -tag:host  -mag<18  -frame:*x*              any term with a minus: what does not pass it; of numbers
                                                also what has none
    snr>20 or known:none mag<19                 either side of it; what stands beside one another binds first
    (tag:host or snr>20) -(filter:g mag>20)     terms taken together; with a minus what does not pass them

`core.review.saved_filters.expanded` puts a name in place of ``me``, and the experts after ``disputed:yes``
whose verdict settles.

`parse` turns an expression into the frozen terms of `core.review.filter_terms`, and `conditions` turns
terms into SQL for a query that joins `Candidate` and `SkyObject`. Conditions never change; those that are
dear to build, which takes longer than a database needs to answer them, are kept.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, false, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.coordinates import CoordinateError, parse_radius
from core.database.tables import (
    Candidate,
    Observation,
    SkyObject,
    SurveyObject,
    Verdict,
)
from core.frames.standing import candidate_label
from core.line_words import LINES
from core.objects.sky import haversine
from core.objects.sphere import MARGIN_DEG, ra_ranges, zone_of
from core.review.filter_relations import are_tagged, in_tracklet, in_zone, is_known, is_tagged, on_line
from core.review.filter_terms import (
    EXACT,
    KNOWN,
    NUMBERS,
    OTHERS,
    WORDS,
    AnyOf,
    AwaitsExpert,
    Compare,
    Disputed,
    FromSurvey,
    HasTag,
    HasVerdict,
    InState,
    InTracklet,
    InZone,
    IsKnown,
    Match,
    Near,
    Not,
    OnLine,
    Term,
)
from core.review.filter_values import in_numbers
from core.review.filter_words import (
    OPERATORS,
    FilterError,
    Word,
    built,
    comparison,
    finite,
    like,
    negation,
    no_such_name,
    parts_of,
    read,
    refusal,
    refuse_order,
)
from core.review.opinions import awaits_expert, is_disputed
from core.review.zones import Zone
from core.vocabulary import OWN, Label, ReviewState, labels_of

__all__ = ["FilterError", "conditions", "parse"]


def parse(expression: str, *, unfinished: bool = False) -> tuple[Term, ...]:
    """Read a filter.

    Parameters
    ----------
    expression : str
        Terms separated by spaces; an empty one gives no terms, which every candidate passes.
    unfinished : bool
        It is still being typed: parentheses that are open at its end are taken for closed.

    Raises
    ------
    FilterError
        A term is not understood.
    """
    return built(read(expression, unfinished=unfinished), _term, AnyOf, _opposite)


def conditions(terms: Sequence[Term], *, one_by_one: bool = False) -> list[ColumnElement[bool]]:
    """Terms as conditions on a query that joins `Candidate` and `SkyObject`.

    Parameters
    ----------
    terms : sequence of Term
    one_by_one : bool
        The query looks at some candidates, not at all of them: what was said of each is sought for itself.
    """
    return [_condition(term, one_by_one) for term in terms]


def _condition(term: Term, one_by_one: bool) -> ColumnElement[bool]:  # noqa: PLR0911, PLR0912 one for each
    match term:
        case Compare(field, sign, limit):
            found: ColumnElement[bool] = OPERATORS[sign](_number(field), limit)
            return found
        case Match(field, _, few) if few is not None:
            return _of_few(field, few)
        case Match(field, pattern):
            return _match(field, pattern)
        case HasVerdict(()):
            return candidate_label().is_(None)
        case HasVerdict(labels):
            is_one = candidate_label().in_(labels)
            return is_one if one_by_one else _may_be(labels) & is_one
        case InState(state):
            return col(SkyObject.review_state) == state
        case Near(ra, dec, radius):
            return _in_cone(ra, dec, radius)
        case IsKnown(answer):
            return is_known(answer)
        case InTracklet(member, number):
            return in_tracklet(number) if member else ~in_tracklet(None)
        case FromSurvey(None):
            return col(Candidate.source) != OWN
        case FromSurvey(survey):
            return col(Candidate.source) == survey
        case InZone(zone, limits):
            return in_zone(zone, limits)
        case OnLine(kind):
            return on_line(kind)
        case HasTag(tag, wanted):
            has_it = is_tagged(tag) if one_by_one else are_tagged(tag)
            return has_it if wanted else ~has_it
        case AwaitsExpert(expert, wanted):
            return awaits_expert(expert, wanted)
        case Disputed(wanted, experts):
            return is_disputed(experts) if wanted else ~is_disputed(experts)
        case Not(negated):
            return negation(_condition(negated, one_by_one))
        case AnyOf(alternatives):
            return or_(*(and_(*conditions(each, one_by_one=one_by_one)) for each in alternatives))


def _term(word: Word) -> Term:
    return _opposite(_plain(word)) if word.is_negated else _plain(word)


def _opposite(term: Term) -> Term:  # noqa: PLR0911 one for each kind
    """What a term with a minus means: where there is a term for that already, it is that one."""
    match term:
        case HasVerdict(()):
            return HasVerdict(tuple(Label))
        case HasVerdict(labels) if len(labels) == len(Label):
            return HasVerdict(())
        case InTracklet(member, None):
            return InTracklet(not member)
        case FromSurvey(None):
            return FromSurvey(OWN)
        case HasTag(None, wanted):
            return HasTag(None, not wanted)
        case Disputed(wanted, experts):
            return Disputed(not wanted, experts)
        case Not(negated):
            return negated
        case _:
            return Not(term)


def _plain(word: Word) -> Term:
    word = in_numbers(word)
    key, value = word.key, word.value
    if key in NUMBERS:
        return Compare(key, *comparison(word))
    if key not in {*WORDS, *OTHERS}:
        raise refusal(word, no_such_name(key, (*NUMBERS, *WORDS, *OTHERS)))
    refuse_order(word)
    if key in WORDS:
        return Match(key, value)
    if key == "verdict":
        return HasVerdict(_labels(word, value.lower()))
    if key == "state":
        return InState(_state(word, value.lower()))
    return _near(word) if key == "near" else _relation(word)


def _relation(word: Word) -> Term:  # noqa: PLR0911, PLR0912 one for each word
    """A term about what belongs to the candidate: answers of catalogues, a tracklet, a survey, tags."""
    value = word.value.lower()
    match word.key, value:
        case "known", _ if value in {*KNOWN, "none", "unknown"}:
            return IsKnown(value)
        case "known", _:
            raise refusal(word, f"what is known is one of {', '.join((*KNOWN, 'none', 'unknown'))}")
        case "tracklet", ("any" | "none"):
            return InTracklet(value == "any")
        case "tracklet", _ if value.isdecimal() and value.isascii() and len(value) < 10:
            return InTracklet(True, int(value))
        case "tracklet", _:
            raise refusal(word, "a tracklet is any, none or a number")
        case "survey", "any":
            return FromSurvey()
        case "survey", "none":
            return FromSurvey(OWN)
        case "survey", _:
            return FromSurvey(word.value)
        case "line", ("any" | "none"):
            return OnLine() if value == "any" else Not(OnLine())
        case "line", _ if value in LINES:
            return OnLine(value)
        case "line", _:
            raise refusal(word, f"a line is one of {', '.join((*LINES, 'any', 'none'))}")
        case "zone", _ if value in set(Zone):
            return InZone(Zone(value))
        case "zone", _:
            raise refusal(word, f"a zone is one of {', '.join(Zone)}")
        case "expert", _:
            return AwaitsExpert(None if value in {"any", "none"} else word.value, value != "none")
        case "disputed", _:
            answer, *experts = parts_of(word.value)
            if answer.lower() not in {"yes", "no"}:
                raise refusal(word, "disputed is yes or no")
            return Disputed(answer.lower() == "yes", tuple(name for name in experts if name))
        case _:  # tags are kept in small letters
            return HasTag(None if value in {"any", "none"} else value, value != "none")


def _labels(word: Word, value: str) -> tuple[Label, ...]:
    if value == "none":
        return ()
    if value == "any":
        return tuple(Label)
    if value in {label.value for label in Label}:
        own = (Label(value),)
        # `real` is a label and the state that other labels give as well: it means them all.
        return own if value != Label.REAL else labels_of(ReviewState.REAL)
    if value == ReviewState.BOGUS:
        return labels_of(ReviewState.BOGUS)
    allowed = ", ".join(("none", "any", ReviewState.BOGUS, *Label))
    raise refusal(word, f"a verdict is one of {allowed}")


def _state(word: Word, value: str) -> ReviewState:
    try:
        return ReviewState(value)
    except ValueError:
        raise refusal(word, f"a state is one of {', '.join(ReviewState)}") from None


def _near(word: Word) -> Near:
    parts = word.value.split(",")
    if len(parts) != 3:
        raise refusal(word, "a place is RA,DEC,RADIUS such as 10.68,41.27,30arcsec")
    ra, dec = finite(word, parts[0]), finite(word, parts[1])
    try:
        degrees = parse_radius(parts[2])
    except CoordinateError as error:
        raise refusal(word, str(error)) from None
    if not (0 <= ra < 360 and -90 <= dec <= 90):
        raise refusal(word, "right ascension is 0 to below 360 and declination -90 to 90 degrees")
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


def _of_few(field: str, few: Sequence[int | str]) -> ColumnElement[bool]:
    """What was looked up; candidates apart from the query: its order wants another index."""
    if not few:
        return false()
    if field == "object":
        return col(SkyObject.id).in_(few)
    some = aliased(Candidate)
    key = func.lower(col(some.frame)) if field == "frame" else col(some.observation_id)
    return col(Candidate.id).in_(select(col(some.id)).where(key.in_(few)))


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


@lru_cache(maxsize=32)
def _may_be(labels: tuple[Label, ...]) -> ColumnElement[bool]:
    """It was ever said of the object, or stands of the body that it is: that spares all others the search.

    Told by an "or" it is no join, for which PostgreSQL takes far too few rows to be there.
    """
    given, words = aliased(Verdict), tuple(label.value for label in labels)
    said = select(col(given.sky_object_id)).where(col(given.label).in_(words))
    of_body = and_(col(SkyObject.tracklet_id).is_not(None), col(SkyObject.review_label).in_(words))
    return or_(col(SkyObject.id).in_(said), of_body)
