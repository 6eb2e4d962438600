"""One exposure in two files, packed or with another header: its pixels and its time tell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

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
# What the store keeps of a header, and processing goes by.
_OF_THE_HEADER = (
    "kind", "instrument", "filter", "field", "exposure_s", "has_wcs", "ra", "dec", "radius_deg"
)  # fmt: skip


def pixels_hash(data: NDArray[np.float32]) -> str:
    """SHA-256 of an image's sides and values, the same on every machine and for every packing."""
    digest = hashlib.sha256(repr(data.shape).encode())
    digest.update(np.ascontiguousarray(data, dtype="<f4").data)
    return digest.hexdigest()


def twin_of(session: Session, fact: ObservationFacts) -> Observation | None:
    """The frame that holds the same exposure by another file's content; none where there is none.

    Two chips of one file are never one exposure, whatever their pixels.
    """
    if fact.pixels is None or fact.mjd is None:
        return None
    query = select(Observation).where(
        col(Observation.pixels) == fact.pixels,
        col(Observation.content) != fact.content,
        col(Observation.state).in_([state.value for state in COUNTED]),
    )
    found = [
        row
        for row in session.exec(query.order_by(col(Observation.id))).all()
        if row.mjd is not None and abs(row.mjd - fact.mjd) < SAME_DAYS
    ]
    return min(found, key=lambda row: row.extension != fact.extension, default=None)


def has_same_header(row: Observation, kept: Mapping[str, Any]) -> bool:
    """Whether a frame is registered with what is to be kept of another file's header."""
    return all(getattr(row, name) == kept[name] for name in _OF_THE_HEADER)
