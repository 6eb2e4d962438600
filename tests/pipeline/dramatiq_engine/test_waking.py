"""Workers woken through a real Redis: messages may be lost, doubled or hostile; the store decides."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import closing

import dramatiq as messages
import pytest
from redis.exceptions import TimeoutError as RedisTimeout
from sqlalchemy import update
from typer.testing import CliRunner

from astrid_tui.cli.app import app
from core.database.store import Store
from core.database.tables import Observation
from core.frames import queue
from core.operations import broker, runs
from core.settings import Settings
from core.vocabulary import ExitCode
from pipeline.engines import dramatiq
from tests.core.test_queue import gone_pid
from tests.pipeline.dramatiq_engine.at_work import (
    FRAMES,
    at_work,
    frames,
    make_due,
    told_when_idle,
    until_done,
)


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


@pytest.mark.parametrize(("threads", "each"), [(0, 1), (3, 3)])
def test_a_worker_takes_one_thread_unless_a_number_is_set(monkeypatch, threads: int, each: int) -> None:
    """It knows nothing of the others on its machine."""
    told: list[int] = []
    monkeypatch.setattr(dramatiq.local, "run", lambda settings, **_: told.append(settings.run.threads))
    dramatiq._run(Settings(run={"threads": threads}), 2, None, str)
    assert told == [each]


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
