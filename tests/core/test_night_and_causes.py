"""What the pipeline screen reads: causes of failure, the night, who is at work; on both databases."""

import time

import pytest

from core.database.tables import Run
from core.frames import queue
from core.frames.commit import commit_frame
from core.frames.frame_list import Counted, Listing, around
from core.frames.outcome import FrameOutcome, QualityFacts
from core.operations import runs
from core.operations.causes import NO_REASON, causes, pattern_of
from core.operations.crew import crew
from core.operations.night import newest_night
from tests.core.frames import add_frames, add_reference, claimed, difference_facts, done, process


class TestPattern:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (
                "too few stars: 3 found; 10 are needed",
                "too few stars: 7 found; 12 are needed",
            ),
            ("rms of 0.71 px, at most 0.5", "rms of 1e+3 px, at most .5"),
            ("no such file: /data/night1/a.fits", "no such file: /data/night2/x/b.fits"),
            ("KeyError: 'EXPTIME' is missing", "KeyError: 'GAIN' is missing"),
        ],
    )
    def test_numbers_and_names_do_not_part_causes(self, one, other):
        assert pattern_of(one) == pattern_of(other)

    def test_words_do(self):
        assert pattern_of("align: too few stars") != pattern_of("psf: too few stars")
        assert pattern_of("S2_corr is 3") == "S2_corr is #"

    def test_the_frames_own_name_is_left_out(self):
        assert pattern_of("m31.fits broke", "m31.fits") == pattern_of("m33.fits broke", "m33.fits")
        assert pattern_of(None) == pattern_of("") == NO_REASON


def fail(store, reason: str | None, *, attempts: int = 1) -> None:
    commit_frame(store, claimed(store), FrameOutcome("failed", reason), attempts=attempts, retry_s=60.0)


def test_causes_are_grouped_by_state_and_pattern_the_commonest_first(store):
    ids = add_frames(store, 1, 2, 3, 4, 5)
    fail(store, "rms of 0.7 px")
    fail(store, 'no plane "7": 100% of 3*4')
    fail(store, "rms of 1.9 px")
    process(store, FrameOutcome("rejected", "rms of 9.0 px"))
    fail(store, "rms of 2.0 px", attempts=3)  # queued again
    found = causes(store)
    assert [(each.pattern, each.state, each.frames) for each in found] == [
        ("rms of # px", "quarantined", 2),
        ("rms of # px", "queued", 1),
        ("rms of # px", "rejected", 1),
        ("no plane …: #% of #*#", "quarantined", 1),
    ]
    assert (found[0].newest_id, found[0].newest_frame) == (ids[2], "n3.fits")
    assert found[0].newest_reason == "rms of 1.9 px"
    for cause in found:  # and its filter finds these frames again
        assert around(store, Listing(cause.filter), after=1).total == Counted(cause.frames)


def test_frames_that_never_failed_are_no_failures(store):
    add_frames(store, 1, 2)
    process(store, FrameOutcome("done"))
    assert causes(store) == ()


def test_the_night_ends_at_the_first_gap(store):
    reference = add_reference(store)
    for number, mjd in enumerate([59999.8, 60000.1, 60000.2, 60000.15], 1):
        add_frames(store, number, mjd=mjd)
    add_frames(store, 5, mjd=None)
    add_frames(store, 6, mjd=60000.21, kind="flat")
    process(store, done(reference.id))
    first = QualityFacts(seeing_px=3.0, seeing_arcsec=1.5, limit_mag=20.0)
    facts = difference_facts(
        reference.id, m50=19.5, flux50=70.0, limit_mag=19.7, registration_rms_px=0.08, score_std=1.02,
        registration_scatter_px=0.11,
    )  # fmt: skip
    process(store, done(reference.id, quality=first, difference=facts))
    night = newest_night(store)
    assert [point.mjd for point in night.points] == [60000.1, 60000.15, 60000.2]
    assert night.seeing_unit == "″"
    point = night.points[0]
    assert (point.seeing, point.depth, point.residual_px, point.score_std) == (1.5, 19.5, 0.08, 1.02)
    assert (point.depth_is_m50, point.flux50, point.scatter_px) == (True, 70.0, 0.11)
    assert (night.points[1].seeing, night.points[1].state) == (None, "queued")


def test_seeing_is_in_pixels_unless_every_frame_has_a_scale(store):
    add_frames(store, 1, mjd=60000.1)
    add_frames(store, 2, mjd=60000.11)
    process(store, FrameOutcome("rejected", "x", quality=QualityFacts(seeing_px=3.0, seeing_arcsec=1.5)))
    process(store, FrameOutcome("rejected", "x", quality=QualityFacts(seeing_px=4.0, limit_mag=20.5)))
    night = newest_night(store)
    assert [point.seeing for point in night.points] == [3.0, 4.0]
    assert night.seeing_unit == "px"
    assert (night.points[1].depth, night.points[1].depth_is_m50) == (20.5, False)


def test_no_frames_make_no_night(store):
    assert newest_night(store).points == ()


def test_the_crew_is_every_worker_of_the_running_runs_and_whoever_holds_a_frame(store):
    ids = add_frames(store, 1, 2, 3)
    run = runs.start(store, engine="local", workers=2, config_hash="x")
    queue.claim(store, runs.owner(run.id, 1), 60.0)
    queue.claim(store, "run-99/0", 60.0)
    first, second, stranger = crew(store)
    assert (first.name, first.frame_id, first.lease_until) == (f"run-{run.id}/0", None, None)
    assert (second.name, second.frame_id, second.frame) == (f"run-{run.id}/1", ids[0], "n1.fits")
    assert second.lease_until > time.time()
    assert second.heard_at == pytest.approx(run.heartbeat_at)
    assert (stranger.name, stranger.run_id, stranger.heard_at) == ("run-99/0", None, None)
    with store.write() as db:
        db.get_one(Run, run.id).state = "done"
    assert [each.name for each in crew(store)] == [f"run-{run.id}/1", "run-99/0"]
