"""Frames as ingest registers them: each science extension once, whatever its file is called."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select, tuple_

from core.database.storable import MOST_INDEXED, indexable, storable
from core.database.store import Store
from core.database.tables import Observation
from core.frames.content import was_written_over
from core.frames.outcome import ObservationFacts
from core.frames.queue import UNTRIED
from core.frames.queue_history import note_all
from core.text import safe_text
from core.vocabulary import DROPPABLE, FrameKind, ObservationState, QueueEventKind

__all__ = ["ObservationFacts", "Registered", "register"]

log = logging.getLogger(__name__)

BATCH = 500
REPLACED = "its file holds other content now"
NOT_UTF8 = "its path is no valid UTF-8: rename it"
TOO_LONG = f"its path has more than {MOST_INDEXED} bytes: move it"
REFUSED = (ObservationState.REJECTED, ObservationState.QUARANTINED)
REPLACEABLE = (*DROPPABLE, ObservationState.CALIBRATION)


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one extension that ingest found.

    Attributes
    ----------
    id : int
        Of the observation that holds this content.
    frame, path : str
        As ingest found it.
    state, reason : str, str or None
        ``rejected`` with the reason for a file that repeats another's content.
    new : bool
        Whether the store did not have it before.
    """

    id: int
    frame: str
    path: str
    state: str
    reason: str | None
    new: bool


def register(store: Store, facts: Sequence[ObservationFacts]) -> list[Registered]:
    """Put frames into the store, each content once; harmless when repeated.

    The same content from another path is a duplicate, and its row stays as it is; but where the
    registered file is gone or holds something else, it was moved, and the row learns its new path. Where a
    file holds other content than it did, what was registered of it and is not done yet leaves the queue, and
    comes back where that content is found again. What ingest had refused and can be used now, by another
    name or by a newer version, is registered as if it were new.
    """
    registered: list[Registered] = []
    for start in range(0, len(facts), BATCH):
        batch = facts[start : start + BATCH]
        gone = _gone(store, batch)
        with store.write() as session:
            made = _register(session, batch, gone, on_postgresql=store.is_postgresql)
        for one in made:
            if one.new or one.reason:
                _log(one)
        registered.extend(made)
    return registered


def drop_mended(store: Store, paths: Sequence[str]) -> None:
    """Take files of alerts out of what needs a person: what was damaged or refused of them is whole now."""
    for start in range(0, len(paths), BATCH):
        query = select(Observation).where(
            col(Observation.path).in_([indexable(path) for path in paths[start : start + BATCH]]),
            col(Observation.kind) == FrameKind.ALERTS.value,
            col(Observation.state).in_([state.value for state in DROPPABLE]),
        )
        with store.read() as session:
            if session.exec(query.limit(1)).first() is None:
                continue
        with store.write() as session:
            for row in session.exec(query.with_for_update()).all():
                row.state, row.reason = ObservationState.DROPPED.value, REPLACED
                dropped = (row.id or 0, row.state, row.attempts, None)
                note_all(session, QueueEventKind.REPLACED, [dropped], reason=REPLACED)


def _log(one: Registered) -> None:
    refused = one.state in {ObservationState.REJECTED, ObservationState.QUARANTINED}
    reason = f": {safe_text(one.reason, 300)}" if one.reason else ""
    level = logging.WARNING if refused else logging.INFO
    log.log(level, "%s registered as %s%s", safe_text(one.frame, 200), one.state, reason)


def _gone(store: Store, batch: Sequence[ObservationFacts]) -> dict[int, str]:
    """Frames that are registered by a path that no longer holds them, with it, and found elsewhere now.

    Whole files are read for it, so that nobody who writes waits meanwhile.
    """
    paths = {(fact.content, fact.extension): indexable(fact.path) for fact in batch}
    keys = tuple_(col(Observation.content), col(Observation.extension))
    with store.read() as session:
        rows = session.exec(select(Observation).where(keys.in_(list(paths)))).all()
    elsewhere = [row for row in rows if row.path != paths[row.content, row.extension]]
    return {
        row.id or 0: row.path
        for row in elsewhere
        if not Path(row.path).exists() or was_written_over(Path(row.path), row.content)
    }


def _register(
    session: Session, batch: Sequence[ObservationFacts], gone: dict[int, str], *, on_postgresql: bool
) -> list[Registered]:
    now = time.time()
    rows: dict[tuple[str, int], dict[str, object]] = {}
    for fact in batch:  # of two with one content in a batch the first is the frame
        rows.setdefault((fact.content, fact.extension), _row(fact) | {"created_at": now})
    insert: Insert = (
        postgresql.insert(Observation).on_conflict_do_nothing()
        if on_postgresql
        else sqlite.insert(Observation).on_conflict_do_nothing()
    )
    defaults = Observation(content="", frame="", path="", created_at=now).model_dump(exclude={"id"})
    made = session.scalars(
        insert.returning(col(Observation.id)), [defaults | row for row in rows.values()]
    ).all()
    new = set(made)
    keys = tuple_(col(Observation.content), col(Observation.extension))
    stored = {
        (row.content, row.extension): row
        for row in session.exec(select(Observation).where(keys.in_(list(rows)))).all()
    }
    _drop_replaced(session, batch)
    result = []
    for fact in batch:
        row = stored[fact.content, fact.extension]
        key = row.id or 0
        result.append(_told(session, fact, row, new=key in new, is_gone=gone.get(key) == row.path))
        new.discard(key)
    return result


def _row(fact: ObservationFacts) -> dict[str, object]:
    row: dict[str, object] = storable(asdict(fact))
    kept = row["path"] = indexable(fact.path)
    if kept != fact.path:
        # Neither database can hold it, so no worker could find the file again.
        reason = NOT_UTF8 if storable(fact.path) != fact.path else TOO_LONG
        row |= {"state": ObservationState.REJECTED.value, "reason": reason}
    return row


def _drop_replaced(session: Session, batch: Sequence[ObservationFacts]) -> None:
    """Take frames out of the queue whose content is no more: their path holds another now."""
    # What cannot be read proves nothing: the file server may be away.
    now = {indexable(fact.path): fact.content for fact in batch if fact.state != ObservationState.QUARANTINED}
    replaceable = [state.value for state in REPLACEABLE]
    query = select(Observation).where(
        col(Observation.path).in_(list(now)), col(Observation.state).in_(replaceable)
    )
    for row in session.exec(query.with_for_update()).all():
        if row.content == now[row.path]:
            continue
        row.state, row.reason = ObservationState.DROPPED.value, REPLACED
        dropped = (row.id or 0, row.state, row.attempts, None)
        note_all(session, QueueEventKind.REPLACED, [dropped], reason=REPLACED)


def _told(
    session: Session, fact: ObservationFacts, row: Observation, *, new: bool, is_gone: bool
) -> Registered:
    key = row.id or 0
    if not new and _can_be_used_now(fact, row):
        # Somebody may have queued it by hand since, and a worker taken it.
        session.refresh(row, with_for_update=True)
        if _can_be_used_now(fact, row):
            row.sqlmodel_update(_row(fact) | UNTRIED)
            return Registered(key, fact.frame, fact.path, row.state, row.reason, new=True)
    if new or row.path == indexable(fact.path):
        return Registered(key, fact.frame, fact.path, row.state, row.reason, new)
    if is_gone:
        row.path, row.frame = indexable(fact.path), fact.frame
        return Registered(key, fact.frame, fact.path, row.state, row.reason, new=False)
    reason = f"the same content as {row.frame}, which is registered already"
    return Registered(key, fact.frame, fact.path, ObservationState.REJECTED.value, reason, new=False)


def _can_be_used_now(fact: ObservationFacts, row: Observation) -> bool:
    """Whether ingest refused this content, unread or for its path alone, or it was gone, and is there now."""
    if _row(fact)["state"] in REFUSED:
        return False
    if row.state == ObservationState.DROPPED and row.reason == REPLACED:
        return True
    if row.state not in REFUSED:
        return False
    return row.width is None or row.reason in (NOT_UTF8, TOO_LONG)
