"""A frame is committed whole or not at all, once, whatever happens around it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel, col, func, select

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
    Verdict,
)
from core.frames import commit
from core.frames.commit import commit_frame
from core.frames.frame_detail import read_frame
from core.frames.outcome import ForcedFacts, FrameOutcome, QualityFacts, RejectionFacts, StageRecord
from core.frames.queue import LeaseLost, requeue
from core.frames.scored_by import scored_by
from core.operations.status import frames_status
from core.review.verdicts import decide
from core.vocabulary import Label
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


def count(store: Store, table: type[SQLModel], *conditions: Any) -> int:
    with store.read() as session:
        return session.exec(select(func.count()).select_from(table).where(*conditions)).one()


def the(store: Store, table: type[Any], *conditions: Any) -> Any:
    with store.read() as session:
        return session.exec(select(table).where(*conditions)).one()


def rows(store: Store, table: type[Any], *conditions: Any) -> list[Any]:
    with store.read() as session:
        return list(session.exec(select(table).where(*conditions).order_by(table.id)).all())


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


def test_a_frame_processed_again_has_the_newer_depth_or_none(store: Store) -> None:
    reference = add_reference(store).id or 0
    (key,) = add_frames(store, 1)
    process(store, done(reference, difference=difference_facts(reference, m50=20.1, flux50=180.0)))
    requeue(store, [key])
    process(store, done(reference, difference=difference_facts(reference, depth_reason="switched off")))
    row = the(store, Difference)
    assert (row.m50, row.flux50, row.completeness, row.depth_reason) == (None, None, None, "switched off")
    assert frames_status(store, [key])[0]["depth_reason"] == "switched off"


def test_seconds_are_those_of_the_last_attempt_alone(store: Store) -> None:
    reference = add_reference(store).id or 0
    (key,) = add_frames(store, 1)
    first = [StageRecord(name, 100.0, 2.0, "done") for name in ("read", "calibrate", "subtract")]
    process(store, done(reference, stages=tuple(first)))
    requeue(store, [key])
    later = (StageRecord("read", 200.0, 1.0, "done"), StageRecord("calibrate", 201.0, 3.0, "rejected"))
    process(store, FrameOutcome("rejected", "too bright", stages=later))
    assert frames_status(store, [key])[0]["seconds"] == {"read": 1.0, "calibrate": 3.0}


def test_the_models_of_a_candidate_are_those_of_the_newest_attempt_at_its_own_frame(store: Store) -> None:
    reference = add_reference(store).id or 0
    keys = add_frames(store, 1, 2)

    def by(tree: str, remark: str = "") -> FrameOutcome:
        said = (("unet", "seen by unet aaa."), ("classify", f"scored by tree {tree}.{remark}"))
        stages = tuple(StageRecord(stage, 100.0, 0.5, "done", reason=words) for stage, words in said)
        return done(reference, candidate(), stages=stages)

    process(store, by("old", " realbogus is damaged."))
    process(store, by("other"))
    requeue(store, keys[:1])
    process(store, by("new"))
    with store.read() as session:
        found = scored_by(session, session.exec(select(Candidate).order_by(col(Candidate.id))).all())
    assert list(found.values()) == ["unet aaa, tree new.", "unet aaa, tree other."]


def test_an_attempt_that_yielded_nothing_scored_none_of_the_candidates_there_are(store: Store) -> None:
    reference = add_reference(store).id or 0
    (key,) = add_frames(store, 1)

    def classified(tree: str) -> StageRecord:
        return StageRecord("classify", 100.0, 0.5, "done", reason=f"scored by tree {tree}.")

    process(store, done(reference, candidate(), stages=(classified("old"),)))
    requeue(store, [key])
    broken = StageRecord("forced", 101.0, 0.5, "failed", reason="broke")
    process(store, FrameOutcome("failed", "forced: broke", stages=(classified("new"), broken)))
    with store.read() as session:
        found = scored_by(session, session.exec(select(Candidate)).all())
    assert list(found.values()) == ["tree old."]


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


def again(store: Store, outcome: FrameOutcome) -> commit.CommitResult:
    """Put the one frame back and commit another outcome for it."""
    requeue(store, [the(store, Observation).id])
    return process(store, outcome)


def test_committing_the_same_again_changes_nothing(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    outcome = done(
        reference,
        candidate(10, 10),
        candidate(60, 60),
        rejections=(RejectionFacts("detect", "edge", 1.0, 2.0),),
    )
    first = process(store, outcome)
    before = {table: [row.model_dump() for row in rows(store, table)] for table in (Candidate, SkyObject)}
    second = again(store, outcome)
    after = {table: [row.model_dump() for row in rows(store, table)] for table in (Candidate, SkyObject)}
    assert (second.candidate_ids, second.difference_id, second.new_objects) == (
        first.candidate_ids, first.difference_id, 0,
    )  # fmt: skip
    assert after == before
    assert (count(store, Cutout), count(store, Rejection), count(store, Difference)) == (2, 1, 1)


def test_a_frame_processed_again_leaves_the_cutouts_of_others(store: Store) -> None:
    reference = add_reference(store).id or 0
    keys = add_frames(store, 1, 2)
    process(store, done(reference, candidate(cutouts=b"first")))
    process(store, done(reference, candidate(cutouts=b"other")))
    requeue(store, keys[:1])
    process(store, done(reference, candidate(cutouts=b"anew")))
    with store.read() as session:
        kept = session.exec(select(Cutout.pixels).order_by(col(Cutout.candidate_id))).all()
    assert kept == [b"anew", b"other"]


def test_the_same_subtraction_with_other_detections_keeps_those_that_came_again(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    first = process(store, done(reference, candidate(10, 10), candidate(60, 60, score=30.0)))
    second = again(store, done(reference, candidate(30, 30), candidate(10.4, 10, score=11.0, cutouts=b"new")))
    kept, left, new = rows(store, Candidate)
    assert second.candidate_ids == (new.id, kept.id)
    assert (kept.id, kept.x, kept.score, kept.is_current) == (first.candidate_ids[0], 10.4, 11.0, True)
    assert (left.id, left.is_current, left.x) == (first.candidate_ids[1], False, 60)
    assert new.external_id == f"{second.difference_id}.3"
    assert [row.n_candidates for row in rows(store, SkyObject)] == [1, 0, 1]
    with store.read() as session:
        cutout = session.get(Cutout, kept.id)
    assert cutout is not None
    assert cutout.pixels == b"new"


def test_another_configuration_makes_a_version_and_no_second_object(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    old = process(store, done(reference, candidate(10, 10), candidate(60, 60)))
    with store.write() as session:
        session.add(a_verdict(old.candidate_ids[0], rows(store, SkyObject)[0].id))
    new = again(
        store, done(reference, candidate(10.2, 10), difference=difference_facts(reference, config_hash="def"))
    )
    assert new.difference_id != old.difference_id
    assert [row.is_current for row in rows(store, Difference)] == [False, True]
    assert [row.is_current for row in rows(store, Candidate)] == [False, False, True]
    here, gone = rows(store, SkyObject)
    assert (here.n_candidates, here.best_candidate_id) == (1, new.candidate_ids[0])
    assert (gone.n_candidates, gone.best_score, gone.best_candidate_id) == (0, None, None)
    assert count(store, Verdict) == 1
    # And back again: the first version is current once more, with its own candidates.
    back = again(store, done(reference, candidate(10, 10), candidate(60, 60)))
    assert back.candidate_ids == old.candidate_ids
    assert [row.is_current for row in rows(store, Candidate)] == [True, True, False]


def test_a_frame_that_is_rejected_later_takes_its_candidates_along(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    process(store, done(reference, candidate()))
    assert again(store, FrameOutcome("rejected", "only 3 stars, 10 are needed")).state == "rejected"
    assert the(store, Observation).reason == "only 3 stars, 10 are needed"
    assert not the(store, Difference).is_current
    assert (the(store, Candidate).is_current, the(store, SkyObject).n_candidates) == (False, 0)


def test_a_frame_that_fails_later_keeps_what_it_had(store: Store) -> None:
    reference = add_reference(store).id or 0
    add_frames(store, 1)
    process(store, done(reference, candidate(), rejections=(RejectionFacts("detect", "edge", 1, 2),)))
    again(store, FrameOutcome("failed", "disk", stages=(StageRecord("calibrate", 1.0, 0.1, "failed"),)))
    assert (the(store, Candidate).is_current, count(store, Rejection)) == (True, 1)
    assert the(store, StageRun).outcome == "failed"


def a_verdict(candidate_id: int, sky_object_id: int) -> Verdict:
    return Verdict(
        session="s", sequence=1, reviewer="ada", candidate_id=candidate_id, sky_object_id=sky_object_id,
        label="real", created_at=0.0, previous_hash="", hash="h",
    )  # fmt: skip


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
