"""Verdicts as a chain of hashes, one for each sitting.

Each row carries the hash of the row before it in the same session, so that a row which was changed,
removed or slipped in later breaks its chain.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import Verdict
from core.database.turns import take_turn

FIRST_HASH = "0" * 64  # what the first row of a session has before it


@dataclass(frozen=True, slots=True)
class SessionHead:
    """The end of one session's chain: who keeps it can prove that no row before it was changed."""

    session: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A row that does not fit its chain."""

    session: str
    sequence: int
    verdict_id: int
    reason: str

    @property
    def sentence(self) -> str:
        """What is wrong, for a person."""
        return (
            f"the chain of verdicts of {self.session} is broken at row {self.sequence}"
            f" (verdict {self.verdict_id}): {self.reason}"
        )


def append(db: Session, **content: Any) -> Verdict:
    """Append a row to its session's chain; it is on disk when the transaction is."""
    session = storable(content.pop("session"))
    end = _end_of(db, session)
    row = Verdict(
        session=session,
        sequence=end.sequence + 1 if end else 1,
        previous_hash=end.hash if end else FIRST_HASH,
        created_at=time.time(),
        hash="",
        **{name: storable(value) for name, value in content.items()},
    )
    row.hash = row_hash(row)
    db.add(row)
    db.flush()
    return row


def next_sequence(db: Session, session: str) -> int:
    """The number that the next row of a session will have, which nobody else can take meanwhile."""
    end = _end_of(db, storable(session))
    return end.sequence + 1 if end else 1


def _end_of(db: Session, session: str) -> Any:
    """The last row of a session, none before its first; the session is held to the end of the transaction."""
    take_turn(db, session)
    return db.execute(
        select(col(Verdict.sequence), col(Verdict.hash))
        .where(col(Verdict.session) == session)
        .order_by(col(Verdict.sequence).desc())
        .limit(1)
    ).first()


def verify(store: Store) -> list[BrokenLink]:
    """Walk every chain and name each row that does not fit.

    Rows that were cut off a chain's end leave no trace in it; compare `session_heads` with the heads
    that an earlier export printed.
    """
    with store.read() as db:
        return verify_in(db)


def verify_in(db: Session) -> list[BrokenLink]:
    """As `verify` does it, of what a transaction sees."""
    broken: list[BrokenLink] = []
    session, sequence, previous = "", 0, FIRST_HASH
    rows = select(Verdict).order_by(col(Verdict.session), col(Verdict.sequence))
    for row in db.scalars(rows.execution_options(yield_per=500)):
        if row.session != session:
            session, sequence, previous = row.session, 0, FIRST_HASH
        reasons = []
        if row.sequence != sequence + 1:
            reasons.append(f"the row before it is {sequence}, not {row.sequence - 1}")
        if row.previous_hash != previous:
            reasons.append("it names another row before it")
        if row.hash != row_hash(row):
            reasons.append("its content does not have its hash")
        if reasons:
            broken.append(BrokenLink(row.session, row.sequence, row.id or 0, "; ".join(reasons)))
        sequence, previous = row.sequence, row.hash
    return broken


def session_heads(store: Store) -> list[SessionHead]:
    """The last row of every session, in order of the sessions' names."""
    with store.read() as db:
        return heads_in(db)


def heads_in(db: Session) -> list[SessionHead]:
    """As `session_heads` does it, of what a transaction sees."""
    session, sequence = col(Verdict.session), col(Verdict.sequence)
    ends = select(session, func.max(sequence).label("sequence")).group_by(session).subquery()
    query = (
        select(session, sequence, col(Verdict.hash))
        .join(ends, (session == ends.c.session) & (sequence == ends.c.sequence))
        .order_by(session)
    )
    return [SessionHead(*row) for row in db.execute(query)]


def row_hash(row: Verdict) -> str:
    """SHA-256 of a row's content, in canonical JSON, that of the row before it included."""
    content = {
        "session": row.session,
        "sequence": row.sequence,
        "reviewer": row.reviewer,
        "candidate_id": row.candidate_id,
        "sky_object_id": row.sky_object_id,
        "label": row.label,
        "retracts_id": row.retracts_id,
        "note": row.note,
        "tags": row.tags,
        "shown": row.shown,
        "created_at": row.created_at,
        "previous_hash": row.previous_hash,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
