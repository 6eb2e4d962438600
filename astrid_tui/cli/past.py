"""A verdict, its being taken back, or a note, in words: alike wherever it is told."""

from collections.abc import Mapping
from typing import Any


def past_words(row: Mapping[str, Any]) -> str:
    """One row of an object's history, as `core.review.cards.PastVerdict` names it."""
    from datetime import UTC, datetime

    from screens.review.said import remark

    at = f"{datetime.fromtimestamp(row['at'], UTC):%Y-%m-%d %H:%M:%S} UTC"
    what = row["label"] or ("taken back" if row["retracts_id"] is not None else "note")
    stands = ", taken back since" if row["label"] and not row["stands"] else ""
    words = remark(row["note"], row["tags"])
    note = f"{':' if row['note'] else ''} {words}" if words else ""
    return f"{at}, {what} by {row['reviewer']} on candidate {row['candidate_id']}{stands}{note}"
