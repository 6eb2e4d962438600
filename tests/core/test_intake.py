"""How the queue stands, and one frame in full; on both databases."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from core.database.tables import Observation, Thumbnail, WatchedFolder
from core.frames import frame_detail, queue
from core.frames.frame_detail import NoSuchFrame, read_frame, read_header
from core.frames.intake import ARRIVALS_S, read_intake
from core.frames.outcome import FrameOutcome, QualityFacts, RejectionFacts, StageRecord
from core.frames.thumbnail import pack
from tests.core.frames import add_frames, add_reference, candidate, difference_facts, done, process

NOW = 1_800_000_000.0


def watch(store, path: str, **facts) -> None:
    values = {"host": "dome", "watcher": "w", "interval_s": 5.0, "heartbeat_at": NOW} | facts
    with store.write() as db:
        db.add(WatchedFolder(path=path, **values))


def test_an_empty_store_stands_still(store):
    found = read_intake(store, NOW)
    assert (found.counts, found.total, found.oldest_at, found.arrived) == ({}, 0, None, 0)
    assert (found.pace.per_hour, found.cadence_s, found.keeps_up, found.folders) == (None, None, None, ())


def test_counts_age_and_arrivals(store):
    ids = add_frames(store, 1, 2, 3, 4)
    with store.write() as db:
        for place, key in enumerate(ids):
            db.get_one(Observation, key).created_at = NOW - ARRIVALS_S * (2 - place) + 1.0
    process(store, FrameOutcome("rejected", "clouds"))
    found = read_intake(store, NOW)
    assert found.counts == {"queued": 3, "rejected": 1}
    assert found.oldest_at == NOW - ARRIVALS_S + 1.0
    assert found.arrived == 3


def test_throughput_against_the_cadence(store):
    add_frames(store, 1, 2, 3)
    for number in range(3):
        stages = (StageRecord("all", NOW + 60.0 * number, 30.0, "done"),)
        process(store, FrameOutcome("done", stages=stages))
    assert read_intake(store, NOW).keeps_up is None
    assert read_intake(store, NOW, cadence_s=120.0).keeps_up == pytest.approx(2.0)
    watch(store, "/slow", cadence_s=90.0)
    watch(store, "/fast", cadence_s=30.0)
    watch(store, "/over", cadence_s=1.0, watcher=None)
    assert read_intake(store, NOW).keeps_up == pytest.approx(0.5)
    assert read_intake(store, NOW, cadence_s=120.0).cadence_s == 120.0


def test_a_watcher_that_missed_several_looks_is_silent(store):
    watch(store, "/a", heartbeat_at=NOW - 20)
    watch(store, "/b", heartbeat_at=NOW - 40)
    watch(store, "/c", heartbeat_at=NOW - 40, interval_s=60.0)
    watch(store, "/d", heartbeat_at=NOW - 4000, watcher=None)
    assert [each.is_silent(NOW) for each in read_intake(store, NOW).folders] == [False, True, False, False]


def test_a_frame_that_is_done_in_full(store):
    reference = add_reference(store)
    (key,) = add_frames(store, 1)
    small = np.zeros((3, 4), dtype=np.float32)
    dropped = [RejectionFacts("detect", cause, 1.0, 2.0) for cause in ("edge", "shape", "edge")]
    outcome = done(
        reference.id, candidate(20), candidate(40), quality=QualityFacts(seeing_px=3.1, n_stars=99),
        stages=(StageRecord("read", NOW, 0.5, "done"),), rejections=tuple(dropped), thumbnail=pack(small),
    )  # fmt: skip
    process(store, outcome)
    found = read_frame(store, key)
    assert (found.row.state, found.candidates, found.size) == ("done", 2, (100, 100))
    assert (found.quality.seeing_px, found.quality.n_stars, found.quality.sky) == (3.1, 99, None)
    assert (found.subtraction.reference, found.subtraction.method) == ("ref1.fits", "zogy")
    assert [(each.cause, each.times) for each in found.dropped] == [("edge", 2), ("shape", 1)]
    assert [line.what for line in found.history] == ["read"]
    np.testing.assert_array_equal(found.thumbnail, small)


def test_what_was_dropped_is_told_of_the_newest_subtraction_alone(store):
    reference = add_reference(store)
    (key,) = add_frames(store, 1)

    def dropped(cause, **changes):
        outcome = done(reference.id, rejections=(RejectionFacts("detect", cause, 1.0, 2.0),))
        process(store, replace(outcome, **changes))
        queue.requeue(store, [key])
        return [(each.cause, each.times) for each in read_frame(store, key).dropped]

    assert dropped("trailed", state="rejected", difference=None) == [("trailed", 1)]
    assert dropped("edge") == [("edge", 1)]
    again = replace(difference_facts(reference.id), config_hash="other settings")
    assert dropped("shape", difference=again) == [("shape", 1)]


def test_a_frame_that_failed_keeps_the_thumbnail_of_the_attempt_that_came_so_far(store):
    (key,) = add_frames(store, 1)
    process(store, FrameOutcome("failed", "broke", thumbnail=pack(np.ones((2, 2), dtype=np.float32))))
    process(store, FrameOutcome("failed", "broke again"))
    queue.drop(store, [key], by="vera")
    found = read_frame(store, key)
    assert found.thumbnail.shape == (2, 2)
    assert (found.subtraction, found.candidates, found.position) == (None, 0, (150.0, 2.0))
    assert [line.what for line in found.history] == ["failed", "failed", "dropped"]


def test_a_damaged_thumbnail_hides_nothing_else(store):
    (key,) = add_frames(store, 1)
    with store.write() as db:
        db.add(Thumbnail(observation_id=key, pixels=b"rubbish"))
    assert read_frame(store, key).thumbnail is None


def test_a_frame_that_is_not_there(store):
    with pytest.raises(NoSuchFrame, match="no frame 77"):
        read_frame(store, 77)


def test_the_header_comes_from_the_file_or_the_reason_why_not(store, tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    here, gone = add_frames(store, 1, path=str(path)) + add_frames(store, 2)
    assert read_header(read_frame(store, here)).cards[0].startswith("SIMPLE  =")
    assert "No such file" in read_header(read_frame(store, gone)).problem


def test_a_file_server_that_is_away_is_not_waited_for(store, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(frame_detail, "read_cards", lambda *_: answer.wait())
    monkeypatch.setattr(frame_detail, "ANSWERS_S", 0.01)
    (frame,) = add_frames(store, 1)
    try:
        assert "does not answer" in (read_header(read_frame(store, frame)).problem or "")
        assert all(each.daemon for each in threading.enumerate() if each.name == "header")
    finally:
        answer.set()
