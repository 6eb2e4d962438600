"""How the work goes, as commands tell it: the same as the screens; on both databases."""

import time

import pytest

from core.database.tables import WatchedFolder
from core.frames.commit import commit_frame
from core.frames.outcome import FrameOutcome, StageRecord
from core.operations import runs
from core.operations.standing import of_intake, of_run
from tests.core.frames import add_frames, claimed, process


def test_an_empty_store_has_nothing_to_tell(store):
    assert of_intake(store) == {
        "oldest_queued_s": None,
        "frames_per_hour": None,
        "work_s": None,
        "cadence_s": None,
        "keeps_up": None,
        "arrived_1h": 0,
        "unlinked": 0,
        "folders": [],
        "causes": [],
    }


def test_the_queue_is_told_with_its_pace_its_folders_and_why_frames_failed(store):
    now = time.time()
    add_frames(store, 1, 2, 3, 4, 5)
    for number in range(2):
        stages = (StageRecord("all", now + 60.0 * number, 30.0, "done"),)
        process(store, FrameOutcome("done", stages=stages))
    for stars in (3, 7):
        process(store, FrameOutcome("rejected", f"{stars} stars are too few"))
    with store.write() as db:
        taken = {"interval_s": 5.0, "cadence_s": 90.0, "files": 5, "refused": 1}
        db.add(WatchedFolder(path="/night", host="dome", watcher="w", heartbeat_at=now - 1000.0, **taken))
    told = of_intake(store)
    assert told["oldest_queued_s"] == pytest.approx(time.time() - now, abs=10.0)
    assert (told["frames_per_hour"], told["cadence_s"]) == (pytest.approx(60.0), 90.0)
    assert told["keeps_up"] == pytest.approx(1.5)
    assert of_intake(store, cadence_s=30.0)["keeps_up"] == pytest.approx(0.5)
    (folder,) = told["folders"]
    assert (folder["host"], folder["path"], folder["files"], folder["refused"]) == ("dome", "/night", 5, 1)
    assert folder["is_watched"]
    assert folder["is_silent"]
    (cause,) = told["causes"]
    assert (cause["state"], cause["frames"], cause["newest_reason"]) == ("rejected", 2, "7 stars are too few")


def test_a_run_is_told_with_the_times_of_its_stages_and_what_is_left(store):
    run = runs.start(store, engine="local", workers=2, config_hash="c")
    add_frames(store, 1, 2, 3, 4)
    for number, seconds in enumerate((1.0, 3.0)):
        began = 1000.0 + 100.0 * number
        stages = (
            StageRecord("align", began, seconds, "done"),
            StageRecord("detect", began + seconds, 1.0, "rejected" if number else "done"),
        )
        outcome = FrameOutcome("rejected" if number else "done", "clouds", stages=stages)
        commit_frame(store, claimed(store), outcome, run_id=run.id, attempts=3, retry_s=0.0)
    told = of_run(store, runs.read(store, run.id))
    align, detect = told["stages"]
    assert (align["stage"], align["times"], align["p50_s"], align["last_s"]) == ("align", 2, 2.0, 3.0)
    assert align["p95_s"] == pytest.approx(2.9)
    assert align["share"] == pytest.approx(4 / 6)
    assert (detect["stage"], detect["refused"], detect["failed"]) == ("detect", 1, 0)
    assert [each["name"] for each in told["crew"]] == [runs.owner(run.id, number) for number in range(2)]
    assert told["left"] == 2
    assert told["left_s"] == pytest.approx(2 * 3600.0 / told["frames_per_hour"])
    runs.finish(store, run.id, "done", {"done": 1})
    over = of_run(store, runs.read(store, run.id))
    assert (over["crew"], over["left"], over["left_s"]) == ([], None, None)
    assert over["stages"] == told["stages"]
