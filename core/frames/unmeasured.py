"""Which objects lack the frames that were processed before they were known, and how many these are.

It is a count alone, for who looks at an object: what is done about it is in `core.frames.forced`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import Candidate, Difference, ForcedFlux, Observation, Reference, SkyObject
from core.frames.injected import revealed_ids
from core.objects.light_curve import moving_among
from core.objects.sphere import separation_deg
from core.vocabulary import Label, ReviewState

BATCH = 1000  # keys of one statement
PAIRS = 200_000  # of a frame and an object, looked at at once

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """How many objects lack frames, and how many frames any of them lacks."""

    objects: int = 0
    frames: int = 0


def unmeasured(session: Session, objects: Sequence[SkyObject], most: int | None = None) -> Unmeasured:
    """What some objects lack: frames that may cover them, were processed before, and did not measure them.

    What moves lacks none, for it was elsewhere then. Where a frame ends is known by its radius alone: a
    place beyond its edge counts until it is tried.

    Parameters
    ----------
    most : int, optional
        No more frames are counted: a card is not to wait for ten thousands.
    """
    rows = [row for row in objects if not (row.moving or row.tracklet_id or row.review_label == Label.MOVING)]
    if not rows:
        return Unmeasured()
    keys = np.array([row.id for row in rows])
    places = np.array([(row.ra, row.dec) for row in rows], dtype=np.float64)  # NaN without one
    frames = _processed_before(session, rows, keys, places, most)
    first = next(frames, None)
    if first is None:
        return Unmeasured()
    has, may_lack = _measured(session, rows)
    lacking = np.zeros(len(rows), dtype=bool)
    count = 0
    for differences, may in chain([first], frames):
        lacks = may & may_lack
        for place, difference_id in enumerate(differences):
            if difference_id in has:
                lacks[place, has[difference_id]] = False
        lacking |= lacks.any(axis=0)
        count += int(lacks.any(axis=1).sum())
        if most is not None and count >= most:
            return Unmeasured(int(lacking.sum()), most)
    return Unmeasured(int(lacking.sum()), count)


def of_new_objects(store: Store, observation_ids: Collection[int]) -> Unmeasured:
    """What objects lack that were found in some frames and in no other, those judged bogus left out."""
    with store.read() as session:
        found = {
            key
            for part in _parts(observation_ids)
            for key in session.exec(
                select(Candidate.sky_object_id).where(
                    col(Candidate.observation_id).in_(part), col(Candidate.is_current)
                )
            )
            if key is not None
        }
        frames, known = set(observation_ids), set()
        for part in _parts(found):
            seen = select(Candidate.sky_object_id, Candidate.observation_id).where(
                col(Candidate.sky_object_id).in_(part)
            )
            known |= {key for key, frame in session.exec(seen) if frame not in frames}
        rows: list[SkyObject] = []
        for part in _parts(found - known):
            rows += session.exec(
                select(SkyObject).where(
                    col(SkyObject.id).in_(part), col(SkyObject.review_state) != ReviewState.BOGUS.value
                )
            )
        return unmeasured(session, rows)


def _processed_before(
    session: Session,
    rows: Sequence[SkyObject],
    keys: NDArray[np.int64],
    places: NDArray[np.float64],
    most: int | None,
) -> Iterator[tuple[list[int], Flags]]:
    """Differences from before some objects were known, with a row of flags each: which they may cover."""
    some = max(PAIRS // len(rows), 1)
    for reference_id, on in _on_references(session, rows, places, some):
        through = func.coalesce(col(Difference.forced_through), 0)
        before = (
            select_columns(
                col(Difference.id),
                through,
                col(Observation.ra),
                col(Observation.dec),
                col(Observation.radius_deg),
            )
            .join(Observation, col(Observation.id) == col(Difference.observation_id))
            .where(
                col(Difference.reference_id) == reference_id,
                col(Difference.is_current),
                through < int(keys[on].max()),
            )
            .order_by(col(Difference.id).desc())
            .limit(most)
        )
        for found in session.execute(before).partitions(some):
            facts = np.array([tuple(row) for row in found], dtype=np.float64)  # NaN where none is known
            known, frame_ra, frame_dec, reach = facts[:, 1:].T[:, :, np.newaxis]
            away = separation_deg(frame_ra, frame_dec, places[:, 0], places[:, 1])
            may = on & (keys > known) & ~(away > reach)  # without a place on the sky it may lie there
            yield [row[0] for row in found], may


def _on_references(
    session: Session, rows: Sequence[SkyObject], places: NDArray[np.float64], some: int
) -> Iterator[tuple[int, Flags]]:
    """References that may cover any of some objects, each with flags of which."""
    query = select(Reference.id, Reference.ra, Reference.dec, Reference.radius_deg)
    grids = np.array([row.reference_id if row.x is not None else None for row in rows], dtype=np.float64)
    for found in session.exec(query).partitions(some):
        facts = np.array([tuple(row) for row in found], dtype=np.float64)  # NaN where none is known
        number, ra, dec, radius = facts.T[:, :, np.newaxis]
        without = np.isnan(ra + dec + radius)
        near = separation_deg(ra, dec, places[:, 0], places[:, 1]) <= radius
        may = np.where(without, number == grids, near)
        for place in np.flatnonzero(may.any(axis=1)):
            yield int(number[place, 0]), may[place]


def _measured(session: Session, rows: Sequence[SkyObject]) -> tuple[dict[int, list[int]], Flags]:
    """The objects, by their place in the list, that each difference has; and those that may lack any."""
    place_of = {row.id or 0: place for place, row in enumerate(rows)}
    has: dict[int, list[int]] = defaultdict(list)
    may_lack = np.ones(len(rows), dtype=bool)
    for part in _parts(place_of):
        current = select(Candidate).where(
            col(Candidate.sky_object_id).in_(part), col(Candidate.is_current).is_(True)
        )
        detections = session.exec(current).all()
        forced = select(ForcedFlux.difference_id, ForcedFlux.sky_object_id).where(
            col(ForcedFlux.sky_object_id).in_(part)
        )
        pairs = [(row.difference_id, row.sky_object_id) for row in detections]
        for difference_id, key in [*pairs, *session.exec(forced)]:
            if difference_id is not None and key is not None:
                has[difference_id].append(place_of[key])
        injected = [key for key in part if rows[place_of[key]].injected]
        for key in moving_among(session, part, detections) | revealed_ids(session, injected):
            may_lack[place_of[key]] = False
    return has, may_lack


def _parts(keys: Iterable[int]) -> list[list[int]]:
    ordered = sorted(keys)
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
