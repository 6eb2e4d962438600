"""A run of the local engine: what is queued is done, whatever single frames or workers do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import pytest
from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

import core.operations.threads
import pipeline.engines.heartbeat
import pipeline.engines.local
import pipeline.engines.processes
import pipeline.engines.worker
from core.database import patience
from core.database.store import Store, open_store
from core.database.store_errors import StoreAway, StoreMissing
from core.database.tables import Candidate, Difference, Observation, Run, StageRun
from core.frames import queue, references
from core.frames.commit import LONGEST_LOOK_S
from core.frames.observations import register
from core.frames.outcome import FrameOutcome
from core.operations import runs
from core.operations.standing import of_intake
from core.operations.threads import with_threads
from core.settings import Settings
from core.settings_sections import QueueSettings
from pipeline.energy.meter import EnergyMeter
from pipeline.energy.readings import Counter
from pipeline.engines.local import RunSummary, run
from pipeline.engines.worker import AWAY_S, LOST, FrameEvent
from pipeline.intake.ingest import examine
from tests.chaos.processes import eventually
from tests.pipeline.local_engine.night import FRAMES, Night, last_run, nothing, rows, states


@pytest.mark.usefixtures("known_outcomes")
def test_what_is_queued_is_done(settings: Settings, store: Store) -> None:
    seen: list[FrameEvent] = []
    summary = run(settings, on_event=seen.append)
    assert isinstance(summary, RunSummary)
    assert (summary.state, summary.counts) == ("done", {"done": FRAMES})
    assert tuple(seen) == summary.frames
    assert states(store) == ["done"] * FRAMES
    with store.read() as session:
        stored = len(session.exec(select(Candidate)).all())
        assert len(session.exec(select(Difference)).all()) == FRAMES
    assert stored == sum(each.candidates for each in seen) > 0
    row = last_run(store)
    assert (row.state, row.counts, row.pid) == ("done", {"done": FRAMES}, os.getpid())
    assert row.config["subtract"]["method"] == "zogy"
    assert "store" not in row.config  # its URL may hold a password
    assert run(settings).counts == {}


def linked(monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None] = lambda: None) -> list[set[int]]:
    """Of which frames the tracklets are looked for, from now on."""
    told: list[set[int]] = []
    link = pipeline.engines.local.link_frames

    def look(store: Store, settings: Settings, ids: set[int]) -> None:
        fail()
        told.append(set(ids))
        link(store, settings, ids)

    monkeypatch.setattr(pipeline.engines.local, "link_frames", look)
    return told


@pytest.mark.usefixtures("known_outcomes")
def test_the_next_run_looks_for_the_tracklets_of_a_run_that_was_killed(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = linked(monkeypatch)
    summary = run(settings)
    with_candidates = {event.observation_id for event in summary.frames if event.candidates}
    with store.write() as session:  # as if it had been killed after its last commit
        session.execute(update(Run).values(state="running", process="boot:1", ended_at=None))
    runs.reconcile(store)
    assert of_intake(store)["unlinked"] == FRAMES
    assert run(settings).counts == {}
    assert of_intake(store)["unlinked"] == 0
    assert run(settings).counts == {}
    every = {row.id for row in rows(store)}
    assert told == [with_candidates, every, set()]


@pytest.mark.usefixtures("known_outcomes")
def test_a_server_that_is_away_as_a_run_ends_loses_no_tracklets(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    away = [StoreAway("the server is gone"), StoreAway("the server is gone")]

    def fail() -> None:
        if away:
            raise away.pop()

    told, troubles = linked(monkeypatch, fail), []
    summary = run(settings, on_trouble=troubles.append)
    assert summary.state == "done"
    assert told == [{event.observation_id for event in summary.frames if event.candidates}]
    assert troubles == ["the server is gone; waiting for it for up to 300 s"]


def test_two_workers_do_each_frame_once(on_sqlite: tuple[Settings, Store]) -> None:
    settings, store = on_sqlite
    summary = run(settings, workers=2)
    assert summary.counts == {"done": FRAMES}
    assert sorted(each.observation_id for each in summary.frames) == [row.id for row in rows(store)]
    with store.read() as session:
        assert len(session.exec(select(Difference)).all()) == FRAMES
    assert active_children() == []


def test_no_more_processes_start_than_frames_are_due(
    on_sqlite: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One frame is due at first, a second comes while it is in hand; a third process has no work."""
    settings, store = on_sqlite
    keys = [row.id or 0 for row in rows(store)]
    queue.drop(store, keys[1:])
    started, begin = [], pipeline.engines.processes._started

    def counted(*words):
        started.append(words[-1])
        return begin(*words)

    monkeypatch.setattr(pipeline.engines.processes, "_started", counted)
    summary = run(settings, workers=9, on_begin=lambda _: started != [0] or queue.requeue(store, keys[1:2]))
    assert (summary.counts, started) == ({"done": 2}, [0, 1])
    assert (run(settings, workers=9).counts, started) == ({}, [0, 1])


@pytest.mark.parametrize(("threads", "each"), [(0, 3), (2, 2)])
def test_processes_share_the_cores_unless_a_number_is_set(
    on_sqlite: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch, threads: int, each: int
) -> None:
    settings, _ = on_sqlite
    told, begin = [], pipeline.engines.processes._started

    def heard(settings, *words):
        told.append(settings.run.threads)
        return begin(settings, *words)

    monkeypatch.setattr(pipeline.engines.processes, "_started", heard)
    monkeypatch.setattr(core.operations.threads, "usable_cores", lambda: 6)
    run(with_threads(settings, threads), workers=2, limit=2)
    assert told == [each, each]


def test_a_limit_is_kept(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.engines.worker, "process", nothing)
    assert run(settings, limit=1).counts == {"done": 1}
    assert states(store) == ["done", "queued", "queued", "queued"]
    assert run(settings, limit=0).counts == {}


@pytest.mark.usefixtures("known_outcomes")
def test_frames_without_a_reference_wait_for_one(night: Night, store: Store, store_url: str) -> None:
    register(store, night.frames[:1])
    summary = run(night.settings(store_url))
    assert summary.counts == {"waiting": 1}
    assert "no reference" in (summary.frames[0].reason or "")
    references.add(store, night.reference)
    assert run(night.settings(store_url)).counts == {"done": 1}


def test_a_reference_that_cannot_be_read_fails_the_frame(
    night: Night, store: Store, store_url: str, tmp_path: Path
) -> None:
    register(store, night.frames[:1])
    references.add(store, replace(night.reference, path=str(tmp_path / "gone.fits"), content="other"))
    summary = run(night.settings(store_url))
    assert summary.counts == {"queued": 1}
    assert "reference 1" in (summary.frames[0].reason or "")


def test_a_failing_frame_is_tried_again_later_and_holds_nothing_up(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = rows(store)[1].path

    def sometimes(path: Path, *_: object) -> FrameOutcome:
        return FrameOutcome("failed", "psf: ValueError: x") if str(path) == bad else FrameOutcome("done")

    monkeypatch.setattr(pipeline.engines.worker, "process", sometimes)
    summary = run(settings)
    assert summary.counts == {"done": 3, "queued": 1}
    assert states(store) == ["done", "queued", "done", "done"]
    quick = settings.model_copy(update={"queue": QueueSettings(retry_s=0.0, attempts=2)})
    with store.write() as session:
        row = session.get(Observation, rows(store)[1].id)
        row.not_before = 0.0
    assert run(quick).counts == {"quarantined": 1}
    assert rows(store)[1].reason == "psf: ValueError: x"


@pytest.mark.parametrize("was_refused", [False, True])
def test_a_frame_whose_folder_is_away_waits_for_it_untried(
    settings: Settings, store: Store, tmp_path: Path, was_refused: bool
) -> None:
    """As where a disk is not mounted for an hour, or on this one of several machines."""
    away = tmp_path / "away" / "a.fits"
    queue.drop(store, [row.id or 0 for row in rows(store)[1:]])
    with store.write() as session:
        row = session.get(Observation, rows(store)[0].id)
        row.path = str(away)
        if was_refused:  # by ingest, which then knows nothing of what it holds
            row.width = None
    quick = settings.model_copy(update={"queue": QueueSettings(retry_s=0.0, attempts=1)})

    def look() -> tuple[str, int, str | None]:
        with store.write() as session:
            session.get(Observation, rows(store)[0].id).not_before = 0.0
        run(quick)
        row = rows(store)[0]
        return row.state, row.attempts, row.reason

    state, attempts, reason = look()
    assert (state, attempts) == ("queued", 0)
    assert (reason or "").startswith(f"its folder {away.parent} is not there on ")
    with store.write() as session:
        row = session.get(Observation, rows(store)[0].id)
        row.created_at -= 3600.0
    assert look()[:2] == ("queued", 0)
    assert rows(store)[0].not_before - time.time() == pytest.approx(LONGEST_LOOK_S, abs=60)
    away.parent.mkdir()
    assert (look()[2] or "").startswith(f"its folder {away.parent} is empty on ")
    (away.parent / "others").touch()
    if not was_refused:
        assert look() == ("quarantined", 1, "there is no such file")  # this one alone is gone: it was tried


def test_a_folder_that_never_comes_back_is_a_failure_in_the_end(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    queue.drop(store, [row.id or 0 for row in rows(store)[1:]])
    with store.write() as session:
        row = session.get(Observation, rows(store)[0].id)
        row.path, row.created_at = str(tmp_path / "away" / "a.fits"), time.time() - AWAY_S - 1.0
    quick = settings.model_copy(update={"queue": QueueSettings(retry_s=0.0, attempts=1)})
    assert run(quick).counts == {"quarantined": 1}
    queue.requeue(store, [rows(store)[0].id or 0])  # and the wait begins anew
    run(quick)
    row = rows(store)[0]
    assert (row.state, row.attempts) == ("queued", 0)
    assert row.not_before - time.time() < 60.0


def test_what_the_store_refuses_is_the_frames_failure(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = pipeline.engines.worker.commit_frame

    def refusing(store: Store, lease: queue.Lease, outcome: FrameOutcome, **limits: object) -> object:
        if outcome.state == "done" and lease.observation_id == 1:
            raise IntegrityError("INSERT", {}, Exception("constraint"))
        return commit(store, lease, outcome, **limits)

    monkeypatch.setattr(pipeline.engines.worker, "process", nothing)
    monkeypatch.setattr(pipeline.engines.worker, "commit_frame", refusing)
    assert run(settings).counts == {"queued": 1, "done": 3}
    assert (rows(store)[0].reason or "").startswith("commit: IntegrityError")


def test_a_lost_lease_commits_nothing(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def robbed(*_: object) -> FrameOutcome:
        with store.write() as session:
            for row in session.exec(select(Observation).where(Observation.state == "running")):
                row.lease_token = "another's"
        return FrameOutcome("done")

    monkeypatch.setattr(pipeline.engines.worker, "process", robbed)
    summary = run(settings, limit=1)
    assert summary.counts == {LOST: 1}
    assert rows(store)[0].state != "done"


def test_a_frame_that_a_later_try_did_is_done_and_not_lost(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock jumps past the lease of the first frame while it is in hand."""
    tries: list[Path] = []

    def slow(path: Path, *_: object) -> FrameOutcome:
        tries.append(path)
        if len(tries) == 1:
            with store.write() as session:
                for row in session.exec(select(Observation).where(Observation.state == "running")):
                    row.lease_token, row.lease_until = "another's", 0.0
        return FrameOutcome("done")

    monkeypatch.setattr(pipeline.engines.worker, "process", slow)
    summary = run(settings)
    assert [event.state for event in summary.frames].count(LOST) == 1
    assert summary.counts == last_run(store).counts == {"done": FRAMES}


def test_who_did_a_frame_may_say_so_before_the_one_that_lost_it() -> None:
    said = [(1, "done"), (1, LOST), (2, LOST), (3, "queued"), (3, "quarantined")]
    events = [FrameEvent(number, "", state, None, 1.0, 0) for number, state in said]
    assert pipeline.engines.local._counted(events) == {"done": 1, LOST: 1, "quarantined": 1}


def test_the_lease_is_renewed_while_a_frame_takes_long(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[float] = []

    def slow(*_: object) -> FrameOutcome:
        import time

        deadline = time.monotonic() + 60.0
        while len(set(ends)) < 3 and time.monotonic() < deadline:
            ends.append(rows(store)[0].lease_until or 0.0)
            time.sleep(0.05)
        return FrameOutcome("done")

    monkeypatch.setattr(pipeline.engines.worker, "process", slow)
    brief = settings.model_copy(update={"queue": QueueSettings(lease_s=2.0)})
    assert run(brief, limit=1).counts == {"done": 1}
    assert len(set(ends)) >= 3
    assert ends == sorted(ends)


def test_a_run_is_heard_of_between_its_frames_too(
    on_sqlite: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, store = on_sqlite
    monkeypatch.setattr(pipeline.engines.worker.Worker, "_outcome", nothing)
    monkeypatch.setattr(pipeline.engines.heartbeat, "EVERY_S", 0.01)

    def is_heard_of_again(_: FrameEvent) -> None:
        before = last_run(store).heartbeat_at
        assert eventually(lambda: last_run(store).heartbeat_at > before)

    assert run(settings, on_event=is_heard_of_again).counts == {"done": FRAMES}


def test_stages_are_charged_shares_of_a_machine_that_other_runs_work_on_too(
    on_sqlite: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting:
        """A device that takes a joule from each look at it to the next."""

        device, kind, name, memory_mib, looks = "cpu0", "cpu", "package-0", None, 0

        def counter(self) -> Counter:
            self.looks += 1
            return Counter(float(self.looks))

    settings, store = on_sqlite
    monkeypatch.setattr(EnergyMeter, "of_this_machine", lambda _: EnergyMeter([Counting()]))
    beside = runs.start(store, engine="local", workers=3, config_hash="cafe").id or 0
    run(settings, limit=1)
    runs.finish(store, beside)
    run(settings, limit=1)
    with store.read() as session:
        charged = session.exec(
            select(StageRun.run_id, func.min(StageRun.energy_j)).group_by(StageRun.run_id)
        ).all()
    assert dict(charged) == {beside + 1: 0.25, beside + 2: 1.0}


def test_a_run_needs_a_store(night: Night, tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        run(night.settings(f"sqlite:///{tmp_path / 'none.db'}"))


@pytest.mark.usefixtures("known_outcomes")
def test_a_file_that_was_written_over_is_not_taken_for_what_it_was(
    night: Night, sqlite_store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "tonight.fits"
    path.write_bytes(Path(night.frames[0].path).read_bytes())
    register(sqlite_store, [replace(night.frames[0], path=str(path))])
    references.add(sqlite_store, night.reference)
    path.write_bytes(Path(night.frames[1].path).read_bytes())  # as a camera numbers anew
    settings = night.settings(f"sqlite:///{sqlite_store.url}")
    settings = settings.model_copy(update={"queue": QueueSettings(attempts=1)})
    summary = run(settings)
    assert summary.counts == {"quarantined": 1}
    assert "other content" in (summary.frames[0].reason or "")
    path.write_bytes(Path(night.frames[0].path).read_bytes())
    queue.requeue(sqlite_store, [rows(sqlite_store)[0].id or 0])
    assert run(settings).counts == {"done": 1}


def test_a_frame_that_went_by_another_reading_of_its_header_tells_so(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.engines.worker, "process", nothing)
    camera = settings.camera.model_copy(update={"keywords": {"OBJECT": "INSTRUME"}})
    summary = run(settings.model_copy(update={"camera": camera}), limit=1)
    assert summary.counts == {"done": 1}
    reason = summary.frames[0].reason or ""
    assert reason.startswith("Its header is read otherwise now (field ")
    assert "`astrid queue retry` the frame, then `astrid ingest`" in reason
    assert run(settings, limit=1).frames[0].reason is None


@pytest.mark.usefixtures("known_outcomes")
def test_a_damaged_file_that_is_whole_now_is_done_when_it_is_retried(
    night: Night, sqlite_store: Store, tmp_path: Path
) -> None:
    path, whole = tmp_path / "tonight.fits", Path(night.frames[0].path).read_bytes()
    settings = night.settings(f"sqlite:///{sqlite_store.url}")
    settings = settings.model_copy(update={"queue": QueueSettings(attempts=1)})
    references.add(sqlite_store, night.reference)
    path.write_bytes(whole[: len(whole) // 2])  # as while it is copied
    register(sqlite_store, examine(path, settings))
    assert states(sqlite_store) == ["quarantined"]
    queue.requeue(sqlite_store, [1])
    (event,) = run(settings).frames
    assert (event.state, "truncated" in (event.reason or "")) == ("quarantined", True)
    path.write_bytes(whole)
    queue.requeue(sqlite_store, [1])
    assert run(settings).counts == {"done": 1, "dropped": 1}
    assert states(sqlite_store) == ["dropped", "done"]


def test_tracebacks_go_to_the_log_in_its_home(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("deep inside")

    monkeypatch.setattr("pipeline.measure.find_stars", broken)
    elsewhere = settings.model_copy(update={"home": tmp_path / "home"})
    summary = run(elsewhere, limit=1)
    assert summary.frames[0].reason is not None
    with closing(open_store(settings.store_url)):
        text = (tmp_path / "home" / "logs" / "pipeline.log").read_text()
    assert "Traceback" in text
    assert "deep inside" in text
