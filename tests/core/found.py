"""What a store holds after a commit, and committing a frame again."""

from __future__ import annotations

from typing import Any

from sqlmodel import SQLModel, func, select

from core.database.store import Store
from core.database.tables import Observation, Verdict
from core.frames.commit import CommitResult
from core.frames.outcome import FrameOutcome
from core.frames.queue import requeue
from tests.core.frames import process


def count(store: Store, table: type[SQLModel], *conditions: Any) -> int:
    with store.read() as session:
        return session.exec(select(func.count()).select_from(table).where(*conditions)).one()


def the(store: Store, table: type[Any], *conditions: Any) -> Any:
    with store.read() as session:
        return session.exec(select(table).where(*conditions)).one()


def rows(store: Store, table: type[Any], *conditions: Any) -> list[Any]:
    with store.read() as session:
        return list(session.exec(select(table).where(*conditions).order_by(table.id)).all())


def again(store: Store, outcome: FrameOutcome) -> CommitResult:
    """Put the one frame back and commit another outcome for it."""
    requeue(store, [the(store, Observation).id])
    return process(store, outcome)


def a_verdict(candidate_id: int, sky_object_id: int) -> Verdict:
    return Verdict(
        session="s", sequence=1, reviewer="ada", candidate_id=candidate_id, sky_object_id=sky_object_id,
        label="real", created_at=0.0, previous_hash="", hash="h",
    )  # fmt: skip
