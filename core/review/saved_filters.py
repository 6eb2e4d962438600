"""Filters of the review queue that a reviewer keeps by name, and what values a store offers for new ones."""

import re
import time
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, Observation, SavedFilter, Verdict
from core.errors import AstridError
from core.review.filter_help import Known
from core.review.filters import parse
from core.text import safe_text
from core.vocabulary import ExitCode

MOST_VALUES = 200
_NAME = re.compile(r"[\w.-]{1,40}")
_REFERENCE = re.compile(r"(?<!\S)@(\S*)")


class SavedFilterError(AstridError):
    """There is no such saved filter, or it cannot be kept by that name."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Saved:
    """A filter by its name."""

    name: str
    expression: str


def save(store: Store, *, reviewer: str, name: str, expression: str) -> None:
    """Keep a filter by a name, in place of an earlier one of that name.

    Raises
    ------
    SavedFilterError, FilterError
    """
    if not _NAME.fullmatch(name):
        raise SavedFilterError(
            f"'{safe_text(name, 40)}' is no name for a filter: letters, digits and . _ - make one"
        )
    if not parse(expression):
        raise SavedFilterError("there is no filter to save: it has no terms")
    for _ in range(2):  # another console may have saved it between the two statements
        with store.write() as db:
            mine = (col(SavedFilter.reviewer) == reviewer, col(SavedFilter.name) == name)
            row = db.scalar(select(SavedFilter).where(*mine))
            if row is None:
                row = SavedFilter(reviewer=reviewer, name=name, expression="", created_at=0.0)
            row.expression, row.created_at = expression, time.time()
            try:
                db.add(row)
                db.flush()
            except IntegrityError:
                db.rollback()
            else:
                return


def forget(store: Store, *, reviewer: str, name: str) -> None:
    """Forget a saved filter.

    Raises
    ------
    SavedFilterError
        There is none of that name.
    """
    with store.write() as db:
        found: int = db.execute(  # type: ignore[attr-defined]
            delete(SavedFilter).where(col(SavedFilter.reviewer) == reviewer, col(SavedFilter.name) == name)
        ).rowcount
    if not found:
        raise SavedFilterError(f"there is no saved filter '{safe_text(name, 40)}'")


def saved(store: Store, *, reviewer: str) -> list[Saved]:
    """A reviewer's filters, by name."""
    query = select(SavedFilter).where(col(SavedFilter.reviewer) == reviewer).order_by(col(SavedFilter.name))
    with store.read() as db:
        return [Saved(row.name, row.expression) for row in db.scalars(query)]


def expanded(store: Store, expression: str, *, reviewer: str) -> str:
    """A filter with what was saved in place of each ``@NAME``.

    Raises
    ------
    SavedFilterError
        There is none of that name.
    """
    if "@" not in expression:
        return expression
    known = {each.name: each.expression for each in saved(store, reviewer=reviewer)}

    def put_in(match: re.Match[str]) -> str:
        if match[1] not in known:
            there = ", ".join(known) or "none was saved yet"
            raise SavedFilterError(f"there is no saved filter '{safe_text(match[1], 40)}': {there}")
        return known[match[1]]

    return _REFERENCE.sub(put_in, expression)


def offered(store: Store, *, reviewer: str) -> Known:
    """What values of the store a filter can be completed with."""
    own, survey = col(Observation.field), col(Candidate.source)
    with store.read() as db:
        fields = db.scalars(select(own).where(own.is_not(None)).distinct().limit(MOST_VALUES)).all()
        bands = db.scalars(select(col(Observation.filter)).distinct().limit(MOST_VALUES)).all()
        # One step of the index a source: a DISTINCT would read all candidates.
        sources: list[str] = []
        while after := db.scalar(
            select(survey).where(survey > (sources or [""])[-1]).order_by(survey).limit(1)
        ):
            sources.append(after)
            if len(sources) == MOST_VALUES:
                break
        lists = db.scalars(select(col(Verdict.tags)).order_by(col(Verdict.id).desc()).limit(5000)).all()
    tags = sorted({str(tag) for each in lists for tag in each})
    values = {
        "field": sorted(each for each in fields if each),
        "filter": sorted(each for each in bands if each),
        "source": sources,
        "survey": [each for each in sources if each != "astrid"],
        "tag": tags[:MOST_VALUES],
    }
    return Known(values, [each.name for each in saved(store, reviewer=reviewer)])
