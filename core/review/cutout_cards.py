"""The cards of exported cutouts that other programs go by: where their pixels lie, and when they were seen.

Keywords are those of the FITS Standard 4.0: of celestial coordinates in section 8.2, of time in section 9.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from core.epochs import DAY_S, unix_of
from core.orientation import ToSky, sane

Cards = list[tuple[str, str | int | float, str]]  # keyword, value, comment
_ARCSEC = 3600.0  # in a degree


def sky_cards(
    to_sky: ToSky | None,
    place: tuple[float | None, float | None],
    shape: tuple[int, int],
    offset: tuple[float, float],
) -> Cards:
    """A tangent plane that touches the sky at the candidate.

    Of the image's own distortions it has what they come to there; over a cutout they change by far less than
    a pixel.

    Parameters
    ----------
    to_sky : ToSky, optional
        How the pixels lie there.
    place : tuple of float
        Right ascension and declination, ICRS, degrees.
    shape : tuple of int
        Height and width of the cutout.
    offset : tuple of float
        Of the candidate from the centre of the middle pixel, in x and y.

    Returns
    -------
    list of tuple
        Empty where the WCS or the place is not known.
    """
    ra, dec = place
    if sane(to_sky) is None or to_sky is None or ra is None or dec is None:
        return []
    (east_x, east_y), (north_x, north_y) = to_sky
    middle_y, middle_x = (side // 2 + 1 for side in shape)  # FITS counts from one
    return [
        ("WCSAXES", 2, "at the candidate, distortions left out"),
        ("RADESYS", "ICRS", ""),
        ("CTYPE1", "RA---TAN", ""),
        ("CTYPE2", "DEC--TAN", ""),
        ("CUNIT1", "deg", ""),
        ("CUNIT2", "deg", ""),
        ("CRVAL1", ra, "the candidate"),
        ("CRVAL2", dec, "the candidate"),
        ("CRPIX1", middle_x + offset[0], ""),
        ("CRPIX2", middle_y + offset[1], ""),
        ("CD1_1", east_x / _ARCSEC, ""),
        ("CD1_2", east_y / _ARCSEC, ""),
        ("CD2_1", north_x / _ARCSEC, ""),
        ("CD2_2", north_y / _ARCSEC, ""),
    ]


def exposure_cards(mjd: float, exposure_s: float | None) -> Cards:
    """When a frame was exposed: its middle, and where its length is known its beginning. UTC.

    Gaps between parts of an exposure are in the middle, and not in the length: it then began before.
    """
    cards: Cards = [("TIMESYS", "UTC", "")]
    if exposure_s is not None and 0.0 <= exposure_s < math.inf:
        start = mjd - exposure_s / 2.0 / DAY_S
        cards += _moment("DATE-OBS", start, "start, if it had no gaps")
        cards.append(("MJD-OBS", start, "start, if it had no gaps"))
        cards.append(("XPOSURE", exposure_s, "s"))
    cards += _moment("DATE-AVG", mjd, "mid-exposure")
    cards.append(("MJD-AVG", mjd, "mid-exposure"))
    return cards


def epoch_cards(first: float | None, last: float | None) -> Cards:
    """Between which times the frames of a reference were exposed. MJD, UTC."""
    cards: Cards = [("TIMESYS", "UTC", "")]
    for keyword, mjd, comment in (("BEG", first, "first"), ("END", last, "last")):
        if mjd is not None and math.isfinite(mjd):
            cards += _moment(f"DATE-{keyword}", mjd, f"{comment} frame of the reference")
            cards.append((f"MJD-{keyword}", mjd, f"{comment} frame of the reference"))
    return cards


def _moment(keyword: str, mjd: float, comment: str) -> Cards:
    try:
        moment = datetime.fromtimestamp(unix_of(mjd), UTC)
    except (ValueError, OverflowError, OSError):  # no date of a calendar
        return []
    return [(keyword, moment.replace(tzinfo=None).isoformat(timespec="milliseconds"), comment)]
