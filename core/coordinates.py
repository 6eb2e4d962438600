"""Positions and angles as people write them."""

import math
import re

from core.errors import AstridError
from core.text import safe_text
from core.vocabulary import ExitCode

RADIUS_UNITS = {
    "deg": 1.0,
    "arcmin": 1 / 60,
    "'": 1 / 60,
    "arcsec": 1 / 3600,
    '"': 1 / 3600,
}
_RADIUS = re.compile(r"(?P<number>[\d.eE+-]+?)(?P<unit>deg|arcmin|arcsec|'|\")")
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d{1,3})(\s*(?P<unit>[:hd°])\s*|\s+)(?P<minutes>\d{1,2})(\s*[:m'′]\s*|\s+)"
    r"(?P<seconds>\d{1,2}(\.\d*)?)\s*[s\"″]?",
    re.ASCII,
)

_TOGETHER = re.compile(r"(?P<ra>[\d.:hdms°'\"]+)(?P<dec>[+-][\d.:dms°'\"]+)", re.ASCII)


class CoordinateError(AstridError):
    """A position or an angle cannot be understood; the message says how to write it."""

    exit_code = ExitCode.USAGE


def parse_radius(text: str) -> float:
    """A radius with its unit, such as ``30arcsec`` or ``0.5'``, in degrees.

    Raises
    ------
    CoordinateError
    """
    match = _RADIUS.fullmatch(text)
    if match is None:
        raise CoordinateError(f"a radius is a number and a unit, one of {' '.join(RADIUS_UNITS)}")
    degrees = _number(match["number"]) * RADIUS_UNITS[match["unit"]]
    if not 0 < degrees <= 180:
        raise CoordinateError("a radius is above 0 and at most 180 degrees")
    return degrees


def parse_position(ra: str, dec: str | None = None) -> tuple[float, float]:
    """A position in degrees.

    Parameters
    ----------
    ra, dec : str
        Each in decimal degrees, or sexagesimal: hours, minutes and seconds of right ascension, degrees,
        minutes and seconds of declination, with colons, spaces or their letters between. Without `dec`
        the first holds both, such as ``10:12:33.1 -04:10:11``.

    Raises
    ------
    CoordinateError
    """
    if dec is None:
        ra, dec = _halves(ra)
    right, up = _angle(ra, is_ra=True), _angle(dec, is_ra=False)
    if not (0 <= right < 360 and -90 <= up <= 90):
        raise CoordinateError("right ascension is 0 to below 360 and declination -90 to 90 degrees")
    return right, up


def degrees_of_ra(ra: float, digits: int) -> str:
    """A right ascension in degrees with so many decimals, rounded to below 360.

    >>> degrees_of_ra(359.9999999, 6)
    '0.000000'
    """
    rounded = round(ra, digits)
    return f"{rounded % 360.0 if rounded >= 360.0 else rounded:.{digits}f}"


def _halves(text: str) -> tuple[str, str]:
    words = text.replace("\N{MINUS SIGN}", "-").replace(",", " ").split()
    if len(words) == 1 and (match := _TOGETHER.fullmatch(words[0])):
        return match["ra"], match["dec"]
    if len(words) not in {2, 6}:
        raise _not_understood(text)
    half = len(words) // 2
    return " ".join(words[:half]), " ".join(words[half:])


def _angle(text: str, *, is_ra: bool) -> float:
    """Degrees of one number, or of parts; those of right ascension are hours unless called degrees."""
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    match = _SEXAGESIMAL.fullmatch(plain)
    if match is None:
        try:
            return _number(plain)
        except CoordinateError:
            raise _not_understood(text) from None
    in_degrees = match["unit"] in {"d", "°"} or not is_ra
    if match["unit"] == "h" and not is_ra:
        raise CoordinateError(f"'{safe_text(text, 40)}' is no declination: it is told in degrees, not hours")
    minutes, seconds = int(match["minutes"]), float(match["seconds"])
    if minutes >= 60 or seconds >= 60:
        raise _not_understood(text)
    size = (int(match["whole"]) + minutes / 60 + seconds / 3600) * (1.0 if in_degrees else 15.0)
    return -size if match["sign"] == "-" else size


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CoordinateError(f"'{safe_text(text, 40)}' is no number")
    return number


def _not_understood(text: str) -> CoordinateError:
    return CoordinateError(
        f"'{safe_text(text, 40)}' is no coordinate: write degrees, or hours and degrees, 10:12:33.1 -04:10:11"
    )
