"""The newest night, frame by frame: how good the sky, the alignment and the subtraction were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Difference, Observation
from core.vocabulary import FrameKind

GAP_DAYS = 0.25  # so long without a frame parts two nights
READ = 600  # frames of a night at most


@dataclass(frozen=True, slots=True)
class NightPoint:
    """What was measured of one frame; none where it was not.

    Attributes
    ----------
    seeing : float or None
        In arcsec where the frame has a WCS, else in pixels: `Night.seeing_unit`.
    depth : float or None
        m50 where injections were made, else the 5-sigma limit of the difference or of the frame.
    residual_px, scatter_px : float or None
        Of the registration: rms without the noise of the stars' centroids, and with it.
    score_std : float or None
        Of the significance image; 1 is honest.
    depth_is_m50 : bool
        Which of both the depth is.
    flux50 : float or None
        What has the magnitude m50 where there is a zeropoint, in the reference's unit.
    """

    observation_id: int
    frame: str
    state: str
    mjd: float
    seeing: float | None = None
    depth: float | None = None
    residual_px: float | None = None
    score_std: float | None = None
    depth_is_m50: bool = False
    flux50: float | None = None
    scatter_px: float | None = None


@dataclass(frozen=True, slots=True)
class Night:
    """The frames of one night, in the order of time; a longer one is cut to its newest `READ`."""

    points: tuple[NightPoint, ...] = ()
    seeing_unit: str = "px"


def newest_night(store: Store) -> Night:
    """The science frames from the newest one back to the first gap of `GAP_DAYS`."""
    query = (
        select(
            col(Observation.id),
            col(Observation.frame),
            col(Observation.state),
            col(Observation.mjd),
            col(Observation.seeing_px),
            col(Observation.seeing_arcsec),
            col(Observation.limit_mag),
        )
        .where(col(Observation.mjd).is_not(None), col(Observation.kind) == FrameKind.SCIENCE.value)
        .order_by(col(Observation.mjd).desc())
        .limit(READ)
    )
    with store.read() as session:
        rows = _one_night(session.connection().execute(query).all())
        current = select(
            col(Difference.observation_id),
            col(Difference.m50),
            col(Difference.flux50),
            col(Difference.limit_mag),
            col(Difference.registration_rms_px),
            col(Difference.score_std),
            col(Difference.registration_scatter_px),
        ).where(col(Difference.observation_id).in_([row.id for row in rows]), col(Difference.is_current))
        found = {row.observation_id: row for row in session.connection().execute(current)}
    in_arcsec = all(row.seeing_arcsec is not None for row in rows if row.seeing_px is not None)
    unit = "″" if in_arcsec and any(row.seeing_arcsec is not None for row in rows) else "px"
    points = []
    for row in rows:
        made = found.get(row.id)
        depths = (made.m50, made.limit_mag, row.limit_mag) if made else (None, row.limit_mag)
        points.append(
            NightPoint(
                row.id,
                row.frame,
                row.state,
                row.mjd,
                row.seeing_px if unit == "px" else row.seeing_arcsec,
                next((depth for depth in depths if depth is not None), None),
                made.registration_rms_px if made else None,
                made.score_std if made else None,
                depths[0] is not None,
                made.flux50 if made else None,
                made.registration_scatter_px if made else None,
            )
        )
    return Night(tuple(points), unit)


def _one_night(newest_first: Sequence[Any]) -> list[Any]:
    """The rows before the first gap, oldest first."""
    kept: list[Any] = []
    for row in newest_first:
        if kept and kept[-1].mjd - row.mjd > GAP_DAYS:
            break
        kept.append(row)
    return kept[::-1]
