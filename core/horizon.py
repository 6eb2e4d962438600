"""How high something stands above a site's horizon, and through how much air it is seen."""

from math import asin, cos, degrees, radians, sin

from core.epochs import DAY_S, J2000_S


def altitude_deg(at: float, ra: float, dec: float, latitude: float, longitude: float) -> float:
    """The altitude of a place in the sky above the horizon, in degrees, without refraction.

    Parameters
    ----------
    at : float
        Unix seconds, UTC.
    ra, dec : float
        Degrees, by the equator and equinox of that date (`core.precession`).
    latitude, longitude : float
        Degrees, east positive.
    """
    sidereal = 280.46061837 + 360.98564736629 * (at - J2000_S) / DAY_S
    hour_angle = radians(sidereal + longitude - ra)
    place, high = radians(latitude), radians(dec)
    sine = sin(place) * sin(high) + cos(place) * cos(high) * cos(hour_angle)
    return degrees(asin(max(-1.0, min(1.0, sine))))  # rounding may lead beyond, at the zenith


def airmass(altitude: float) -> float | None:
    """The airmass at an altitude in degrees; none below the horizon.

    Kasten & Young (1989, Appl. Opt. 28, 4735), eq. 3.
    """
    if altitude <= 0:
        return None
    return float(1.0 / (sin(radians(altitude)) + 0.50572 * (altitude + 6.07995) ** -1.6364))
