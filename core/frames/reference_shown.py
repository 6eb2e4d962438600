"""All that the store knows of one reference: its frames, and what was subtracted from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlmodel import col, func, select

from core.database.store import Store
from core.database.tables import Difference, Observation, Reference
from core.frames.reference_frames import frames_of
from core.frames.references import choose


@dataclass(frozen=True, slots=True)
class ReferenceShown:
    """One reference.

    Attributes
    ----------
    row : Reference
    served_by : int or None
        The one that frames get which lie where it does: itself, a newer one, or none.
    frames : list of dict
        Of each frame in it the ``name``, and ``id``, ``state`` and ``mjd`` where it is registered.
    n_subtracted : int
        How many differences were made with it.
    subtracted : list of dict
        A page of these, the newest first.
    next : int or None
        After which difference the next page begins; none where there is none.
    """

    row: Reference
    served_by: int | None
    frames: list[dict[str, Any]]
    n_subtracted: int
    subtracted: list[dict[str, Any]]
    next: int | None


def shown(
    store: Store, reference_id: int, *, limit: int = 20, after: int | None = None
) -> ReferenceShown | None:
    """Read one reference; none where there is no such.

    Parameters
    ----------
    store : Store
    reference_id : int
    limit : int
        Differences on the page.
    after : int, optional
        The ``difference`` that the page before ended with.
    """
    with store.read() as session:
        row = session.get(Reference, reference_id)
        if row is None:
            return None
        made = col(Difference.reference_id) == reference_id
        count = session.exec(select(func.count()).select_from(Difference).where(made)).one()
        query = (
            select(Difference, Observation)
            .join(Observation, col(Observation.id) == col(Difference.observation_id))
            .where(made)
            .order_by(col(Difference.id).desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(col(Difference.id) < after)
        found = session.exec(query).all()
    page = [_record(difference, frame) for difference, frame in found[:limit]]
    chosen = choose(store, row)
    return ReferenceShown(
        row,
        None if chosen is None else chosen.id,
        _frames(store, row),
        count,
        page,
        page[-1]["difference"] if len(found) > limit else None,
    )


def _record(difference: Difference, frame: Observation) -> dict[str, Any]:
    own = ("method", "is_current", "score_std", "limit_mag", "m50", "n_candidates")
    told = {name: getattr(difference, name) for name in own}
    return {"difference": difference.id, "id": frame.id, "frame": frame.frame, "mjd": frame.mjd} | told


def _frames(store: Store, row: Reference) -> list[dict[str, Any]]:
    registered: dict[str, list[Observation]] = {}
    for frame in frames_of(store, row):
        registered.setdefault(frame.frame, []).append(frame)
    return [_told(str(name), registered) for name in row.sources]


def _told(name: str, registered: dict[str, list[Observation]]) -> dict[str, Any]:
    """A frame by its name in a reference; of several of one name the folder before it tells."""
    rows = [row for row in registered.get(name.rpartition("/")[2], []) if _is_called(row, name)]
    frame = rows[0] if rows else None
    return {
        "name": name,
        "id": frame.id if frame else None,
        "state": frame.state if frame else None,
        "mjd": frame.mjd if frame else None,
    }


def _is_called(row: Observation, name: str) -> bool:
    """Whether a frame lies in the folders that its name in a reference begins with, if it does with any."""
    folders = PurePath(name).parts[:-1]
    return not folders or PurePath(row.path).parts[:-1][-len(folders) :] == folders
