"""What a filter's names and zones stand for in a store, before candidates are sought.

Zones end where the ensemble in use has their limits.

No index finds how a name ends, so the databases read candidates in their order, each with its name, until a
page is full; where nothing matches, it never is. But frames and fields are few beside candidates. Their names
are matched first, those of frames one after the other along their index, and candidates are then found by
what matched. Objects are many, but an index of their names alone is short.

Where a pattern leaves many candidates it stays a pattern: then a page is soon full.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, literal, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.database.beginnings import begins
from core.database.tables import Candidate, Observation, SkyObject, SurveyObject
from core.review.card_terms import AnyCard, CardTerm, SeenOn
from core.review.filter_terms import AnyOf, InZone, Match, Not
from core.review.filter_words import like, lower_like
from core.review.zones import limits_in_use

MOST = 20_000  # candidates that are few
MOST_NAMES = 500
MOST_FRAMES = 10_000  # of all candidates, beyond which their names are not gone through
_T = TypeVar("_T", bound=CardTerm)


def looked_up(db: Session, terms: Sequence[_T]) -> tuple[_T, ...]:
    """Terms of candidates or of cards, told what names stand for where that is few, and limits of zones."""
    return tuple(_looked_up(db, term) for term in terms)


def _looked_up(db: Session, term: Any) -> Any:  # noqa: PLR0911 one for each kind
    match term:
        case Match("frame", pattern) | SeenOn(pattern):
            return replace(term, few=_frames(db, pattern))
        case Match("field", pattern):
            return replace(term, few=_of_field(db, pattern))
        case Match("object", pattern):
            return replace(term, few=_objects(db, pattern))
        case InZone():
            return replace(term, limits=limits_in_use(db))
        case Not(negated):
            return Not(_looked_up(db, negated))
        case AnyOf(alternatives) | AnyCard(alternatives):
            sides: Any = tuple(looked_up(db, side) for side in alternatives)
            return type(term)(sides)
        case _:
            return term


def has_index(field: str, pattern: str, dialect: str) -> bool:
    """Whether an index of names in lower case finds a pattern: a whole name, or how it begins.

    Beginnings of frames are found in SQLite alone: PostgreSQL's index of them is in the order of a language,
    in which what begins alike need not lie together.
    """
    is_beginning = "*" not in pattern[:-1] and len(pattern) > 1
    return "*" not in pattern or (is_beginning and (field == "object" or dialect == "sqlite"))


def is_named(column: SQLColumnExpression[Any], pattern: str, dialect: str) -> ColumnElement[bool]:
    """A pattern that `has_index`, as the index finds it."""
    return like(column, pattern) if "*" not in pattern else begins(column, pattern[:-1], dialect)


def _frames(db: Session, pattern: str) -> tuple[str, ...] | None:
    """The names of frames in lower case."""
    lowered = func.lower(col(Candidate.frame))
    if "*" not in pattern:
        names = list(db.scalars(select(lowered).where(like(col(Candidate.frame), pattern)).limit(1)))
    else:
        walk = _walk()
        is_last = walk.c.number == MOST_FRAMES
        passing = select(walk.c.name, is_last).where(or_(lower_like(walk.c.name, pattern), is_last))
        rows = db.execute(passing.limit(MOST_NAMES + 1)).all()
        names = [name for name, _ in rows]
        if len(rows) > MOST_NAMES or any(last for _, last in rows):
            return None
    return tuple(names) if _leaves_few(db, lowered.in_(names)) else None


def _walk() -> Any:
    """Each name of a frame once, in lower case, with its number: from one to the next along the index."""
    first, then = (func.lower(col(row.frame)) for row in (aliased(Candidate), aliased(Candidate)))
    least = select(first.label("name")).where(first.is_not(None)).order_by(first).limit(1).subquery()
    walk = select(least.c.name, literal(1).label("number")).cte("names", recursive=True)
    following = select(then).where(then > walk.c.name).order_by(then).limit(1).scalar_subquery()
    step = select(following, walk.c.number + 1)
    return walk.union_all(step.where(walk.c.name.is_not(None), walk.c.number < MOST_FRAMES))


def _of_field(db: Session, pattern: str) -> tuple[int, ...] | None:
    """The ids of observations."""
    query = select(col(Observation.id)).where(like(col(Observation.field), pattern))
    ids = _some(db, query)
    return ids if ids is not None and _leaves_few(db, col(Candidate.observation_id).in_(ids)) else None


def _objects(db: Session, pattern: str) -> tuple[int, ...] | None:
    """The ids of objects, by any of their names."""
    dialect = db.get_bind().dialect.name
    matches = partial(is_named, dialect=dialect) if has_index("object", pattern, dialect) else like
    named = select(col(SkyObject.id)).where(matches(col(SkyObject.name), pattern))
    others = select(col(SurveyObject.sky_object_id)).where(matches(col(SurveyObject.external_id), pattern))
    # One by one: what is joined by "or" not every database finds by two indexes, and a union is made whole.
    found = [_some(db, query) for query in (named, others)]
    ids = None if None in found else tuple(sorted({key for part in found for key in part or ()}))
    return ids if ids is not None and len(ids) <= MOST_NAMES else None


def _some(db: Session, query: Select[Any]) -> tuple[int, ...] | None:
    ids = tuple(db.scalars(query.limit(MOST_NAMES + 1)))
    return ids if len(ids) <= MOST_NAMES else None


def _leaves_few(db: Session, condition: ColumnElement[bool]) -> bool:
    part = select(col(Candidate.id)).where(condition).limit(MOST + 1).subquery()
    return (db.scalar(select(func.count()).select_from(part)) or 0) <= MOST
