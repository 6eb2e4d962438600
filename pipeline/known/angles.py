"""Positions in a catalogue's columns as degrees: numbers in any unit, or sexagesimal text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.known.table_file import CatalogRefused

HOURS = {"h", "hr", "hrs", "hour", "hours", "hourangle", "hms", "h:m:s", '"h:m:s"', "'h:m:s'"}
DEGREES = {"deg", "degs", "degree", "degrees", "°", "d"}
RADIANS = {"rad", "radian", "radians"}
PARTS = {"arcmin": 60.0, "arcsec": 3600.0, "mas": 3.6e6}  # of a degree


def angles(
    values: NDArray[Any], name: str, unit: str | None, *, is_ra: bool, told: str | None = None
) -> NDArray[np.float64]:
    """A column of positions in degrees, NaN where there is none.

    Whether right ascension is in hours is what the user, its unit or its name says, never what the numbers
    look like. Where none of them does, sexagesimal text is hours, minutes and seconds, and a plain number is
    degrees, also where it is written as text.

    Parameters
    ----------
    values : array
        Numbers, or text as bytes.
    told : str, optional
        ``hours`` or ``degrees``, as the user said.

    Raises
    ------
    CatalogRefused
        The numbers contradict what was said of them.
    """
    if values.dtype.kind == "S":
        size, is_parted = sexagesimal(values, name)
    else:
        size, is_parted = values.astype(np.float64), np.zeros(len(values), dtype=np.bool_)
    said = in_hours(name, unit, told) if is_ra else False
    hours = is_parted if said is None else np.full(len(size), said)
    largest = np.nanmax(np.abs(size[hours]), initial=0.0)
    if largest > 24.0:
        raise CatalogRefused(
            f"column {name} says it is in hours and holds {largest:g}:"
            " say --ra-unit degrees if it is in degrees"
        )
    degrees = size * np.where(hours, 15.0, in_degrees(unit))
    most, largest = 360.0 if is_ra else 90.0, np.nanmax(np.abs(degrees), initial=0.0)
    if largest > most:
        what = "right ascension" if is_ra else "declination"
        raise CatalogRefused(f"column {name} holds {largest:g}, which is no {what} in degrees")
    return np.asarray(degrees)


def in_hours(name: str, unit: str | None, told: str | None) -> bool | None:
    """Whether a right ascension is in hours, by what is said of it; none where nothing is."""
    if told is not None:
        return told == "hours"
    if plain_unit(unit) in DEGREES | RADIANS | PARTS.keys():
        return False
    if plain_unit(unit) in HOURS or re.search(r"(?i)(hour|hms|[_\s(\[]h(r|rs)?[)\]]?$|^rah(r|rs)?$)", name):
        return True
    return None


def in_degrees(unit: str | None) -> float:
    """Degrees in one unit of an angle: of radians or parts of a degree where it says so."""
    return 180.0 / np.pi if plain_unit(unit) in RADIANS else 1.0 / PARTS.get(plain_unit(unit), 1.0)


def plain_unit(unit: str | None) -> str:
    """A unit as it is compared here."""
    return (unit or "").strip().lower()


def sexagesimal(values: NDArray[Any], name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Text such as ``10:12:33.1``, ``10 12 33.1`` or ``10h12m33.1s`` as a number of its first unit.

    Returns
    -------
    size : float64
        NaN where there is no text.
    is_parted : bool
        Whether it is written so, and not as a plain number.

    Raises
    ------
    CatalogRefused
        Some text is neither that nor a number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        text = pc.cast(pa.array(values.tolist(), pa.binary()), pa.string())
    except pa.ArrowInvalid as error:
        raise CatalogRefused(f"column {name} holds text that is no UTF-8") from error
    has_h = pc.match_substring(text, "h").to_numpy(zero_copy_only=False)
    text = pc.replace_substring_regex(text, r"[hdms°'\"′″:\s]+", " ")
    text = pc.utf8_trim_whitespace(text)
    parts = pc.split_pattern(text, " ")
    counts = pc.list_value_length(parts).to_numpy(zero_copy_only=False)
    empty = pc.equal(text, "").to_numpy(zero_copy_only=False)
    out = np.full(len(values), np.nan)
    try:
        for count in (1, 2, 3):
            here = np.flatnonzero((counts == count) & ~empty)
            if len(here) == 0:
                continue
            flat = pc.cast(pc.list_flatten(parts.take(pa.array(here))), pa.float64())
            each = np.abs(flat.to_numpy().reshape(-1, count))
            if count > 1 and float(each[:, 1:].max()) >= 60.0:
                raise CatalogRefused(f"column {name} holds minutes or seconds of 60 and more")
            size = each @ (1.0, 1 / 60, 1 / 3600)[:count]
            minus = pc.starts_with(text.take(pa.array(here)), "-").to_numpy(zero_copy_only=False)
            out[here] = np.where(minus, -size, size)
    except (pa.ArrowException, ValueError) as error:
        raise CatalogRefused(f"column {name} holds text that is no position: {error}") from error
    if np.any((counts > 3) & ~empty):
        raise CatalogRefused(f"column {name} holds text that is no position")
    return out, (counts > 1) | has_h
