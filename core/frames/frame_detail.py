"""Everything the store knows of one frame: for whoever wants to understand why it is where it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, func, select

from core.database.store import Store
from core.database.tables import Candidate, Difference, Observation, Reference, Rejection, Thumbnail
from core.errors import AstridError
from core.frames import thumbnail
from core.frames.fits_header import HeaderUnreadable, read_cards
from core.frames.frame_list import FrameRow, frame_rows
from core.frames.queue_history import Happening, history

MAX_DROPPED = 20  # kinds of detections that were dropped
ANSWERS_S = 5.0  # for so long a file server is waited for


class NoSuchFrame(AstridError):
    """The frame is not in the store."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What the quality gate measured (`core.frames.outcome.QualityFacts`); none where it was not reached."""

    seeing_px: float | None
    seeing_arcsec: float | None
    sky: float | None
    sky_rms: float | None
    zeropoint: float | None
    limit_mag: float | None
    n_stars: int | None
    masked_fraction: float | None
    zeropoint_from: str | None = None
    zeropoint_scatter: float | None = None
    zeropoint_stars: int | None = None
    mag_system: str | None = None
    wcs_catalog: str | None = None
    wcs_dra_arcsec: float | None = None
    wcs_ddec_arcsec: float | None = None
    wcs_rms_arcsec: float | None = None
    wcs_stars: int | None = None


@dataclass(frozen=True, slots=True)
class Subtraction:
    """The current difference of a frame, as `core.frames.outcome.DifferenceFacts`, and its reference."""

    reference_id: int
    reference: str
    method: str
    score_std: float
    registration_rms_px: float
    gain_ratio: float
    fwhm_new_px: float
    fwhm_ref_px: float
    masked_fraction: float
    m50: float | None
    limit_mag: float | None
    zeropoint: float | None = None
    flux_unit: str | None = None
    m50_err: float | None = None
    flux50: float | None = None
    snr50: float | None = None
    depth_reason: str | None = None
    completeness: dict[str, Any] | None = None
    registration_scatter_px: float | None = None


@dataclass(frozen=True, slots=True)
class DroppedKind:
    """Detections of one kind that a stage dropped."""

    stage: str
    cause: str
    times: int


@dataclass(frozen=True, slots=True)
class FrameDetail:
    """One frame.

    Attributes
    ----------
    size : tuple of int or None
        Width and height in pixels.
    position : tuple of float or None
        Right ascension and declination of its centre, degrees.
    history : tuple of Happening
        Stages of every attempt, failures, hands laid upon it; oldest first.
    dropped : tuple of DroppedKind
        By the newest processing, the most frequent first.
    thumbnail : (H, W) float32 or None
        In sigma above the sky, NaN where masked.
    candidates : int
        Those that are current.
    """

    row: FrameRow
    path: str
    extension: int
    instrument: str | None
    size: tuple[int, int] | None
    has_wcs: bool
    position: tuple[float, float] | None
    interruptions: int
    quality: Quality
    subtraction: Subtraction | None
    history: tuple[Happening, ...]
    dropped: tuple[DroppedKind, ...]
    candidates: int
    thumbnail: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Header:
    """The cards of a frame's header, not fit to be shown as they are; or why there are none."""

    cards: tuple[str, ...]
    problem: str | None = None


def read_frame(store: Store, frame_id: int) -> FrameDetail:
    """All that the store knows of a frame.

    Raises
    ------
    NoSuchFrame
    """
    with store.read() as session:
        row = session.get(Observation, frame_id)
        if row is None:
            raise NoSuchFrame(f"there is no frame {frame_id}")
        listed = frame_rows(session, [row])[0]
        subtraction = _subtraction(session, frame_id)
        dropped = _dropped(session, frame_id)
        candidates = session.exec(
            select(func.count())
            .select_from(Candidate)
            .where(col(Candidate.observation_id) == frame_id, col(Candidate.is_current))
        ).one()
        small = session.get(Thumbnail, frame_id)
    return FrameDetail(
        row=listed,
        path=row.path,
        extension=row.extension,
        instrument=row.instrument,
        size=(row.width, row.height) if row.width and row.height else None,
        has_wcs=row.has_wcs,
        position=(row.ra, row.dec) if row.ra is not None and row.dec is not None else None,
        interruptions=row.interruptions,
        quality=Quality(*(getattr(row, item.name) for item in fields(Quality))),
        subtraction=subtraction,
        history=history(store, frame_id),
        dropped=dropped,
        candidates=candidates,
        thumbnail=None if small is None else _unpacked(small.pixels),
    )


def read_header(detail: FrameDetail) -> Header:
    """The frame's header from its file, which need not be within reach of this machine.

    A file server that is away holds for ever whoever asks it: after `ANSWERS_S` it is no longer waited
    for, by a thread that keeps nobody from leaving.
    """
    found: list[Header] = []
    thread = threading.Thread(target=lambda: found.append(_header(detail)), name="header", daemon=True)
    thread.start()
    thread.join(ANSWERS_S)
    return found[0] if found else Header((), "its file does not answer: is the file server away?")


def _header(detail: FrameDetail) -> Header:
    try:
        return Header(read_cards(Path(detail.path), detail.extension))
    except HeaderUnreadable as error:
        return Header((), str(error))


def _subtraction(session: Session, frame_id: int) -> Subtraction | None:
    query = (
        select(Difference, Reference)
        .join(Reference, col(Reference.id) == col(Difference.reference_id))
        .where(col(Difference.observation_id) == frame_id, col(Difference.is_current))
    )
    found = session.exec(query).first()
    if found is None:
        return None
    made, reference = found
    return Subtraction(
        made.reference_id,
        Path(reference.path).name,
        made.method,
        made.score_std,
        made.registration_rms_px,
        made.gain_ratio,
        made.fwhm_new_px,
        made.fwhm_ref_px,
        made.masked_fraction,
        made.m50,
        made.limit_mag,
        made.zeropoint,
        made.flux_unit,
        made.m50_err,
        made.flux50,
        made.snr50,
        made.depth_reason,
        made.completeness,
        made.registration_scatter_px,
    )


def _dropped(session: Session, frame_id: int) -> tuple[DroppedKind, ...]:
    """Of the current difference, or of a frame without one that was rejected."""
    times = func.count()
    current = select(Difference.id).where(
        col(Difference.observation_id) == frame_id, col(Difference.is_current)
    )
    query = (
        select(Rejection.stage, Rejection.cause, times)
        .where(
            col(Rejection.observation_id) == frame_id,
            col(Rejection.difference_id).is_not_distinct_from(current.scalar_subquery()),
        )
        .group_by(col(Rejection.stage), col(Rejection.cause))
        .order_by(times.desc(), col(Rejection.cause))
        .limit(MAX_DROPPED)
    )
    return tuple(DroppedKind(*row) for row in session.exec(query))


def _unpacked(blob: bytes) -> NDArray[np.float32] | None:
    """A thumbnail; a damaged one is as good as none, and no reason to show nothing of the frame."""
    try:
        return thumbnail.unpack(blob)
    except thumbnail.ThumbnailDamaged:
        return None
