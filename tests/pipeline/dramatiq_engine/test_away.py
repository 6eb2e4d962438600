"""A Redis or a store that is away, or wants a password: it is told once, and waited for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Queue

import pytest
from sqlalchemy import text

from core.database import patience
from core.database.store import Store
from core.database.store_errors import StoreAway
from core.operations import broker
from core.settings import Settings
from pipeline.engines import dramatiq
from tests.pipeline.dramatiq_engine.at_work import (
    FRAMES,
    at_work,
    frames,
    free_port,
    make_due,
    named,
    redis_server,
    until_done,
)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_server_that_is_away_for_a_while_is_waited_for(
    settings: Settings, store: Store, monkeypatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    progress: list[tuple[int, int]] = []
    troubles: list[str] = []
    left, me, told_of = [3], threading.get_ident(), Store.told

    @contextmanager
    def told(opened: Store) -> Iterator[None]:
        if progress and left[0] and threading.get_ident() == me:
            left[0] -= 1
            raise StoreAway("the server is gone")
        with told_of(opened):
            yield

    monkeypatch.setattr(Store, "told", told)
    with at_work(settings):
        followed = dramatiq.run(
            settings, on_progress=lambda *each: progress.append(each), on_trouble=troubles.append
        )
    assert followed.counts == {"done": FRAMES}
    assert left == [0]
    assert troubles == ["the server is gone; waiting for it for up to 300 s"]


@pytest.mark.parametrize("password", ["", ":of-before@"], ids=["none is given", "it was changed"])
def test_a_redis_that_wants_a_password_is_told_as_such(tmp_path: Path, password: str) -> None:
    port = free_port()
    with redis_server(tmp_path, port):
        with closing(broker.connect(named(f"redis://127.0.0.1:{port}/0"))) as client:
            client.config_set("requirepass", "new")
        with pytest.raises(broker.BrokerUnavailable) as refused:
            broker.connect(named(f"redis://{password}127.0.0.1:{port}/0"))
        broker.connect(named(f"redis://:new@127.0.0.1:{port}/0")).close()
    assert str(refused.value) == (
        f"Redis at redis://127.0.0.1:{port}/0 wants another password: write it into broker of [dramatiq],"
        " redis://:PASSWORD@HOST"
    )


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_worker_tells_once_that_redis_is_away_and_goes_on_without(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch, capfd
) -> None:
    monkeypatch.setattr(dramatiq, "LOOK_S", 0.05)
    port, stop, told = free_port(), threading.Event(), Queue[str]()
    own = named(f"redis://127.0.0.1:{port}/0", store=settings.store, home=settings.home)
    make_due(store, time.time() + 3600.0)
    serving = {"stop": stop, "on_ready": told.put, "on_trouble": told.put}
    worker = threading.Thread(target=dramatiq.serve, args=(own,), kwargs=serving)
    try:
        with redis_server(tmp_path, port):
            worker.start()
            assert told.get(timeout=60) == f"redis://127.0.0.1:{port}/0"
        trouble = told.get(timeout=60)
        assert trouble.startswith(f"Redis at redis://127.0.0.1:{port}/0 cannot be used: ")
        assert trouble.endswith("; the queue is looked into every 0.05 s without it")
        make_due(store, 0.0)
        until_done(store)  # it looks by itself
        assert told.empty()
        with redis_server(tmp_path, port):
            assert told.get(timeout=60) == f"redis://127.0.0.1:{port}/0"
    finally:
        stop.set()
        worker.join(60)
    assert capfd.readouterr().err == ""  # of Dramatiq's own words none


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_worker_tells_once_that_the_store_is_away(settings: Settings, store: Store, monkeypatch) -> None:
    monkeypatch.setattr(dramatiq, "LOOK_S", 0.05)
    looks, told, stop = threading.Semaphore(0), Queue[str](), threading.Event()
    wait = dramatiq._await
    monkeypatch.setattr(dramatiq, "_await", lambda *each: (looks.release(), wait(*each)))
    with store.write() as session:
        session.execute(text("ALTER TABLE run RENAME TO away"))
    serving = {"stop": stop, "on_trouble": told.put}
    worker = threading.Thread(target=dramatiq.serve, args=(settings,), kwargs=serving)
    worker.start()
    try:
        for _ in range(5):
            assert looks.acquire(timeout=60)
        with store.write() as session:
            session.execute(text("ALTER TABLE away RENAME TO run"))
        until_done(store)
    finally:
        stop.set()
        worker.join(60)
    trouble = told.get_nowait()
    assert "no such table: run" in trouble
    assert trouble.endswith("; trying again every 0.05 s")
    assert told.empty()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_worker_tells_once_of_each_that_is_away_at_the_same_time(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(dramatiq, "LOOK_S", 0.05)
    port, stop, told, ready = free_port(), threading.Event(), Queue[str](), threading.Event()
    own = named(f"redis://127.0.0.1:{port}/0", store=settings.store, home=settings.home)
    looks, wait = threading.Semaphore(0), dramatiq._await
    monkeypatch.setattr(dramatiq, "_await", lambda *each: (looks.release(), wait(*each)))
    with store.write() as session:
        session.execute(text("ALTER TABLE run RENAME TO away"))
    serving = {"stop": stop, "on_ready": lambda _: ready.set(), "on_trouble": told.put}
    worker = threading.Thread(target=dramatiq.serve, args=(own,), kwargs=serving)
    try:
        with redis_server(tmp_path, port):
            worker.start()
            assert ready.wait(60)
            assert "no such table: run" in told.get(timeout=60)
        assert "Redis at" in told.get(timeout=60)
        while looks.acquire(blocking=False):
            pass
        for _ in range(5):
            assert looks.acquire(timeout=60)
    finally:
        stop.set()
        worker.join(60)
    assert told.empty()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_who_is_stopped_waits_for_no_answer(settings: Settings, store: Store, monkeypatch) -> None:
    monkeypatch.setattr(dramatiq, "ANSWER_S", 3600.0)
    wait = dramatiq._answered

    def stopped_meanwhile(*given: object) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return wait(*given)

    monkeypatch.setattr(dramatiq, "_answered", stopped_meanwhile)
    assert dramatiq.run(settings).state == "interrupted"
    assert frames(store) == [("queued", 0)] * FRAMES


def test_a_broker_that_cannot_be_used_is_told_without_its_password() -> None:
    with pytest.raises(broker.BrokerUnavailable, match=r"\[dramatiq\]"):
        broker.connect(named(""))
    for url in (
        "redis://me:hunter2@127.0.0.1:1/0",
        "nonsense://me:hunter2@host",
        "redis://me:hunter2@host:x",
        "hunter2",
        "redis://:hunter2/4@host",
        "redis://:4/hunter2@127.0.0.1:1",
        "redis://me:4@host:hunter2",
        "redis://:12@34/hunter2@host",
        "redis://:a@hunter2#c@host:6379/0",
        "redis://:a@hunter2?c@host",
        "redis:hunter2",
    ):
        with pytest.raises(broker.BrokerUnavailable) as refused:
            broker.connect(named(url))
        assert "hunter2" not in str(refused.value)
