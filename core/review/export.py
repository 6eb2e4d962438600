"""Candidates with their verdicts, written to leave AstrID.

What leaves may end in a catalogue or a report, so an injected source must not be among it: all that is
written is made of `core.review.real_rows.RealCandidate`, which none can be.
"""

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO

from core.database.records import Record
from core.review.real_rows import RealCandidate
from core.text import csv_cell

COLUMNS = (
    "id", "object", "frame", "source", "filter", "mjd", "x", "y", "x_frame", "y_frame", "ra", "dec",
    "snr", "flux", "flux_err", "flux_unit", "mag", "mag_err", "mag_system", "score", "scores", "method",
    "verdict", "reviewer", "decided_at", "disputed", "note", "tags", "verdict_hash",
    "tracklet", "object_id", "frame_id", "reference", "position_error_px", "mask_flags", "config_hash",
    "scored_by", "alert_id", "line",
)  # fmt: skip
BETWEEN_NOTES = " | "
FORMS = {  # by what a file's name ends in
    ".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".vot": "votable", ".ecsv": "ecsv",
    ".reg": "regions", ".fits": "fits",
}  # fmt: skip


def values_of(row: RealCandidate) -> Record:
    """What is written of a candidate, by `COLUMNS`."""
    verdict = row.verdict
    decided = {
        "verdict": verdict.label if verdict else None,
        "reviewer": verdict.reviewer if verdict else None,
        "decided_at": _iso(verdict.created_at) if verdict else None,
        "disputed": row.disputed,
        "note": BETWEEN_NOTES.join(row.notes) or None,
        "tags": list(row.tags),
        "verdict_hash": verdict.hash if verdict else None,
    }
    everything = row.record | decided | {"scored_by": row.scored_by}
    return {name: everything[name] for name in COLUMNS}


def write_csv(found: Iterable[RealCandidate], stream: IO[str]) -> int:
    """Write candidates as CSV with a line of names; return how many.

    No cell is one that a spreadsheet takes for a formula, or that a terminal obeys.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(found, start=1):  # noqa: B007 the last one is the answer
        values = values_of(row)
        values["scores"] = json.dumps(values["scores"]) if values["scores"] else None
        values["tags"] = " ".join(str(tag) for tag in values["tags"])
        writer.writerow([csv_cell(value) for value in values.values()])
    return count


def write_json_lines(found: Iterable[RealCandidate], stream: IO[str]) -> int:
    """Write candidates as one JSON object a line, in ASCII; return how many."""
    count = 0
    for count, row in enumerate(found, start=1):  # noqa: B007
        stream.write(json.dumps(values_of(row), allow_nan=False) + "\n")
    return count


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
