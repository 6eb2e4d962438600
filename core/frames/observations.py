"""Frames as ingest registers them: each science extension once, whatever its file is called."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, or_, select, tuple_

from core.database.storable import MOST_INDEXED, indexable, storable
from core.database.store import Store
from core.database.tables import Observation
from core.database.turns import take_turn
from core.frames.content import was_written_over
from core.frames.outcome import ObservationFacts
from core.frames.queue import UNTRIED
from core.frames.queue_history import note_all
from core.frames.reference_frames import told_apart
from core.frames.same_exposure import TURN, has_same_header, twin_of
from core.text import SENTENCES, safe_text
from core.vocabulary import DROPPABLE, FrameKind, ObservationState, QueueEventKind

__all__ = ["ObservationFacts", "Registered", "register"]

log = logging.getLogger(__name__)

BATCH = 500
REPLACED = "its file holds other content now"
NEW_HEADER = "its file has another header now"
WRITTEN_ANEW = "its file was written anew, with the same pixels"
READ_OTHERWISE = "its header is read otherwise now"
NOT_UTF8 = "its path is no valid UTF-8: rename it"
TOO_LONG = f"its path has more than {MOST_INDEXED} bytes: move it"
REFUSED = (ObservationState.REJECTED, ObservationState.QUARANTINED)
UNPROCESSED = (
    ObservationState.QUEUED,
    ObservationState.WAITING,
    ObservationState.CALIBRATION,
    ObservationState.REJECTED,
)
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
        ``rejected`` with the reason for a file that repeats another's content or exposure.
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
    """Put frames into the store, each exposure once; harmless when repeated.

    The same content from another path is a duplicate, and its row stays as it is; but where the
    registered file is gone or holds something else, it was moved, and the row learns its new path. Where a
    file holds other content than it did, what was registered of it and is not done yet leaves the queue, and
    comes back where that content is found again. What ingest had refused and can be used now, by another
    name or by a newer version, is registered as if it were new; and so is what no worker had yet, where its
    header is read otherwise now, by other settings or by a newer version.

    An exposure that another file holds already, packed or with another header, is a duplicate too, and its
    row learns of the new file where the old one is gone or was written over with it; a header that says
    something else then brings it back into the queue.

    A frame that was added as a reference, and that no other serves, is ``dropped``.
    """
    registered: list[Registered] = []
    facts = told_apart(store, facts)
    for batch in _batches(facts):
        gone = _gone(store, batch)
        with store.write() as session:
            made = _register(session, batch, gone, on_postgresql=store.is_postgresql)
        for one in made:
            if one.new or one.reason:
                _log(one)
        registered.extend(made)
    return registered


def _batches(facts: Sequence[ObservationFacts]) -> Iterator[list[ObservationFacts]]:
    """Parts of a bounded size, no two files of one exposure in the same: the first is then known to all."""
    batch: list[ObservationFacts] = []
    held: dict[str, str] = {}  # the content by the pixels
    for fact in facts:
        other = fact.pixels is not None and held.get(fact.pixels, fact.content) != fact.content
        if other or len(batch) == BATCH:
            yield batch
            batch, held = [], {}
        batch.append(fact)
        if fact.pixels is not None:
            held[fact.pixels] = fact.content
    if batch:
        yield batch


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
    reason = f": {safe_text(one.reason, SENTENCES)}" if one.reason else ""
    level = logging.WARNING if refused else logging.INFO
    log.log(level, "%s registered as %s%s", safe_text(one.frame, 200), one.state, reason)


def _gone(store: Store, batch: Sequence[ObservationFacts]) -> dict[int, str]:
    """Frames that are registered by a path that no longer holds them, with it, and found elsewhere now.

    Whole files are read for it, so that nobody who writes waits meanwhile.
    """
    paths = {(fact.content, fact.extension): indexable(fact.path) for fact in batch}
    keys = tuple_(col(Observation.content), col(Observation.extension))
    pixels = [fact.pixels for fact in batch if fact.pixels is not None]
    query = select(Observation).where(or_(keys.in_(list(paths)), col(Observation.pixels).in_(pixels)))
    with store.read() as session:
        rows = session.exec(query).all()
    elsewhere = [row for row in rows if row.path != paths.get((row.content, row.extension))]
    return {
        row.id or 0: row.path
        for row in elsewhere
        if not Path(row.path).exists() or was_written_over(Path(row.path), row.content)
    }


def _register(
    session: Session, batch: Sequence[ObservationFacts], gone: dict[int, str], *, on_postgresql: bool
) -> list[Registered]:
    if any(fact.pixels for fact in batch):  # of two files of one exposure the second learns of the first
        take_turn(session, TURN)
    told = [_told_as_twin(session, fact, gone) for fact in batch]
    others = [fact for fact, one in zip(batch, told, strict=True) if one is None]
    _drop_replaced(session, batch)
    known = iter(_register_contents(session, others, gone, on_postgresql=on_postgresql) if others else ())
    return [next(known) if one is None else one for one in told]


def _register_contents(
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
    result = []
    for fact in batch:
        row = stored[fact.content, fact.extension]
        key = row.id or 0
        result.append(_told(session, fact, row, new=key in new, is_gone=gone.get(key) == row.path))
        new.discard(key)
    return result


def _told_as_twin(session: Session, fact: ObservationFacts, gone: dict[int, str]) -> Registered | None:
    """What becomes of an exposure that is registered by another file; none where it is not."""
    content = select(Observation).where(
        col(Observation.content) == fact.content, col(Observation.extension) == fact.extension
    )
    own = session.exec(content).first()
    if own is not None and not _can_be_used_now(fact, own):
        return None
    twin = twin_of(session, fact)
    if twin is None:
        return None
    session.refresh(twin, with_for_update=True)
    kept, key = _row(fact), twin.id or 0
    is_same = has_same_header(twin, kept)
    if gone.get(key) == twin.path and (is_same or twin.state != ObservationState.RUNNING):
        if own is not None or kept["state"] in REFUSED:
            return None
        return _take_place(session, fact, twin, has_new_header=not is_same)
    reason = f"the same exposure as {twin.frame}, which is registered already"
    if not is_same:
        reason += " with another header"
    if not is_same or twin.state == ObservationState.CALIBRATION:  # which may name other pixels of use
        reason += ": put this file in its place to use this one"
    return Registered(key, fact.frame, fact.path, ObservationState.REJECTED.value, reason, new=False)


def _take_place(
    session: Session, fact: ObservationFacts, row: Observation, *, has_new_header: bool
) -> Registered:
    """Let a row learn of the file that its exposure is in now; it is processed again by a new header."""
    kept = _row(fact)
    if has_new_header:
        row.sqlmodel_update(kept | UNTRIED)
        note_all(session, QueueEventKind.REPLACED, [(row.id or 0, row.state, 0, None)], reason=NEW_HEADER)
    else:
        is_in_place = row.path == kept["path"]
        row.sqlmodel_update({name: kept[name] for name in ("content", "extension", "path", "frame")})
        if row.state == ObservationState.QUEUED:  # an attempt may have failed as this file was not known yet
            row.sqlmodel_update(UNTRIED | {"reason": kept["reason"]})
        elif is_in_place and row.state != ObservationState.CALIBRATION:
            reason = f"{WRITTEN_ANEW}: `astrid queue retry {row.id}` processes it by its header of now"
            return Registered(row.id or 0, fact.frame, fact.path, row.state, reason, new=False)
    return Registered(row.id or 0, fact.frame, fact.path, row.state, row.reason, new=has_new_header)


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
    if not new and _is_read_otherwise(fact, row):
        session.refresh(row, with_for_update=True)
        if _is_read_otherwise(fact, row):
            row.sqlmodel_update(_row(fact) | UNTRIED)
            note_all(session, QueueEventKind.REPLACED, [(key, row.state, 0, None)], reason=READ_OTHERWISE)
            return Registered(key, fact.frame, fact.path, row.state, row.reason, new=True)
    if row.pixels is None:  # registered by an AstrID that did not ask for them
        row.pixels = fact.pixels
    if new or row.path == indexable(fact.path):
        return Registered(key, fact.frame, fact.path, row.state, row.reason, new)
    if is_gone:
        row.path, row.frame = indexable(fact.path), fact.frame
        return Registered(key, fact.frame, fact.path, row.state, row.reason, new=False)
    reason = f"the same content as {row.frame}, which is registered already"
    return Registered(key, fact.frame, fact.path, ObservationState.REJECTED.value, reason, new=False)


def _is_read_otherwise(fact: ObservationFacts, row: Observation) -> bool:
    """Whether the same file tells something else of a frame from which nothing was made yet."""
    kept = _row(fact)
    if row.path != kept["path"] or row.state not in UNPROCESSED or kept["state"] not in UNPROCESSED:
        return False
    if row.finished_at is not None and row.state != ObservationState.WAITING:
        return False
    return row.mjd != kept["mjd"] or not has_same_header(row, kept)


def _can_be_used_now(fact: ObservationFacts, row: Observation) -> bool:
    """Whether ingest refused this content, unread or for its path alone, or it was gone, and is there now."""
    if _row(fact)["state"] in REFUSED:
        return False
    if row.state == ObservationState.DROPPED and row.reason == REPLACED:
        return True
    if row.state not in REFUSED:
        return False
    return row.width is None or row.reason in (NOT_UTF8, TOO_LONG)
