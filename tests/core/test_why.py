"""Which frames a place is asked of, and what the store knows of it in each."""

import json

import pytest
from sqlmodel import select

from core.database.tables import Candidate, Injection, Observation, ScoreMap, SkyObject
from core.frames.outcome import ForcedFacts, FrameOutcome, RejectionFacts, StageRecord
from core.places.story_parts import Fate
from core.places.why import Page, WhyError, why, why_in_frame, why_on_grid
from core.review import retractions, verdicts
from core.vocabulary import Label, MaskPlane
from tests.core.blocks import packed, sky_of
from tests.core.frames import (
    DEC,
    RA,
    add_frames,
    add_reference,
    candidate,
    done,
    process,
)

ARCSEC = 1 / 3600.0


@pytest.fixture
def reference_id(store) -> int:
    return add_reference(store).id


def fates(story) -> dict[str, str]:
    return {frame.frame: frame.fate for frame in story.frames}


def at(x: float, y: float) -> tuple[float, float]:
    ra, dec = sky_of(x, y)
    return float(ra), float(dec)


def test_a_place_is_followed_through_every_frame(store, reference_id):
    add_frames(store, 1, 2, 3, 4, 5, 6)
    rejection = RejectionFacts("detect", "dipole", 50.5, 50.0, value=0.7, limit=0.5)
    refused = StageRecord("quality", 0.0, 1.0, "rejected", reason="seeing", value=17.0, limit=15.0)
    process(store, done(reference_id, candidate(50.5, 50.0), score_map=packed()))
    process(store, done(reference_id, score_map=packed({(50, 50): 3.5})))
    process(store, done(reference_id, score_map=packed(None, {(50, 50): MaskPlane.SATURATED})))
    process(store, done(reference_id, rejections=(rejection,), score_map=packed({(50, 50): 9.0})))
    process(store, FrameOutcome("rejected", "the seeing is 17 pixels", stages=(refused,)))
    story = why(store, *at(50.0, 50.0))
    assert fates(story) == {
        "n1.fits": Fate.CANDIDATE,
        "n2.fits": Fate.BELOW,
        "n3.fits": Fate.MASKED,
        "n4.fits": Fate.DROPPED,
        "n5.fits": Fate.REJECTED,
        "n6.fits": Fate.UNPROCESSED,
    }
    assert [frame.mjd for frame in story.frames] == [60001.0 + n for n in range(6)]
    faint, rejected = story.frames[1], story.frames[4]
    assert faint.end.margin == pytest.approx(-1.5, abs=0.1)
    assert (faint.x, faint.y) == pytest.approx((50.0, 50.0), abs=0.01)
    assert (faint.x_frame, faint.y_frame) == pytest.approx((53.0, 47.0), abs=0.01)
    assert (rejected.end.stage, rejected.end.value, rejected.end.limit) == ("quality", 17.0, 15.0)
    json.dumps(story.record(), allow_nan=False)


def test_the_radius_decides_what_is_here(store, reference_id):
    add_frames(store, 1)
    process(store, done(reference_id, candidate(50.0, 50.0), score_map=packed()))
    position = at(56.0, 50.0)
    assert why(store, *position).frames[0].fate == Fate.BELOW  # 6 px away, the frame takes 2 px for one place
    assert why(store, *position, 7 * ARCSEC).frames[0].fate == Fate.CANDIDATE
    assert why_on_grid(store, reference_id, 56.0, 50.0, 7.0).frames[0].fate == Fate.CANDIDATE


def test_verdicts_are_told_while_they_stand(store, reference_id):
    add_frames(store, 1)
    key = process(store, done(reference_id, candidate(50.0, 50.0), score_map=packed())).candidate_ids[0]
    verdicts.decide(store, session="s", reviewer="vera", candidate_id=key, label=Label.DIPOLE, shown={})
    found = why(store, *at(50.0, 50.0)).frames[0].candidates[0]
    assert (found.candidate, found.verdict) == (key, "dipole")
    assert [(each.label, each.reviewer) for each in found.verdicts] == [("dipole", "vera")]
    retractions.undo(store, session="s", reviewer="vera")
    found = why(store, *at(50.0, 50.0)).frames[0].candidates[0]
    assert (found.verdict, found.verdicts) == (None, ())


def test_the_flux_at_a_known_object_tells_how_faint_it_was(store, reference_id):
    add_frames(store, 1, 2)
    process(store, done(reference_id, candidate(50.0, 50.0), score_map=packed()))
    with store.read() as session:
        known = session.get_one(Candidate, 1).sky_object_id
    forced = (ForcedFacts(known, 210.0, 100.0),)
    process(store, done(reference_id, forced=forced, score_map=packed({(50, 50): 3.0})))
    end = why(store, *at(50.0, 50.0)).frames[1].end
    assert (end.cause, end.value) == (Fate.BELOW, pytest.approx(2.1))


def test_frames_elsewhere_are_not_told_of_but_when_asked(store, reference_id):
    add_frames(store, 1)
    add_frames(store, 2, ra=RA + 1.0)  # one degree away
    add_frames(store, 3, ra=RA + 180.0, dec=-DEC)
    assert list(fates(why(store, RA, DEC))) == ["n1.fits"]
    story = why(store, RA, DEC, frame="n2.fits")
    assert story.frames[0].fate == Fate.UNCOVERED
    assert story.frames[0].end.value == pytest.approx(1.0, rel=1e-3)
    assert why(store, 10.0, -60.0).frames == ()


def test_frames_are_found_across_right_ascension_zero_and_at_the_pole(store):
    add_frames(store, 1, ra=359.99, dec=0.0, radius_deg=0.05)
    add_frames(store, 2, ra=120.0, dec=89.99, radius_deg=0.05)
    assert list(fates(why(store, 0.01, 0.0))) == ["n1.fits"]
    assert list(fates(why(store, 300.0, 89.98))) == ["n2.fits"]


def test_a_frame_without_wcs_is_told_of_by_its_field(store, reference_id):
    add_frames(store, 1, ra=None, dec=None, radius_deg=None, has_wcs=False)
    add_frames(store, 2, ra=None, dec=None, radius_deg=None, has_wcs=False, field="M 33")
    assert list(fates(why(store, RA, DEC))) == ["n1.fits"]
    # Once subtracted from a reference with a WCS, it has a place on the sky like any other.
    process(store, done(reference_id, score_map=packed({(50, 50): 2.0})))
    assert fates(why(store, *at(50.0, 50.0))) == {"n1.fits": Fate.BELOW}


def test_a_grid_without_wcs_is_asked_by_pixels(store):
    reference_id = add_reference(store, has_wcs=False, ra=None, dec=None, radius_deg=None).id
    add_frames(store, 1, 2, 3, ra=None, dec=None, radius_deg=None, has_wcs=False)
    on_grid = candidate(50.0, 50.0, on_sky=False)
    process(store, done(reference_id, on_grid, score_map=packed(on_sky=False), pixel_scale=None))
    process(store, done(reference_id, score_map=packed({(50, 50): 2.0}, on_sky=False), pixel_scale=None))
    story = why_on_grid(store, reference_id, 50.0, 50.0)
    assert list(fates(story).values()) == [Fate.CANDIDATE, Fate.BELOW, Fate.UNPROCESSED]
    assert (story.place.ra, story.place.x) == (None, 50.0)
    in_frame = why_in_frame(store, "n2.fits", 53.0, 47.0)  # the same place in the frame's own pixels
    assert (in_frame.frames[0].x, in_frame.frames[0].y) == pytest.approx((50.0, 50.0), abs=0.01)
    assert in_frame.frames[0].fate == Fate.BELOW


def test_a_pixel_leads_to_the_sky_and_to_all_frames(store, reference_id):
    first, _ = add_frames(store, 1, 2)
    process(store, done(reference_id, score_map=packed()))
    process(store, done(reference_id, candidate(20.0, 70.0), score_map=packed()))
    alone = why_in_frame(store, first, 23.0, 67.0)
    assert (alone.place.ra, alone.place.dec) == pytest.approx(at(20.0, 70.0), abs=1e-6)
    assert [frame.fate for frame in alone.frames] == [Fate.BELOW]
    everywhere = why_on_grid(store, reference_id, 20.0, 70.0)
    assert [frame.fate for frame in everywhere.frames] == [Fate.BELOW, Fate.CANDIDATE]


def test_what_does_not_exist_is_said(store, reference_id):
    add_frames(store, 1)
    add_frames(store, 2, frame="n1.fits")
    with pytest.raises(WhyError, match="no frame 99"):
        why_in_frame(store, 99, 1.0, 1.0)
    with pytest.raises(WhyError, match="more than one frame is called"):
        why(store, RA, DEC, frame="n1.fits")
    with pytest.raises(WhyError, match="no reference 99"):
        why_on_grid(store, 99, 1.0, 1.0)
    process(store, done(reference_id, score_map=packed()))
    with pytest.raises(WhyError, match="far outside its reference"):
        why_in_frame(store, 1, 5000.0, 0.0)


def test_pages_join_without_gap_or_repetition(store, reference_id):
    add_frames(store, *range(1, 8))
    everything = list(fates(why(store, RA, DEC)))
    assert len(everything) == 7
    seen, after = [], None
    while True:
        story = why(store, RA, DEC, page=Page(limit=3, after=after))
        seen += list(fates(story))
        after = story.next
        if after is None:
            break
    assert seen == everything
    assert list(fates(why(store, RA, DEC, page=Page(since=60005.0)))) == ["n5.fits", "n6.fits", "n7.fits"]


def again(store, key: int, outcome: FrameOutcome) -> None:
    """Process a frame that was done already once more."""
    with store.write() as session:
        session.get_one(Observation, key).state = "queued"
    process(store, outcome)


def test_another_reference_tells_its_own_story(store, reference_id):
    (key,) = add_frames(store, 1)
    process(store, done(reference_id, candidate(50.0, 50.0), score_map=packed()))
    other = add_reference(store, 2).id
    again(store, key, done(other, score_map=packed({(50, 50): 2.0})))
    story = why(store, *at(50.0, 50.0))
    assert [(frame.reference, frame.fate) for frame in story.frames] == [(other, Fate.BELOW)]


def test_the_same_subtraction_again_replaces_its_scores(store, reference_id):
    (key,) = add_frames(store, 1)
    process(store, done(reference_id, score_map=packed({(50, 50): 2.0})))
    again(store, key, done(reference_id, score_map=packed({(50, 50): 4.0})))
    with store.read() as session:
        assert len(session.exec(select(ScoreMap)).all()) == 1
    assert why(store, *at(50.0, 50.0)).frames[0].end.value == pytest.approx(4.0, abs=0.1)


def test_a_frame_that_is_rejected_the_second_time_has_no_scores_any_more(store, reference_id):
    (key,) = add_frames(store, 1)
    process(store, done(reference_id, candidate(50.0, 50.0), score_map=packed()))
    again(store, key, FrameOutcome("rejected", "its file is gone"))
    assert fates(why(store, *at(50.0, 50.0))) == {"n1.fits": Fate.REJECTED}


def test_damaged_scores_are_as_if_none_had_been_kept(store, reference_id):
    add_frames(store, 1)
    process(store, done(reference_id, score_map=b"AS\x01 nonsense"))
    assert why(store, RA, DEC).frames[0].fate == Fate.UNRECORDED


def test_nothing_tells_a_fake_from_a_source(store, reference_id):
    """The same night twice: the second time, what was found had been injected."""
    add_frames(store, 1, 2)
    process(store, done(reference_id, candidate(50.0, 50.0), score_map=packed()))
    with store.read() as session:
        known = session.get_one(Candidate, 1).sky_object_id
    forced = (ForcedFacts(known, 210.0, 100.0),)
    process(store, done(reference_id, forced=forced, score_map=packed()))
    asked = [lambda: why(store, *at(50.0, 50.0)), lambda: why_on_grid(store, reference_id, 50.0, 50.0)]
    real = [ask().record() for ask in asked]
    with store.write() as session:
        session.get_one(SkyObject, known).injected = True
        session.add(Injection(observation_id=1, candidate_id=1, x=50.0, y=50.0, flux=900.0, found=True))
    assert [ask().record() for ask in asked] == real
    assert "inject" not in json.dumps(real)
