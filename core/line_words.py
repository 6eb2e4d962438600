"""Whether a candidate has to do with a line of its frame: it is a streak, or one of several in a row."""

from __future__ import annotations

from collections.abc import Mapping

# Names of features: of a streak, and of each source in a row.
STREAK_LENGTH, STREAK_ANGLE = "streak_length", "streak_angle"
ROW_COUNT, ROW_LENGTH, ROW_ANGLE = "row_count", "row_length", "row_angle"
STREAK, ROW = "streak", "row"
LINES = {STREAK: STREAK_LENGTH, ROW: ROW_COUNT}  # what is a line, by the feature that only these have


def line_of(features: Mapping[str, float | None]) -> str | None:
    """``streak``, ``row``, or neither."""
    return next((kind for kind, name in LINES.items() if features.get(name) is not None), None)


def line_words(features: Mapping[str, float | None]) -> str | None:
    """What a card says of that; lengths in pixels, angles from rows of the reference's grid to columns."""
    kind = line_of(features)
    if kind == STREAK:
        return f"streak of {_words(features.get(STREAK_LENGTH), features.get(STREAK_ANGLE))}"
    if kind == ROW:
        count = features.get(ROW_COUNT) or 0.0
        whole = _words(features.get(ROW_LENGTH), features.get(ROW_ANGLE))
        return f"one of {count:.0f} in a row of {whole}: flashes?"
    return None


def _words(length: float | None, angle: float | None) -> str:
    return f"{length or 0.0:.0f} px" + ("" if angle is None else f" at {angle:.0f}°")
