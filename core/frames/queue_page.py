"""Pages of the queue: which frames there are, in the order in which they go or newest first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlmodel import col

from core.database.keyset import Cursor, PageError, check_limit, fetch
from core.database.store import Store
from core.database.tables import Observation
from core.frames.frame_filters import conditions, parse
from core.operations.status import frame_records
from core.vocabulary import ObservationState

# Descending or not, and the column that a page is in order of, before the id.
ORDERS = {"queue": (False, col(Observation.priority)), "newest": (True, col(Observation.id))}


@dataclass(frozen=True, slots=True)
class FramePage:
    """Frames as `core.operations.status.frame_records` tells of them, and their place in the queue.

    Attributes
    ----------
    rows : tuple of dict
    next : str or None
        The cursor of the page after this one.
    """

    rows: tuple[dict[str, Any], ...]
    next: str | None


def page(
    store: Store, *, filters: str = "", order: str = "queue", limit: int = 50, after: str | None = None
) -> FramePage:
    """One page of frames.

    Parameters
    ----------
    filters : str
        As `core.frames.frame_filters` understands it.
    order : {"queue", "newest"}
        By priority and then as they came, as the workers take them; or the newest first.
    after : str, optional
        The cursor that the page before ended with.

    Raises
    ------
    FilterError, PageError
    """
    check_limit(limit)
    if order not in ORDERS:
        raise PageError(f"frames come in no order '{order}': there are {', '.join(ORDERS)}")
    descending, key = ORDERS[order]
    cursor = None if after is None else Cursor.read(after, order)
    columns: tuple[Any, ...] = (Observation, key.label("page_key"))
    query: Select[Any] = select(*columns).where(*conditions(parse(filters)))
    with store.read() as session:
        found = fetch(
            session,
            query,
            key=key,
            row_id=col(Observation.id),
            descending=descending,
            after=cursor,
            limit=limit + 1,
        )
        frames = [row.Observation for row in found[:limit]]
        records = frame_records(session, frames)
    places = [_place(row) for row in frames]
    last = found[limit - 1] if len(found) > limit else None
    following = None if last is None else str(Cursor(order, last.page_key, last.Observation.id))
    rows = tuple(record | place for record, place in zip(records, places, strict=True))
    return FramePage(rows, following)


def oldest_s(store: Store) -> float | None:
    """For how many seconds the frame that waits longest has been in the queue; none where none waits."""
    query = select(func.min(Observation.created_at)).where(
        col(Observation.state) == ObservationState.QUEUED.value
    )
    with store.read() as session:
        since = session.execute(query).scalar()
    return None if since is None else max(0.0, time.time() - since)


def _place(row: Observation) -> dict[str, Any]:
    waits = row.state == ObservationState.QUEUED and row.not_before > 0.0
    return {
        "path": row.path,
        "priority": row.priority,
        "interruptions": row.interruptions,
        "registered_at": row.created_at,
        "finished_at": row.finished_at,
        "not_before": row.not_before if waits else None,
        "worker": row.lease_owner,
        "lease_until": row.lease_until,
    }
