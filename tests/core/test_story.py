"""What is told of one place in one frame."""

from dataclasses import replace

import pytest

from core.database.tables import Difference, Observation, StageRun
from core.places.story import tell
from core.places.story_parts import Cut, Detected, Facts, Fate, Judged
from core.vocabulary import MaskPlane
from tests.core.blocks import block_scores

HERE = (50.0, 50.0)


def facts(**changes) -> Facts:
    observation = Observation(
        id=7, content="c", frame="n7.fits", path="n7.fits", created_at=0.0, mjd=60007.0, filter="r",
        state="done", seeing_px=3.1, n_stars=80,
    )  # fmt: skip
    difference = Difference(
        id=3, observation_id=7, reference_id=2, method="zogy", config_hash="c", created_at=0.0,
        flux_unit="adu", score_std=1.0, registration_rms_px=0.06, gain_ratio=1.0, fwhm_new_px=4.0,
        fwhm_ref_px=3.0, masked_fraction=0.0,
    )  # fmt: skip
    known = Facts(observation, difference, HERE, scores=block_scores())
    return replace(known, **changes)


def unprocessed(state: str, reason: str | None = None, **changes) -> Facts:
    observation = Observation(
        id=7, content="c", frame="n7.fits", path="n7.fits", created_at=0.0, state=state, reason=reason
    )
    return Facts(observation, **changes)


def detected(away: float = 1.0, **changes) -> Detected:
    found = Detected(17, "AID J1", HERE[0] + away, HERE[1], away, 9.3, 0.8, "unreviewed", None)
    return replace(found, **changes)


def cut(away: float = 1.0) -> Cut:
    return Cut("detect", "dipole", HERE[0] + away, HERE[1], away, 0.62, 0.5)


def test_a_quiet_place_is_below_the_threshold_by_a_margin():
    story = tell(facts(scores=block_scores({HERE: -3.75})))
    assert story.fate == Fate.BELOW
    assert (story.end.stage, story.end.limit) == ("detect", 5.0)
    assert story.end.value == pytest.approx(-3.75, abs=1 / 12)
    assert story.end.margin == pytest.approx(-1.25, abs=1 / 12)
    assert "3.8 σ" in story.end.text
    assert [step.stage for step in story.steps] == ["quality", "align", "detect"]
    assert (story.x_frame, story.y_frame) == pytest.approx((53.0, 47.0))


def test_what_is_to_be_held_against_the_frame_is_told_before_the_end():
    doubtful = facts()
    doubtful.observation.reason = "The frame and its reference seem to hold the same exposure."
    story = tell(doubtful)
    assert story.fate == Fate.BELOW
    assert [step.stage for step in story.steps] == ["quality", "align", "remark", "detect"]
    assert story.steps[2].text == doubtful.observation.reason


def test_only_what_is_near_counts():
    far = block_scores({(60, 50): 4.0})
    assert tell(facts(scores=far)).end.value == pytest.approx(0.1, abs=1 / 12)
    assert tell(facts(scores=far, radius_px=12.0)).end.value == pytest.approx(4.0, abs=1 / 12)


def test_the_flux_at_a_known_object_is_more_exact_than_a_block():
    story = tell(facts(scores=block_scores({HERE: 3.0}), forced_snr=2.2))
    assert (story.fate, story.end.value) == (Fate.BELOW, 2.2)
    assert story.end.margin == pytest.approx(-2.8)


def test_no_number_reads_as_the_limit_that_it_missed():
    known = tell(facts(forced_snr=4.98))
    assert known.end.text == "4.98 σ at the place of a known object, 5 σ are needed"
    weak = replace(cut(), cause="weak where its flux peaks", value=4.9996, limit=5.0)
    assert "significance there: 4.9996 σ, the limit is 5 σ" in tell(facts(cuts=(weak,))).end.text


def test_a_candidate_is_followed_to_its_verdict():
    judged = detected(verdict="dipole", verdicts=(Judged("dipole", "vera", 1.0),))
    story = tell(facts(detected=(judged, detected(30.0, candidate=18)), cuts=(cut(0.5),)))
    assert story.fate == Fate.CANDIDATE
    assert [each.candidate for each in story.candidates] == [17]
    text = " ".join(step.text for step in story.steps)
    for word in (
        "candidate 17",
        "9.3 σ",
        "AID J1",
        "vera called it dipole",
        "verdict dipole on this detection",
    ):
        assert word in text


def test_a_detection_that_was_cut_tells_the_cause_and_the_numbers():
    story = tell(facts(scores=block_scores({HERE: 12.0}), cuts=(cut(), cut(1.5))))
    assert story.fate == Fate.DROPPED
    assert (story.end.stage, story.end.cause) == ("detect", "dipole")
    assert (story.end.value, story.end.limit) == (0.62, 0.5)
    assert story.end.margin == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("cause", "value", "limit", "words"),
    [
        (
            "saturated, and faint in the reference", 0.0213, 0.3,
            "light in the reference over that in the frame: 0.0213, the limit is 0.3",
        ),
        ("edge", 0.56, 1.0, "distance to the edge of the data: 0.56 FWHM, the limit is 1 FWHM"),
        ("part of a streak", 0.4, 1.5, "distance to the line of the streak: 0.4 px, the limit is 1.5 px"),
        ("of another time", 0.4, 1.5, "0.4, the limit is 1.5"),
    ],
)  # fmt: skip
def test_it_tells_of_what_the_numbers_are_and_in_which_unit(cause, value, limit, words):
    story = tell(
        facts(
            scores=block_scores({HERE: 12.0}), cuts=(replace(cut(), cause=cause, value=value, limit=limit),)
        )
    )
    assert story.end.text == f"detected 1.0 px from the place, and dropped: {cause} ({words})"


def test_significant_pixels_belong_to_the_detection_beside_them():
    bright = block_scores({HERE: 30.0})
    story = tell(facts(scores=bright, detected=(detected(4.0),)))
    assert story.fate == Fate.BLENDED
    assert "candidate 17, 4.0 px away" in story.end.text
    dropped = tell(facts(scores=bright, cuts=(cut(4.0),)))
    assert "which was dropped: dipole" in dropped.end.text
    assert "more than 21.1 σ" in dropped.end.text
    assert tell(facts(scores=bright)).end.text.endswith("its peak is further away")


def test_a_faint_place_beside_a_detection_stays_faint():
    beside = block_scores({(48, 52): 4.0, (54, 50): 30.0})
    story = tell(facts(place=(49.0, 53.0), scores=beside, radius_px=3.2, detected=(detected(8.0, x=57.0),)))
    assert story.fate == Fate.BELOW
    assert story.end.value == pytest.approx(4.0, abs=1 / 12)
    assert any("candidate 17, 8.0 px away" in step.text for step in story.steps)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (({HERE: MaskPlane.SATURATED}, None), "saturated in the frame"),
        ((None, {HERE: MaskPlane.BAD | MaskPlane.STREAK}), "bad pixels, streak in the reference"),
        (
            ({HERE: MaskPlane.COSMIC_RAY}, {HERE: MaskPlane.BAD}),
            "cosmic ray in the frame and bad pixels in the reference",
        ),
    ],
)
def test_a_masked_place_says_what_lies_over_it(masks, words):
    story = tell(facts(scores=block_scores({HERE: 9.0}, *masks)))
    assert story.fate == Fate.MASKED
    assert story.end.text.startswith(words)
    assert story.end.value == pytest.approx(1.5)  # from the middle of a block of 4 px to the next


def test_a_mask_is_as_deep_as_it_is_wide():
    wide = {(x, y): MaskPlane.SATURATED for x in range(40, 64, 4) for y in range(100)}
    story = tell(facts(place=(51.5, 50.0), scores=block_scores(None, wide)))
    assert (story.fate, story.end.value) == (Fate.MASKED, 12.0)


def test_where_the_masks_were_widened_the_nearest_one_is_named():
    scores = block_scores({HERE: 1.0}, {(44, 48): MaskPlane.SATURATED})
    codes = scores.codes.copy()
    codes[scores.block_of(*HERE)] = 0
    story = tell(facts(scores=replace(scores, codes=codes)))
    assert story.fate == Fate.MASKED
    assert "saturated in the frame" in story.end.text


def test_a_place_beside_a_mask_is_told_with_it():
    story = tell(facts(place=(47.0, 50.0), scores=block_scores(None, {(48, 48): MaskPlane.BAD})))
    assert story.fate == Fate.BELOW
    assert any("masked pixels are near: bad pixels" in step.text for step in story.steps)


@pytest.mark.parametrize(("which", "whose"), [(0, "frame"), (1, "reference")])
def test_where_the_data_end_the_place_is_not_covered(which, whose):
    edge = {(x, y): MaskPlane.EDGE for x in range(0, 20, 4) for y in range(100)}
    masks = [None, None]
    masks[which] = edge
    story = tell(facts(place=(4.5, 50.0), scores=block_scores(None, *masks)))
    assert story.fate == Fate.UNCOVERED
    assert f"outside the {whose}'s own pixels or too near their edge" in story.end.text
    assert story.end.value == 15.0


def test_beyond_the_grid_is_not_covered():
    story = tell(facts(place=(-20.5, 50.0)))
    assert (story.fate, story.end.value) == (Fate.UNCOVERED, 20.0)
    assert tell(facts(place=None)).fate == Fate.UNCOVERED  # the sky map knows nothing so far away


def test_a_frame_all_masked_is_masked():
    everywhere = {(x, y): MaskPlane.BAD for x in range(0, 100, 4) for y in range(0, 100, 4)}
    story = tell(facts(scores=block_scores(None, everywhere)))
    assert (story.fate, story.end.value) == (Fate.MASKED, None)


def test_a_difference_without_scores_still_knows_its_detections():
    assert tell(facts(scores=None)).fate == Fate.UNRECORDED
    assert tell(facts(scores=None, detected=(detected(),))).fate == Fate.CANDIDATE
    assert tell(facts(scores=None, cuts=(cut(),))).fate == Fate.DROPPED


def test_a_reference_without_wcs_wants_a_pixel():
    story = tell(facts(place=None, scores=block_scores(on_sky=False)))
    assert story.fate == Fate.UNRECORDED
    assert "ask for a pixel" in story.end.text


def test_a_rejected_frame_tells_stage_value_and_limit():
    refusal = StageRun(
        observation_id=7, attempt=1, stage="quality", started_at=0.0, seconds=1.0, outcome="rejected",
        reason="the seeing is 17 pixels", value=17.0, limit=15.0,
    )  # fmt: skip
    story = tell(unprocessed("rejected", "the seeing is 17 pixels", refusal=refusal))
    assert (story.fate, story.end.stage) == (Fate.REJECTED, "quality")
    assert (story.end.value, story.end.limit, story.end.margin) == (17.0, 15.0, 2.0)
    at_ingest = tell(unprocessed("rejected", "it is a colour mosaic"))
    assert (at_ingest.end.stage, at_ingest.end.text) == ("ingest", "it is a colour mosaic")


@pytest.mark.parametrize("state", ["queued", "running", "waiting", "quarantined", "dropped"])
def test_a_frame_on_its_way_says_where_it_is(state):
    story = tell(unprocessed(state, "because"))
    assert (story.fate, story.end.text) == (Fate.UNPROCESSED, f"the frame is {state}: because")


def test_a_frame_elsewhere_never_covered_the_place():
    away = unprocessed("queued", away_deg=3.2)
    away.observation.radius_deg = 0.4
    story = tell(away)
    assert story.fate == Fate.UNCOVERED
    assert (story.end.value, story.end.limit) == (3.2, 0.4)


def test_a_record_is_fit_for_json():
    import json

    record = json.loads(json.dumps(tell(facts(detected=(detected(),))).record(), allow_nan=False))
    assert record["fate"] == "candidate"
    assert record["end"] == record["steps"][-1]
    assert record["candidates"][0]["object"] == "AID J1"
