"""Where the Sun stands, to 0.02 degrees between 1950 and 2050: enough to tell night from day.

The low-precision formulae of the Astronomical Almanac, section C; refraction is not counted.
"""

from math import asin, atan2, cos, degrees, radians, sin

from core import horizon
from core.epochs import DAY_S, J2000_S


def ecliptic_longitude(days: float) -> float:
    """The Sun's longitude in degrees, so many days after J2000."""
    anomaly = radians(357.528 + 0.9856003 * days)
    return (280.460 + 0.9856474 * days + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly)) % 360.0


def equatorial(longitude: float, latitude: float, days: float) -> tuple[float, float]:
    """Right ascension and declination of a place by the ecliptic, in degrees."""
    obliquity = radians(23.439 - 4e-7 * days)
    along, off = radians(longitude), radians(latitude)
    ra = atan2(sin(along) * cos(obliquity) - sin(off) / cos(off) * sin(obliquity), cos(along))
    dec = asin(sin(off) * cos(obliquity) + cos(off) * sin(obliquity) * sin(along))
    return degrees(ra) % 360.0, degrees(dec)


def altitude_deg(at: float, latitude: float, longitude: float) -> float:
    """The altitude of the Sun's centre above the horizon, in degrees.

    Parameters
    ----------
    at : float
        Unix seconds, UTC.
    latitude, longitude : float
        Degrees, east positive.
    """
    days = (at - J2000_S) / DAY_S
    ra, dec = equatorial(ecliptic_longitude(days), 0.0, days)
    return horizon.altitude_deg(at, ra, dec, latitude, longitude)
