"""A column of numbers in a table: to the right, with their decimal points below one another."""

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"(?:[<>]?[+-]?\d+(?:\.\d+)?|-)?")  # a dash stands for none


def is_of_numbers(column: Sequence[object]) -> bool:
    """Whether a column holds numbers alone, be they written already, or nothing."""
    return all(
        each is None or isinstance(each, int | float) or (isinstance(each, str) and _PLAIN.fullmatch(each))
        for each in column
    )


def aligned(column: Sequence[object]) -> list[object]:
    """A column whose fractions all have as many digits as the longest one: 17.2 beside 18.45 is 17.20."""
    fractions = [str(each).partition(".")[2] for each in column if isinstance(each, float)]
    if not all(digits.isdecimal() for digits in fractions):  # exponents, and what is no number
        return list(column)
    most = max(map(len, fractions), default=0)
    return [f"{each:.{most}f}" if isinstance(each, float) else each for each in column]
