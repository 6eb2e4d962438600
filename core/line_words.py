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
        angle = features.get(STREAK_ANGLE)
        return f"streak of {features[STREAK_LENGTH]:.0f} px" + ("" if angle is None else f" at {angle:.0f}°")
    if kind == ROW:
        length = features.get(ROW_LENGTH)
        along = "" if length is None else f", {length:.0f} px"
        return f"one of {features[ROW_COUNT]:.0f} in a row{along}: flashes?"
    return None
