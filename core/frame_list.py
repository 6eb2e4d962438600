"""Windows into the list of frames: some rows from a place on, forwards or backwards, never all of them.

A window costs the same at the first frame and at the ten thousandth, because it starts at a place of
the order, not after a number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, func, select

from core.frame_filters import conditions, parse
from core.keyset import Cursor, check_limit, fetch
from core.queue_page import ORDERS
from core.store import Store
from core.tables import Difference, Observation
from core.vocabulary import ObservationState

COUNTED = 10_000  # a filter's matches are counted so far; beyond it, "or more" is all that is said


@dataclass(frozen=True, slots=True)
class Listing:
    """Which frames, and in which order: ``queue`` as workers take them, ``newest`` the newest first."""

    filters: str = ""
    order: str = "newest"


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A frame as lists show it. Text is as it came; times are Unix seconds.

    Attributes
    ----------
    not_before : float or None
        When it is tried again; none where it is not queued or due at once.
    worker : str or None
        Who has it in hand.
    lease_until : float or None
        When it is taken from that worker unless the lease is renewed.
    candidates : int or None
        Of its current difference; none without one.
    """

    id: int
    frame: str
    state: str
    reason: str | None
    kind: str
    filter: str | None
    field: str | None
    mjd: float | None
    exposure_s: float | None
    attempts: int
    priority: int
    registered_at: float
    finished_at: float | None
    not_before: float | None
    worker: str | None
    lease_until: float | None
    candidates: int | None

    def place(self, listing: Listing) -> Cursor:
        """Its place in a list: rows after it are those behind this."""
        key = self.priority if listing.order == "queue" else self.id
        return Cursor(listing.order, key, self.id)

    def place_before(self, listing: Listing) -> Cursor:
        """The place from which a window begins with this very row."""
        step = 1 if ORDERS[listing.order][0] else -1
        key = self.priority if listing.order == "queue" else self.id + step
        return Cursor(listing.order, key, self.id + step)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many frames a filter lets through; ``more`` says that there are more than were counted."""

    frames: int
    more: bool = False


def window(
    store: Store,
    listing: Listing,
    *,
    behind: Cursor | None = None,
    backwards: bool = False,
    limit: int = 50,
) -> tuple[FrameRow, ...]:
    """Frames next to a place, in the listing's order.

    Parameters
    ----------
    behind : Cursor, optional
        The place; by default the start of the list, or its end when `backwards`.
    backwards : bool
        The frames before the place instead of those behind it.

    Raises
    ------
    FilterError, PageError
    """
    check_limit(limit)
    descending, key = ORDERS[listing.order]
    query: Any = select(Observation, key).where(*conditions(parse(listing.filters)))
    with store.read() as session:
        found = fetch(
            session,
            query,
            key=key,
            row_id=col(Observation.id),
            descending=descending is not backwards,
            after=behind,
            limit=limit,
        )
        rows = frame_rows(session, [row[0] for row in found])
    return rows[::-1] if backwards else rows


def count(store: Store, filters: str) -> Counted:
    """How many frames pass a filter, up to `COUNTED`.

    Raises
    ------
    FilterError
    """
    some = select(Observation.id).where(*conditions(parse(filters))).limit(COUNTED + 1).subquery()
    with store.read() as session:
        found = session.exec(select(func.count()).select_from(some)).one()
    return Counted(min(found, COUNTED), found > COUNTED)


def frame_rows(session: Session, rows: list[Observation]) -> tuple[FrameRow, ...]:
    """Observations as `FrameRow`, with what their current differences found."""
    ids = [row.id for row in rows]
    current = select(Difference.observation_id, Difference.n_candidates).where(
        col(Difference.observation_id).in_(ids), col(Difference.is_current)
    )
    candidates = dict(session.exec(current).all())
    return tuple(_row(row, candidates.get(row.id or 0)) for row in rows)


def _row(row: Observation, candidates: int | None) -> FrameRow:
    waits = row.state == ObservationState.QUEUED and row.not_before > 0.0
    return FrameRow(
        id=row.id or 0,
        frame=row.frame,
        state=row.state,
        reason=row.reason,
        kind=row.kind,
        filter=row.filter,
        field=row.field,
        mjd=row.mjd,
        exposure_s=row.exposure_s,
        attempts=row.attempts,
        priority=row.priority,
        registered_at=row.created_at,
        finished_at=row.finished_at,
        not_before=row.not_before if waits else None,
        worker=row.lease_owner,
        lease_until=row.lease_until,
        candidates=candidates,
    )
