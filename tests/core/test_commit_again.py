"""A frame that is processed again, otherwise or in vain."""

from __future__ import annotations

from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import (
    Candidate,
    Cutout,
    Difference,
    Observation,
    Rejection,
    SkyObject,
    StageRun,
    Verdict,
)
from core.frames.outcome import FrameOutcome, RejectionFacts, StageRecord
from core.frames.queue import requeue
from core.frames.scored_by import scored_by
from core.operations.status import frames_status
from tests.core.found import a_verdict, again, count, rows, the
from tests.core.frames import (
    add_frames,
    add_reference,
    candidate,
    difference_facts,
    done,
    process,
)


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
