"""Orbits of comets as the Minor Planet Center exports them: CometEls.txt in fixed columns, or its JSON.

The fixed format is described by the Center as "Ephemerides and Orbital Elements Format: Comets". Angles are
degrees on the ecliptic of J2000.0, times are TT. A comet is told by its perihelion: most have no axis.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.known.kepler import NEARLY_PARABOLIC
from pipeline.known.labels import shortened
from pipeline.known.open_orbits import GAUSS
from pipeline.known.orbit_file import DTYPE
from pipeline.known.packed import opened
from pipeline.known.table_file import UNREADABLE, CatalogRefused, refused

NAME_BYTES = 56  # "C/1941 B2 (de Kock-Paraskevopoulos)": longer than any asteroid's
COMETS = np.dtype(
    [(name, f"S{NAME_BYTES}" if name == "name" else DTYPE[name]) for name in DTYPE.names or ()]
    + [("perihelion", "<f8"), ("since", "<f8")]
)
MOST_BYTES = 1 << 28
LINE = re.compile(rb"[ \d]{4}[A-Z].{9}\d{4} \d\d [ \d]\d\.[ \d]{4} +\d+\.\d+ +\d\.\d+(?: +\d+\.\d+){3}")
JSON_KEY = b'"Year_of_perihelion"'
FIELDS = {
    "Year_of_perihelion": (14, 18), "Month_of_perihelion": (19, 21), "Day_of_perihelion": (22, 29),
    "Perihelion_dist": (30, 39), "e": (41, 49), "Peri": (51, 59), "Node": (61, 69), "i": (71, 79),
    "Epoch_year": (81, 85), "Epoch_month": (85, 87), "Epoch_day": (87, 89), "H": (91, 95), "G": (96, 100),
    "Designation_and_name": (102, 158),
}  # fmt: skip
DEFAULT_SLOPE = 4.0
LARGEST_E = 20.0  # beyond it is no body that passed the Sun


def is_comets(path: Path) -> bool:
    """Whether a file holds orbits of comets, by its beginning."""
    try:
        with opened(path) as file:
            head = file.read(1 << 16)
    except UNREADABLE:
        return False
    if head.lstrip().startswith(b"["):
        return JSON_KEY in head
    return any(LINE.match(line) is not None for line in head.split(b"\n")[:100])


def read(path: Path) -> tuple[NDArray[Any], int]:
    """The orbits of a file, and how many entries hold none that can be used.

    Raises
    ------
    CatalogRefused
        It cannot be read, or is larger than any list of comets.
    """
    try:
        with opened(path) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise CatalogRefused(f"{path.name} is larger than any list of comets")
        told = json.loads(content) if content.lstrip().startswith(b"[") else None
    except (*UNREADABLE, ValueError, RecursionError) as error:  # JSON raises the last two
        raise refused(path, error) from error
    if told is None:
        lines = (line.decode("utf-8", errors="replace") for line in content.splitlines() if line.strip())
        told = [{name: line[slice(*place)].strip() for name, place in FIELDS.items()} for line in lines]
    rows = [_row(each) if isinstance(each, dict) else None for each in told]
    kept = [row for row in rows if row is not None]
    return np.array(kept, dtype=COMETS), len(rows) - len(kept)


def _row(told: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """One orbit; none where an element is lacking, or cannot be."""
    passage = _date(told, "Year_of_perihelion", "Month_of_perihelion", "Day_of_perihelion")
    epoch = _date(told, "Epoch_year", "Epoch_month", "Epoch_day")
    elements = (_number(told.get(key)) for key in ("Perihelion_dist", "e", "Peri", "Node", "i"))
    perihelion, e, peri, node, incl = elements
    if not np.isfinite([passage, perihelion, e, peri, node, incl]).all():
        return None
    if not (perihelion > 0.0 and 0.0 <= e < LARGEST_E):
        return None
    if not np.isfinite(epoch):  # orbits of old comets are of their passage
        epoch = passage
    since, is_open = epoch - passage, e >= NEARLY_PARABOLIC
    a = 1.0 if is_open else perihelion / (1.0 - e)
    mean = 0.0 if is_open else np.degrees(GAUSS * a**-1.5 * since)
    slope = _number(told.get("G"))
    name = shortened(str(told.get("Designation_and_name") or "").strip().encode("utf-8"), NAME_BYTES)
    bright = (_number(told.get("H")), slope if np.isfinite(slope) else DEFAULT_SLOPE)
    return (epoch, mean, peri, node, incl, e, a, *bright, np.nan, np.nan, name, perihelion, since)


def _date(told: Mapping[str, Any], *keys: str) -> float:
    """The MJD of a year, month and day, whose fraction counts; NaN where it is none."""
    year, month, day = (_number(told.get(key)) for key in keys)
    if not (np.isfinite([year, month, day]).all() and 1600 <= year <= 2400 and 1 <= month <= 12):
        return float("nan")
    first = np.datetime64(f"{int(year):04d}-{int(month):02d}-01") - np.datetime64("1858-11-17")
    return float(first.astype(int)) + day - 1.0 if 1.0 <= day < 32.0 else float("nan")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
