"""What is known at the places of candidates, as it was answered when they were committed or matched again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import CandidateMatch

BATCH = 500  # candidates of one statement


def known_sky(store: Store, candidate_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What is known at the places of some candidates.

    Returns
    -------
    dict
        For each candidate that was ever matched ``at`` (Unix seconds), and an answer by kind: ``star``,
        ``variable``, ``galaxy``, ``transient``, ``solar_system``, ``reference``; see `pipeline.known.match`.
    """
    found: dict[int, dict[str, Any]] = {}
    ids = list(candidate_ids)
    with store.read() as session:
        for start in range(0, len(ids), BATCH):
            query = select(CandidateMatch).where(
                col(CandidateMatch.candidate_id).in_(ids[start : start + BATCH])
            )
            found |= {row.candidate_id: {"at": row.at, **row.answers} for row in session.exec(query)}
    return found


def write_known(session: Session, answers: Mapping[int, Mapping[str, Any]], state: str) -> None:
    """Keep what is known of some candidates, in place of what was known before."""
    ids = list(answers)
    now = time.time()
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        session.connection().execute(delete(CandidateMatch).where(col(CandidateMatch.candidate_id).in_(some)))
        rows = [
            {"candidate_id": key, "state": state, "at": now, "answers": storable(answers[key])}
            for key in some
        ]
        session.connection().execute(insert(CandidateMatch), rows)
