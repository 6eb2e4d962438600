"""The cards of a header by what they mean, whatever each observatory calls them.

Which keywords these are `core.header_words` has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from astropy.io.fits import Header
from astropy.io.fits.verify import VerifyError

from core.header_words import KEYWORDS

MOST_TEXT = 200  # letters of a text
MOST_NAMED = 4  # cards that a sentence names
UNREADABLE = (VerifyError, ValueError, AttributeError)  # what asking for a card raises that cannot be parsed


def unreadable(header: Header, keywords: Iterable[str]) -> str | None:
    """One sentence where some cards cannot be read, as where they hold a control character."""
    found = []
    for keyword in dict.fromkeys(keywords):
        try:
            header.get(keyword)
        except UNREADABLE:
            found.append(keyword)
    if not found:
        return None
    names = ", ".join(found[:MOST_NAMED]) + (", ..." if len(found) > MOST_NAMED else "")
    counts = "counts" if len(found) == 1 else "count"
    return (
        f"{names} of its header cannot be read (damaged, or with characters that FITS does not allow), and"
        f" {counts} as absent"
    )


def look_up(header: Header, keywords: tuple[str, ...]) -> object:
    """The first value that is there and not empty under any of some keywords, or ``None``."""
    for keyword in keywords:
        try:
            value = header.get(keyword)
        except UNREADABLE:
            continue
        if isinstance(value, str):
            value = value.strip()
        if isinstance(value, str | int | float) and value != "":
            return value
    return None


def as_known(header: Header, keywords: Mapping[str, str]) -> Header:
    """A header in which some keywords have the values and comments of those that a camera has for them.

    The given one stays as it is, and is returned where nothing in it is another.
    """
    found = {known: (look_up(header, (own,)), comment_of(header, (own,))) for known, own in keywords.items()}
    found = {known: card for known, card in found.items() if card[0] is not None}
    if not found:
        return header
    other = header.copy()
    for known, card in found.items():
        other[known] = card
    return other


def comment_of(header: Header, keywords: tuple[str, ...]) -> str:
    """What stands behind the value that `look_up` finds."""
    for keyword in keywords:
        if look_up(header, (keyword,)) is not None:
            return str(header.comments[keyword])
    return ""


def text(header: Header, name: str) -> str | None:
    """A text of `KEYWORDS`, as it stands in the header; its beginning, where it goes on over many cards."""
    value = look_up(header, KEYWORDS[name])
    return None if value is None else str(value)[:MOST_TEXT]


class Number(NamedTuple):
    """A number of a header, and what its card says of it."""

    value: float
    comment: str


def told(header: Header, name: str) -> Number | None:
    """The first finite number of `KEYWORDS`, also where it was written as text."""
    return next(all_told(header, name), None)


def all_told(header: Header, name: str) -> Iterator[Number]:
    """Every finite number of `KEYWORDS`."""
    yield from numbers(header, KEYWORDS[name])


def numbers(header: Header, keywords: Iterable[str]) -> Iterator[Number]:
    """Every finite number of some keywords."""
    for keyword in keywords:
        value = look_up(header, (keyword,))
        if value is None or isinstance(value, bool):
            continue
        try:
            found = float(value)  # type: ignore[arg-type]  # text that is no number raises
        except ValueError:
            continue
        if math.isfinite(found):
            yield Number(found, str(header.comments[keyword]))


def number(header: Header, name: str) -> float | None:
    """The value of what `told` finds."""
    found = told(header, name)
    return None if found is None else found.value
