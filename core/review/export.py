"""Candidates with their verdicts, written to leave AstrID.

What leaves may end in a catalogue or a report, so an injected source must not be among it.
`ExportRow` is the only thing that is written, and it cannot be made of one.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from sqlalchemy import or_, select
from sqlmodel import Session, col

from core.database.keyset import Cursor, fetch
from core.database.records import Record, candidate_rows, record
from core.database.store import Store
from core.database.tables import Candidate, Injection, SkyObject, Verdict
from core.frames.standing import candidate_label, stands
from core.review.filters import Term, conditions, parse
from core.text import csv_cell
from core.vocabulary import LABELS, Label, ReviewState

PAGE = 500
COLUMNS = (
    "id", "object", "frame", "source", "filter", "mjd", "x", "y", "x_frame", "y_frame", "ra", "dec",
    "snr", "flux", "flux_err", "flux_unit", "mag", "mag_err", "mag_system", "score", "scores", "method",
    "verdict", "reviewer", "decided_at", "note", "tags", "verdict_hash", "tracklet",
)  # fmt: skip


class InjectedSourceError(ValueError):
    """A row of an export was to be made of an injected source."""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One candidate that is fit to leave.

    Attributes
    ----------
    candidate, sky_object : Candidate, SkyObject
        The object must be the candidate's.
    injection_id : int or None
        The injection that the candidate is the detection of. There must be none.
    record : dict
        The candidate's record.
    verdict : Verdict or None
        The decision in force.

    Raises
    ------
    InjectedSourceError
        The candidate or its object is an injected source.
    """

    candidate: Candidate
    sky_object: SkyObject
    injection_id: int | None
    record: Record
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        if self.candidate.sky_object_id != self.sky_object.id or self.record["id"] != self.candidate.id:
            raise ValueError("a row of an export holds one candidate and its own object")
        if self.sky_object.injected or self.injection_id is not None:
            raise InjectedSourceError("an injected source cannot be exported")

    def values(self) -> Record:
        """What is written, by `COLUMNS`."""
        verdict = self.verdict
        decided = {
            "verdict": verdict.label if verdict else None,
            "reviewer": verdict.reviewer if verdict else None,
            "decided_at": _iso(verdict.created_at) if verdict else None,
            "note": verdict.note if verdict else None,
            "tags": list(verdict.tags) if verdict else [],
            "verdict_hash": verdict.hash if verdict else None,
        }
        everything = self.record | decided
        return {name: everything[name] for name in COLUMNS}


def rows(store: Store, *, filters: str = "", judged_only: bool = False) -> Iterator[ExportRow]:
    """The current candidates that are no injected sources, in order of time, a page at a time.

    While a night is judged blindly, ``judged_only`` keeps the blindness: an injected source that
    awaits its verdict could be told by its absence from an export of everything.

    Raises
    ------
    FilterError
    """
    terms = parse(filters)
    return _rows(store, terms, judged_only)


def write_csv(store: Store, stream: IO[str], *, filters: str = "", judged_only: bool = False) -> int:
    """Write candidates as CSV with a line of names; return how many.

    No cell is one that a spreadsheet takes for a formula, or that a terminal obeys.
    """
    writer = csv.writer(stream, lineterminator="\n")
    found = rows(store, filters=filters, judged_only=judged_only)
    writer.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(found, start=1):  # noqa: B007 the last one is the answer
        values = row.values()
        values["scores"] = json.dumps(values["scores"]) if values["scores"] else None
        values["tags"] = " ".join(str(tag) for tag in values["tags"])
        writer.writerow([csv_cell(value) for value in values.values()])
    return count


def write_json_lines(store: Store, stream: IO[str], *, filters: str = "", judged_only: bool = False) -> int:
    """Write candidates as one JSON object a line, in ASCII; return how many."""
    count = 0
    for count, row in enumerate(rows(store, filters=filters, judged_only=judged_only), start=1):  # noqa: B007
        stream.write(json.dumps(row.values(), allow_nan=False) + "\n")
    return count


def _rows(store: Store, terms: Sequence[Term], judged_only: bool) -> Iterator[ExportRow]:
    query = (
        candidate_rows(SkyObject, col(Injection.id).label("injection_id"))
        .outerjoin(Injection, col(Injection.candidate_id) == col(Candidate.id))
        .where(
            col(Candidate.is_current).is_(True),
            col(SkyObject.injected).is_(False),
            col(Injection.id).is_(None),
            *conditions(terms),
        )
    )
    if judged_only:
        query = query.where(candidate_label().is_not(None))
    last: Cursor | None = None
    while True:
        with store.read() as db:
            found = fetch(
                db,
                query,
                key=col(Candidate.mjd),
                row_id=col(Candidate.id),
                descending=False,
                after=last,
                limit=PAGE,
            )
            verdicts = _verdicts(db, found)
        for row in found:
            yield ExportRow(
                row.Candidate, row.SkyObject, row.injection_id, record(row), verdicts.get(row.Candidate.id)
            )
        if len(found) < PAGE:
            return
        end: Candidate = found[-1].Candidate
        last = Cursor("mjd", end.mjd, end.id or 0)


def _verdicts(db: Session, found: Sequence[Any]) -> dict[int, Verdict]:
    """The verdict in force on each candidate of some rows (`core.frames.standing.candidate_label`)."""
    objects = {row.SkyObject.id for row in found}
    tracklets = {row.SkyObject.tracklet_id for row in found if row.SkyObject.tracklet_id is not None}
    query = (
        select(Verdict, col(SkyObject.tracklet_id))
        .join(SkyObject, col(Verdict.sky_object_id) == col(SkyObject.id))
        .where(or_(col(SkyObject.id).in_(objects), col(SkyObject.tracklet_id).in_(tracklets)))
        .where(stands(Verdict))
        .order_by(col(Verdict.id))
    )
    on_candidate: dict[int, Verdict] = {}
    on_object: dict[int, Verdict] = {}
    on_tracklet: dict[int, Verdict] = {}
    for verdict, tracklet in db.execute(query):  # the newest stays
        on_candidate[verdict.candidate_id] = verdict
        on_object[verdict.sky_object_id] = verdict
        if tracklet is not None and _judges_object(verdict):
            on_tracklet[tracklet] = verdict
    in_force: dict[int, Verdict] = {}
    for row in found:
        given = on_candidate.get(row.Candidate.id)
        if given is None and row.SkyObject.review_state == ReviewState.REAL:
            given = on_tracklet.get(row.SkyObject.tracklet_id) or on_object.get(row.SkyObject.id)
        if given is not None and (given.candidate_id == row.Candidate.id or _judges_object(given)):
            in_force[row.Candidate.id] = given
    return in_force


def _judges_object(verdict: Verdict) -> bool:
    return verdict.label is not None and LABELS[Label(verdict.label)].review_state == ReviewState.REAL


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
