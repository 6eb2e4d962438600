"""A frame is committed whole or not at all, once, whatever happens around it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from core.database.store import Store, open_store
from core.database.tables import (
    Candidate,
    Cutout,
    Difference,
    ForcedFlux,
    Observation,
    Rejection,
    SkyObject,
    StageRun,
)
from core.frames import commit
from core.frames.commit import commit_frame
from core.frames.frame_detail import read_frame
from core.frames.outcome import ForcedFacts, FrameOutcome, QualityFacts, RejectionFacts, StageRecord
from core.frames.queue import LeaseLost
from core.operations.status import frames_status
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.core.found import again, count, rows, the
from tests.core.frames import (
    DEC,
    RA,
    add_frames,
    add_reference,
    candidate,
    claimed,
    difference_facts,
    done,
    process,
)

WRITTEN = (Candidate, Cutout, Difference, ForcedFlux, Rejection, SkyObject, StageRun)


def test_all_that_a_frame_yields_is_in_the_store(store: Store) -> None:
    reference = add_reference(store).id or 0
    (key,) = add_frames(store, 1)
    quality = QualityFacts(seeing_px=2.8, sky=210.0, n_stars=40)
    outcome = done(
        reference,
        candidate(10, 20, score=7.0),
        candidate(60, 70, score=12.0, snr=-12.0, flux=-1200.0, cutouts=None),
        quality=quality,
        rejections=(RejectionFacts("detect", "edge", 1.0, 2.0, RA, DEC, 0.5, 3.0),),
        stages=(StageRecord("align", 100.0, 0.5, "done"), StageRecord("subtract", 100.5, 1.5, "done")),
    )
    result = process(store, outcome)

    assert (result.state, result.new_objects, len(result.candidate_ids)) == ("done", 2, 2)
    observation = the(store, Observation)
    assert (observation.state, observation.lease_token, observation.seeing_px) == ("done", None, 2.8)
    assert observation.finished_at > 0
    difference = the(store, Difference)
    assert (difference.id, difference.observation_id, difference.is_current) == (
        result.difference_id,
        key,
        True,
    )
    assert difference.n_candidates == 2
    first, second = rows(store, Candidate)
    assert (first.id, second.id) == result.candidate_ids
    assert (first.source, first.external_id) == ("astrid", f"{difference.id}.1")
    assert (first.frame, first.filter, first.mjd, first.flux_unit) == ("n1.fits", "r", 60001.0, "electron")
    assert (second.snr, second.flux, second.scores, second.features) == (
        -12.0, -1200.0, {"significance": 9.0}, {"fwhm": 2.5},
    )  # fmt: skip
    assert second.zone == int((second.dec + 90) * 120)
    cutout = the(store, Cutout)
    assert (cutout.candidate_id, cutout.pixels) == (first.id, b"pixels")
    rejection = the(store, Rejection)
    assert (rejection.cause, rejection.value, rejection.limit, rejection.zone) == ("edge", 0.5, 3.0, 11040)
    assert [stage.stage for stage in rows(store, StageRun)] == ["align", "subtract"]
    assert frames_status(store, [rejection.observation_id])[0]["dropped"] == {"edge": 1}


def test_what_became_of_more_frames_than_a_query_takes_is_told(store):
    keys = add_frames(store, 1, 2)
    assert [each["id"] for each in frames_status(store, [*range(66_000, 1, -1), *keys])] == keys


def test_the_depth_is_kept_and_told_by_frame(store: Store) -> None:
    reference = add_reference(store).id or 0
    (key,) = add_frames(store, 1)
    curve = {"bins": [[120.5, 30, 2], [310.0, 30, 29]], "plateau": 0.97, "width_mag": 0.15}
    facts = difference_facts(
        reference, m50=20.1, m50_err=0.03, flux50=180.0, snr50=5.1, limit_mag=20.2, completeness=curve
    )
    process(store, done(reference, difference=facts))
    row = the(store, Difference)
    assert (row.m50, row.m50_err, row.flux50, row.snr50) == (20.1, 0.03, 180.0, 5.1)
    assert (row.completeness, row.depth_reason, row.limit_mag) == (curve, None, 20.2)
    (told,) = frames_status(store, [key])
    assert (told["m50"], told["m50_err"], told["flux50"], told["snr50"]) == (20.1, 0.03, 180.0, 5.1)
    made = read_frame(store, key).subtraction
    assert made is not None
    assert (made.m50, made.flux50, made.completeness, made.depth_reason) == (20.1, 180.0, curve, None)


def test_objects_remember_their_current_candidates(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2, 3)
    process(store, done(reference, candidate(score=7.0)))
    best = process(store, done(reference, candidate(50.5, 50.2, score=12.0)))
    result = process(store, done(reference, candidate(score=8.0)))
    assert result.new_objects == 0
    row = the(store, SkyObject)
    assert (row.n_candidates, row.best_score, row.best_candidate_id) == (3, 12.0, best.candidate_ids[0])
    assert (row.first_mjd, row.last_mjd) == (60001.0, 60003.0)
    assert row.name == "AID J100000.00+020000.0"


def test_without_scores_the_most_significant_candidate_is_the_best(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2)
    process(store, done(reference, candidate(score=None, snr=6.0)))
    best = process(store, done(reference, candidate(score=None, snr=-20.0)))
    row = the(store, SkyObject)
    assert (row.best_score, row.best_candidate_id) == (None, best.candidate_ids[0])


def test_the_match_radius_is_in_pixels_and_never_below_an_arcsecond(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2, 3, 4)
    process(store, done(reference, candidate(50.0, 50.0)))
    assert process(store, done(reference, candidate(50.0, 51.9))).new_objects == 0
    assert process(store, done(reference, candidate(50.0, 52.1))).new_objects == 1
    small = done(reference, candidate(49.2, 50.0), match_radius_px=0.1)
    assert process(store, small).new_objects == 0


@pytest.mark.parametrize("pixel_scale", [0.8, 3.0])
def test_the_match_radius_on_the_sky_follows_the_size_of_a_pixel(store: Store, pixel_scale: float) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2, 3)

    def new_objects(pixels_north: float) -> int:
        dec = DEC + pixels_north * pixel_scale / 3600.0
        return process(store, done(reference, candidate(dec=dec), pixel_scale=pixel_scale)).new_objects

    assert [new_objects(north) for north in (0.0, 1.9, 2.1)] == [1, 0, 1]


def test_an_uncertain_position_reaches_three_of_its_errors_far(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2, 3)
    process(store, done(reference, candidate(50.0, 50.0)))
    assert process(store, done(reference, candidate(50.0, 54.4, position_error_px=1.5))).new_objects == 0
    assert process(store, done(reference, candidate(50.0, 45.4, position_error_px=1.5))).new_objects == 1


def test_a_frame_without_sky_is_associated_on_the_grid_of_its_reference(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2)
    process(store, done(reference, candidate(10, 20, on_sky=False)))
    process(store, done(reference, candidate(10.5, 20.5, on_sky=False), pixel_scale=None))
    row = the(store, SkyObject)
    assert (row.reference_id, row.x, row.y, row.ra, row.n_candidates) == (reference, 10, 20, None, 2)
    assert all(one.zone is None and one.dec is None for one in rows(store, Candidate))


def test_the_flux_at_a_known_object_is_kept_where_it_was_not_detected(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2)
    process(store, done(reference, candidate()))
    known = the(store, SkyObject).id
    process(store, done(reference, forced=(ForcedFacts(known, 12.0, 30.0),)))
    row = the(store, ForcedFlux)
    assert (row.sky_object_id, row.mjd, row.flux, row.flux_err, row.filter) == (
        known,
        60002.0,
        12.0,
        30.0,
        "r",
    )


@pytest.mark.parametrize("stage", ["write_candidates", "_write_forced", "_write_rejections", "refresh"])
def test_a_commit_that_breaks_off_leaves_nothing(
    store: Store, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    lease = claimed(store)
    outcome = done(reference, candidate(), rejections=(RejectionFacts("detect", "edge", 1, 2),))
    original = getattr(commit, stage)

    def break_off(*arguments: Any, **options: Any) -> None:
        original(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commit, stage, break_off)
        with pytest.raises(KeyboardInterrupt):
            commit_frame(store, lease, outcome, attempts=3, retry_s=0.0)
    assert {table.__name__: count(store, table) for table in WRITTEN if count(store, table)} == {}
    assert the(store, Observation).lease_token == lease.token
    assert commit_frame(store, lease, outcome, attempts=3, retry_s=0.0).state == "done"


def test_who_lost_the_lease_commits_nothing(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    slow = claimed(store)
    with store.write() as session:
        session.execute(update(Observation).values(lease_until=1.0))
    quick = claimed(store)
    commit_frame(store, quick, done(reference, candidate(20, 20)), attempts=3, retry_s=0.0)
    for outcome in (done(reference, candidate(80, 80)), FrameOutcome("rejected", "too late")):
        with pytest.raises(LeaseLost):
            commit_frame(store, slow, outcome, attempts=3, retry_s=0.0)
    assert (the(store, Candidate).x, the(store, Observation).state) == (20, "done")


def test_a_commit_ends_its_lease(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    lease = claimed(store)
    commit_frame(store, lease, done(reference), attempts=3, retry_s=0.0)
    with pytest.raises(LeaseLost):
        commit_frame(store, lease, done(reference), attempts=3, retry_s=0.0)


@pytest.mark.parametrize(
    ("state", "after"),
    [("snoozed", "unreviewed"), ("bogus", "bogus"), ("real", "real"), ("escalated", "escalated")],
)
def test_only_snoozed_objects_come_back_when_they_are_detected_again(
    store: Store, state: str, after: str
) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2)
    process(store, done(reference, candidate()))
    with store.write() as session:
        session.execute(
            update(SkyObject).values(review_state=state, review_label="x", snoozed_at_mjd=60001.0)
        )
    process(store, done(reference, candidate()))
    row = the(store, SkyObject)
    assert (row.review_state, row.review_label) == (after, None if after == "unreviewed" else "x")


@pytest.mark.parametrize(
    ("label", "days", "comes_back"),
    [
        (Label.COSMIC_RAY, 0.01, True),
        (Label.COSMIC_RAY, -1.0, False),  # an earlier frame, processed later
        (Label.TRAIL, 0.01, True),
        (Label.MOVING, 0.4, False),
        (Label.MOVING, 0.6, True),
        (Label.SNOOZE, 0.01, True),
        (Label.DIPOLE, 30.0, False),
        (Label.REAL, 30.0, False),
    ],
)
def test_a_later_detection_contradicts_that_it_was_there_but_once(
    store: Store, label: Label, days: float, comes_back: bool
) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    (key,) = process(store, done(reference, candidate())).candidate_ids
    decide(store, session="s", reviewer="ada", candidate_id=key, label=label, shown={})
    add_frames(store, 2, mjd=60001.0 + days)
    assert process(store, done(reference, candidate())).new_objects == 0
    assert the(store, SkyObject).review_label == (None if comes_back else label)


def test_the_same_epoch_again_wakes_nothing(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    process(store, done(reference, candidate()))
    with store.write() as session:
        session.execute(update(SkyObject).values(review_state="snoozed", snoozed_at_mjd=60001.0))
    again(store, done(reference, candidate()))
    assert the(store, SkyObject).review_state == "snoozed"


def test_commits_at_once_found_one_object(store: Store, store_url: str) -> None:
    reference = add_reference(store).id or 0
    numbers = range(6)
    add_frames(store, *numbers)
    leases = [claimed(store) for _ in numbers]
    failures: list[BaseException] = []

    def work(part: list[Any]) -> None:
        own = open_store(store_url)
        try:
            for lease in part:
                outcome = done(reference, candidate(10, 10), candidate(60, 60))
                commit_frame(own, lease, outcome, attempts=3, retry_s=0.0)
        except BaseException as error:  # noqa: BLE001 a thread hands its failure over
            failures.append(error)
        own.close()

    threads = [threading.Thread(target=work, args=(leases[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [row.n_candidates for row in rows(store, SkyObject)] == [6, 6]


def test_numbers_of_numpy_and_not_a_number_are_stored_as_plain_values(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    facts = candidate(
        snr=np.float32(7.5),
        mask_flags=np.int64(2),
        mag=float("nan"),
        features={"ratio": np.float32("inf"), "n": np.int16(3), "elongation": 1.5},
    )
    process(store, done(reference, facts))
    row = the(store, Candidate)
    assert (row.snr, row.mask_flags, row.mag) == (7.5, 2, None)
    assert row.features == {"ratio": None, "n": 3, "elongation": 1.5}


def test_a_candidate_without_significance_is_refused_and_leaves_nothing(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    with pytest.raises(IntegrityError):
        process(store, done(reference, candidate(snr=float("nan"))))
    assert count(store, Difference) == 0


def test_right_ascension_is_kept_between_0_and_360(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    process(store, done(reference, candidate(ra=-0.5), candidate(20, 20, ra=360.0)))
    assert [row.ra for row in rows(store, Candidate)] == [359.5, 0.0]
    assert [row.ra for row in rows(store, SkyObject)] == [359.5, 0.0]


def test_an_outcome_that_makes_no_sense_is_refused(store: Store) -> None:
    add_frames(store, 1, mjd=None)
    lease = claimed(store)
    for outcome, words in [
        (FrameOutcome("running"), "no frame ends as running"),
        (FrameOutcome("done", candidates=(candidate(),)), "difference"),
        (done(1, candidate()), "time"),
    ]:
        with pytest.raises(ValueError, match=words):
            commit_frame(store, lease, outcome, attempts=3, retry_s=0.0)


def test_candidates_of_two_frames_are_told_apart(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1, 2)
    process(store, done(reference, candidate()))
    process(store, done(reference, replace(candidate(), score=3.0)))
    assert count(store, Candidate, col(Candidate.is_current)) == 2
    assert len({row.external_id for row in rows(store, Candidate)}) == 2
