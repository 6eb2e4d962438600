"""Windows into the list of frames: some rows from a place on, forwards or backwards, never all of them.

A window costs the same at the first frame and at the ten thousandth, because it starts at a place of
the order, not after a number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal, tuple_
from sqlmodel import Session, col, func, select

from core.database.keyset import Cursor, check_limit, fetch
from core.database.store import Store
from core.database.tables import Difference, Observation
from core.frames.frame_filters import conditions, parse
from core.frames.queue_page import ORDERS
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


@dataclass(frozen=True, slots=True)
class Counted:
    """How many frames there are; ``more`` says that there are more than were counted."""

    frames: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """A part of a list about one of its rows.

    Attributes
    ----------
    rows : tuple of FrameRow
        Without a gap.
    here : int
        The place among them of the row that was asked for, or of what comes after it where it has left
        the list; 0 where there are no rows.
    before : Counted
        How many come before the first of the rows.
    total : Counted
    is_end : bool
        Nothing comes after the last of the rows.
    """

    rows: tuple[FrameRow, ...]
    here: int
    before: Counted
    total: Counted
    is_end: bool


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


def around(
    store: Store,
    listing: Listing,
    row: FrameRow | None = None,
    *,
    from_end: bool = False,
    before: int = 60,
    after: int = 100,
) -> Around:
    """The part of a list about a row, whether that is still in the list or not.

    Parameters
    ----------
    row : FrameRow, optional
        By default the start of the list, or its last row if `from_end`.
    before, after : int
        Rows to read on either side.

    Raises
    ------
    FilterError, PageError
    """
    if row is None and from_end:
        rows = window(store, listing, backwards=True, limit=before + 1)
        here, is_start, is_end = max(len(rows) - 1, 0), len(rows) <= before, True
    elif row is None:
        rows = window(store, listing, limit=after)
        here, is_start, is_end = 0, True, len(rows) < after
    else:
        earlier = window(store, listing, behind=row.place(listing), backwards=True, limit=before)
        later = window(store, listing, behind=_just_before(row, listing), limit=after)
        rows = earlier + later
        here, is_start, is_end = (
            min(len(earlier), max(len(rows) - 1, 0)),
            len(earlier) < before,
            len(later) < after,
        )
    skipped = Counted(0) if is_start else _count(store, listing, rows[0].place(listing))
    total = Counted(len(rows)) if is_start and is_end else _count(store, listing, None)
    return Around(rows, here, skipped, total, is_end)


def _just_before(row: FrameRow, listing: Listing) -> Cursor:
    """The place from which a window begins with this very row."""
    place = row.place(listing)
    step = 1 if ORDERS[listing.order][0] else -1
    key = place.key if listing.order == "queue" else row.id + step
    return Cursor(listing.order, key, row.id + step)


def _count(store: Store, listing: Listing, before: Cursor | None) -> Counted:
    """How many rows of a list come before a place, or are in it at all; up to `COUNTED`."""
    query = select(Observation.id).where(*conditions(parse(listing.filters)))
    if before is not None:
        descending, key = ORDERS[listing.order]
        here, there = tuple_(key, col(Observation.id)), tuple_(literal(before.key), literal(before.id))
        query = query.where(here > there if descending else here < there)
    some = query.limit(COUNTED + 1).subquery()
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
