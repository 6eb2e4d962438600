"""Times of frames as people write and read them: modified Julian dates, and dates of UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

from core.epochs import mjd_of, unix_of

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def mjd_from(text: str | None, option: str, *, through: bool = False) -> float | None:
    """A modified Julian date, written as such or as a date and time of ISO 8601 in UTC.

    Parameters
    ----------
    option : str
        Whose value it is, for the error.
    through : bool
        A date without a time means its end.

    Raises
    ------
    typer.BadParameter
    """
    if text is None:
        return None
    try:
        if text.replace(".", "", 1).isdigit():
            return float(text)
        moment = datetime.fromisoformat(text)
        if through and _DAY.fullmatch(text):
            moment += timedelta(days=1)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return mjd_of(aware.timestamp())
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "write an MJD such as 61000.5, or a date such as 2026-03-01", param_hint=option
        ) from None


def moment_of(mjd: float | None) -> str | None:
    """The minute of UTC that an MJD is in, as it is printed."""
    if mjd is None:
        return None
    try:
        return f"{datetime.fromtimestamp(unix_of(mjd), UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return f"MJD {mjd:g}"
