"""Runs: which process is at work, since when, and what becomes of its frames when it is gone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from core.queue import interrupt
from core.store import Store
from core.tables import Observation, Run

STALE_S = 900.0  # a run that has not been heard of for so long is lost, wherever it was


def start(
    store: Store,
    *,
    engine: str,
    workers: int,
    config_hash: str,
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Record that this process begins a run."""
    now = time.time()
    row = Run(
        engine=engine,
        host=socket.gethostname(),
        pid=os.getpid(),
        workers=workers,
        state="running",
        config_hash=config_hash,
        config=dict(config or {}),
        started_at=now,
        heartbeat_at=now,
    )
    with store.write() as session:
        session.add(row)
    return row


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


def finish(store: Store, run_id: int, state: str = "done", counts: Mapping[str, int] | None = None) -> bool:
    """End a run as ``done``, ``failed`` or ``interrupted``; its frames in hand return to the queue.

    False when it had ended or been given up for lost before.
    """
    now = time.time()
    values: dict[str, Any] = {"state": state, "heartbeat_at": now, "ended_at": now}
    if counts is not None:
        values["counts"] = dict(counts)
    ended = _change(store, run_id, values)
    with store.write() as session:
        interrupt(session, _in_hand(run_id))
    return ended


def reconcile(store: Store) -> list[int]:
    """Find the runs whose process is gone, and free their frames at once; the ids of those runs.

    A run is lost when it ran on this host and its process is no more, or when it has been silent
    for `STALE_S`, on whatever host: a process id may be in use again by something else.
    """
    host, now = socket.gethostname(), time.time()
    lost: list[int] = []
    with store.write() as session:
        running = session.exec(select(Run).where(col(Run.state) == "running").with_for_update()).all()
        for run in running:
            gone = run.host == host and not _alive(run.pid)
            if not gone and now - run.heartbeat_at < STALE_S:
                continue
            run.state, run.ended_at = "lost", now
            key = run.id or 0
            interrupt(session, _in_hand(key))
            lost.append(key)
    return lost


def _in_hand(run_id: int) -> ColumnElement[bool]:
    return col(Observation.lease_owner).startswith(f"run-{run_id}/", autoescape=True)


def _change(store: Store, run_id: int, values: dict[str, Any]) -> bool:
    with store.write() as session:
        result = session.exec(
            update(Run)
            .where(col(Run.id) == run_id, col(Run.state) == "running")
            .values(**values)
            .returning(col(Run.id))
        )
        return result.first() is not None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process is a process
    return True
