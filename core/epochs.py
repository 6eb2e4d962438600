"""Times as astronomers count them beside those of Unix, and the epochs of catalogues."""

import math
from datetime import UTC, datetime

DAY_S = 86400.0
MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)
MJD_OF_1970 = 40587.0
JD_OF_MJD_0 = 2400000.5
J2000_MJD = 51544.5
J2000_S = (J2000_MJD - MJD_OF_1970) * DAY_S  # Unix seconds
DAYS_PER_YEAR = 365.25  # Julian


def unix_of(mjd: float) -> float:
    """Unix seconds of a time (MJD, UTC), to what an MJD can tell: a whole second stays one."""
    return round((mjd - MJD_OF_1970) * DAY_S, 5)


def mjd_of(seconds: float) -> float:
    """MJD, UTC, of Unix seconds."""
    return MJD_OF_1970 + seconds / DAY_S


def julian_year(mjd: float) -> float:
    """A time (MJD) as a Julian epoch, such as 2016.0."""
    return 2000.0 + (mjd - J2000_MJD) / DAYS_PER_YEAR


def night_of(mjd: float, east_deg: float = 0.0) -> int:
    """The number of a night, from noon to noon at a longitude: the MJD of the day on which it begins."""
    return math.floor(mjd + east_deg / 360.0 - 0.5)
