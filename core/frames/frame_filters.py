"""The filter language of the queue: which frames a list shows and a bulk action takes.

Terms are separated by spaces and all of them must hold, where no ``or`` stands between them::

    state:quarantined  state:rejected,waiting   where the frame stands
    reason:*stars*  frame:kb*  field:M31        text, case ignored, * stands for anything
    path:/data/night1/*  instrument:kb92
    filter:r  kind:science                      a word as it is written
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
from core.vocabulary import ObservationState

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
EXACT = ("filter", "kind")
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
class InStates:
    """The frame is in one of these states."""

    states: tuple[ObservationState, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The frame does not pass a term: it has another value, or none."""

    term: "Term"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The frame passes all terms of any alternative."""

    alternatives: tuple[tuple["Term", ...], ...]


Term = Compare | Match | InStates | Not | AnyOf


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
        case InStates(states):
            return col(Observation.state).in_([state.value for state in states])
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
    if word.key not in {"state", *EXACT, *PATTERNS}:
        allowed = ", ".join(("state", *PATTERNS, *EXACT, *NUMBERS))
        raise refusal(word, f"there is no '{safe_text(word.key, 40)}' to filter by; there are {allowed}")
    refuse_order(word)
    if word.key == "state":
        return InStates(tuple(_state(word, each) for each in word.value.lower().split(",")))
    return Match(word.key, word.value)


def _state(word: Word, value: str) -> ObservationState:
    try:
        return ObservationState(value)
    except ValueError:
        raise refusal(word, f"a state is one of {', '.join(ObservationState)}") from None
