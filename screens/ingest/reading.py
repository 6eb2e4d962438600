"""What the ingest screen reads of the store. Everything blocks: call it from a thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from core.database.store import Store
from core.frames import frame_detail, frame_filters, frame_list, intake, queue
from core.frames.frame_detail import FrameDetail, Header
from core.frames.frame_list import Around, FrameRow, Listing
from core.frames.intake import Intake
from core.review.filter_words import read as read_words

QUEUE_ORDERED = ("queued", "waiting")  # states whose frames stand as the workers take them


@dataclass(frozen=True, slots=True)
class Wish:
    """What to read.

    Attributes
    ----------
    state : str
        Of the frames to list; empty: all.
    filters : str
        As `core.frames.frame_filters` understands it.
    row : FrameRow or None
        About which row of the list; none: its start, or its end if `from_end`.
    opened : int or None
        The frame that is shown alone.
    """

    state: str = ""
    filters: str = ""
    row: FrameRow | None = None
    from_end: bool = False
    opened: int | None = None

    @property
    def expression(self) -> str:
        """State and filter in one; the state holds for either side of an ``or``.

        Raises
        ------
        FilterError
            The filter cannot be understood by itself.
        """
        if not self.state:
            return self.filters
        is_either = len(read_words(self.filters).alternatives) > 1
        filters = f"({self.filters})" if is_either else self.filters
        return f"state:{self.state} {filters}".strip()

    @property
    def listing(self) -> Listing:
        """The list and its order."""
        return Listing(self.expression, "queue" if self.state in QUEUE_ORDERED else "newest")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, and the wish that it answers; ages are to be told from ``at``."""

    wish: Wish
    at: float
    intake: Intake
    part: Around
    detail: FrameDetail | None = None
    header: Header | None = None


def read(wish: Wish, cadence_s: float, known: Answer | None, store: Store) -> Answer:
    """Read it.

    Parameters
    ----------
    cadence_s : float
        Of the camera, from the settings; 0 where the watched folders are to tell.
    known : Answer or None
        The answer before: a header is read from its file but once.

    Raises
    ------
    AstridError
        The filter cannot be understood, or the store cannot be read.
    """
    now = time.time()
    part = frame_list.around(store, wish.listing, wish.row, from_end=wish.from_end)
    standing = intake.read_intake(store, now, cadence_s or None)
    if wish.opened is None:
        return Answer(wish, now, standing, part)
    detail = frame_detail.read_frame(store, wish.opened)
    header = known.header if known and known.wish.opened == wish.opened else None
    return Answer(wish, now, standing, part, detail, header or frame_detail.read_header(detail))


def find(frame_id: int, store: Store) -> FrameRow:
    """One frame as lists show it.

    Raises
    ------
    NoSuchFrame
    """
    return frame_detail.read_frame(store, frame_id).row


@dataclass(frozen=True, slots=True)
class Chosen:
    """The frames of an action: some by their ids, or all that pass a filter."""

    ids: tuple[int, ...] = ()
    filters: str | None = None

    def read(self, store: Store) -> Sequence[int]:
        """Their ids now."""
        return self.ids if self.filters is None else frame_filters.matching(store, self.filters)


def retry(chosen: Chosen, by: str, store: Store) -> int:
    """Queue frames again; how many went."""
    return queue.requeue(store, chosen.read(store), by)


def drop(chosen: Chosen, by: str, store: Store) -> int:
    """Take frames out of the queue; how many went."""
    return queue.drop(store, chosen.read(store), by=by)


def prioritise(chosen: Chosen, priority: int, by: str, store: Store) -> int:
    """Move frames within the queue; how many moved."""
    return queue.prioritise(store, chosen.read(store), priority, by)
