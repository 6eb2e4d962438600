"""References: the images to subtract from, and which frame gets which."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import Observation, Reference
from core.frames.outcome import ReferenceFacts
from core.frames.queue import NO_LEASE
from core.objects.association import lock
from core.objects.sky import separation_deg
from core.vocabulary import ObservationState

__all__ = [
    "FOLDER", "ReferenceFacts", "add", "best", "choose", "covers", "file_of", "is_similar", "missing",
    "newest_first", "retire", "served_by",
]  # fmt: skip

Placed = Observation | Reference
FOLDER = "references"  # of AstrID's home
SIZE_TOLERANCE = 0.2  # of width and height, where nothing but the field's name tells the place
MOST_NAMED = 5  # filters that a sentence names
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


def file_of(path: str, home: Path) -> Path:
    """Where the file of a reference is: where it was made, or else in this home, which may have been moved.

    Its name tells its content, so that no other can be taken for it.
    """
    made, here = Path(path), home / FOLDER / Path(path).name
    return here if not made.exists() and here.exists() else made


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
    return _best_of(session.exec(query).all(), observation)


def served_by(references: Sequence[Reference]) -> dict[int, int | None]:
    """For each of all references which one `choose` takes for a frame that lies where it does.

    It is itself, or a newer one; none where whatever lies there is retired.
    """
    served: dict[int, int | None] = {}
    for band in {row.filter for row in references}:
        rows = [row for row in references if row.filter == band]
        current = [row for row in rows if row.is_current]
        places, fields = _places(current), np.array([row.field or "" for row in current])
        for row, here in zip(rows, _places(rows).T, strict=True):
            found = _best_of([current[index] for index in _near(here, row.field or "", places, fields)], row)
            served[row.id or 0] = None if found is None else found.id
    return served


def _near(
    here: NDArray[np.float64], field: str, places: NDArray[np.float64], fields: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Those of many places that may be that of a frame: `covers` looks at one after the other."""
    ra, dec, radius = places
    far = np.abs(dec - here[1]) > 1.01 * radius
    far |= np.isnan(dec + here[1]) & (fields != field)
    far[~far] = separation_deg(here[0], here[1], ra[~far], dec[~far]) > 1.01 * radius[~far]
    return np.flatnonzero(~far)


def _places(references: Sequence[Reference]) -> NDArray[np.float64]:
    """Of each ra, dec and radius in degrees, in three rows; no numbers where it has no WCS."""
    places = [(row.ra, row.dec, row.radius_deg) for row in references]
    return np.array(places, dtype=np.float64).reshape(-1, 3).T


def _best_of(references: Sequence[Reference], placed: Placed) -> Reference | None:
    found = [row for row in references if covers(row, placed)]
    return min(found, key=lambda row: _rank(row, placed), default=None)


def covers(reference: Reference, observation: Placed) -> bool:
    """Whether a reference can be subtracted from a frame.

    Both have the same filter (none is a filter of its own), and the reference is of the frame's place.
    """
    return reference.filter == observation.filter and _lies_at(reference, observation)


def _lies_at(reference: Reference, observation: Placed) -> bool:
    """Whether a reference is of a frame's place.

    Where both have a WCS, the frame's centre lies within the reference's radius. Where one has none, both
    name the same field (or both none) and their sides differ by less than a fifth; whether it is the same
    sky the stars then tell.
    """
    distance = _distance_deg(reference, observation)
    if distance is not None:
        return distance <= (reference.radius_deg or 0.0)
    return (
        reference.field == observation.field
        and is_similar(reference.width, observation.width)
        and is_similar(reference.height, observation.height)
    )


def missing(store: Store, observation: Observation) -> str:
    """Why a frame waits, in one sentence, with the filters of the references that its place does have."""
    with store.read() as session:
        current = session.exec(select(Reference).where(col(Reference.is_current))).all()
    there = sorted({row.filter or "" for row in current if _lies_at(row, observation)})
    field = f"field {observation.field}" if observation.field else "its field"
    why = f"no reference for {field}, {_band(observation.filter)}"
    if not there:
        return f"{why}: add one with `astrid reference add`"
    others = ", ".join(_band(each) for each in there[:MOST_NAMED]) + (
        ", ..." if len(there) > MOST_NAMED else ""
    )
    return (
        f"{why}; its place has references for {others}: add one with `astrid reference add`, "
        "with `--filter` as the frame names it"
    )


def _band(name: str | None) -> str:
    return f"filter {name}" if name else "no filter"


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


def _rank(reference: Reference, observation: Placed) -> tuple[bool, int, int]:
    distance = _distance_deg(reference, observation)
    steps = 0 if distance is None else round(CENTRE_STEPS * distance / (reference.radius_deg or 1.0))
    return distance is None, steps, -(reference.id or 0)


def _distance_deg(reference: Reference, observation: Placed) -> float | None:
    if reference.ra is None or reference.dec is None or observation.ra is None or observation.dec is None:
        return None
    return float(separation_deg(reference.ra, reference.dec, observation.ra, observation.dec))


def is_similar(side: int, other: int | None) -> bool:
    """Whether a side of a frame is as long as that of another may be, where no WCS tells their place."""
    return other is not None and abs(side - other) <= SIZE_TOLERANCE * max(side, other)
