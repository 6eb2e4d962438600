"""Injected sources in the review: revealed by the verdict on them, and what they tell of it.

A verdict that takes a side, or says that none can be taken, reveals what was judged, in its own
transaction. From then on the source is no candidate any more: it leaves the queue and every list, and
taking the verdict back does not bring it back. Snoozing and asking an expert are no verdicts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Difference, InjectedSource, Verdict
from core.objects.association import refresh
from core.vocabulary import LABELS, Label, ReviewState

UNDECIDED = (ReviewState.SNOOZED, ReviewState.ESCALATED)
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Reveal:
    """What an injected source truly is; ``snr`` as expected of it, ``host`` as it was placed."""

    object_id: int
    snr: float
    mag: float | None
    host: str

    @property
    def sentence(self) -> str:
        """What its reviewer is told."""
        beside = " beside a galaxy" if self.host == "galaxy" else ""
        return f"that was an injected source{beside}: SNR {self.snr:.1f}"

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"snr": self.snr, "mag": self.mag, "host": self.host}


def reveal(db: Session, row: Verdict) -> None:
    """Reveal what a verdict was given on, if that is an injected source; in the verdict's transaction."""
    if row.label is None or LABELS[Label(row.label)].review_state in UNDECIDED:
        return
    source = db.get(InjectedSource, row.sky_object_id)
    if source is None or source.revealed_at is not None:
        return
    source.revealed_at, source.verdict_id = row.created_at, row.id
    left = db.execute(
        update(Candidate)
        .where(col(Candidate.sky_object_id) == row.sky_object_id, col(Candidate.is_current))
        .values(is_current=False)
        .returning(col(Candidate.difference_id))
        .execution_options(synchronize_session=False)
    )
    for (difference_id,) in left.all():
        db.execute(
            update(Difference)
            .where(col(Difference.id) == difference_id)
            .values(n_candidates=col(Difference.n_candidates) - 1)
            .execution_options(synchronize_session=False)
        )
    db.flush()
    refresh(db, [row.sky_object_id])


def any_injected(db: Session, candidate_ids: Sequence[int]) -> bool:
    """Whether one of some candidates is an injected source."""
    for start in range(0, len(candidate_ids), _BATCH):
        some = candidate_ids[start : start + _BATCH]
        query = (
            select(col(Candidate.id))
            .join(InjectedSource, col(InjectedSource.sky_object_id) == col(Candidate.sky_object_id))
            .where(col(Candidate.id).in_(some))
        )
        if db.scalar(query.limit(1)) is not None:
            return True
    return False


def are_injected(store: Store) -> bool:
    """Whether sources were ever injected into the queue: then what is undecided may be one."""
    with store.read() as db:
        return db.scalar(select(col(InjectedSource.sky_object_id)).limit(1)) is not None


def revealed(store: Store, object_ids: Collection[int]) -> dict[int, Reveal]:
    """Those of some objects that were injected and are revealed."""
    ids, found = sorted(object_ids), {}
    with store.read() as db:
        for start in range(0, len(ids), _BATCH):
            query = select(InjectedSource).where(
                col(InjectedSource.sky_object_id).in_(ids[start : start + _BATCH]),
                col(InjectedSource.revealed_at).is_not(None),
            )
            for row in db.scalars(query):
                found[row.sky_object_id] = Reveal(row.sky_object_id, row.snr, row.mag, row.host)
    return found


def told(found: Collection[Reveal], count: int) -> str:
    """What a reviewer is told after a verdict on so many objects; nothing where none was injected."""
    if not found:
        return ""
    if count == 1:
        return next(iter(found)).sentence
    return f"of {count} objects {len(found)} {'were' if len(found) > 1 else 'was'} injected"
