"""How long the exposures are in which an object was measured, for reports that want to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session, col, or_, select

from core.database.tables import Candidate, Difference, ForcedFlux, Observation
from core.vocabulary import OWN


class Epoch(Protocol):
    """One measurement: when, in which filter, and who made it."""

    @property
    def mjd(self) -> float:
        """UTC at mid-exposure."""
        ...

    @property
    def filter(self) -> str | None:
        """None is a filter of its own."""
        ...

    @property
    def source(self) -> str:
        """``astrid``, or a survey."""
        ...


@dataclass(frozen=True, slots=True)
class ExposureLengths:
    """Seconds by the time and the filter of frames."""

    seconds: Mapping[tuple[float, str | None], frozenset[float]]

    def of(self, epoch: Epoch) -> str:
        """Nothing where headers do not tell, two frames of one time differ, or a survey measured."""
        key = (epoch.mjd, epoch.filter)
        found = self.seconds.get(key, frozenset()) if epoch.source == OWN else frozenset()
        return f"{min(found):.10g}" if len(found) == 1 else ""


def exposure_lengths(db: Session, object_id: int) -> ExposureLengths:
    """Those of our own frames in which an object was detected, or its flux measured."""
    detected = select(Candidate.observation_id).where(col(Candidate.sky_object_id) == object_id)
    measured = (
        select(Difference.observation_id)
        .join(ForcedFlux, col(ForcedFlux.difference_id) == col(Difference.id))
        .where(col(ForcedFlux.sky_object_id) == object_id)
    )
    query = select(Observation.mjd, Observation.filter, Observation.exposure_s).where(
        or_(col(Observation.id).in_(detected), col(Observation.id).in_(measured)),
        col(Observation.exposure_s) > 0.0,
    )
    found: dict[tuple[float, str | None], frozenset[float]] = {}
    for mjd, band, seconds in db.exec(query).all():
        if mjd is not None and seconds is not None:
            found[mjd, band] = found.get((mjd, band), frozenset()) | {seconds}
    return ExposureLengths(found)
