"""Runs: which process is at work, since when, and what becomes of its frames when it is gone."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, delete, exists, func, null, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.database.store import Store
from core.database.tables import Observation, Run, StageRun
from core.errors import AstridError
from core.frames.queue import interrupt
from core.operations.processes import is_alive, is_beside, is_elsewhere, is_gone, is_surely_alive, mark_of

log = logging.getLogger(__name__)

STALE_S = 900.0  # a run that has not been heard of for so long is lost, unless its process is seen to live
ASKED_TO_STOP = "asked to stop"
BROKEN_OFF = "broken off before its tracklets were looked for"
LOST = "lost"
IDLE_KEPT_S = 86400.0  # runs that found nothing due are remembered for so long: a schedule makes many
_BATCH = 5000
_LIVING = ("running", LOST)  # a run that was given up for lost may be heard of again


class RunRefused(AstridError):
    """What was asked of a run cannot be done."""


def start(
    store: Store,
    *,
    engine: str,
    workers: int,
    config_hash: str,
    config: Mapping[str, Any] | None = None,
    run_id: int | None = None,
    flow_run_id: str | None = None,
    reason: str | None = None,
    by_another: bool = False,
) -> Run:
    """Record that this process begins a run.

    Parameters
    ----------
    run_id : int, optional
        The run that this process was started for, if whoever started it has recorded it already.
    reason : str, optional
        Why it runs as it does, where that is not what was asked for.
    by_another : bool
        A process that is still to be started will begin it: that this one lives is no sign of it.

    Raises
    ------
    RunRefused
        The run that was recorded is over.
    """
    facts: dict[str, Any] = {
        "engine": engine,
        "workers": workers,
        "config_hash": config_hash,
        "config": dict(config or {}),
        "flow_run_id": flow_run_id,
        **_place(os.getpid()),
    }
    if by_another:
        facts["process"] = None
    if run_id is None:
        with store.write() as session:
            now = store.now(session)
            row = Run(state="running", started_at=now, heartbeat_at=now, reason=reason, **facts)
            session.add(row)
    elif _change(store, run_id, facts | {"heartbeat_at": store.clock()}):
        row = read(store, run_id)
    else:
        raise RunRefused(f"run {run_id} was over before it began")
    log.info("run %d: begun by the %s engine, workers: %d", row.id, engine, workers)
    return row


def hand_over(store: Store, run_id: int, pid: int) -> bool:
    """Say that a run is another process's, which was started for it; false when it is over."""
    return _change(store, run_id, _place(pid))


def link_flow_run(store: Store, run_id: int, flow_run_id: str) -> bool:
    """Say which flow run of Prefect's a run is; false when it is over."""
    return _change(store, run_id, {"flow_run_id": flow_run_id})


def read(store: Store, run_id: int) -> Run:
    """One run.

    Raises
    ------
    RunRefused
        There is no such run.
    """
    with store.read() as session:
        row = session.get(Run, run_id)
    if row is None:
        raise RunRefused(f"there is no run {run_id}: `astrid runs list` shows them")
    return row


def newest(
    store: Store,
    *,
    limit: int = 20,
    before: int | None = None,
    running: bool = False,
    idle: bool = True,
) -> Sequence[Run]:
    """Runs, newest first: those with ids below `before`, and only those at work if `running`.

    Without `idle` those are left out that found nothing due.
    """
    query = select(Run).order_by(col(Run.id).desc()).limit(limit)
    if not idle:
        query = query.where(~is_idle())
    if before is not None:
        query = query.where(col(Run.id) < before)
    if running:
        query = query.where(col(Run.state) == "running")
    with store.read() as session:
        return session.exec(query).all()


def has_run_here(store: Store) -> bool:
    """Whether any run was made on this machine."""
    query = select(Run.id).where(col(Run.host) == socket.gethostname()).limit(1)
    with store.read() as session:
        return session.exec(query).first() is not None


def cancel(store: Store, run_id: int, *, now: bool = False) -> Run:
    """Ask a run of this host to stop, by SIGTERM; it ends a little later.

    One that was given up for lost is asked too, if its process lives.

    Parameters
    ----------
    now : bool
        Give the frames in hand back to the queue; by default they are finished first.

    Raises
    ------
    RunRefused
        There is no such run, it is over, or it is another host's.
    """
    run = read(store, run_id)
    with store.read() as session:
        silent_s = store.now(session) - run.heartbeat_at
    if run.state in _LIVING and (run.host != socket.gethostname() or is_elsewhere(run.process, silent_s)):
        raise RunRefused(f"run {run_id} {_word(run)} on {run.host}: cancel it there")
    if run.state == "running" and not is_alive(run.pid, run.process):
        reconcile(store)
        run = read(store, run_id)
    if run.state != "running" and not (run.state == LOST and is_surely_alive(run.pid, run.process)):
        raise RunRefused(f"run {run_id} is {run.state} already")
    if run.process is None:  # its number is that of who will start it
        raise RunRefused(f"run {run_id} has not begun yet: try again in a moment")
    asked_before = run.reason == ASKED_TO_STOP
    _change(store, run_id, {"reason": ASKED_TO_STOP})
    try:
        os.kill(run.pid, signal.SIGTERM)
        if now and not asked_before:
            # The second signal gives the frames back. Two of one kind might arrive as one.
            os.kill(run.pid, signal.SIGINT)
    except PermissionError as error:
        raise RunRefused(f"run {run_id} is another user's: process {run.pid}") from error
    except ProcessLookupError:
        reconcile(store)
    return read(store, run_id)


def owner(run_id: int, worker: int = 0) -> str:
    """The name under which a worker of a run claims frames."""
    return f"run-{run_id}/{worker}"


def sharers(store: Store, run_id: int) -> tuple[int, int]:
    """How many workers a run was started with, and how many are at work on this machine: its own and others'.

    Those of its containers share its power too, whatever they call their host. Runs whose process is gone
    have none.
    """
    either = (col(Run.state) == "running") | (col(Run.id) == run_id)
    with store.read() as session:
        now, rows = store.now(session), session.exec(select(Run).where(either)).all()
    own = next((row.workers for row in rows if row.id == run_id), 1)
    others = [
        row.workers for row in rows if row.id != run_id and _is_at_work_here(row, now - row.heartbeat_at)
    ]
    return own, own + sum(others)


def _is_at_work_here(run: Run, silent_s: float) -> bool:
    if is_beside(run.process, silent_s):
        return True
    if run.host != socket.gethostname() or is_elsewhere(run.process, silent_s):
        return False
    return is_alive(run.pid, run.process)


def frames_broken_off(store: Store, run_id: int) -> set[int]:
    """Frames of the runs that came to no good end since the newest that did began, but for one that asks.

    What follows a run's last frame was done for none of them: who ends as ``done`` does it for all.
    """
    with store.read() as session:
        found = _frames_since_good(col(Run.state).in_(("failed", "interrupted", LOST)), run_id)
        return set(session.exec(found))


def count_unlinked(session: Session) -> int:
    """How many frames of runs that were broken off the next run has to look for tracklets of.

    Who was asked to stop and finished what was in hand has looked for them himself.
    """
    unlinked = col(Run.state).in_(("failed", LOST)) | (col(Run.reason) == BROKEN_OFF)
    frames = _frames_since_good(unlinked).subquery()
    return session.exec(select(func.count()).select_from(frames)).one()


def _frames_since_good(which: ColumnElement[bool], but: int = 0) -> SelectOfScalar[int]:
    """The frames of some of the runs that ended since the newest that ended well began."""
    good = select(func.max(Run.started_at)).where(col(Run.state) == "done", col(Run.id) != but)
    ended = select(Run.id).where(
        which, col(Run.ended_at) >= func.coalesce(good.scalar_subquery(), 0.0), col(Run.id) != but
    )
    return select(StageRun.observation_id).where(col(StageRun.run_id).in_(ended)).distinct()


def heartbeat(store: Store, run_id: int) -> bool:
    """Say that a run is alive, also one that was given up for lost; false when it is over."""
    return _change(store, run_id, {"heartbeat_at": store.clock()})


def finish(
    store: Store,
    run_id: int,
    state: str = "done",
    counts: Mapping[str, int] | None = None,
    reason: str | None = None,
) -> bool:
    """End a run as ``done``, ``failed`` or ``interrupted``; its frames in hand return to the queue.

    False when it had ended before. One that was given up for lost ends as it says itself.
    """
    values: dict[str, Any] = {"state": state, "heartbeat_at": store.clock(), "ended_at": store.clock()}
    if counts is not None:
        values["counts"] = dict(counts)
    if reason is not None:
        values["reason"] = reason
    forgotten = [] if state != "done" or counts else _long_idle(store, run_id)
    with store.write() as session:  # both or neither: a run that ended with frames in hand is never looked at
        ended = _changed(session, run_id, values)
        interrupt(session, _in_hand(run_id))
        for start in range(0, len(forgotten), _BATCH):
            these = select(Run.id).where(col(Run.id).in_(forgotten[start : start + _BATCH]))
            # What another that ends just now forgets is left to it.
            free = these.with_for_update(skip_locked=True)
            session.execute(delete(Run).where(col(Run.id).in_(free)))
    if ended:
        told = ", ".join(f"{count} {name}" for name, count in sorted((counts or {}).items()))
        log.info("run %d: %s: %s", run_id, state, reason or told or "no frame was due")
    return ended


def is_idle() -> ColumnElement[bool]:
    """Whether a run ended well without any frame: nothing was due."""
    took = exists().where(col(StageRun.run_id) == col(Run.id))
    return and_(col(Run.state) == "done", cast(col(Run.counts), String) == "{}", ~took)


def _long_idle(store: Store, run_id: int) -> Sequence[int]:
    """The runs before one that found nothing due, and that long ago."""
    with store.read() as session:
        old = col(Run.ended_at) < store.now(session) - IDLE_KEPT_S
        return [key or 0 for key in session.exec(select(Run.id).where(col(Run.id) < run_id, old, is_idle()))]


def reconcile(store: Store) -> list[int]:
    """Find the runs whose process is gone, and free their frames at once; the ids of those runs.

    A run is lost when it ran on this host and its process is no more, or when it has been silent
    for `STALE_S`, on whatever host, unless its process is seen to live on this one.
    """
    running = select(Run).where(col(Run.state) == "running").order_by(col(Run.id))
    with store.read() as session:
        if not _missed(store, session, running):
            return []  # as a rule, and nobody had to wait for the right to write
    with store.write() as session:
        missed = _missed(store, session, running.with_for_update())
        now = store.now(session)
        for run, gone in missed:
            if gone and run.reason == ASKED_TO_STOP:
                run.state, run.reason = "interrupted", BROKEN_OFF  # before it could say so itself
            else:
                run.state = LOST
                run.reason = f"process {run.pid} {'is gone' if gone else 'fell silent'}"
            run.ended_at = now
            interrupt(session, _in_hand(run.id or 0))
        return [run.id or 0 for run, _ in missed]


def _missed(store: Store, session: Session, running: SelectOfScalar[Run]) -> list[tuple[Run, bool]]:
    """Which of the runs that are said to be at work are not; whether their process is known to be gone."""
    host, now = socket.gethostname(), store.now(session)
    missed = []
    for run in session.exec(running).all():
        is_here, silent_s = run.host == host, now - run.heartbeat_at
        gone = is_here and is_gone(run.pid, run.process, silent_s)
        if gone or (silent_s >= STALE_S and not (is_here and is_surely_alive(run.pid, run.process))):
            missed.append((run, gone))
    return missed


def _word(run: Run) -> str:
    return "is at work" if run.state == "running" else f"fell silent as process {run.pid}"


def _place(pid: int) -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": pid, "process": mark_of(pid)}


def _in_hand(run_id: int) -> ColumnElement[bool]:
    return col(Observation.lease_owner).startswith(f"run-{run_id}/", autoescape=True)


def _change(store: Store, run_id: int, values: dict[str, Any]) -> bool:
    with store.write() as session:
        return _changed(session, run_id, values)


def _changed(session: Session, run_id: int, values: dict[str, Any]) -> bool:
    """Change a run that is not over; one that was given up for lost is at work again by that."""
    reason = case((col(Run.state) == LOST, null()), else_=col(Run.reason))  # why it was taken for lost
    result = session.exec(
        update(Run)
        .where(col(Run.id) == run_id, col(Run.state).in_(_LIVING))
        .values(**{"state": "running", "ended_at": None, "reason": reason} | values)
        .returning(col(Run.id))
    )
    return result.first() is not None
