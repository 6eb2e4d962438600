"""The values of a packet's record: numbers that mean something, texts, ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.review.cutouts import MAX_ABS
from pipeline.surveys.refusal import PacketError
from pipeline.surveys.survey import Names, Survey

Record = Mapping[str, Any]

MOST_LETTERS = 100  # of an id


def numbers_of(survey: Survey, record: Record, names: Names) -> dict[str, float]:
    """Those numbers under some names that mean something."""
    found = ((name, number_of(survey, record, (name,))) for name in names)
    return {name: value for name, value in found if value is not None}


def number_of(survey: Survey, record: Record, names: Names) -> float | None:
    """The first number under some names that means something."""
    return next((n for name in names if (n := meant(survey, record.get(name))) is not None), None)


def meant(survey: Survey, value: Any) -> float | None:
    """A value as a number, none where it is no number or a sentinel."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    number = float(value)
    return number if abs(number) <= MAX_ABS and number not in survey.sentinels else None


def value_of(record: Record, names: Names, *, skipped: tuple[Any, ...] = ()) -> Any:
    """The first value under some names, which may lead into records."""
    for name in names:
        value: Any = record
        for step in name.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None and value not in skipped:
            return value
    return None


def id_of(value: Any) -> str | None:
    """An id as text; refused where it is none."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    if len(text) > MOST_LETTERS:
        raise PacketError(f"one of its ids has {len(text)} letters; {MOST_LETTERS} are the most")
    return text or None
