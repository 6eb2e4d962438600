"""The grammar that all filters share: words, operators, numbers and patterns.

``name<operator>value`` separated by spaces, the value in double quotes where it holds spaces. A minus before
the name negates the term: what does not pass it, and what has no such value, passes. What the names mean is
the business of `core.review.filters` (candidates) and `core.frames.frame_filters` (frames).
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, false, func

from core.errors import AstridError
from core.text import safe_text
from core.vocabulary import ExitCode

MAX_TERMS = 32

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_WORD = re.compile(r'(?P<key>[^\s:<>="]+)(?P<operator>>=|<=|[:<>=])(?P<value>"[^"]*"(?!\S)|\S*)')
_ESCAPE = "\\"


class FilterError(AstridError):
    """A filter cannot be understood; the message names the term and what is allowed.

    Attributes
    ----------
    why : str
        The reason alone.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, why: str | None = None) -> None:
        super().__init__(message)
        self.why = why or message


@dataclass(frozen=True, slots=True)
class Word:
    """One term as it was written: `text` is all of it, `value` without its quotes and never empty."""

    text: str
    key: str
    operator: str
    value: str
    is_negated: bool = False


def words(expression: str) -> list[Word]:
    """Split a filter into its terms.

    Raises
    ------
    FilterError
        Something is no term, or there are more than `MAX_TERMS`.
    """
    found: list[Word] = []
    position = 0
    while position < len(expression):
        if expression[position].isspace():
            position += 1
            continue
        match = _WORD.match(expression, position)
        if match is None:
            text = expression[position:].split(maxsplit=1)[0]
            raise refusal(text, "a term is a name, one of : < <= = >= >, and a value, such as snr>7")
        found.append(_word(match))
        position = match.end()
    if len(found) > MAX_TERMS:
        raise FilterError(f"a filter of {len(found)} terms is too long: {MAX_TERMS} are allowed")
    return found


def finite(word: Word, value: str) -> float:
    """A number of a term.

    Raises
    ------
    FilterError
    """
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise refusal(word.text, f"'{safe_text(value, 40)}' is no number")
    return number


def comparison(word: Word) -> tuple[str, float]:
    """The operator and the limit of a term that compares a number.

    Raises
    ------
    FilterError
    """
    if word.operator == ":":
        raise refusal(word.text, f"{word.key} is a number: compare it with < <= = >= or >")
    return word.operator, finite(word, word.value)


def refuse_order(word: Word) -> None:
    """Refuse to compare what is no number.

    Raises
    ------
    FilterError
    """
    if word.operator not in {":", "="}:
        raise refusal(word.text, f"{word.key} is no number: write {word.key}:VALUE")


def refusal(term: str, why: str) -> FilterError:
    """The error for a term that is not understood."""
    return FilterError(f"the filter term '{safe_text(term, 60)}' is not understood: {why}", why)


def no_such_name(key: str, names: Sequence[str]) -> str:
    """Why a term whose name does not exist is refused: what may have been meant, and all there are."""
    meant = get_close_matches(key, names, n=2)
    asked = f": did you mean {' or '.join(meant)}? There are" if meant else "; there are"
    return f"there is no '{safe_text(key, 40)}' to filter by{asked} {', '.join(names)}"


def like(column: SQLColumnExpression[Any], pattern: str) -> ColumnElement[bool]:
    """A text matches a pattern: ``*`` is anything and case is ignored."""
    if "*" not in pattern:  # what an index of the lower case finds
        found: ColumnElement[bool] = func.lower(column) == func.lower(pattern)
        return found
    escaped = pattern
    for special in (_ESCAPE, "%", "_"):
        escaped = escaped.replace(special, _ESCAPE + special)
    # The database lowers both sides: what it takes for a letter's lower case is its own business.
    return func.lower(column).like(func.lower(escaped.replace("*", "%")), escape=_ESCAPE)


def negation(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """What does not pass a condition; what has no value to pass it by is of that too."""
    return ~func.coalesce(condition, false())


def _word(match: re.Match[str]) -> Word:
    value = match["value"]
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if not value:
        sign = match["operator"]
        example = f"{match['key']}{sign}{'VALUE' if sign == ':' else '7'}"
        raise refusal(
            match.group(), f"its value is missing behind {sign}: write such as {safe_text(example, 40)}"
        )
    key = match["key"].lower()
    return Word(match.group(), key.removeprefix("-"), match["operator"], value, key.startswith("-"))
