"""Filters of the review queue that a reviewer keeps by name, and what values a store offers for new ones."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Assignment, Candidate, Observation, SavedFilter, Verdict
from core.errors import AstridError
from core.frames.standing import stands
from core.review.filter_help import MOST_VALUES, Known
from core.review.filter_words import QUOTED, listed, quoted, read
from core.review.filters import parse
from core.review.zones import limits_in_use
from core.text import safe_text
from core.vocabulary import ExitCode

_NAME = re.compile(r"[\w.-]{1,40}")
_QUOTED = f"[:<>=]{QUOTED}"
_OF_REVIEWER = re.compile(
    rf"(?i){_QUOTED}|(?<![^\s(-])(?:(?P<asked>expert[:=])me|(?P<settled>disputed[:=])(?P<word>yes|no))(?![^\s)])"
)
_REFERENCE = re.compile(rf"{_QUOTED}|(?<![^\s(-])(?P<minus>-?)@(?P<name>[^\s()]*)")


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


def expanded(store: Store, expression: str, *, reviewer: str, experts: Sequence[str] = ()) -> str:
    """A filter with what was saved in place of each ``@NAME`` or ``-@NAME``, and with who asks.

    The reviewer's name stands in place of ``me`` in ``expert:me``, and the experts whose verdict settles
    a dispute after ``disputed:yes``.

    Raises
    ------
    SavedFilterError
        There is none of that name.
    """
    if "@" not in expression:
        return _of_reviewer(expression, reviewer, experts)
    known = {each.name: each.expression for each in saved(store, reviewer=reviewer)}

    def put_in(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "none was saved yet"
            raise SavedFilterError(
                f"there is no saved filter '{safe_text(name, 40)}' (character {match.start() + 1}); {there}"
            )
        expression = known[name]
        is_whole = not match["minus"] and len(read(expression).alternatives) == 1
        return expression if is_whole else f"{match['minus']}({expression})"

    return _of_reviewer(_REFERENCE.sub(put_in, expression), reviewer, experts)


def _of_reviewer(expression: str, reviewer: str, experts: Sequence[str]) -> str:
    def put_in(match: re.Match[str]) -> str:
        if match["asked"]:
            return f"{match['asked']}{quoted(reviewer)}"
        if match["settled"] and experts:
            return f"{match['settled']}{quoted(listed([match['word'], *experts]))}"
        return match[0]

    return _OF_REVIEWER.sub(put_in, expression)


def offered(store: Store, *, reviewer: str, blind: bool = False) -> Known:
    """What values of the store a filter can be completed with.

    Parameters
    ----------
    blind : bool
        Of others' tags only those on objects that this reviewer has judged.
    """
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
        tagged = select(col(Verdict.tags)).order_by(col(Verdict.id).desc()).limit(5000)
        if blind:
            own_word = aliased(Verdict)
            judged = select(col(own_word.sky_object_id)).where(
                col(own_word.reviewer) == reviewer, stands(own_word)
            )
            tagged = tagged.where(
                (col(Verdict.reviewer) == reviewer) | col(Verdict.sky_object_id).in_(judged)
            )
        lists = db.scalars(tagged).all()
        experts = db.scalars(select(col(Assignment.expert)).distinct().limit(MOST_VALUES)).all()
        limits = limits_in_use(db)
    tags = sorted({str(tag) for each in lists for tag in each})
    values = {
        "field": sorted(each for each in fields if each),
        "filter": sorted(each for each in bands if each),
        "source": sources,
        "survey": [each for each in sources if each != "astrid"],
        "tag": tags[:MOST_VALUES],
        "expert": sorted(experts),
    }
    return Known(values, [each.name for each in saved(store, reviewer=reviewer)], limits)
