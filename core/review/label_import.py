"""Verdicts that were given in another vetting tool, brought to the candidates that they are of.

Each goes the way of any other verdict, through `core.review.verdicts`; what was brought in once is known by
its verdict row, so that a second import stores nothing anew, also where it was taken back or decided
otherwise since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, func, select

from core.database.store import Store
from core.database.tables import Candidate, SkyObject, Verdict
from core.database.turns import take_turn
from core.frames.standing import stands
from core.objects.sky import rows_in_cone
from core.review.candidates import shown_capsule
from core.review.label_file import Asked, LabelFile, UnclearRow, UnknownWord
from core.review.pace import BY, IMPORT
from core.review.states import judged_as
from core.review.verdicts import decide_in, lock_judged
from core.text import safe_text
from core.vocabulary import OWN, ReviewState, labels_of

MJD_DAYS = 0.003  # start and middle of an exposure are no farther apart
BATCH = 20  # verdicts of one transaction: others need not wait for more than a tenth of a second

Report = Callable[[int, int, str], None]  # done, of how many, what


class Fate(StrEnum):
    """What becomes of one row."""

    NEW = "new"  # it would be stored, or was
    SAME = "same"  # the reviewer said so already, or it was brought in before
    DIFFERS = "differs"  # the reviewer decided otherwise in AstrID, or the file does in another row
    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    UNKNOWN_WORD = "unknown verdict"
    UNCLEAR = "unclear"  # the row cannot be understood
    EMPTY = "no verdict"


REAL = labels_of(ReviewState.REAL)
GOOD = (Fate.NEW, Fate.SAME, Fate.EMPTY)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, and what becomes of it.

    Attributes
    ----------
    line : int
    fate : Fate
    asked : Asked or None
    reviewer : str or None
        Whose verdict it is.
    candidate, sky_object : int or None
    name : str or None
        Of the object.
    judged : int or None
        What a real verdict judges, by the number of `judged_as`: it is of all detections of that.
    reason : str or None
    """

    line: int
    fate: Fate
    asked: Asked | None = None
    reviewer: str | None = None
    candidate: int | None = None
    sky_object: int | None = None
    name: str | None = None
    judged: int | None = None
    reason: str | None = None

    @property
    def real_of(self) -> tuple[str | None, int, str] | None:
        """Who says which real label of what is judged as one; none of other labels."""
        if self.judged is None or self.asked is None or self.asked.label not in REAL:
            return None
        return self.reviewer, self.judged, self.asked.label.value

    def record(self) -> dict[str, Any]:
        """What is told to scripts."""
        return {
            "line": self.line,
            "fate": self.fate.value,
            "candidate": self.candidate,
            "object": self.name,
            "verdict": self.asked.label.value if self.asked else None,
            "reviewer": self.reviewer,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """How far from the place that a row tells a candidate may lie."""

    degrees: float
    pixels: float


def plan(store: Store, labels: LabelFile, *, reviewer: str, reach: Reach, report: Report) -> list[Row]:
    """Find the candidate of each row, and what would become of it; nothing is stored.

    Parameters
    ----------
    store : Store
    labels : LabelFile
    reviewer : str
        Whose verdicts they are where a row does not say.
    reach : Reach
    report : callable
        Told how far it is.
    """
    rows = []
    with store.read() as db:
        surveys = sorted(set(db.exec(select(Candidate.source).distinct())) - {OWN})
        for done, (line, found) in enumerate(labels.rows, start=1):
            rows.append(_row(db, line, found, reviewer, reach, surveys))
            report(done, len(labels.rows), "rows looked up")
        said = _said(db, rows)
    return [_against(row, said) for row in _agreeing(rows)]


def bring(
    store: Store,
    rows: Sequence[Row],
    *,
    sha256: str,
    session_of: Callable[[str], str],
    report: Report,
) -> list[Row]:
    """Store the new ones of a plan, in the file's order; each transaction is whole, and can be gone on from.

    Parameters
    ----------
    rows : sequence of Row
        As `plan` found them.
    sha256 : str
        Of the file; each verdict keeps it, with its line.
    session_of : callable
        The sitting of a reviewer, whose chain the verdicts are appended to.

    Returns
    -------
    list of Row
        What became of all rows: those that were stored by another import meanwhile are the same.
    """
    new = [row for row in rows if row.fate is Fate.NEW]
    became: dict[int, Row] = {}
    for batch in _batches(new):
        capsules = {each: shown_capsule(store, each, by=IMPORT) for row in batch if (each := row.candidate)}
        with store.write(durable=True) as db:
            take_turn(db, "label import")  # another import of the same verdicts would not see these
            lock_judged(db, sorted(capsules))
            said = _said(db, batch)
            for row in (_against(each, said) for each in batch):
                became[row.line] = row
                if row.fate is Fate.NEW and row.asked and row.candidate and row.reviewer:
                    shown = capsules[row.candidate] | {IMPORT: {"sha256": sha256, "line": row.line}}
                    decide_in(
                        db,
                        session=session_of(row.reviewer),
                        reviewer=row.reviewer,
                        candidate_id=row.candidate,
                        label=row.asked.label,
                        shown=shown,
                        note=row.asked.note,
                        tags=row.asked.tags,
                    )
        report(len(became), len(new), "verdicts stored")
    return [became.get(row.line, row) for row in rows]


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows met each fate, those that none met left out."""
    count = Counter(row.fate for row in rows)
    return {fate.value: count[fate] for fate in Fate if count[fate]}


def _batches(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _row(
    db: Session,
    line: int,
    found: Asked | UnclearRow | None,
    reviewer: str,
    reach: Reach,
    surveys: Sequence[str],
) -> Row:
    if found is None:
        return Row(line, Fate.EMPTY)
    if isinstance(found, UnclearRow):
        return Row(
            line, Fate.UNKNOWN_WORD if isinstance(found, UnknownWord) else Fate.UNCLEAR, reason=str(found)
        )
    row = Row(line, Fate.NEW, found, found.reviewer or reviewer)
    if found.candidate is not None:
        return _by_number(db, row, found, reach)
    return _by_alert(db, row, found.alert, surveys) if found.alert else _by_place(db, row, found, reach)


def _by_place(db: Session, row: Row, found: Asked, reach: Reach) -> Row:
    """The candidate at a place: one of several detections if the row says which, else that of the card."""
    near = _near(db, found, reach)
    if not near:
        return replace(row, fate=Fate.UNMATCHED, reason="there is no candidate at that place")
    objects = {each.sky_object_id for each in near}
    if len(objects) > 1 or (len(near) > 1 and (found.mjd is not None or found.frame is not None)):
        which = ", ".join(str(each.id) for each in near[:5])
        more = f" and {len(near) - 5} more" if len(near) > 5 else ""
        return replace(row, fate=Fate.AMBIGUOUS, reason=f"candidates {which}{more} are at that place")
    chosen = near[0]
    if len(near) > 1:  # detections of one object, and nothing says which: that of its card
        best = db.get_one(SkyObject, chosen.sky_object_id).best_candidate_id
        chosen = next((each for each in near if each.id == best), chosen)
    return _matched(db, row, chosen)


def _by_number(db: Session, row: Row, asked: Asked, reach: Reach) -> Row:
    """The candidate of a number, if it lies where the row says: numbers of another store mean others."""
    candidate = db.get(Candidate, asked.candidate)
    if candidate is None:
        return replace(row, fate=Fate.UNMATCHED, reason=f"there is no candidate {asked.candidate}")
    if asked.position is not None and candidate.ra is not None:
        near = rows_in_cone(db, Candidate, *asked.position, reach.degrees, col(Candidate.id) == candidate.id)
        if not near:
            return replace(
                row, fate=Fate.UNMATCHED, reason=f"candidate {candidate.id} is not at the place of its row"
            )
    return _matched(db, row, candidate)


def _by_alert(db: Session, row: Row, alert: str, surveys: Sequence[str]) -> Row:
    """The candidate of a survey's number; without the survey's name that of the one survey that has it."""
    survey, _, number = alert.rpartition(":")
    named = [survey.lower()] if survey else surveys
    of = col(Candidate.source).in_([each for each in named if each in surveys])
    found = db.exec(select(Candidate).where(of, col(Candidate.external_id) == number)).all()
    if not found:
        return replace(row, fate=Fate.UNMATCHED, reason=f"there is no alert {safe_text(alert, 80)}")
    if len(found) > 1:
        which = " and ".join(sorted(each.source for each in found))
        return replace(row, fate=Fate.AMBIGUOUS, reason=f"{which} have an alert of that number")
    return _matched(db, row, found[0])


def _matched(db: Session, row: Row, candidate: Candidate) -> Row:
    found = db.get_one(SkyObject, candidate.sky_object_id)
    return replace(row, candidate=candidate.id, sky_object=found.id, name=found.name, judged=judged_as(found))


def _near(db: Session, asked: Asked, reach: Reach) -> list[Candidate]:
    """Current candidates where a row says, nearest first: by the sky, else by the frame's pixels."""
    conditions: list[ColumnElement[bool]] = [col(Candidate.is_current).is_(True)]
    if asked.frame is not None:
        conditions.append(func.lower(Candidate.frame) == func.lower(asked.frame))
    if asked.mjd is not None:
        conditions.append(col(Candidate.mjd).between(asked.mjd - MJD_DAYS, asked.mjd + MJD_DAYS))
    if asked.position is not None:
        return rows_in_cone(db, Candidate, *asked.position, reach.degrees, *conditions)
    x, y = asked.pixel or (0.0, 0.0)
    conditions.append(col(Candidate.x_frame).between(x - reach.pixels, x + reach.pixels))
    conditions.append(col(Candidate.y_frame).between(y - reach.pixels, y + reach.pixels))

    def square(each: Candidate) -> float:
        return ((each.x_frame or 0.0) - x) ** 2 + ((each.y_frame or 0.0) - y) ** 2

    found = sorted(db.exec(select(Candidate).where(*conditions)), key=square)
    return [each for each in found if square(each) <= reach.pixels**2]


@dataclass(frozen=True, slots=True)
class _Said:
    """What reviewers said of candidates: what stands, and what an import brought; and of whole objects."""

    standing: dict[tuple[str, int], str]
    brought: set[tuple[str, int, str]]
    of_objects: dict[tuple[str, int], str]  # the newest real label that stands, by reviewer and `Row.judged`


def _said(db: Session, rows: Sequence[Row]) -> _Said:
    ids = sorted({row.candidate for row in rows if row.candidate is not None})
    standing: dict[tuple[str, int], str] = {}
    brought: set[tuple[str, int, str]] = set()
    for start in range(0, len(ids), 500):
        of = col(Verdict.candidate_id).in_(ids[start : start + 500]), col(Verdict.label).is_not(None)
        for row in db.exec(select(Verdict).where(*of, stands(Verdict)).order_by(col(Verdict.id))):
            standing[row.reviewer, row.candidate_id] = str(row.label)
        for row in db.exec(select(Verdict).where(*of)):
            if row.shown.get(BY) == IMPORT:
                brought.add((row.reviewer, row.candidate_id, str(row.label)))
    return _Said(standing, brought, _said_of_objects(db, rows))


def _said_of_objects(db: Session, rows: Sequence[Row]) -> dict[tuple[str, int], str]:
    judged = sorted({row.judged for row in rows if row.judged is not None})
    said: dict[tuple[str, int], str] = {}
    for start in range(0, len(judged), 500):
        some = judged[start : start + 500]
        query = (
            select(Verdict, SkyObject)
            .join(SkyObject, col(Verdict.sky_object_id) == col(SkyObject.id))
            .where(
                or_(
                    col(SkyObject.id).in_([each for each in some if each > 0]),
                    col(SkyObject.tracklet_id).in_([-each for each in some if each < 0]),
                ),
                col(Verdict.label).in_(REAL),
                stands(Verdict),
            )
            .order_by(col(Verdict.id))
        )
        for verdict, sky_object in db.exec(query):
            said[verdict.reviewer, judged_as(sky_object)] = str(verdict.label)
    return said


def _against(row: Row, said: _Said) -> Row:
    """A row as it is after what its reviewer said of its candidate already."""
    if row.fate is not Fate.NEW or row.asked is None or row.reviewer is None or row.candidate is None:
        return row
    who, label = (row.reviewer, row.candidate), row.asked.label.value
    stands_now = said.standing.get(who)
    if stands_now == label:
        return replace(row, fate=Fate.SAME)
    if (*who, label) in said.brought:
        now = f"decided as {stands_now} since" if stands_now else "taken back since"
        return replace(row, fate=Fate.SAME, reason=f"it was brought in before, and {now}")
    if stands_now:
        return replace(row, fate=Fate.DIFFERS, reason=f"{row.reviewer} decided {stands_now} in AstrID")
    if row.real_of and said.of_objects.get((row.reviewer, row.judged or 0)) == label:
        return replace(row, fate=Fate.SAME, reason="it was said of its object already")
    return row


def _agreeing(rows: Sequence[Row]) -> list[Row]:
    """Refuse what the file says differently of one candidate for one reviewer; of two alike one is enough.

    What is real is so in all its detections, and said once.
    """
    said: dict[tuple[str | None, int | None], dict[str, int]] = {}
    for row in rows:
        if row.fate is Fate.NEW and row.asked:
            said.setdefault((row.reviewer, row.candidate), {}).setdefault(row.asked.label.value, row.line)
    checked = []
    real: dict[tuple[str | None, int, str], int] = {}
    for row in rows:
        first = said.get((row.reviewer, row.candidate), {}) if row.fate is Fate.NEW else {}
        if len(first) > 1 and row.asked:
            others = ", ".join(
                f"{word} in line {at}" for word, at in first.items() if word != row.asked.label
            )
            checked.append(replace(row, fate=Fate.DIFFERS, reason=f"the file says {others}"))
        elif first and row.line not in first.values():
            checked.append(replace(row, fate=Fate.SAME, reason=f"as in line {next(iter(first.values()))}"))
        elif first and (key := row.real_of) and real.setdefault(key, row.line) != row.line:
            checked.append(replace(row, fate=Fate.SAME, reason=f"of its object, as in line {real[key]}"))
        else:
            checked.append(row)
    return checked
