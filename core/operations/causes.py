"""Why frames failed: reasons that differ by their numbers and names alone, taken together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Observation
from core.review.filter_words import quoted
from core.vocabulary import ObservationState

READ = 1000  # of the newest frames of each state
NO_REASON = "no reason was kept"

# What is no success, and no decision of a person's: a queued frame counts once an attempt has failed.
FAILED = (
    ObservationState.QUARANTINED,
    ObservationState.REJECTED,
    ObservationState.WAITING,
    ObservationState.QUEUED,
)

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PATH = re.compile(r"(?<!\w)(?:/[^\s/:,;]+)+")
_NUMBER = re.compile(r"(?<![A-Za-z_])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of failure, and the frames it took.

    Attributes
    ----------
    pattern : str
        The reason with ``#`` for each number and ``…`` for each name; not fit to be shown as it is.
    state : str
        Where the frames stand.
    frames : int
        How many there are among those that were read.
    newest_id : int
        The newest of them, to be looked at.
    newest_frame, newest_reason : str
        Its name, and its reason as it came.
    """

    pattern: str
    state: str
    frames: int
    newest_id: int
    newest_frame: str
    newest_reason: str

    @property
    def filter(self) -> str:
        """An expression of `core.frames.frame_filters` for its frames."""
        if self.pattern == NO_REASON:
            return f"state:{self.state}"
        like = re.sub(r"[*…#\s]+", "*", self.pattern)  # a star stands for anything
        return f"state:{self.state} reason:{quoted(like)}"


def pattern_of(reason: str | None, frame: str = "") -> str:
    """A reason without what is particular to one frame."""
    if not reason:
        return NO_REASON
    text = reason.replace(frame, "…") if frame else reason
    for expression, sign in ((_QUOTED, "…"), (_PATH, "…"), (_NUMBER, "#")):
        text = expression.sub(sign, text)
    return text


def causes(store: Store, limit: int = READ) -> tuple[Cause, ...]:
    """Why frames failed, the cause of most frames first; ties by the newest frame."""
    found: list[tuple[int, str, str, str | None]] = []
    with store.read() as session:
        for state in FAILED:
            newest = (
                select(
                    col(Observation.id),
                    col(Observation.frame),
                    col(Observation.state),
                    col(Observation.reason),
                )
                .where(col(Observation.state) == state.value)
                .order_by(col(Observation.id).desc())
                .limit(limit)
                .subquery()
            )
            query = select(newest)
            if state is ObservationState.QUEUED:
                query = query.where(newest.c.reason.is_not(None))
            found.extend(session.connection().execute(query).tuples())
    return group(found)


def group(frames: Iterable[tuple[int, str, str, str | None]]) -> tuple[Cause, ...]:
    """Frames as (id, name, state, reason), by state and cause."""
    groups: dict[tuple[str, str], Cause] = {}
    for key, frame, state, reason in frames:
        pattern = pattern_of(reason, frame)
        known = groups.get((state, pattern))
        newest = known is None or key > known.newest_id
        groups[state, pattern] = Cause(
            pattern,
            state,
            1 + (known.frames if known else 0),
            key if newest or known is None else known.newest_id,
            frame if newest or known is None else known.newest_frame,
            (reason or NO_REASON) if newest or known is None else known.newest_reason,
        )
    return tuple(sorted(groups.values(), key=lambda cause: (-cause.frames, -cause.newest_id)))
