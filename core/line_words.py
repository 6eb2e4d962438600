"""Whether a candidate has to do with a line of its frame: it is a streak, or one of several in a row."""

from __future__ import annotations

from collections.abc import Mapping

from core.orientation import ToSky, on_sky

# Names of features: of a streak, and of each source in a row.
STREAK_LENGTH, STREAK_ANGLE = "streak_length", "streak_angle"
ROW_COUNT, ROW_LENGTH, ROW_ANGLE = "row_count", "row_length", "row_angle"
STREAK, ROW = "streak", "row"
LINES = {STREAK: STREAK_LENGTH, ROW: ROW_COUNT}  # what is a line, by the feature that only these have


def line_of(features: Mapping[str, float | None]) -> str | None:
    """``streak``, ``row``, or neither."""
    return next((kind for kind, name in LINES.items() if features.get(name) is not None), None)


def line_words(
    features: Mapping[str, float | None], to_sky: ToSky | None = None, exposure_s: float | None = None
) -> str | None:
    """What a card says of that.

    Parameters
    ----------
    features : mapping
        Lengths in pixels, angles from rows of the reference's grid to columns.
    to_sky : ToSky, optional
        How the reference's pixels lie on the sky: a streak is then told in arcseconds and position angle.
    exposure_s : float, optional
        How long its light was gathered: then its rate of motion is told too.
    """
    kind = line_of(features)
    if kind == STREAK:
        return _streak_words(features[STREAK_LENGTH] or 0.0, features.get(STREAK_ANGLE), to_sky, exposure_s)
    if kind == ROW:
        length = features.get(ROW_LENGTH)
        along = "" if length is None else f", {length:.0f} px"
        return f"one of {features[ROW_COUNT]:.0f} in a row{along}: flashes?"
    return None


def _streak_words(length: float, angle: float | None, to_sky: ToSky | None, exposure_s: float | None) -> str:
    if angle is None:
        return f"streak of {length:.0f} px"
    if to_sky is None:
        return f"streak of {length:.0f} px at {angle:.0f}°"
    arcsec, position_angle = on_sky(to_sky, length, angle)
    words = f"streak of {arcsec:.0f}″, PA {round(position_angle) % 180}°"
    if not exposure_s:
        return words
    rate = arcsec / exposure_s
    return f"{words}, {rate:.0f}″/s" if rate >= 100 else f"{words}, {rate:.2g}″/s"
