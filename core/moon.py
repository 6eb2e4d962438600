"""Where the Moon stands and how much of it is lit: how bright the sky was beside a candidate.

The low-precision formulae of the Astronomical Almanac, section D: from the Earth's centre, to 0.3 degrees.
From a site it may be up to one degree elsewhere.
"""

from dataclasses import dataclass
from math import acos, asin, cos, degrees, radians, sin, sqrt

from core.epochs import J2000_MJD
from core.sun import ecliptic_longitude, equatorial

_CENTURY_D = 36525.0
# Amplitude, phase and rate a century of each term, degrees: of the longitude, then of the latitude.
_LONGITUDE = (
    (6.29, 135.0, 477198.87),
    (-1.27, 259.3, -413335.36),
    (0.66, 235.7, 890534.22),
    (0.21, 269.9, 954397.74),
    (-0.19, 357.5, 35999.05),
    (-0.11, 186.5, 966404.03),
)
_LATITUDE = (
    (5.13, 93.3, 483202.02),
    (0.28, 228.2, 960400.89),
    (-0.28, 318.3, 6003.15),
    (-0.17, 217.6, -407332.21),
)


@dataclass(frozen=True, slots=True)
class Moon:
    """The Moon at one time: degrees, and the lit share of its disc, 0 to 1."""

    ra: float
    dec: float
    lit: float

    def distance_deg(self, ra: float, dec: float) -> float:
        """How far from a place in the sky it stands."""
        apart = sin(radians(dec - self.dec) / 2) ** 2
        apart += cos(radians(dec)) * cos(radians(self.dec)) * sin(radians(ra - self.ra) / 2) ** 2
        return degrees(2 * asin(min(1.0, sqrt(apart))))


def moon(mjd: float) -> Moon:
    """The Moon at a time (MJD, UTC)."""
    days = mjd - J2000_MJD
    centuries = days / _CENTURY_D

    def series(terms: tuple[tuple[float, float, float], ...]) -> float:
        return sum(size * sin(radians(phase + rate * centuries)) for size, phase, rate in terms)

    longitude = 218.32 + 481267.881 * centuries + series(_LONGITUDE)
    latitude = series(_LATITUDE)
    ra, dec = equatorial(longitude, latitude, days)
    elongation = acos(cos(radians(latitude)) * cos(radians(longitude - ecliptic_longitude(days))))
    return Moon(ra, dec, (1.0 - cos(elongation)) / 2.0)
