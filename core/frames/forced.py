"""Forced photometry in the store: which frames lack an object, and the points that are added to them.

A frame measures the objects that are known when it is processed. What is found later is measured in it
when it is subtracted again; each difference remembers through which object it has been measured, so that
places that are masked or outside are not tried for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy import func, insert, select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Difference, ForcedFlux, Observation, Reference, SkyObject
from core.frames.drawn import DrawnSource
from core.frames.injected import hidden_objects, sources_of
from core.frames.outcome import ForcedFacts
from core.objects.association import lock
from core.objects.sky import objects_in_cone, objects_on_grid
from core.objects.sphere import separation_deg
from core.vocabulary import ReviewState


class Photometry(Protocol):
    """In what a difference measures flux."""

    @property
    def flux_unit(self) -> str: ...  # noqa: D102

    @property
    def zeropoint(self) -> float | None: ...  # noqa: D102

    @property
    def mag_system(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Lack:
    """What a frame lacks that was processed before some objects were known.

    Attributes
    ----------
    objects : tuple of SkyObject
        Those that it has neither detected nor measured.
    is_wanted : bool
        One of them at least is asked for.
    through : int
        The key of the newest object there was.
    sources : tuple of DrawnSource
        What is known of those objects that are injected sources.
    """

    observation: Observation
    difference: Difference
    reference: Reference
    objects: tuple[SkyObject, ...]
    is_wanted: bool
    through: int
    sources: tuple[DrawnSource, ...] = ()


def newest_object(session: Session) -> int:
    """The key of the newest sky object; keys are given out in the order of commits."""
    return session.scalar(select(func.max(col(SkyObject.id)))) or 0


def objects_of(session: Session, reference: Reference) -> list[SkyObject]:
    """The sky objects that may lie on a reference, and stay where they are."""
    if reference.ra is None or reference.dec is None or reference.radius_deg is None:
        return objects_on_grid(session, reference.id or 0)
    rows = objects_in_cone(session, reference.ra, reference.dec, reference.radius_deg)
    return [row for row in rows if not row.moving]


def _measurable(session: Session, reference: Reference) -> list[SkyObject]:
    """What may be measured on a reference: its sky objects, and injected ones as if they were such."""
    return objects_of(session, reference) + hidden_objects(session, reference)


def lacking(store: Store, object_ids: Collection[int] | None = None) -> list[tuple[int, int]]:
    """The frames that may cover some objects and were processed before these were known, newest first.

    Parameters
    ----------
    object_ids : collection of int, optional
        Else all objects but those that were judged bogus.

    Returns
    -------
    list of (observation id, difference id)
        Some of them may turn out to lack nothing: `look` tells.
    """
    found: list[tuple[int, int]] = []
    with store.read() as session:
        for reference in session.scalars(select(Reference)):
            wanted = [row.id or 0 for row in _measurable(session, reference) if _is_wanted(row, object_ids)]
            if not wanted:
                continue
            query = (
                select(col(Difference.observation_id), col(Difference.id))
                .where(
                    col(Difference.reference_id) == reference.id,
                    col(Difference.is_current),
                    func.coalesce(col(Difference.forced_through), 0) < max(wanted),
                )
                .order_by(col(Difference.id).desc())
            )
            found += [(row[0], row[1]) for row in session.execute(query)]
    return found


def look(store: Store, difference_id: int, object_ids: Collection[int] | None = None) -> Lack | None:
    """What one frame lacks; none where it is no longer current."""
    with store.read() as session:
        difference = session.get(Difference, difference_id)
        if difference is None or not difference.is_current:
            return None
        observation = session.get_one(Observation, difference.observation_id)
        reference = session.get_one(Reference, difference.reference_id)
        through = newest_object(session)
        has = _measured(session, difference_id)
        known = difference.forced_through or 0
        rows = [
            row
            for row in _measurable(session, reference)
            if (row.id or 0) > known and row.id not in has and _covers(observation, row)
        ]
        drawn = sources_of(session, reference) if any(row.injected for row in rows) else ()
    is_wanted = any(_is_wanted(row, object_ids) for row in rows)
    lacked = {row.id for row in rows}
    sources = tuple(each for each in drawn if each.sky_object_id in lacked)
    return Lack(observation, difference, reference, tuple(rows), is_wanted, through, sources)


def add_points(store: Store, difference_id: int, points: Sequence[ForcedFacts], through: int) -> int | None:
    """Add forced fluxes to a difference; nothing else of it changes.

    Parameters
    ----------
    through : int
        The key of the newest object that was looked for.

    Returns
    -------
    int or None
        How many are new; none where the difference is no longer current, and nothing was written.
    """
    with store.write() as session:
        lock(session)  # before any row: a verdict that reveals what was injected takes them crosswise
        difference = session.scalar(
            select(Difference).where(col(Difference.id) == difference_id).with_for_update()
        )
        if difference is None or not difference.is_current:
            return None
        observation = session.get_one(Observation, difference.observation_id)
        has = _measured(session, difference_id)
        fresh = [point for point in points if point.sky_object_id not in has]
        if fresh:
            rows = forced_rows(fresh, difference, difference_id, observation)
            session.connection().execute(insert(ForcedFlux), rows)
        difference.forced_through = max(difference.forced_through or 0, through)
        return len(fresh)


def forced_rows(
    points: Sequence[ForcedFacts], difference: Photometry, difference_id: int, observation: Observation
) -> list[dict[str, Any]]:
    """Rows of `ForcedFlux`."""
    common = {
        "difference_id": difference_id,
        "mjd": observation.mjd,
        "filter": observation.filter,
        "flux_unit": difference.flux_unit,
        "zeropoint": difference.zeropoint,
        "mag_system": difference.mag_system,
    }
    return [asdict(point) | common for point in points]


def _is_wanted(row: SkyObject, object_ids: Collection[int] | None) -> bool:
    if object_ids is None:
        return row.review_state != ReviewState.BOGUS.value
    return row.id in object_ids


def _covers(observation: Observation, row: SkyObject) -> bool:
    """Whether an object may lie on a frame; one without a place on the sky may."""
    if observation.ra is None or observation.dec is None or observation.radius_deg is None:
        return True
    if row.ra is None or row.dec is None:
        return True
    distance = float(separation_deg(observation.ra, observation.dec, row.ra, row.dec))
    return distance <= observation.radius_deg


def _measured(session: Session, difference_id: int) -> set[int]:
    """The objects that a difference has a detection or a forced flux of."""
    detected = select(col(Candidate.sky_object_id)).where(
        col(Candidate.difference_id) == difference_id, col(Candidate.is_current).is_not(False)
    )
    forced = select(col(ForcedFlux.sky_object_id)).where(col(ForcedFlux.difference_id) == difference_id)
    return {*session.scalars(detected), *session.scalars(forced)}
