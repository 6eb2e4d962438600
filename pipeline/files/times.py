"""When an exposure was taken: UTC at mid-exposure, from the many ways in which headers tell it.

In order of trust:

1. the middle itself (``DATE-AVG``, ``MJD-AVG``, …);
2. ``DATE-OBS`` with a time of day, with or without an offset from UTC such as ``-0700``;
3. a date alone with a time of day beside it (``UT``, ``UTSTART``, ``TIME-OBS``, …; SDSS's ``TAIHMS`` is TAI);
4. the start as one number (``MJD-OBS``, ``JD``, …), unless it is that of a day alone.

The start plus half the exposure is the middle, or half of ``TELAPSE`` (FITS Standard 4.0, section 9.4), which
has the gaps in it, or of all of ESO's integrations, of which the exposure may be one; where neither is known,
it is between start and end, if the header tells when it ended (``DATE-END``, ``MJD-END``). Of SDSS's scans,
in which the sky drifts over the detector while it is read, the time is that at which the first row was read,
and so when its exposure ended: each row follows after the one before. Their middle is that of the row in the
middle. ``TIMESYS`` applies to times without an offset.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, timedelta

from astropy.time import Time

from core.epochs import JD_OF_MJD_0, MJD_0
from core.header_words import (
    END_DATES,
    END_MJDS,
    INTEGRATIONS,
    MIDDLE_DATES,
    MIDDLE_MJDS,
    REFERENCE_PLACES,
    ROW_CLOCKS,
    START_DATES,
    START_JDS,
    START_MJDS,
    START_TIMES,
    TAI_TIMES,
)
from pipeline.files.card_units import TIME_UNITS_S
from pipeline.frame import FrameRefused

Look = Callable[[tuple[str, ...]], object]

OF_THE_SUN = ("BARYCENT", "HELIOCEN", "SOLARSYSTEM")  # eight letters of the Standard's words count

MJD_OF_ORDINAL_ZERO = -678576  # `date.toordinal` of 1858-11-17 is 678576
GPS_BEHIND_TAI_S = 19.0
EARLIEST_MJD = 1.0  # a zero stands for "not known"
LONGEST_DAYS = 1.0  # of an exposure
CONTRADICTION_DAYS = (
    1.5 / 24.0
)  # more than a day number of one decimal leaves open, less than most time zones
MORE, ROUNDED_S = 1.5, 10.0  # by which an exposure is longer than its start and end tell
LEAST_DAYS_TOLD = 2.0  # fewer are told in hours
FIRST_OF_TWO_DIGITS = 49  # 1949: the oldest surveys of the sky that were digitised
LATEST_MJD = 120000.0  # the year 2187: later is a damaged number
MJD_OF_1950 = 33282.0
AHEAD_DAYS = 1.0  # of the computer's clock: more than a time zone is

_DATE = re.compile(r"(?P<year>[+-]?\d{4,6})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})")
_OLD_DATE = re.compile(r"(?P<day>\d{1,2})[-/](?P<month>\d{1,2})[-/](?P<year>\d{4}|\d{2})")
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})[: ](?P<minute>\d{1,2})(?:[: ](?P<second>\d{1,2}(?:\.\d*)?))?"
    r"\s*(?P<offset>Z|UTC?|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")  # 20130706


def mid_exposure(look: Look, exposure_s: float, *, is_middle: bool = False) -> float | None:
    """The middle of an exposure.

    Parameters
    ----------
    look : callable
        Gives the first value that the header holds under any of some keywords, or ``None``.
    exposure_s : float
        Seconds; 0 where it is not known, and the result is then the start unless the header tells the end.
    is_middle : bool
        Whether the header calls its time that of the middle.

    Returns
    -------
    float or None
        MJD, UTC; ``None`` where the header has no date at all.

    Raises
    ------
    FrameRefused
        The header has a date, but not one that tells the time of the exposure.
    """
    middle = _middle(look)
    if middle is not None:
        return _to_utc(middle, look)
    start = _start(look)
    if start is None:
        return None
    mjd = _to_utc(start, look)
    if is_middle:
        return mjd
    exposure_s = max(exposure_s, _elapsed_s(look))
    if exposure_s == 0.0 and (end := _end(look)) is not None:
        lasted = _to_utc(end, look) - mjd
        return mjd + lasted / 2.0 if 0.0 < lasted < LONGEST_DAYS else mjd
    return mjd + _until_middle_s(look, exposure_s) / 86400.0


def _until_middle_s(look: Look, exposure_s: float) -> float:
    """From the time that a header gives to the middle of the exposure, in the middle of the frame."""
    clock_us, rows = _positive(look(ROW_CLOCKS)), _positive(look(("NAXIS2",)))
    is_scan = str(look(("CCDMODE",)) or "").strip().upper() == "DRIFT"
    if not is_scan or clock_us is None or rows is None:
        return exposure_s / 2.0
    return rows / 2.0 * clock_us * 1e-6 - exposure_s / 2.0


def _elapsed_s(look: Look) -> float:
    """From start to end by ``TELAPSE`` or by integrations: more than the exposure, where there are gaps."""
    unit_s = TIME_UNITS_S.get(str(look(("TIMEUNIT",)) or "s"))
    integration_s, count = (_positive(look(keywords)) for keywords in INTEGRATIONS)
    told_s = (_positive(look(("TELAPSE",))) or 0.0) * (unit_s or 0.0)
    return max(told_s, (integration_s or 0.0) * (count or 1.0))


def tells_middle(look: Look) -> bool:
    """Whether a header tells the middle of an exposure without its length: itself, or by when it ended."""
    return _middle(look) is not None or _end(look) is not None or _elapsed_s(look) > 0.0


def contradiction(look: Look, exposure_s: float) -> str | None:
    """One sentence where the date of the start and its day number are further apart than it lasted."""
    moment = _date_and_time(look(START_DATES), look(START_TIMES))
    word, mjd = "MJD-OBS", _in_range(look(START_MJDS))
    if mjd is None:
        word, mjd = "JD", _in_range(look(START_JDS), JD_OF_MJD_0)
    if (
        moment is None or moment.clock is None or mjd is None or (2.0 * mjd).is_integer()
    ):  # the number of a day
        return None
    apart = abs(moment.day + moment.clock / 86400.0 - mjd)
    if apart <= CONTRADICTION_DAYS + exposure_s / 86400.0:
        return None
    said = f"{apart:.0f} days" if apart >= LEAST_DAYS_TOLD else f"{24.0 * apart:.1f} hours"
    return f"DATE-OBS and {word} of its header are {said} apart; DATE-OBS is believed"


def too_long(look: Look, exposure_s: float) -> str | None:
    """One sentence where an exposure is longer than from its start to its end, or than a day."""
    if exposure_s > LONGEST_DAYS * 86400.0:
        return f"its exposure time is more than a day ({exposure_s:g} s)"
    start, end = _date_and_time(look(START_DATES), look(START_TIMES)), _end(look)
    if start is None or start.clock is None or end is None:
        return None
    lasted_s = (end.day - start.day) * 86400.0 + (end.clock or 0.0) - start.clock
    if lasted_s <= 0.0 or exposure_s <= MORE * lasted_s + ROUNDED_S:
        return None
    return f"its exposure time of {exposure_s:g} s is more than from its start to its end ({lasted_s:.0f} s)"


def old_century(look: Look) -> str | None:
    """One sentence where a year of two digits makes a date older than any digital image of the sky."""
    written = str(look(START_DATES) or "").strip()
    found = _OLD_DATE.match(written)
    if found is None or len(found["year"]) != len("YY") or int(found["year"]) >= FIRST_OF_TWO_DIGITS:
        return None
    return f"its date {written[:20]} is of the year 19{found['year']}, as the FITS Standard has it"


def not_of_our_age(mjd: float, now: float) -> str | None:
    """One sentence where an exposure is of a time (MJD) that has not come yet, or of one before detectors."""
    if mjd > now + AHEAD_DAYS:
        why = "in the future: it or this computer's clock is wrong"
    elif mjd < MJD_OF_1950:
        why = "before 1950, as only photographic plates are"
    else:
        return None
    return f"the date of its header, {(MJD_0 + timedelta(days=mjd)).date()}, is {why}"


def told_by(look: Look) -> tuple[str, ...]:
    """The keywords among which is the one that tells the time of the day."""
    moment = _date_and_time(look(START_DATES), None)
    if moment is not None and moment.clock is not None:
        return START_DATES
    if _start_of_date(look) is not None:
        return START_TIMES
    return START_MJDS if _in_range(look(START_MJDS)) is not None else START_JDS


def elsewhere(look: Look) -> str | None:
    """One sentence where times are those at the barycentre or at the Sun, not at the telescope."""
    for keyword in REFERENCE_PLACES:
        place = str(look((keyword,)) or "").strip().upper()
        if place.startswith(OF_THE_SUN):
            return (
                f"its times are told as of another place ({keyword} {place[:20]}), up to 8.4 minutes from"
                " those at the telescope, and are taken as they are"
            )
    return None


def absurd_dates(look: Look) -> str | None:
    """What a header has for a date where that tells no time of our age; none where it has nothing."""
    found = [value for value in map(look, (START_DATES, START_MJDS, START_JDS)) if value not in (None, "", 0)]
    return ", ".join(str(value)[:40] for value in found) or None


class _Moment:
    """A day (MJD) and, where it is known, the seconds since its beginning."""

    __slots__ = ("clock", "day", "scale")

    def __init__(self, day: int, clock: float | None, scale: str | None = None) -> None:
        self.day = day
        self.clock = clock
        self.scale = scale  # where it says so itself, as by an offset or a Z: TIMESYS does not apply


def _middle(look: Look) -> _Moment | None:
    """The middle of the exposure, where the header tells that itself, to the time of day."""
    moment = _date_and_time(look(MIDDLE_DATES), None)
    if moment is not None and moment.clock is not None:
        return moment
    number = _in_range(look(MIDDLE_MJDS))
    return None if number is None else _Moment(0, number * 86400.0)


def _start_of_date(look: Look) -> _Moment | None:
    """The beginning of the exposure by a date and the time of its day; none where either is lacking."""
    clock = look(START_TIMES)
    moment = _date_and_time(look(START_DATES), clock)
    if moment is None and isinstance(clock, str):
        moment = _date_and_time(clock, None)  # UT-OBS and UTC-OBS sometimes hold the whole date
    if moment is not None and moment.clock is None:
        moment = _with_clock(moment.day, look(TAI_TIMES), "TAI")
    return None if moment is None or moment.clock is None else moment


def _start(look: Look) -> _Moment | None:
    """The beginning of the exposure, by the order of trust above."""
    if (moment := _start_of_date(look)) is not None:
        return moment
    mjd = _in_range(look(START_MJDS))
    # A whole number is the number of a day, not its midnight, nor, as a JD, its noon.
    is_day = mjd is not None and mjd == math.floor(mjd)
    if mjd is None and (mjd := _in_range(look(START_JDS), JD_OF_MJD_0)) is not None:
        is_day = (2.0 * mjd).is_integer()
    if mjd is not None and not is_day:
        return _Moment(0, mjd * 86400.0)
    written, clock = look(START_DATES), look(START_TIMES)
    if mjd is not None or any(_date_and_time(each, None) is not None for each in (written, clock)):
        raise FrameRefused(
            f"the header dates the exposure to the day only ({str(written or mjd)[:40]}); a time of day is "
            "needed, as UT, UTSTART, TIME-OBS or a fraction in MJD-OBS"
        )
    return None


def _end(look: Look) -> _Moment | None:
    """The end of the exposure, where the header tells it to the time of day."""
    moment = _date_and_time(look(END_DATES), None)
    if moment is not None and moment.clock is not None:
        return moment
    mjd = _in_range(look(END_MJDS))
    return None if mjd is None or mjd == math.floor(mjd) else _Moment(0, mjd * 86400.0)


def _date_and_time(written: object, clock: object) -> _Moment | None:
    """Read a date that may hold its time of day, which otherwise is in ``clock``."""
    text = str(written).strip() if isinstance(written, str | int) else ""
    found = _DATE.match(text) or _DIGITS.fullmatch(text) or _OLD_DATE.match(text)
    if found is None:
        return None
    groups = found.groupdict()
    parts = [groups["year"], groups["month"], groups["day"]] if groups else list(found.groups())
    year, month, day = (int(part) for part in parts)
    if len(parts[0]) == 2:
        year += 1900  # FITS Standard 4.0, section 4.4.2.1: the old form is of the 20th century
    try:
        mjd = date(year, month, day).toordinal() + MJD_OF_ORDINAL_ZERO
    except ValueError:
        return None
    rest = text[found.end() :].lstrip("T ")
    return _with_clock(mjd, rest) or _with_clock(mjd, clock) or _Moment(mjd, None)


def _with_clock(day: int, written: object, scale: str | None = None) -> _Moment | None:
    """Read a time of day: sexagesimal with or without an offset, or hours as a number."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        hours = float(written)
        return _Moment(day, hours * 3600.0, scale) if 0.0 <= hours < 24.0 else None
    if not isinstance(written, str):
        return None
    text = written.strip()
    if "T" in text:  # a whole date: its time of day is what is missing
        text = text.split("T", 1)[1]
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found["hour"]), int(found["minute"]), float(found["second"] or 0.0)
    if hour > 24 or minute > 59 or second >= 61.0:
        return None
    clock = hour * 3600.0 + minute * 60.0 + second
    offset = found["offset"]
    if offset is None:
        return _Moment(day, clock, scale)
    if offset[0] in "+-":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0
        clock -= ahead if offset[0] == "+" else -ahead
    return _Moment(day, clock, "UTC")


def _to_utc(moment: _Moment, look: Look) -> float:
    """MJD in UTC of a moment in the header's time scale."""
    mjd = moment.day + (moment.clock or 0.0) / 86400.0
    # Of "UTC approximate" (NOAO) and "TT(TAI)" the first word tells.
    words = re.findall(r"[A-Z]+[0-9]*", str(look(("TIMESYS",)) or "").upper())
    scale = moment.scale or (words or ["UTC"])[0]
    if scale in {"UTC", "UT", "UT1", "GMT", "Z"}:
        return mjd
    if scale == "GPS":
        return float(Time(mjd, GPS_BEHIND_TAI_S / 86400.0, format="mjd", scale="tai").utc.mjd)
    if scale in {"TAI", "IAT", "TT", "ET", "TDT", "TDB"}:  # TDB is TT within 2 ms
        astropy_scale = "tai" if scale in {"TAI", "IAT"} else "tt"
        return float(Time(mjd, format="mjd", scale=astropy_scale).utc.mjd)
    raise FrameRefused(
        f"its times are in the scale {scale[:20]!r} (TIMESYS); UTC, TAI, TT, TDB and GPS are known"
    )


def _in_range(value: object, zero: float = 0.0) -> float | None:
    """A day number less its zero point, where it is one of our age."""
    try:
        number = float(value) - zero  # type: ignore[arg-type]  # whatever cannot be a number raises
    except (TypeError, ValueError):
        return None
    return number if EARLIEST_MJD < number < LATEST_MJD else None


def _positive(value: object) -> float | None:
    """A number above zero."""
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever cannot be a number raises
    except (TypeError, ValueError):
        return None
    return number if 0.0 < number < math.inf else None
