"""The world coordinates of an image as right ascension and declination of the ICRS, whatever its header uses.

All places in AstrID are (RA, Dec) in the ICRS. A header may name the declination first, and it may be of an
older equinox, of the FK4 or of the Galaxy (Calabretta & Greisen 2002, A&A 395, 1077). Axes are exchanged and
zenithal projections turned; what cannot be turned is no WCS of use, and a sentence says so.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import BarycentricMeanEcliptic, Galactic, SkyCoord, Supergalactic
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

from core.text import safe_text
from pipeline.files.cards import look_up
from pipeline.files.iraf_polynomials import with_iraf_polynomials

AGREES_DEG = 0.001 / 3600.0
AGREES_FK4_DEG = 0.1 / 3600.0  # the aberration in its places differs by less over a field of some degrees
LARGEST_PIXEL_DEG = 0.5  # of a camera that sees all of the sky; a degree is what wcslib takes for no scale
ZENITHAL = {"AZP", "SZP", "TAN", "TPV", "TNX", "ZPX", "STG", "SIN", "ARC", "ZPN", "ZEA", "AIR"}
LARGEST_FIELD_DEG = 10.0  # from its middle to a corner: beyond, projections differ
MOST_STRETCH = 3.0
LEFT_OUT = "its WCS is left out"
UNREADABLE = f"{LEFT_OUT}: it cannot be read as the FITS Standard has it"
EQUINOXES = ("EQUINOX", "EPOCH")  # the latter is of headers before there was the former
_YEAR = re.compile(r"[BJ]?\s*((?:1[89]|2[01])\d\d(?:\.\d*)?)(?![\d/-])", re.IGNORECASE)  # and no date
LONGITUDES = ("RA", "GLON", "ELON", "HLON", "SLON")  # what such an axis' type begins with
LATITUDES = ("DEC", "GLAT", "ELAT", "HLAT", "SLAT")
SYSTEMS = {"", "ICRS", "FK5", "FK4", "FK4-NO-E"}
OF_DATE = "GAPPT"  # apparent places, which precession alone has moved by up to a third of a degree

# wcslib makes a matrix of as many axes as are told, astropy looks for each term of as high an order.
BOUNDS = (
    (re.compile(r"WCSAXES[A-Z]?"), 32, "a WCS"),
    (re.compile(r"[AB]P?_ORDER"), 99, "a polynomial"),
)

Places = NDArray[np.float64]


def celestial_wcs(hdus: fits.HDUList, extension: int) -> tuple[WCS | None, str | None]:
    """The WCS of an image that gives RA and Dec in the ICRS, in degrees, and what is to be said of it.

    Parameters
    ----------
    hdus : HDUList
        The whole file: distortions may be tables in it.
    extension : int

    Returns
    -------
    WCS or None
        ``None`` where the header has none that works.
    str or None
        One sentence, where the WCS was turned or had to be left out.

    Raises
    ------
    Exception
        Whatever astropy and wcslib raise on damaged headers.
    """
    header, doubt = _with_equinox(_readable(hdus[extension].header))
    if (absurd := beyond_bounds(header)) is not None:
        return None, f"{LEFT_OUT}: {absurd}"
    wcs, remark = _celestial(header, hdus, extension)
    return wcs, remark if doubt is None or wcs is None else "; ".join(filter(None, (doubt, remark)))


def _celestial(header: fits.Header, hdus: fits.HDUList, extension: int) -> tuple[WCS | None, str | None]:
    """As `celestial_wcs`, by a header that can be read."""
    wcs = WCS(with_iraf_polynomials(_with_polynomials(header)), fobj=hdus)
    if not wcs.has_celestial:
        return None, UNREADABLE if means_sky(header) else None
    height, width = hdus[extension].shape[-2:]
    corners = np.array([[0.0, 0.0], [width - 1.0, 0.0], [0.0, height - 1.0], [width / 2.0, height / 2.0]])
    if (unusable := _missing(header, wcs) or _without_place(wcs.celestial, corners)) is not None:
        return None, unusable
    wcs = wcs.celestial
    sky = np.asarray(wcs.wcs_pix2world(corners, 0))
    if wcs.wcs.radesys.strip().upper() == OF_DATE:
        return None, f"{LEFT_OUT}: its places are apparent ones of the date ({OF_DATE}), none of the ICRS"
    if wcs.wcs.radesys.strip().upper() not in SYSTEMS:  # "FK5?": the equinox tells
        wcs.wcs.radesys = ""
    of_icrs = _is_of_icrs(wcs)
    if of_icrs and wcs.wcs.lng == 0:
        return wcs, None
    system = _system(wcs)
    try:
        wanted = sky[:, [wcs.wcs.lng, wcs.wcs.lat]]
        turned = wcs.deepcopy()
        if wcs.wcs.lng == 1:
            _exchange_axes(turned)
        if not of_icrs:
            wanted = _to_icrs(wcs, wanted)
            _turn_pole(turned, wcs)
        away = _farthest_deg(np.asarray(turned.wcs_pix2world(corners, 0)), wanted)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # WcsError is a ValueError
        away = math.inf
    if not away < (AGREES_FK4_DEG if "FK4" in wcs.wcs.radesys else AGREES_DEG):
        return None, f"{LEFT_OUT}: {system} cannot be turned to right ascension and declination"
    return turned, f"its WCS, {system}, was turned to right ascension and declination of the ICRS"


def beyond_bounds(header: fits.Header) -> str | None:
    """What of a header no WCS has: so many axes or terms that to read them takes all memory, or hours."""
    for card in header.cards:
        for words, most, of in BOUNDS:
            if words.fullmatch(card.keyword) is None:
                continue
            with suppress(ValueError):  # what is no number counts for none
                if float(str(card.value)) > most:
                    return f"its {card.keyword} is {safe_text(card.value, 20)}, and {of} has {most} at most"
    return None


def means_sky(header: fits.Header) -> bool:
    """Whether the types of a header's axes are those of places on the sky, however they are spelt."""
    found = [look_up(header, (f"CTYPE{axis}",)) for axis in (1, 2)]
    kinds = [str(kind or "").strip().upper() for kind in found]
    return any(kind.startswith(LONGITUDES) for kind in kinds) and any(
        kind.startswith(LATITUDES) for kind in kinds
    )


def _missing(header: fits.Header, wcs: WCS) -> str | None:
    """One sentence where the reference point lacks a number: wcslib takes zero for it, and says nothing."""
    for axis in (wcs.wcs.lng + 1, wcs.wcs.lat + 1):
        value = header.get(f"CRVAL{axis}")
        if f"CTYPE{axis}" in header and (isinstance(value, bool) or not isinstance(value, int | float)):
            said = "there is none" if value is None else f"{str(value)[:20]!r} is written"
            return f"{LEFT_OUT}: its CRVAL{axis} must be a number of degrees, and {said}"
    return None


def _without_place(wcs: WCS, corners: Places) -> str | None:
    """One sentence where the pixels have no places, or are as wide as those of no camera."""
    scale = float(np.linalg.det(wcs.pixel_scale_matrix))
    places = [wcs.wcs_pix2world(corners, 0), wcs.all_pix2world(corners, 0)]
    has_place: NDArray[np.bool_] = np.all(np.isfinite(places), axis=(0, 2))
    if not has_place[3] or not math.isfinite(scale) or scale == 0.0:
        return UNREADABLE
    if not has_place.all():
        return f"{LEFT_OUT}: a corner of the frame has no place on the sky by it; cut off what is beyond"
    width_deg = math.sqrt(abs(scale))
    if abs(scale) > LARGEST_PIXEL_DEG**2:
        wide = f"a pixel is {width_deg:.3g} deg wide"
        return f"{LEFT_OUT}: it says that {wide}, as one without a scale (CD, CDELT) does"
    # Over a small field a distortion bends, and does not change how large all of it is.
    side = math.hypot(*(wcs.pixel_scale_matrix @ (corners[3] - corners[0])))
    middle = [wcs.wcs.lng, wcs.wcs.lat]
    if side < LARGEST_FIELD_DEG:
        seen = _farthest_deg(places[1][:1, middle], places[1][3:, middle]) / side
        if not 1.0 / MOST_STRETCH < seen < MOST_STRETCH:
            return (
                f"{LEFT_OUT}: its distortion makes the field {seen:.3g} times as wide as its CD or CDELT do"
            )
    return None


def _readable(header: fits.Header) -> fits.Header:
    """A header without the cards that hold no FITS text, such as a target's name with a tab in it.

    One of them is enough for astropy to give none of the others to wcslib.
    """
    unreadable = [number for number, card in enumerate(header.cards) if not _is_text(card)]
    if not unreadable:
        return header
    others = header.copy()
    for number in reversed(unreadable):
        del others[number]
    return others


def _with_equinox(header: fits.Header) -> tuple[fits.Header, str | None]:
    """A header whose equinox is a year as a number, and what is to be said where it was none.

    Wcslib passes over texts, such as ``B1950`` or ``1950.0`` in quotes, and takes any number for a year.
    """
    word = next((word for word in EQUINOXES if look_up(header, (word,)) is not None), None)
    if word is None:
        return header, None
    written = look_up(header, (word,))
    year = _YEAR.match(str(written))
    if year is not None and not isinstance(written, str):
        return header, None
    told = header.copy()
    for each in EQUINOXES:
        told.remove(each, ignore_missing=True, remove_all=True)
    if year is None:
        return told, f"its {word} of {str(written)[:20]!r} is no year, and counts as absent"
    told[word] = float(year[1])
    return told, None


def _with_polynomials(header: fits.Header) -> fits.Header:
    """A header whose polynomials of a tangent plane wcslib reads as they are meant.

    SCAMP wrote them for ``TAN``, of whose latitude the FITS Standard has no parameters; wcslib takes those
    of the longitude for other things as long as they are few. Of ``TPV``, as it is registered, missing terms
    are 0, but 1 in ``PVi_1``; wcslib takes 0 for these too, and all pixels for one place.
    """
    kinds = {axis: str(look_up(header, (f"CTYPE{axis}",)) or "").strip().upper() for axis in (1, 2)}
    latitude = next((axis for axis, kind in kinds.items() if kind.startswith(LATITUDES)), None)
    of_scamp = any(re.fullmatch(rf"PV{latitude}_\d+", word) and header[word] for word in header)
    wanted = {"-TPV", "-TAN"} if of_scamp else {"-TPV"}
    if latitude is None or not {kind[4:] for kind in kinds.values()} <= wanted:
        return header
    told = header.copy()
    for axis, kind in kinds.items():
        told[f"CTYPE{axis}"] = f"{kind[:4]}-TPV"
        if f"PV{axis}_1" not in told:
            told[f"PV{axis}_1"] = 1.0
    return told


def _is_text(card: fits.Card) -> bool:
    try:
        return bool(str(card))
    except (VerifyError, ValueError):
        return False


def _is_of_icrs(wcs: WCS) -> bool:
    """Whether it is equatorial, and of the ICRS or the FK5 of 2000, which is the same to .03 arcsec."""
    if not str(wcs.wcs.ctype[wcs.wcs.lng]).startswith("RA--"):
        return False
    system, equinox = wcs.wcs.radesys.strip().upper(), float(wcs.wcs.equinox)
    return system == "ICRS" or (not system.startswith("FK4") and (math.isnan(equinox) or equinox == 2000.0))


def _system(wcs: WCS) -> str:
    """What its coordinates are called, for people."""
    parts = [" and ".join(str(kind).split("-")[0] for kind in wcs.wcs.ctype), wcs.wcs.radesys.strip()[:8]]
    if not math.isnan(float(wcs.wcs.equinox)):
        parts.append(f"{float(wcs.wcs.equinox):.7g}")
    return " ".join(part for part in parts if part)


def _to_icrs(wcs: WCS, places: Places) -> Places:
    """Longitudes and latitudes of the header's system as RA and Dec, degrees."""
    icrs = SkyCoord(places * u.deg, frame=_frame(wcs)).icrs
    return np.column_stack([icrs.ra.deg, icrs.dec.deg])


def _frame(wcs: WCS) -> Any:
    """The system that a WCS is of. The ecliptic is the mean one of its equinox.

    Astropy takes any axes for those of the equator whose RADESYS is told, and wcslib tells it where a header
    does not.
    """
    kind, system = str(wcs.wcs.ctype[wcs.wcs.lng])[:4], wcs.wcs.radesys.strip().upper()
    if kind == "RA--":
        return wcs_to_celestial_frame(wcs)
    if kind == "GLON":
        return Galactic()
    if kind == "SLON":
        return Supergalactic()
    if kind == "ELON" and not system.startswith("FK4"):
        year = 2000.0 if math.isnan(wcs.wcs.equinox) else float(wcs.wcs.equinox)
        return BarycentricMeanEcliptic(equinox=Time(year, format="jyear"))
    raise ValueError("what its axes are is not known")


def _exchange_axes(wcs: WCS) -> None:
    """Put the longitude first, in place. The pixels' axes stay as they are."""
    inner: Any = wcs.wcs
    inner.ctype, inner.crval, inner.cunit = (
        list(inner.ctype)[::-1],
        inner.crval[::-1],
        list(inner.cunit)[::-1],
    )
    if inner.has_cd():
        inner.cd = inner.cd[::-1]
    else:
        inner.pc, inner.cdelt = inner.get_pc()[::-1], inner.cdelt[::-1]
    inner.set_pv([(3 - axis, number, value) for axis, number, value in inner.get_pv()])
    inner.set()


def _turn_pole(wcs: WCS, before: WCS) -> None:
    """Let a zenithal projection give places of the ICRS, in place, where `before` tells its system.

    Such a projection is of directions seen from its reference point. It is enough to say where that is in the
    ICRS, and on which side the pole of the ICRS is: its native longitude (paper II, equation 5).
    """
    inner: Any = wcs.wcs
    kinds = [str(kind) for kind in inner.ctype]
    if kinds[0][5:8] not in ZENITHAL:
        raise ValueError("the projection is not zenithal")
    pole = SkyCoord(0.0 * u.deg, 90.0 * u.deg, frame="icrs").transform_to(_frame(before))
    place = pole.spherical
    east = math.radians(float(place.lon.deg) - inner.crval[0])
    height, north = float(place.lat.rad), math.radians(inner.crval[1])
    towards = math.sin(height) * math.cos(north) - math.cos(height) * math.sin(north) * math.cos(east)
    inner.lonpole = (
        inner.lonpole + math.degrees(math.atan2(-math.cos(height) * math.sin(east), towards))
    ) % 360.0
    inner.crval = _to_icrs(before, np.array([inner.crval]))[0]
    inner.ctype = ["RA--" + kinds[0][4:], "DEC-" + kinds[1][4:]]
    inner.radesys, inner.equinox, inner.latpole = "ICRS", math.nan, math.nan
    inner.set()


def _farthest_deg(places: Places, others: Places) -> float:
    """The largest distance between places and others, in degrees; NaN where any is not finite."""
    first, second = (
        SkyCoord(np.where(np.isfinite(each), each, 0.0) * u.deg, frame="icrs") for each in (places, others)
    )
    if not (np.isfinite(places).all() and np.isfinite(others).all()):
        return math.nan
    return float(first.separation(second).deg.max())
