"""Runs: which process is at work, since when, and what becomes of its frames when it is gone."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import Observation, Run
from core.errors import AstridError
from core.frames.queue import interrupt
from core.operations.processes import is_alive, mark_of

log = logging.getLogger(__name__)

STALE_S = 900.0  # a run that has not been heard of for so long is lost, wherever it was
ASKED_TO_STOP = "asked to stop"


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
) -> Run:
    """Record that this process begins a run.

    Parameters
    ----------
    run_id : int, optional
        The run that this process was started for, if whoever started it has recorded it already.
    reason : str, optional
        Why it runs as it does, where that is not what was asked for.

    Raises
    ------
    RunRefused
        The run that was recorded is over.
    """
    now = time.time()
    facts: dict[str, Any] = {
        "engine": engine,
        "workers": workers,
        "config_hash": config_hash,
        "config": dict(config or {}),
        "heartbeat_at": now,
        "flow_run_id": flow_run_id,
        **_place(os.getpid()),
    }
    if run_id is None:
        row = Run(state="running", started_at=now, reason=reason, **facts)
        with store.write() as session:
            session.add(row)
        log.info("run %d: begun by the %s engine, workers: %d", row.id, engine, workers)
        return row
    if not _change(store, run_id, facts):
        raise RunRefused(f"run {run_id} was over before it began")
    log.info("run %d: begun by the %s engine, workers: %d", run_id, engine, workers)
    return read(store, run_id)


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
        raise RunRefused(f"there is no run {run_id}")
    return row


def newest(
    store: Store, *, limit: int = 20, before: int | None = None, running: bool = False
) -> Sequence[Run]:
    """Runs, newest first: those with ids below `before`, and only those at work if `running`."""
    query = select(Run).order_by(col(Run.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(Run.id) < before)
    if running:
        query = query.where(col(Run.state) == "running")
    with store.read() as session:
        return session.exec(query).all()


def cancel(store: Store, run_id: int, *, now: bool = False) -> Run:
    """Ask a run of this host to stop, by SIGTERM; it ends a little later.

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
    host = socket.gethostname()
    if run.state == "running" and run.host != host:
        raise RunRefused(f"run {run_id} is at work on {run.host}: cancel it there")
    if run.state == "running" and not is_alive(run.pid, run.process):
        reconcile(store)
        run = read(store, run_id)
    if run.state != "running":
        raise RunRefused(f"run {run_id} is {run.state} already")
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


def workers(store: Store, run_id: int) -> int:
    """How many workers a run was started with."""
    with store.read() as session:
        return session.exec(select(Run.workers).where(col(Run.id) == run_id)).first() or 1


def heartbeat(store: Store, run_id: int, counts: Mapping[str, int] | None = None) -> bool:
    """Say that a run is alive; false when it was given up for lost."""
    values: dict[str, Any] = {"heartbeat_at": time.time()}
    if counts is not None:
        values["counts"] = dict(counts)
    return _change(store, run_id, values)


def finish(
    store: Store,
    run_id: int,
    state: str = "done",
    counts: Mapping[str, int] | None = None,
    reason: str | None = None,
) -> bool:
    """End a run as ``done``, ``failed`` or ``interrupted``; its frames in hand return to the queue.

    False when it had ended or been given up for lost before.
    """
    now = time.time()
    values: dict[str, Any] = {"state": state, "heartbeat_at": now, "ended_at": now}
    if counts is not None:
        values["counts"] = dict(counts)
    if reason is not None:
        values["reason"] = reason
    with store.write() as session:  # both or neither: a run that ended with frames in hand is never looked at
        ended = _changed(session, run_id, values)
        interrupt(session, _in_hand(run_id))
    if ended:
        told = ", ".join(f"{count} {name}" for name, count in sorted((counts or {}).items()))
        log.info("run %d: %s: %s", run_id, state, reason or told or "no frame was due")
    return ended


def reconcile(store: Store) -> list[int]:
    """Find the runs whose process is gone, and free their frames at once; the ids of those runs.

    A run is lost when it ran on this host and its process is no more, or when it has been silent
    for `STALE_S`, on whatever host.
    """
    host, now = socket.gethostname(), time.time()
    lost: list[int] = []
    with store.write() as session:
        running = session.exec(select(Run).where(col(Run.state) == "running").with_for_update()).all()
        for run in running:
            gone = run.host == host and not is_alive(run.pid, run.process)
            if not gone and now - run.heartbeat_at < STALE_S:
                continue
            if run.reason == ASKED_TO_STOP:
                run.state = "interrupted"  # before it could say so itself
            else:
                run.state = "lost"
                run.reason = f"process {run.pid} {'is gone' if gone else 'fell silent'}"
            run.ended_at = now
            key = run.id or 0
            interrupt(session, _in_hand(key))
            lost.append(key)
    return lost


def _place(pid: int) -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": pid, "process": mark_of(pid)}


def _in_hand(run_id: int) -> ColumnElement[bool]:
    return col(Observation.lease_owner).startswith(f"run-{run_id}/", autoescape=True)


def _change(store: Store, run_id: int, values: dict[str, Any]) -> bool:
    with store.write() as session:
        return _changed(session, run_id, values)


def _changed(session: Session, run_id: int, values: dict[str, Any]) -> bool:
    result = session.exec(
        update(Run)
        .where(col(Run.id) == run_id, col(Run.state) == "running")
        .values(**values)
        .returning(col(Run.id))
    )
    return result.first() is not None
