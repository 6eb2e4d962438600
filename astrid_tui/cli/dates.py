"""Times of frames as people write and read them: modified Julian dates, and dates of UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from core.dates import parsed_mjd
from core.epochs import unix_of

_LEAST_DAY = 10_000_101.0  # digits from here on are a day written without dashes


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
        if text.isascii() and text.replace(".", "", 1).isdecimal() and float(text) < _LEAST_DAY:
            return float(text)
        return parsed_mjd(text, through=through)
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
