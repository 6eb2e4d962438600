"""Frames whose headers are read otherwise now than when they were ingested, by other settings or as mended.

The store keeps what ingest read, and a frame's reference and masters are chosen by that.
"""

from __future__ import annotations

import math
from pathlib import Path

from core.database.storable import storable
from core.database.tables import Observation
from core.frames.same_exposure import differing
from core.settings import Settings
from pipeline.files.outlines import outline
from pipeline.frame import FrameRefused
from pipeline.intake.ingest import footprint

WORDS = {
    "mjd": "time", "exposure_s": "exposure time", "has_wcs": "WCS", "ra": "place", "dec": "place",
    "radius_deg": "place",
}  # fmt: skip
SAID = ("kind", "filter", "instrument", "field")  # of which both readings are told
SAME = 1e-8  # degrees, days or seconds
MOST_LETTERS = 40  # of each


def read_otherwise(row: Observation, settings: Settings) -> str | None:
    """One sentence where a frame's header is read otherwise now; none too where its file cannot be read."""
    path = Path(row.path)
    try:
        found = outline(path, row.extension, settings.camera.keywords)
    except FrameRefused:
        return None  # processing says why
    said = found.exposure
    ra, dec, radius = footprint(found.wcs, found.shape) or (None, None, None)
    kept = storable(
        {
            "kind": said.kind,
            "instrument": said.instrument,
            "filter": said.filter,
            "field": said.field,
            "mjd": said.mjd,
            "exposure_s": said.exposure_s,
            "has_wcs": found.wcs is not None,
            "ra": ra,
            "dec": dec,
            "radius_deg": radius,
            "readout": said.readout,
        }
    )
    names = [name for name in (*differing(row, kept), "mjd") if not _alike(getattr(row, name), kept[name])]
    if not names:
        return None
    told = [_told(name, getattr(row, name), kept[name]) for name in names]
    return f"its header is read otherwise now ({', '.join(dict.fromkeys(told))}) than when it was ingested"


def _alike(before: object, now: object) -> bool:
    """Whether both say the same; numbers may differ as by another release of a library."""
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-12, abs_tol=SAME)
    return before == now


def _told(name: str, before: object, now: object) -> str:
    """What is another, in a few words."""
    if name not in SAID:
        return WORDS.get(name, name)
    return f"{name} {_short(now)}, not {_short(before)}"


def _short(value: object) -> str:
    return "none" if value is None else str(value)[:MOST_LETTERS]
