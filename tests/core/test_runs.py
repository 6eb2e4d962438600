"""Runs: recorded before they begin, cancelled by who owns them, reconciled when they are gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import literal, update
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Run, StageRun
from core.frames import queue
from core.operations import runs
from core.operations.processes import PROC, mark_of
from core.operations.runs import RunRefused
from tests.core.test_queue import add_frames, gone_pid

LISTENER = """
import signal, sys, time
heard = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: heard.append(signal.Signals(number).name))
print("ready", flush=True)
while len(heard) < int(sys.argv[1]):
    time.sleep(0.01)
print(*sorted(heard), flush=True)
"""


def a_run(store: Store, **facts: object) -> int:
    row = runs.start(store, engine="local", workers=1, config_hash="abc")
    if facts:
        with store.write() as session:
            session.execute(update(Run).where(col(Run.id) == row.id).values(**facts))
    return row.id or 0


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that ends after so many signals and says which they were."""
    command = [sys.executable, "-c", LISTENER, request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def test_a_run_is_this_process_and_no_later_one(store: Store) -> None:
    run = runs.read(store, a_run(store))
    assert (run.pid, run.process) == (os.getpid(), mark_of(os.getpid()))


def test_a_process_id_that_is_in_use_again_does_not_keep_a_run_alive(store: Store) -> None:
    key = a_run(store, process="boot:1")
    assert runs.reconcile(store) == [key]
    run = runs.read(store, key)
    assert run.state == "lost"
    assert run.reason == f"process {os.getpid()} is gone"


@pytest.mark.skipif(not PROC.exists(), reason="only on Linux a mark tells of a boot")
def test_a_run_of_another_machine_of_the_same_name_is_left_alone_until_it_is_silent(store: Store) -> None:
    another = "00000000-0000-4000-8000-000000000000:1"
    key = a_run(store, process=another, pid=gone_pid())
    assert runs.reconcile(store) == []
    with pytest.raises(RunRefused, match=f"run {key} is at work on .*: cancel it there"):
        runs.cancel(store, key)
    silent = a_run(store, process=another, pid=gone_pid(), heartbeat_at=1.0)
    assert runs.reconcile(store) == [silent]


@pytest.mark.skipif(not PROC.exists(), reason="only on Linux there are containers")
def test_the_power_of_a_machine_is_shared_by_the_runs_of_its_containers_that_live(store: Store) -> None:
    boot, tick, *_ = (mark_of(os.getpid()) or "").split(":")
    in_another, elsewhere = f"{boot}:{tick}:4026539999", "00000000-0000-4000-8000-000000000000:1"
    own = a_run(store, workers=2)
    a_run(store, workers=10, process=in_another)
    a_run(store, workers=100, process=in_another, host="3f0c9d", pid=gone_pid())
    a_run(store, workers=1000)
    for facts in (
        {"process": in_another, "heartbeat_at": 1.0},  # fell silent
        {"process": elsewhere},  # a machine of this one's name
        {"host": "dome-2"},
        {"pid": gone_pid()},
        {"process": in_another, "state": "done"},
    ):
        a_run(store, workers=10000, **facts)
    assert runs.sharers(store, own) == (2, 1112)


def test_a_run_whose_process_lives_here_is_never_lost_however_long_it_is_silent(store: Store) -> None:
    key = a_run(store, heartbeat_at=1.0)
    assert runs.reconcile(store) == []
    assert runs.read(store, key).state == "running"


def test_a_process_that_cannot_be_told_from_another_does_not_keep_a_silent_run_alive(store: Store) -> None:
    key = a_run(store, heartbeat_at=1.0, process=None)
    assert runs.reconcile(store) == [key]
    assert runs.read(store, key).reason == f"process {os.getpid()} fell silent"


@pytest.mark.parametrize("own_word", [runs.heartbeat, runs.finish])
def test_a_lost_run_that_speaks_again_was_not_lost(store: Store, own_word: Callable[..., bool]) -> None:
    """A laptop that slept: others had given its run up and taken its frames."""
    add_frames(store, 1)
    key = a_run(store, host="dome-2", heartbeat_at=1.0)
    lease = queue.claim(store, runs.owner(key), 600.0)
    assert runs.reconcile(store) == [key]
    assert runs.read(store, key).state == "lost"
    other = queue.claim(store, "run-999/0", 600.0)
    assert lease is not None
    assert other is not None
    assert own_word(store, key)
    run = runs.read(store, key)
    assert (run.state, run.reason) == ("running" if own_word is runs.heartbeat else "done", None)
    assert (run.ended_at is None) == (run.state == "running")
    assert runs.reconcile(store) == []
    assert not queue.renew(store, lease, 600.0)
    assert queue.renew(store, other, 600.0)  # what was taken over stays so


def test_runs_are_heard_of_by_the_clock_of_the_database(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock_shows(at: float) -> None:
        monkeypatch.setattr(Store, "clock", lambda _: literal(at))

    clock_shows(5000.0)
    key = a_run(store, host="dome-2")
    clock_shows(5100.0)
    runs.heartbeat(store, key)
    clock_shows(5100.0 + runs.STALE_S - 1.0)
    assert runs.reconcile(store) == []
    clock_shows(5100.0 + runs.STALE_S)
    assert runs.reconcile(store) == [key]
    run = runs.read(store, key)
    assert (run.started_at, run.heartbeat_at, run.ended_at) == (5000.0, 5100.0, 5100.0 + runs.STALE_S)


def test_a_run_that_was_announced_is_taken_up_by_its_process(store: Store) -> None:
    key = a_run(store, pid=gone_pid(), process=None)
    row = runs.start(store, engine="prefect", workers=3, config_hash="def", run_id=key, flow_run_id="f-1")
    assert (row.id, row.state, row.pid) == (key, "running", os.getpid())
    assert (row.engine, row.workers, row.config_hash, row.flow_run_id) == ("prefect", 3, "def", "f-1")
    assert runs.reconcile(store) == []


def test_a_run_that_is_over_cannot_be_taken_up(store: Store) -> None:
    key = a_run(store)
    runs.finish(store, key, "interrupted")
    with pytest.raises(RunRefused, match=f"run {key} was over before it began"):
        runs.start(store, engine="local", workers=1, config_hash="abc", run_id=key)


def test_the_reason_of_a_failure_is_kept(store: Store) -> None:
    key = a_run(store)
    runs.finish(store, key, "failed", reason="the disk is full")
    assert not runs.finish(store, key, "failed", reason="something else")
    assert runs.read(store, key).reason == "the disk is full"


def test_runs_are_listed_newest_first_and_in_pages(store: Store) -> None:
    keys = [a_run(store) for _ in range(5)]
    runs.finish(store, keys[4])
    assert [row.id for row in runs.newest(store, limit=2)] == [keys[4], keys[3]]
    assert [row.id for row in runs.newest(store, limit=2, before=keys[3])] == [keys[2], keys[1]]
    assert [row.id for row in runs.newest(store, running=True)] == keys[3::-1]


def test_runs_that_found_nothing_due_are_remembered_for_a_day(store: Store) -> None:
    (frame,) = add_frames(store, 1)
    long_ago = store.clock() - runs.IDLE_KEPT_S - 60.0
    idle, fresh, took, failed = (a_run(store) for _ in range(4))
    for each, counts in ((idle, {}), (fresh, {}), (took, {"done": 1})):
        runs.finish(store, each, counts=counts)
    runs.finish(store, failed, state="failed", reason="no")
    begun = a_run(store, state="done", ended_at=long_ago)  # it says nothing, but a stage is known of it
    with store.write() as session:
        old = update(Run).where(col(Run.id).in_([idle, took, failed])).values(ended_at=long_ago)
        session.execute(old)
        session.add(StageRun(observation_id=frame, run_id=begun, attempt=1, stage="read", started_at=long_ago,
                             seconds=1.0, outcome="done"))  # fmt: skip
    last = a_run(store)
    assert runs.finish(store, a_run(store), counts={"done": 1})
    assert idle in [row.id for row in runs.newest(store)], "whoever took frames looks after nothing else"
    assert runs.finish(store, last, counts={})
    kept = [row.id for row in runs.newest(store)]
    assert kept == [last + 1, last, begun, failed, took, fresh]
    assert [row.id for row in runs.newest(store, idle=False)] == [last + 1, begun, failed, took]


@pytest.mark.parametrize("listener", ["1"], indirect=True)
def test_cancelling_sends_one_signal(sqlite_store: Store, listener: subprocess.Popen[str]) -> None:
    key = a_run(sqlite_store)
    runs.hand_over(sqlite_store, key, listener.pid)
    assert runs.cancel(sqlite_store, key).reason == runs.ASKED_TO_STOP
    assert listener.communicate()[0] == "SIGTERM\n"


@pytest.mark.parametrize("listener", ["1"], indirect=True)
def test_a_run_that_was_given_up_is_cancelled_where_its_process_lives(
    sqlite_store: Store, listener: subprocess.Popen[str]
) -> None:
    key = a_run(sqlite_store)
    runs.hand_over(sqlite_store, key, listener.pid)
    with sqlite_store.write() as session:
        session.execute(update(Run).values(state="lost", reason="process 1 fell silent", ended_at=1.0))
    run = runs.cancel(sqlite_store, key)
    assert (run.state, run.reason, run.ended_at) == ("running", runs.ASKED_TO_STOP, None)
    assert listener.communicate()[0] == "SIGTERM\n"


@pytest.mark.parametrize("listener", ["2"], indirect=True)
def test_cancelling_at_once_sends_two_that_cannot_merge(
    sqlite_store: Store, listener: subprocess.Popen[str]
) -> None:
    key = a_run(sqlite_store)
    runs.hand_over(sqlite_store, key, listener.pid)
    runs.cancel(sqlite_store, key, now=True)
    assert listener.communicate()[0] == "SIGINT SIGTERM\n"


@pytest.mark.parametrize("listener", ["1"], indirect=True)
def test_what_was_asked_before_needs_one_more_signal(
    sqlite_store: Store, listener: subprocess.Popen[str]
) -> None:
    key = a_run(sqlite_store, reason=runs.ASKED_TO_STOP)
    runs.hand_over(sqlite_store, key, listener.pid)
    runs.cancel(sqlite_store, key, now=True)
    assert listener.communicate()[0] == "SIGTERM\n"


def test_a_process_that_merely_has_the_id_is_never_signalled(store: Store) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        key = a_run(store, process="boot:1")  # but this very process's id
        with pytest.raises(RunRefused, match=f"run {key} is lost already"):
            runs.cancel(store, key)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == []


def test_who_is_about_to_start_a_run_is_never_signalled(store: Store) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        row = runs.start(store, engine="local", workers=1, config_hash="abc", by_another=True)
        with pytest.raises(RunRefused, match=f"run {row.id} has not begun yet"):
            runs.cancel(store, row.id or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == []


def test_a_run_that_died_of_its_cancelling_was_interrupted(store: Store) -> None:
    key = a_run(store, reason=runs.ASKED_TO_STOP, pid=gone_pid())
    assert runs.reconcile(store) == [key]
    ended = runs.read(store, key)
    assert (ended.state, ended.reason) == ("interrupted", runs.BROKEN_OFF)


def test_what_cannot_be_cancelled_is_said_in_a_sentence(store: Store) -> None:
    elsewhere, over = a_run(store, host="dome-2"), a_run(store)
    lost = a_run(store, host="dome-2", state="lost", pid=77)
    runs.finish(store, over)
    with pytest.raises(RunRefused, match=f"run {elsewhere} is at work on dome-2: cancel it there"):
        runs.cancel(store, elsewhere)
    with pytest.raises(RunRefused, match=f"run {lost} fell silent as process 77 on dome-2: cancel it there"):
        runs.cancel(store, lost)
    with pytest.raises(RunRefused, match=f"run {over} is done already"):
        runs.cancel(store, over)
    with pytest.raises(RunRefused, match="there is no run 99"):
        runs.cancel(store, 99)


def test_frames_of_runs_that_were_broken_off_are_told_until_a_run_ends_well(store: Store) -> None:
    frames = add_frames(store, 1, 2, 3, 4)
    states = ("failed", "interrupted", "lost", "done")
    keys = [a_run(store, started_at=float(number)) for number in range(len(states))]
    stage = {"attempt": 1, "stage": "subtract", "started_at": 0.0, "seconds": 1.0, "outcome": "done"}
    with store.write() as session:
        for key, frame in zip(keys, frames, strict=True):
            session.add(StageRun(run_id=key, observation_id=frame, **stage))
    assert runs.frames_broken_off(store, 0) == set()  # all are at work
    for key, state in zip(keys, states, strict=True):
        runs.finish(store, key, state)
    assert runs.frames_broken_off(store, keys[-1]) == set(frames[:3])  # for the last run to see to
    assert runs.frames_broken_off(store, keys[0]) == set(frames[1:3])  # they ended after it had begun
    assert unlinked(store) == 2  # who was asked to stop has done that himself,
    with store.write() as session:
        session.execute(update(Run).where(col(Run.state) == "interrupted").values(reason=runs.BROKEN_OFF))
    assert unlinked(store) == 3  # unless he was asked twice
    with store.write() as session:
        session.execute(update(Run).where(col(Run.state) != "done").values(ended_at=2.5))
    assert runs.frames_broken_off(store, 0) == set()  # that one has seen to them
    assert unlinked(store) == 0


def unlinked(store: Store) -> int:
    with store.read() as session:
        return runs.count_unlinked(session)
