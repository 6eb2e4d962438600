"""A worker that slept past its lease writes nothing when it wakes, and holds nobody up while it sleeps."""

import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlmodel import col, select

from core.database.store import Store, open_store
from core.database.store_errors import StoreUnreachable
from core.database.tables import Candidate, Observation, Run, StageRun
from core.frames import queue
from core.frames.queue import Lease
from core.objects.association import lock
from core.settings_sections import QueueSettings
from tests.chaos.nights import Night, make_night
from tests.chaos.processes import a_run, eventually, none_survives, send

LEASE_S = 1.5


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), frames=1, size=160)


def the_frame(store: Store) -> Observation:
    with store.read() as session:
        return session.exec(select(Observation).where(col(Observation.kind) == "science")).one()


def claimed_from(sleeper: int, store: Store) -> Lease:
    """Let a process sleep until its frame can be claimed; anew if it sleeps within a transaction."""
    for _ in range(20):
        assert eventually(lambda: the_frame(store).state == "running", every_s=0.01)
        time.sleep(0.1)  # who has just claimed may hold the lock still
        send(sleeper, signal.SIGSTOP)
        time.sleep(1.2 * LEASE_S)
        try:
            lease = queue.claim(store, "run-999/0", 600.0)
        except StoreUnreachable:
            lease = None  # on SQLite it holds the only lock that there is
        if lease is not None:
            return lease
        send(sleeper, signal.SIGCONT)
    raise AssertionError("the frame could not be claimed from a worker that sleeps")


def test_who_slept_past_the_lease_commits_nothing(
    night: Night, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = night.fill(store_url, queue=QueueSettings(lease_s=LEASE_S, attempts=100, retry_s=0.0))
    monkeypatch.setattr("core.database.engine.BUSY_S", 1.0)
    with closing(open_store(store_url)) as store, none_survives() as runs:
        runs.append(a_run(settings, log=tmp_path / "log"))
        lease = claimed_from(runs[0].pid or 0, store)
        send(runs[0].pid or 0, signal.SIGCONT)
        runs[0].join(60)
        assert not runs[0].is_alive()
        frame = the_frame(store)
        assert (frame.state, frame.lease_token) == ("running", lease.token)
        with store.read() as session:
            assert session.exec(select(Candidate)).all() == []
            assert session.exec(select(StageRun)).all() == []
            run = session.exec(select(Run)).one()
        assert (run.state, run.counts) == ("done", {"lost": 1})


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_who_sleeps_within_a_transaction_is_thrown_out(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.database.engine.ASLEEP_S", 0.5)
    with closing(open_store(store_url)) as sleeper, closing(open_store(store_url)) as other:
        with pytest.raises(StoreUnreachable, match="idle"):
            lock_and_sleep(sleeper, other)
        with sleeper.write() as session:
            lock(session)  # and it goes on with a new connection


def lock_and_sleep(sleeper: Store, other: Store) -> None:
    with sleeper.write() as session:
        lock(session)
        with other.write() as waiting:
            lock(waiting)  # until the server ends the sleeper's transaction
        session.exec(select(Observation)).all()
