"""The zeropoint that a header tells: by its unit of flux, or by one of the keywords of observatories."""

from __future__ import annotations

import math
from typing import NamedTuple

from astropy.io.fits import Header

from core.header_words import MAG_SYSTEMS, ZEROPOINTS, ZEROPOINTS_OF_RATES
from core.magnitudes import AB, VEGA
from pipeline.files.cards import look_up, text
from pipeline.files.headers import data_unit
from pipeline.frame import Exposure

# AB magnitude of one (Oke & Gunn 1983, ApJ 266, 713: 3631 Jy is 0), by the unit as FITS writes it.
OF_UNITS = {
    "Jy": 8.9,
    "mJy": 16.4,
    "uJy": 23.9,
    "nJy": 31.4,
    "nmgy": 22.5,
    "nanomaggy": 22.5,
    "nanomaggies": 22.5,
}
VEGA_BANDS = {"U", "B", "V", "R", "I", "Rc", "Ic", "J", "H", "K", "Ks"}  # where nothing else is said
FAINTEST = 50.0


class HeaderZeropoint(NamedTuple):
    """The magnitude of one unit of the stored data, and its system: ``ab`` or ``vega``."""

    value: float
    mag_system: str


def header_zeropoint(header: Header, exposure: Exposure) -> HeaderZeropoint | None:
    """What a header says that one unit of its data is, in magnitudes; none where it is silent.

    Parameters
    ----------
    header : Header
    exposure : Exposure
        Of the same header.
    """
    if (exact := OF_UNITS.get((text(header, "unit") or "").strip(" '[]"))) is not None:
        return HeaderZeropoint(exact, AB)
    value = _first(header, ZEROPOINTS)
    if value is None:
        value = _of_rate(header, exposure)
    return None if value is None else HeaderZeropoint(value, _system(header, exposure.filter))


def _of_rate(header: Header, exposure: Exposure) -> float | None:
    """The zeropoint of one unit, from that of a count a second outside of how much air there was."""
    value = _first(header, ZEROPOINTS_OF_RATES)
    if value is None:
        return None
    extinction = look_up(header, ("EXTINCT",))
    if isinstance(extinction, int | float) and 0.0 <= extinction < 5.0 and exposure.airmass is not None:
        value -= (exposure.airmass - 1.0) * extinction
    if data_unit(header).per_second:
        return value
    return value + 2.5 * math.log10(exposure.exposure_s) if exposure.exposure_s else None


def _first(header: Header, keywords: tuple[str, ...]) -> float | None:
    """The first magnitude that can be a zeropoint."""
    for keyword in keywords:
        stored = look_up(header, (keyword,))
        try:
            value = math.nan if isinstance(stored, bool) else float(stored)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # no number
            continue
        if 0.0 < value < FAINTEST:
            return value
    return None


def _system(header: Header, band: str | None) -> str:
    """The system that the header names; else Vega's for the bands that are nearly always told in it."""
    said = str(look_up(header, MAG_SYSTEMS) or "").lower()
    if "vega" in said:
        return VEGA
    return VEGA if band in VEGA_BANDS and "ab" not in said else AB
