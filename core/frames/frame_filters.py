"""The filter language of the queue: which frames a list shows and a bulk action takes.

Terms are separated by spaces and all of them must hold, where no ``or`` stands between them::

    state:quarantined  state:rejected,waiting   where the frame stands
    kind:science  kind:dark,flat                what it was taken for
    reason:*stars*  frame:kb*  field:M31        text, case ignored, * stands for anything
    path:/data/night1/*  instrument:kb92
    filter:r                                    a word as it is written
    attempts>=2  priority<0  mjd>60000          a number; also id, exposure, seeing (pixels), depth (mag)
    -state:done  -frame:*x*  -seeing>4          any term with a minus: what does not pass it, or has no value
    state:waiting or attempts>2 filter:r        either side of it; what stands beside one another binds first
    (state:waiting or attempts>2) -(filter:r seeing>4)  terms taken together
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Observation
from core.review.filter_values import in_numbers
from core.review.filter_words import (
    OPERATORS,
    FilterError,
    Word,
    built,
    comparison,
    like,
    negation,
    read,
    refusal,
    refuse_order,
)
from core.text import safe_text
from core.vocabulary import FrameKind, ObservationState

__all__ = ["FilterError", "conditions", "matching", "parse"]

NUMBERS = {
    "attempts": "attempts",
    "priority": "priority",
    "mjd": "mjd",
    "id": "id",
    "exposure": "exposure_s",
    "seeing": "seeing_px",
    "depth": "limit_mag",
}
WORDS: dict[str, tuple[str, ...]] = {"state": tuple(ObservationState), "kind": tuple(FrameKind)}
EXACT = ("filter",)
PATTERNS = ("frame", "field", "reason", "path", "instrument")


@dataclass(frozen=True, slots=True)
class Compare:
    """A column of numbers against a limit; a frame without a value never matches."""

    column: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True)
class Match:
    """A text: exactly, in `EXACT`, or by a pattern."""

    column: str
    pattern: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """A column of `WORDS` has one of these."""

    column: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The frame does not pass a term: it has another value, or none."""

    term: "Term"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The frame passes all terms of any alternative."""

    alternatives: tuple[tuple["Term", ...], ...]


Term = Compare | Match | OneOf | Not | AnyOf


def parse(expression: str) -> tuple[Term, ...]:
    """Read a filter; an empty one has no terms, and every frame passes.

    Raises
    ------
    FilterError
        A term is not understood.
    """
    return built(read(expression), _term, AnyOf, Not)


def conditions(terms: Sequence[Term]) -> list[ColumnElement[bool]]:
    """Terms as conditions on a query of `Observation`."""
    return [_condition(term) for term in terms]


def matching(store: Store, expression: str) -> list[int]:
    """The ids of all frames that pass a filter, in the order in which they came.

    Raises
    ------
    FilterError
        A term is not understood.
    """
    query = select(Observation.id).where(*conditions(parse(expression))).order_by(col(Observation.id))
    with store.read() as session:
        return [key for key in session.exec(query) if key is not None]


def _condition(term: Term) -> ColumnElement[bool]:
    match term:
        case OneOf(name, words):
            among: ColumnElement[bool] = _column(name).in_(words)
            return among
        case Compare(name, sign, limit):
            compared: ColumnElement[bool] = OPERATORS[sign](_column(name), limit)
            return compared
        case Match(name, pattern):
            return _column(name) == pattern if name in EXACT else like(_column(name), pattern)
        case Not(negated):
            return negation(_condition(negated))
        case AnyOf(alternatives):
            return or_(*(and_(*conditions(each)) for each in alternatives))


def _column(name: str) -> Any:
    return col(getattr(Observation, name))


def _term(word: Word) -> Term:
    return Not(_plain(word)) if word.is_negated else _plain(word)


def _plain(word: Word) -> Term:
    if word.key in NUMBERS:
        return Compare(NUMBERS[word.key], *comparison(in_numbers(word)))
    if word.key not in {*WORDS, *EXACT, *PATTERNS}:
        allowed = ", ".join((*WORDS, *PATTERNS, *EXACT, *NUMBERS))
        raise refusal(word, f"there is no '{safe_text(word.key, 40)}' to filter by; there are {allowed}")
    refuse_order(word)
    if word.key in WORDS:
        return OneOf(word.key, _words(word))
    return Match(word.key, word.value)


def _words(word: Word) -> tuple[str, ...]:
    given = tuple(word.value.lower().split(","))
    if not set(given) <= set(WORDS[word.key]):
        raise refusal(word, f"a {word.key} is one of {', '.join(WORDS[word.key])}")
    return given
