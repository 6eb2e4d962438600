"""The grammar that all filters share: words, operators, numbers and patterns.

``name<operator>value`` separated by spaces, the value in double quotes where it holds spaces; within them two
double quotes stand for one. A minus before
the name negates the term: what does not pass it, and what has no such value, passes. All terms beside one
another must hold; ``or`` between them binds less than that, and parentheses take terms together, with a minus
before them if need be. What the names mean is the business of `core.review.filters` (candidates) and
`core.frames.frame_filters` (frames).
"""

import csv
import io
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, SQLColumnExpression, false, func

from core.database.storable import storable
from core.errors import AstridError
from core.text import safe_text
from core.vocabulary import ExitCode

MAX_CHARACTERS = 10_000
MAX_TERMS = 32
MAX_DEPTH = 8  # of parentheses

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
QUOTED = r'"(?:[^"]|"")*"(?=\)*(?:\s|$))'  # a value, whatever it holds, as a regular expression
_WORD = re.compile(rf'(?P<key>[^\s:<>="]+)(?P<operator>>=|<=|[:<>=])(?P<value>{QUOTED}|\S*)')
_OPENING = re.compile(r"-?\(")
_OR = re.compile(r"or(?![^\s()])", re.IGNORECASE)
_SPACED = re.compile(r"\s+[:<>=]")
_ALL_HOLD = "terms beside one another must all hold: leave it out"
_EITHER = "write or between terms of which one must hold"
_NEGATED = "a minus negates a term, such as -snr>7"
_INSTEAD = {
    "and": _ALL_HOLD,
    "&": _ALL_HOLD,
    "&&": _ALL_HOLD,
    "|": _EITHER,
    "||": _EITHER,
    "not": _NEGATED,
    "!": _NEGATED,
}
_LIKE_OPERATORS = {"≥": ">=", "≤": "<=", "⩾": ">=", "⩽": "<=", "≠": "="}
_T = TypeVar("_T")
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
    """One term as it was written: `text` is all of it, `value` without its quotes and never empty.

    Attributes
    ----------
    at : int
        Where it begins in the filter, from 0.
    """

    text: str
    key: str
    operator: str
    value: str
    is_negated: bool = False
    at: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Terms and groups of terms: all of any alternative hold, or, negated, not so."""

    alternatives: tuple[tuple["Word | Group", ...], ...]
    is_negated: bool = False


@dataclass(slots=True)
class _Open:
    """A group that is being read: where it began and with what, and where its last alternative did."""

    at: int
    sign: str
    found: list[list[Word | Group]] = field(default_factory=lambda: [[]])
    last_or: int | None = None


def read(expression: str, *, unfinished: bool = False) -> Group:
    """Split a filter into its terms.

    Parameters
    ----------
    expression : str
    unfinished : bool
        It is still being typed: parentheses that are open at its end are taken for closed.

    Raises
    ------
    FilterError
        Something is no term, there are more than `MAX_TERMS` or `MAX_CHARACTERS`, or parentheses and ``or``
        do not fit.
    """
    _refuse_length(len(expression), "characters", MAX_CHARACTERS)
    expression = storable(expression)  # the names that it may match were kept so
    stack, position, terms = [_Open(0, "")], 0, 0
    while position < len(expression):
        if expression[position].isspace():
            position += 1
        elif begun := _OPENING.match(expression, position):
            if len(stack) > MAX_DEPTH:
                raise _misread(expression, position, f"parentheses go {MAX_DEPTH} deep at most")
            stack.append(_Open(position, begun.group()))
            position = begun.end()
        elif expression[position] == ")":
            if len(stack) == 1:
                raise _misread(expression, position, "there is no ( that it closes")
            closed = _closed(expression, stack.pop())
            stack[-1].found[-1].append(closed)
            position += 1
        elif either := _OR.match(expression, position):
            if not stack[-1].found[-1]:
                raise _misread(expression, position, "a term is missing before it")
            stack[-1].found.append([])
            stack[-1].last_or = position
            position = either.end()
        else:
            word = _word(expression, position, is_in_group=len(stack) > 1)
            stack[-1].found[-1].append(word)
            position += len(word.text)
            terms += 1
    while unfinished and len(stack) > 1:
        closed = _closed(expression, stack.pop())
        stack[-1].found[-1].append(closed)
    if len(stack) > 1:
        raise _misread(expression, stack[-1].at, "the ) that closes it is missing")
    _refuse_length(terms, "terms", MAX_TERMS)
    return _closed(expression, stack[0])


def built(
    group: Group,
    term: Callable[[Word], _T],
    any_of: Callable[[tuple[tuple[_T, ...], ...]], _T],
    opposite: Callable[[_T], _T],
) -> tuple[_T, ...]:
    """Terms of a filter's own kind, of what was read.

    Parameters
    ----------
    group : Group
    term : callable
        Makes a term of a word.
    any_of : callable
        Makes one term of alternatives, each of terms that all hold.
    opposite : callable
        Makes a term of what does not pass another.

    Returns
    -------
    tuple
        Terms that all hold.
    """
    found = tuple(
        tuple(
            each
            for part in alternative
            for each in (built(part, term, any_of, opposite) if isinstance(part, Group) else (term(part),))
        )
        for alternative in group.alternatives
    )
    if group.is_negated:
        is_one = len(found) == 1 and len(found[0]) == 1
        return (opposite(found[0][0] if is_one else any_of(found)),)
    return found[0] if len(found) == 1 else (any_of(found),)


def quoted(value: str) -> str:
    """A value as a term holds it, whatever is in it."""
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def listed(values: Sequence[str]) -> str:
    """Several values as one, with commas between them; `parts_of` finds them again, whatever is in them."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def parts_of(value: str) -> list[str]:
    """The values between the commas of one; such as hold a comma themselves are in quotes."""
    return next(csv.reader(io.StringIO(value, newline="")), [""])


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
        raise refusal(word, f"'{safe_text(value, 40)}' is no number{_no_number_since(word, value)}")
    return number


def _no_number_since(word: Word, value: str) -> str:
    """What is known of why a value is no number, to follow that it is none."""
    if odd := _odd(value):
        return f": write its '{odd}' as it is on a keyboard"
    if word.operator != ":" and value[:1] in {"=", "<", ">"}:
        return f": {word.key} is compared with one of < <= = >= >, and -{word.key}=7 is what is not equal"
    if value.endswith(")"):
        return ": there is no ( that its ) closes"
    if any(sign in value for sign in "<>="):
        return ": write a space between terms"
    if value.count(",") == 1 and "." not in value and value.replace(",", "").isdecimal():
        return f": write {value.replace(',', '.')}"
    return ", nor a date such as 2026-03-01" if word.key == "mjd" else ""


def _odd(text: str) -> str:
    """The first character that no keyboard for English has, which may look like one that it has."""
    return next((safe_text(each, 8) for each in text if not each.isascii()), "")


def comparison(word: Word) -> tuple[str, float]:
    """The operator and the limit of a term that compares a number.

    Raises
    ------
    FilterError
    """
    if word.operator == ":":
        raise refusal(word, f"{word.key} is a number: compare it with < <= = >= or >")
    return word.operator, finite(word, word.value)


def refuse_order(word: Word) -> None:
    """Refuse to compare what is no number.

    Raises
    ------
    FilterError
    """
    if word.operator not in {":", "="}:
        raise refusal(word, f"{word.key} is no number: write {word.key}:VALUE")


def refusal(word: Word, why: str) -> FilterError:
    """The error for a term that is not understood."""
    text = safe_text(word.text, 60)
    return FilterError(f"the filter term '{text}' at character {word.at + 1} is not understood: {why}", why)


def no_such_name(key: str, names: Sequence[str]) -> str:
    """Why a term whose name does not exist is refused: what may have been meant, and all there are."""
    if "!" in key and (name := key.strip("!")) in names:
        return f"a minus negates a term, such as -{name}{'=' if key.endswith('!') else ':'}VALUE"
    meant, absent = get_close_matches(key, names, n=2), f"there is no '{safe_text(key, 40)}' to filter by"
    if meant and (odd := _odd(key)):
        return f"{absent}: did you mean {meant[0]}, without its '{odd}'?"
    asked = f": did you mean {' or '.join(meant)}? There are" if meant else "; there are"
    return f"{absent}{asked} {', '.join(names)}"


def like(column: SQLColumnExpression[Any], pattern: str) -> ColumnElement[bool]:
    """A text matches a pattern: ``*`` is anything and case is ignored."""
    return lower_like(func.lower(column), pattern)


def lower_like(lowered: SQLColumnExpression[Any], pattern: str) -> ColumnElement[bool]:
    """The same of a text that the database has put in lower case."""
    if "*" not in pattern:  # what an index of the lower case finds
        found: ColumnElement[bool] = lowered == func.lower(pattern)
        return found
    escaped = pattern
    for special in (_ESCAPE, "%", "_"):
        escaped = escaped.replace(special, _ESCAPE + special)
    # The database lowers both sides: what it takes for a letter's lower case is its own business.
    return lowered.like(func.lower(escaped.replace("*", "%")), escape=_ESCAPE)


def negation(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """What does not pass a condition; what has no value to pass it by is of that too."""
    return ~func.coalesce(condition, false())


def _refuse_length(length: int, of: str, most: int) -> None:
    if length > most:
        raise FilterError(f"a filter of {length} {of} is too long: {most} are allowed")


def _word(expression: str, at: int, *, is_in_group: bool) -> Word:
    """The term that begins somewhere; in parentheses those that its value does not open end it."""
    match = _WORD.match(expression, at)
    if match is None:
        text = expression[at:].split(maxsplit=1)[0]
        raise refusal(Word(text, "", "", "", at=at), _no_term_since(expression, at, text))
    text, value = match.group(), match["value"]
    is_quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    if is_quoted:
        value = value[1:-1].replace('""', '"')
    elif is_in_group:
        while value.endswith(")") and value.count(")") > value.count("("):
            text, value = text[:-1], value[:-1]
    key, sign = match["key"].lower(), match["operator"]
    word = Word(text, key.removeprefix("-"), sign, value, key.startswith("-"), at)
    if not value:
        example = f"{match['key']}{sign}{'VALUE' if sign == ':' else '7'}"
        raise refusal(word, f"its value is missing: write such as {safe_text(example, 40)}, without a space")
    if value.startswith('"') and not is_quoted:
        raise refusal(word, 'the " that ends its value is missing')
    return word


def _no_term_since(expression: str, at: int, text: str) -> str:
    """Why something is no term."""
    if instead := _INSTEAD.get(text.lower().rstrip(")")):
        return instead
    plain = unicodedata.normalize("NFKC", "".join(_LIKE_OPERATORS.get(each, each) for each in text))
    if _WORD.fullmatch(plain):
        return f"its operator is none of : < <= = >= >: write {'-' * ('≠' in text)}{safe_text(plain, 60)}"
    if _SPACED.match(expression, at + len(text)):
        return "a term holds no space: write such as snr>7"
    return "a term is a name, one of : < <= = >= >, and a value, such as snr>7"


def _closed(expression: str, group: _Open) -> Group:
    if not group.found[-1] and (group.sign or group.last_or is not None):
        if group.last_or is None:
            raise _misread(expression, group.at, "there is no term in these parentheses")
        raise _misread(expression, group.last_or, "a term is missing behind it")
    return Group(tuple(map(tuple, group.found)), group.sign.startswith("-"))


def _misread(expression: str, at: int, why: str) -> FilterError:
    text = safe_text(expression[at:].split(maxsplit=1)[0], 40)
    return FilterError(f"the filter is not understood at character {at + 1}, '{text}': {why}", why)
