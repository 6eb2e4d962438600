"""What a finding chart can be drawn from: an object's place, and the images that show it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Difference, Observation, Reference
from core.objects.detail import object_called
from core.review.missing_cutouts import damaged, removed


@dataclass(frozen=True, slots=True)
class ChartImage:
    """An image of the field: a reference of the store, or a frame's file and which of its images."""

    path: str
    what: str  # for people: "reference 3" or the frame's name
    filter: str | None
    mjd: float | None
    is_reference: bool
    extension: int = 0


@dataclass(frozen=True, slots=True)
class ChartCutout:
    """The newest cutouts of an object, packed: neither scale nor orientation of a survey's is kept."""

    what: str
    filter: str | None
    mjd: float
    pixels: bytes
    if_damaged: str  # what is to be said where they cannot be read


@dataclass(frozen=True, slots=True)
class ChartTarget:
    """An object and where it is: degrees, or pixels of its reference's grid where that has no WCS."""

    object_id: int
    name: str
    ra: float | None
    dec: float | None
    x: float | None
    y: float | None
    reference: ChartImage | None
    newest: ChartImage | None
    cutout: ChartCutout | None = None
    no_cutout: str = ""  # why there is none, where that is known


def chart_target(store: Store, what: str) -> ChartTarget:
    """An object by its number or any of its names.

    Raises
    ------
    ObjectError
    """
    with store.read() as session:
        row = object_called(session, what)
        query = (
            select(Observation, Reference, Difference, col(Candidate.is_current))
            .select_from(Candidate)
            .join(Difference, col(Difference.id) == col(Candidate.difference_id))
            .join(Observation, col(Observation.id) == col(Difference.observation_id))
            .join(Reference, col(Reference.id) == col(Difference.reference_id))
            .where(col(Candidate.sky_object_id) == row.id)
            .order_by(col(Candidate.is_current).desc(), col(Candidate.mjd).desc())
            .limit(1)
        )
        newest = session.execute(query).first()
        cutout = session.execute(
            select(Candidate, col(Cutout.pixels))
            .join(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
            .where(col(Candidate.sky_object_id) == row.id)
            .order_by(col(Candidate.is_current).desc(), col(Candidate.mjd).desc())
            .limit(1)
        ).first()
        reference = session.get(Reference, row.reference_id) if row.reference_id is not None else None
    frame: ChartImage | None = None
    if newest is not None:
        observation, reference = newest[0], newest[1]
        frame = ChartImage(
            observation.path,
            observation.frame,
            observation.filter,
            observation.mjd,
            is_reference=False,
            extension=observation.extension,
        )
    stamp = None
    if cutout is not None:
        candidate = cutout[0]
        what = f"cutout of {candidate.source} candidate {candidate.id}"
        again = damaged(candidate.observation_id)
        stamp = ChartCutout(what, candidate.filter, candidate.mjd, cutout[1], again)
    why_none = removed(newest[2]) if stamp is None and newest is not None and not newest[3] else ""
    image = _reference(reference)
    return ChartTarget(row.id or 0, row.name, row.ra, row.dec, row.x, row.y, image, frame, stamp, why_none)


def _reference(row: Reference | None) -> ChartImage | None:
    if row is None:
        return None
    return ChartImage(row.path, f"reference {row.id}", row.filter, row.mjd_last, is_reference=True)
