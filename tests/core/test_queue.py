"""Every frame is in one pair of hands at a time, and none is lost when the hands fail."""

import json
import subprocess
import sys
import threading

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from core.database.store import Store, open_store
from core.database.tables import Observation, Run
from core.frames import queue
from core.frames.commit import commit_frame
from core.frames.outcome import FrameOutcome
from core.frames.queue import LeaseLost, claim, counts_by_state, drop, release, renew, requeue
from core.operations import runs
from tests.core.frames import add_frames, claimed


def row(store: Store, key: int) -> Observation:
    with store.read() as session:
        found = session.get(Observation, key)
    assert found is not None
    return found


def expire(store: Store) -> None:
    """Let every lease run out."""
    with store.write() as session:
        session.execute(update(Observation).values(lease_until=col(Observation.lease_until) - 1e6))


def fail(store: Store, lease: queue.Lease, attempts: int = 3, retry_s: float = 0.0) -> str:
    outcome = FrameOutcome(state="failed", reason="it broke")
    return commit_frame(store, lease, outcome, attempts=attempts, retry_s=retry_s).state


def test_frames_go_by_priority_then_as_they_came(store: Store) -> None:
    first, second = add_frames(store, 1, 2)
    (urgent,) = add_frames(store, 3, priority=-1)
    order = [claimed(store).observation.id for _ in range(3)]
    assert order == [urgent, first, second]
    assert claim(store, "me", 60) is None


def test_a_claim_says_whose_it_is_and_until_when(store: Store) -> None:
    (key,) = add_frames(store, 1)
    lease = claimed(store, owner="run-7/2")
    stored = row(store, key)
    assert (stored.state, stored.lease_owner, stored.lease_token) == ("running", "run-7/2", lease.token)
    assert lease.attempt == stored.attempts == 1
    with store.read() as session:
        left = (stored.lease_until or 0.0) - session.exec(select(store.clock())).one()
    assert 50.0 < left <= 60.0


def test_only_frames_that_are_due_and_queued_are_claimed(store: Store) -> None:
    add_frames(store, 1, state="rejected", reason="no date")
    add_frames(store, 2, state="calibration", kind="bias")
    (later,) = add_frames(store, 3)
    with store.write() as session:
        session.execute(update(Observation).where(col(Observation.id) == later).values(not_before=1e12))
    assert claim(store, "me", 60) is None


def test_threads_never_claim_the_same_frame(store: Store) -> None:
    keys = add_frames(store, *range(40))
    got: list[int] = []

    def work(number: int) -> None:
        while (lease := claim(store, f"run-1/{number}", 60)) is not None:
            got.append(lease.observation_id)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(keys)


def test_processes_never_claim_the_same_frame(store: Store, store_url: str) -> None:
    keys = add_frames(store, *range(30))
    code = (
        "import json, sys\nfrom core.frames.queue import claim\nfrom core.database.store import open_store\n"
        "store, got = open_store(sys.argv[1]), []\n"
        "while (lease := claim(store, 'run-1/0', 60)) is not None:\n    got.append(lease.observation_id)\n"
        "print(json.dumps(got))"
    )
    other = subprocess.Popen([sys.executable, "-c", code, store_url], stdout=subprocess.PIPE, text=True)
    mine: list[int] = []
    while other.poll() is None and len(mine) < len(keys) // 2:
        if (lease := claim(store, "run-2/0", 60)) is not None:
            mine.append(lease.observation_id)
    theirs = json.loads(other.communicate()[0])
    assert other.returncode == 0
    assert sorted(mine + theirs) == sorted(keys)


def test_a_lease_that_ran_out_goes_to_the_next_and_binds_the_first_no_more(store: Store) -> None:
    (key,) = add_frames(store, 1)
    slow = claimed(store)
    expire(store)
    quick = claimed(store)
    assert (quick.observation_id, quick.attempt) == (key, 2)
    assert not renew(store, slow, 60)
    assert not release(store, slow)
    with pytest.raises(LeaseLost, match=r"n1\.fits"):
        fail(store, slow)
    assert row(store, key).lease_token == quick.token


def test_a_lease_that_ran_out_is_lost_even_when_nobody_took_the_frame(store: Store) -> None:
    add_frames(store, 1)
    lease = claimed(store)
    expire(store)
    assert not renew(store, lease, 60)
    with pytest.raises(LeaseLost):
        fail(store, lease)


def test_a_renewed_lease_is_kept(store: Store) -> None:
    add_frames(store, 1)
    lease = claimed(store, lease_s=5)
    assert renew(store, lease, 600)
    with store.write() as session:
        session.execute(update(Observation).values(lease_until=col(Observation.lease_until) - 100))
    assert claim(store, "other", 60) is None
    assert renew(store, lease, 60)


def test_a_released_frame_was_not_tried(store: Store) -> None:
    (key,) = add_frames(store, 1)
    assert release(store, claimed(store))
    assert (row(store, key).state, row(store, key).attempts, row(store, key).lease_token) == (
        "queued",
        0,
        None,
    )
    assert claimed(store).attempt == 1


def test_a_frame_that_crashes_its_workers_is_quarantined(store: Store) -> None:
    (key,) = add_frames(store, 1)
    for _ in range(3):
        claimed(store)
        expire(store)
    assert claim(store, "me", 60) is None
    assert row(store, key).state == "quarantined"
    assert (row(store, key).lease_owner, row(store, key).lease_token) == (None, None)
    assert "3 attempts" in (row(store, key).reason or "")


def test_a_failed_frame_waits_longer_each_time_and_is_quarantined_at_last(store: Store) -> None:
    (key,) = add_frames(store, 1)
    waits = []
    for _ in range(2):
        assert fail(store, claimed(store), retry_s=30.0) == "queued"
        assert claim(store, "me", 60) is None
        with store.write() as session:
            now = session.exec(select(store.clock())).one()
            waits.append(row(store, key).not_before - now)
            session.execute(update(Observation).values(not_before=0.0))
    assert waits == [pytest.approx(30.0, abs=5), pytest.approx(60.0, abs=5)]
    assert fail(store, claimed(store)) == "quarantined"
    assert (row(store, key).state, row(store, key).reason) == ("quarantined", "it broke")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_claim_passes_over_a_row_that_is_being_committed(store: Store, store_url: str) -> None:
    add_frames(store, 1, 2)
    held = claimed(store)
    other = open_store(store_url)
    with store.write() as session:
        session.execute(
            update(Observation).where(col(Observation.id) == held.observation_id).values(lease_until=0.0)
        )
        lease = claim(other, "other", 60)
    assert lease is not None
    assert lease.observation_id != held.observation_id
    other.close()


def test_what_could_be_claimed_is_counted_with_what_fell_silent(store: Store) -> None:
    keys = add_frames(store, 1, 2, 3, 4, 5)
    silent, held = claimed(store), claimed(store)
    assert (silent.observation_id, held.observation_id) == (keys[0], keys[1])
    with store.write() as session:
        session.execute(update(Observation).where(col(Observation.id) == keys[0]).values(lease_until=0.0))
        session.execute(update(Observation).where(col(Observation.id) == keys[2]).values(not_before=1e12))
    drop(store, keys[4:])
    assert queue.due(store) == [keys[3]]
    assert queue.unfinished(store, keys) == {keys[0], keys[1], keys[3]}
    assert [queue.count_takeable(store, most) for most in (9, 1)] == [2, 1]


def test_a_person_can_put_frames_back_and_take_them_out(store: Store) -> None:
    keys = add_frames(store, 1, 2, 3)
    running = claimed(store).observation_id
    assert drop(store, keys) == 2
    assert counts_by_state(store) == {"dropped": 2, "running": 1}
    assert requeue(store, keys) == 2
    assert counts_by_state(store) == {"queued": 2, "running": 1}
    assert row(store, running).state == "running"
    (bias,) = add_frames(store, 9, state="calibration", kind="bias")
    assert requeue(store, [bias]) == drop(store, [bias]) == 0


def test_putting_a_frame_back_forgets_its_failures(store: Store) -> None:
    (key,) = add_frames(store, 1)
    assert fail(store, claimed(store), attempts=1) == "quarantined"
    requeue(store, [key])
    assert claimed(store).attempt == 1
    assert row(store, key).reason is None


def a_run(store: Store) -> Run:
    return runs.start(store, engine="local", workers=1, config_hash="abc")


def gone_pid() -> int:
    """The id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_run_beats_and_ends_once(store: Store) -> None:
    run = a_run(store)
    key = run.id or 0
    assert runs.heartbeat(store, key)
    assert runs.reconcile(store) == []
    assert runs.finish(store, key, "done", {"done": 4})
    assert not runs.heartbeat(store, key)
    assert not runs.finish(store, key, "failed")
    with store.read() as session:
        stored = session.get(Run, key)
    assert stored is not None
    assert (stored.state, stored.counts) == ("done", {"done": 4})
    assert stored.ended_at is not None


def test_the_frames_of_a_killed_run_return_at_once_and_untried(store: Store) -> None:
    (mine, theirs) = add_frames(store, 1, 2)
    dead, alive = a_run(store), a_run(store)
    claimed(store, owner=runs.owner(dead.id or 0, 1))
    kept = claimed(store, owner=runs.owner(alive.id or 0))
    with store.write() as session:
        session.execute(update(Run).where(col(Run.id) == dead.id).values(pid=gone_pid()))
    assert runs.reconcile(store) == [dead.id]
    assert runs.reconcile(store) == []
    assert row(store, mine).state == "queued"
    assert row(store, theirs).lease_token == kept.token
    assert claimed(store).attempt == 1


def test_runs_whose_numbers_begin_alike_are_not_confused(store: Store) -> None:
    add_frames(store, 1)
    claimed(store, owner=runs.owner(12))
    with store.write() as session:
        session.add(
            Run(
                id=1, engine="local", host="elsewhere", pid=1, workers=1, state="running",
                config_hash="", started_at=0.0, heartbeat_at=0.0,
            )
        )  # fmt: skip
    assert runs.reconcile(store) == [1]
    assert counts_by_state(store) == {"running": 1}


def test_a_run_that_fell_silent_is_lost_wherever_it_was(store: Store) -> None:
    run = a_run(store)
    with store.write() as session:
        session.execute(update(Run).values(host="elsewhere", heartbeat_at=col(Run.heartbeat_at) - 60))
    assert runs.reconcile(store) == []
    with store.write() as session:
        session.execute(update(Run).values(heartbeat_at=col(Run.heartbeat_at) - runs.STALE_S))
    assert runs.reconcile(store) == [run.id]
    assert runs.reconcile(store) == []


def test_a_frame_that_kills_every_run_is_quarantined_in_the_end(store: Store) -> None:
    (key,) = add_frames(store, 1)
    for number in range(queue.MAX_INTERRUPTIONS):
        assert (row(store, key).state, row(store, key).reason) == ("queued", None), f"after {number} runs"
        run = a_run(store)
        claimed(store, owner=runs.owner(run.id or 0))
        runs.finish(store, run.id or 0, "interrupted")
    assert row(store, key).state == "quarantined"
    assert row(store, key).reason == "10 runs ended while they processed it"
