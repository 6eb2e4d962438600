"""Proper motions of a catalogue, in one unit whatever theirs is."""

from __future__ import annotations

import re

from pipeline.known.table_file import CatalogRefused

_YEAR = re.compile(r"\b(y|yrs|years)\b")  # as some files write it, and astropy does not


def mas_a_year(name: str, unit: str | None) -> float:
    """How many milliarcseconds a year one of a column's unit is; a column without a unit is in those.

    Raises
    ------
    CatalogRefused
        The unit is none of an angle by a time.
    """
    from astropy import units

    written = (unit or "").strip()
    if not written:
        return 1.0
    try:
        return float(units.Unit(_YEAR.sub("yr", written.lower())).to(units.mas / units.yr))
    except (ValueError, TypeError, units.UnitConversionError) as error:
        raise CatalogRefused(
            f"column {name} says it is in '{written}', which is no unit of proper motion:"
            " write mas/yr, arcsec/yr or deg/yr"
        ) from error
