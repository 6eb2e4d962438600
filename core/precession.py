"""Where the turning of the Earth's axis has carried the equator: positions of date from those of J2000.

The angles are those of IAU 2006 (Capitaine, Wallace & Chapront 2003, A&A 412, 567, eq. 40), the rotation is
that of the Astronomical Almanac, section B. Nutation and aberration, together up to 40 arcsec, are left out.
"""

from math import atan2, cos, degrees, hypot, radians, sin

from core.epochs import DAY_S, J2000_S

_CENTURY_D = 36525.0
# Arcsec, of the powers of Julian centuries since J2000, TT, from the 0th.
_ZETA = (2.650545, 2306.083227, 0.2988499, 0.01801828)
_Z = (-2.650545, 2306.077181, 1.0927348, 0.01826837)
_THETA = (0.0, 2004.191903, -0.4294934, -0.04182264)


def of_date(at: float, ra: float, dec: float) -> tuple[float, float]:
    """Right ascension and declination by the mean equator and equinox of a date, in degrees.

    Parameters
    ----------
    at : float
        Unix seconds, UTC.
    ra, dec : float
        Degrees, ICRS.
    """
    t = (at - J2000_S) / DAY_S / _CENTURY_D
    zeta, z, theta = (
        radians(sum(each * t**power for power, each in enumerate(series)) / 3600.0)
        for series in (_ZETA, _Z, _THETA)
    )
    along, high = radians(ra) + zeta, radians(dec)
    x = cos(theta) * cos(high) * cos(along) - sin(theta) * sin(high)
    y = cos(high) * sin(along)
    up = sin(theta) * cos(high) * cos(along) + cos(theta) * sin(high)
    return degrees(atan2(y, x) + z) % 360.0, degrees(atan2(up, hypot(x, y)))
