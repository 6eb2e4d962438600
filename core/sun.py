"""Where the Sun stands, to 0.02 degrees between 1950 and 2050: enough to tell night from day.

The low-precision formulae of the Astronomical Almanac, section C; refraction is not counted.
"""

from math import asin, atan2, cos, degrees, radians, sin

_J2000 = 946_728_000.0  # Unix seconds
_DAY_S = 86400.0


def altitude_deg(at: float, latitude: float, longitude: float) -> float:
    """The altitude of the Sun's centre above the horizon, in degrees.

    Parameters
    ----------
    at : float
        Unix seconds, UTC.
    latitude, longitude : float
        Degrees, east positive.
    """
    days = (at - _J2000) / _DAY_S
    anomaly = radians(357.528 + 0.9856003 * days)
    ecliptic = radians(280.460 + 0.9856474 * days + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly))
    obliquity = radians(23.439 - 4e-7 * days)
    ra = atan2(cos(obliquity) * sin(ecliptic), cos(ecliptic))
    dec = asin(sin(obliquity) * sin(ecliptic))
    sidereal = radians(280.46061837 + 360.98564736629 * days)
    hour_angle = sidereal + radians(longitude) - ra
    place = radians(latitude)
    return degrees(asin(sin(place) * sin(dec) + cos(place) * cos(dec) * cos(hour_angle)))
