"""References: the images to subtract from, and which frame gets which."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import Observation, Reference
from core.frames.outcome import ObservationFacts, ReferenceFacts
from core.frames.queue import NO_LEASE
from core.objects.association import lock
from core.objects.sphere import separation_deg
from core.vocabulary import ObservationState

__all__ = [
    "ReferenceFacts", "add", "best", "choose", "covers", "is_similar", "missing",
    "newest_first", "retire", "served_by",
]  # fmt: skip

Placed = Observation | ObservationFacts | Reference
SIZE_TOLERANCE = 0.2  # of width and height, where nothing but the field's name tells the place
MOST_NAMED = 5  # references that a sentence names
NO_FILTER = "no filter (where its header has one, [camera] keywords names it)"
CENTRE_STEPS = 4  # centres within a quarter of the radius are equally good, and the newest is taken


def add(store: Store, facts: ReferenceFacts) -> Reference:
    """Add a reference, and queue the frames that waited for it; the same file is added once.

    A file that was retired becomes current again. Older references stay: `choose` takes the newest.
    """
    with store.write() as session:
        lock(session)  # a frame that begins to wait meanwhile would not be seen
        row = session.exec(
            select(Reference).where(
                col(Reference.content) == facts.content,
                col(Reference.filter).is_not_distinct_from(facts.filter),
                col(Reference.field).is_not_distinct_from(facts.field),
            )
        ).first()
        if row is None:
            row = Reference(**asdict(facts) | {"sources": list(facts.sources)}, created_at=time.time())
        row.is_current = True
        row.path = facts.path
        session.add(row)
        session.flush()
        _queue_waiting(session, row)
    return row


def retire(store: Store, reference_id: int) -> bool:
    """Stop choosing a reference for new frames; what was done with it stays. False: unknown."""
    with store.write() as session:
        row = session.get(Reference, reference_id)
        if row is not None:
            row.is_current = False
        return row is not None


def newest_first(store: Store) -> list[Reference]:
    """Every reference, retired ones too."""
    with store.read() as session:
        return list(session.exec(select(Reference).order_by(col(Reference.id).desc())).all())


def choose(store: Store, observation: Placed) -> Reference | None:
    """The reference for a frame, or for one where another reference is.

    Of those that cover it (`covers`) the best centred, then the newest.

    By position, centres that differ by less than a quarter of the reference's radius count as the
    same: detectors of a mosaic overlap in radius, and each should get its own. A reference found by
    position is preferred to one that was found by name.
    """
    with store.read() as session:
        return best(session, observation)


def best(session: Session, observation: Placed) -> Reference | None:
    """`choose`, within a transaction."""
    query = select(Reference).where(
        col(Reference.is_current), col(Reference.filter).is_not_distinct_from(observation.filter)
    )
    return _Many(session.exec(query).all()).best(observation)


def served_by(references: Sequence[Reference]) -> dict[int, int | None]:
    """For each of all references which one `choose` takes for a frame that lies where it does.

    It is itself, or a newer one; none where whatever lies there is retired.
    """
    served: dict[int, int | None] = {}
    for band in {row.filter for row in references}:
        rows = [row for row in references if row.filter == band]
        current = _Many([row for row in rows if row.is_current])
        for row in rows:
            found = current.best(row)
            served[row.id or 0] = None if found is None else found.id
    return served


def covers(reference: Reference, observation: Placed) -> bool:
    """Whether a reference can be subtracted from a frame.

    Both have the same filter (none is a filter of its own), and the reference is of the frame's place.
    """
    return reference.filter == observation.filter and _lies_at(reference, observation)


def _lies_at(reference: Reference, observation: Placed) -> bool:
    """Whether a reference is of a frame's place."""
    return bool(_Many([reference]).lie_at(observation)[1][0])


class _Many:
    """References of one filter, with what tells their places in columns: a frame is held against all at once.

    To take them one by one would take a minute for some thousands, of each of which is asked what serves it.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        self._rows = references
        places = [(row.ra, row.dec, row.radius_deg, row.width, row.height, row.id) for row in references]
        columns = np.array(places, dtype=np.float64).reshape(-1, 6).T
        self._ra, self._dec, radius, self._width, self._height, self._id = columns
        self._radius = np.nan_to_num(radius)
        self._fields = np.array([row.field for row in references], dtype=object)

    def lie_at(self, placed: Placed) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Which of them are of a frame's place, and how far their centres are from its own, in degrees.

        Where both have a WCS, the frame's centre lies within the reference's radius. Where one has none, the
        distance is no number, both name the same field (or both none) and their sides differ by less than a
        fifth; whether it is the same sky the stars then tell.
        """
        here = np.array((placed.ra, placed.dec, placed.width, placed.height), dtype=np.float64)
        distance = separation_deg(here[0], here[1], self._ra, self._dec)
        named = np.array(self._fields == placed.field, dtype=np.bool_)
        named &= _similar(self._width, here[2]) & _similar(self._height, here[3])
        return distance, np.where(np.isnan(distance), named, distance <= self._radius)

    def best(self, placed: Placed) -> Reference | None:
        """The one for a frame, as `choose` has it."""
        distance, is_there = self.lie_at(placed)
        found = np.flatnonzero(is_there)
        if not found.size:
            return None
        by_name = np.isnan(distance[found])
        radius = np.where(self._radius > 0, self._radius, 1.0)[found]
        steps = np.round(CENTRE_STEPS * np.nan_to_num(distance[found]) / radius)
        first: int = found[np.lexsort((-self._id[found], steps, by_name))[0]]
        return self._rows[first]


def missing(store: Store, observation: Observation) -> str:
    """Why a frame waits, in one sentence, with the references that its place has in other filters."""
    with store.read() as session:
        current = session.exec(select(Reference).where(col(Reference.is_current))).all()
    field = f"field {observation.field}" if observation.field else "its field"
    band = f"filter {observation.filter}" if observation.filter else NO_FILTER
    why = f"no reference for {field}, {band}"
    bands = sorted({row.filter for row in current} - {observation.filter}, key=lambda each: each or "")
    found = [_Many([row for row in current if row.filter == each]).best(observation) for each in bands]
    there = [row for row in found if row is not None]
    if not there:
        return f"{why}: add one with `astrid reference add`"
    others = ", ".join(map(_told_with_filter, there[:MOST_NAMED]))
    why = f"{why}; of its place there is reference {others}{', ...' if len(there) > MOST_NAMED else ''}"
    if observation.filter is None:
        return f"{why}: add one whose header names no filter with `astrid reference add`"
    return f"{why}: {_added_for(observation.filter, there)}"


def _told_with_filter(row: Reference) -> str:
    return f"{row.id} {f'in filter {row.filter}' if row.filter else 'without a filter'}"


def _added_for(band: str, there: Sequence[Reference]) -> str:
    """What to do for frames of a filter that references of their place do not have.

    The file of a coadd, added as it is, would not tell any more which frames it is of.
    """
    single = next((row for row in there if row.n_frames == 1 and row.sources), None)
    if single is None:
        return f"add or build one in filter {band}"
    name, given = shlex.quote(str(single.sources[0])), shlex.quote(band)
    return (
        f"where {single.id} was taken in that filter, `astrid reference add {name} --filter {given}` makes it"
        f" serve these frames; else add or build one in filter {band}"
    )


def _queue_waiting(session: Session, reference: Reference) -> None:
    waiting = (
        select(Observation)
        .where(
            col(Observation.state) == ObservationState.WAITING.value,
            col(Observation.filter).is_not_distinct_from(reference.filter),
        )
        .order_by(col(Observation.id))
        .with_for_update()  # somebody may have queued it by hand, and a worker taken it
    )
    for observation in session.exec(waiting).all():
        if covers(reference, observation):
            observation.state = ObservationState.QUEUED.value
            observation.reason = None
            observation.sqlmodel_update(NO_LEASE)


def is_similar(side: int, other: int | None) -> bool:
    """Whether a side of a frame is as long as that of another may be, where no WCS tells their place."""
    return bool(_similar(np.float64(side), np.float64(np.nan if other is None else other)))


def _similar(sides: NDArray[np.float64] | np.float64, other: np.float64) -> NDArray[np.bool_]:
    return np.asarray(np.abs(sides - other) <= SIZE_TOLERANCE * np.maximum(sides, other))
