"""One exposure in two files, packed or with another header: its pixels and its time tell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from core.database.storable import storable
from core.database.tables import Observation
from core.frames.outcome import ObservationFacts
from core.vocabulary import ObservationState

TURN = "which exposures are registered"
SAME_DAYS = 1.0 / 86400.0
# One that was refused or dropped bars no other: a copy with a mended header may be of use.
COUNTED = (
    ObservationState.QUEUED,
    ObservationState.RUNNING,
    ObservationState.WAITING,
    ObservationState.DONE,
)
# What the store keeps of a header, and processing goes by: of the sky, and of calibration frames.
_OF_THE_SKY = (
    "kind", "instrument", "filter", "field", "exposure_s", "has_wcs", "ra", "dec", "radius_deg"
)  # fmt: skip
_OF_CALIBRATION = ("kind", "instrument", "filter", "exposure_s")


def pixels_hash(data: NDArray[np.float32]) -> str | None:
    """SHA-256 of an image's sides and values, the same on every machine and for every packing.

    There is none of an image of one value alone: it is like all others of that value.
    """
    if data.size == 0 or data.min() == data.max():
        return None
    digest = hashlib.sha256(repr(data.shape).encode())
    digest.update(np.ascontiguousarray(data, dtype="<f4").data)
    return digest.hexdigest()


def twin_of(session: Session, fact: ObservationFacts) -> Observation | None:
    """The frame that holds the same exposure by another file's content; none where there is none.

    Two chips of one file are never one exposure, whatever their pixels. A calibration frame may have no time,
    and is another one where its header says that it serves other frames.
    """
    is_calibration = fact.state == ObservationState.CALIBRATION
    if fact.pixels is None or (fact.mjd is None and not is_calibration):
        return None
    states = (ObservationState.CALIBRATION,) if is_calibration else COUNTED
    query = select(Observation).where(
        col(Observation.pixels) == fact.pixels,
        col(Observation.content) != fact.content,
        col(Observation.state).in_([state.value for state in states]),
    )
    rows = session.exec(query.order_by(col(Observation.id))).all()
    found = [row for row in rows if _is_of_one_time(row.mjd, fact.mjd)]
    if is_calibration:
        kept = storable(asdict(fact))
        found = [row for row in found if has_same_header(row, kept)]
    return min(found, key=lambda row: row.extension != fact.extension, default=None)


def has_same_header(row: Observation, kept: Mapping[str, Any]) -> bool:
    """Whether a frame is registered with what is to be kept of another file's header.

    How its camera was read out, its gain among it, was not kept of frames of earlier times.
    """
    return not differing(row, kept)


def differing(row: Observation, kept: Mapping[str, Any]) -> list[str]:
    """By what names of the store a frame is registered otherwise than another header has it."""
    names = _OF_CALIBRATION if row.state == ObservationState.CALIBRATION else _OF_THE_SKY
    found = [name for name in names if getattr(row, name) != kept[name]]
    is_read_alike = row.readout is None or _pairs(row.readout) == _pairs(kept["readout"])
    return found if is_read_alike else [*found, "readout"]


def _is_of_one_time(mjd: float | None, other: float | None) -> bool:
    if mjd is None or other is None:
        return mjd is other
    return abs(mjd - other) < SAME_DAYS


def _pairs(readout: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {str(name): value for name, value in readout}
