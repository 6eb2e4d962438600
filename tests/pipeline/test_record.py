"""What is kept of a difference: against the difference itself, and told of places whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import WCS

from core.database.tables import Difference as DifferenceRow
from core.database.tables import Observation
from core.places.block_scores import STEPS_PER_SIGMA, BlockScores, decode, pack, unpack
from core.places.story import tell
from core.places.story_parts import Cut, Detected, Facts, Fate, FrameStory
from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.detection.detect import detect
from pipeline.detection.forced import forced_flux
from pipeline.frame import Aligned, Detection, Difference, Dropped, PreparedReference
from pipeline.record import block_scores, sky_map
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair
from tests.pipeline.synthetic import rotation

SETTINGS = Settings()
SHAPE = (318, 322)  # no multiple of a block
FOUND, FAINT, HIDDEN, BEYOND = (80.3, 90.6), (250.4, 70.2), (200.0, 200.0), (300.0, 250.0)
FAINT_FLUX = 430.0  # four sigma or so
EDGE_X = 270  # the new frame ends here, but in its upper part


def kept(
    new: Aligned, reference: PreparedReference, difference: Difference, radius: float = 1.5
) -> BlockScores:
    return unpack(pack(block_scores(difference, new, reference, (12, 5), radius, SETTINGS)))


@pytest.fixture(scope="module")
def night() -> tuple[Aligned, PreparedReference, Difference, list[Detection], list[Dropped]]:
    sources = [(*FOUND, 9000.0), (*FAINT, FAINT_FLUX), (*HIDDEN, 9000.0), (*BEYOND, 9000.0)]
    new, reference, *_ = make_pair(SHAPE, new={"extra": sources})
    mask = new.frame.mask.copy()
    mask[190:211, 185:216] |= MaskPlane.SATURATED
    mask[150:, EDGE_X:] |= MaskPlane.EDGE
    new = replace(new, frame=replace(new.frame, mask=mask))
    difference = subtract(new, reference, SETTINGS)
    return new, reference, difference, *detect(difference, new, reference, SETTINGS)


def story_of(night, place: tuple[float, float]) -> FrameStory:
    new, reference, difference, detections, dropped = night
    observation = Observation(id=1, content="c", frame="n.fits", path="n.fits", created_at=0.0, state="done")
    row = DifferenceRow(
        id=1, observation_id=1, reference_id=1, method="zogy", config_hash="c", created_at=0.0,
        flux_unit="adu", score_std=1.0, registration_rms_px=0.0, gain_ratio=1.0, fwhm_new_px=3.0,
        fwhm_ref_px=3.0, masked_fraction=0.0,
    )  # fmt: skip
    away = lambda each: float(np.hypot(each.x - place[0], each.y - place[1]))  # noqa: E731
    found = [
        Detected(n, "AID", each.x, each.y, away(each), each.snr, None, "unreviewed", None)
        for n, each in enumerate(detections)
    ]
    cuts = [
        Cut(each.stage, each.cause, each.x, each.y, away(each), each.value, each.limit) for each in dropped
    ]
    return tell(
        Facts(
            observation,
            row,
            place,
            scores=kept(new, reference, difference),
            detected=tuple(sorted(found, key=away)),
            cuts=tuple(sorted(cuts, key=away)),
        )
    )


def test_what_was_injected_is_a_candidate(night):
    story = story_of(night, FOUND)
    assert story.fate == Fate.CANDIDATE
    assert story.candidates[0].snr > 20


def test_what_is_too_faint_is_below_by_the_right_margin(night):
    story = story_of(night, FAINT)
    assert story.fate == Fate.BELOW
    score = night[2].score
    column, row = (round(value) for value in FAINT)
    peak = float(score[row - 2 : row + 3, column - 2 : column + 3].max())
    assert story.end.value == pytest.approx(peak, abs=0.5 / STEPS_PER_SIGMA + 1e-6)
    assert story.end.limit == SETTINGS.detect.threshold
    assert story.end.margin == pytest.approx(peak - SETTINGS.detect.threshold, abs=0.1)
    flux, error = forced_flux(night[2], *FAINT)
    assert flux == pytest.approx(FAINT_FLUX, abs=3 * error)
    assert 2.5 < peak < 5.0
    assert story.end.value == pytest.approx(flux / error, abs=1.0)


def test_what_lies_under_a_mask_is_masked_as_deep_as_the_mask_is(night):
    story = story_of(night, HIDDEN)
    assert story.fate == Fate.MASKED
    assert "saturated in the frame" in story.end.text
    assert story.end.value == pytest.approx(10.5, abs=4.0)  # to its nearer side; a block is 4 px


def test_what_lies_beyond_the_frame_is_not_covered(night):
    story = story_of(night, BEYOND)
    assert story.fate == Fate.UNCOVERED
    assert "outside the frame" in story.end.text
    assert story.end.value == pytest.approx(BEYOND[0] - EDGE_X, abs=8.0)  # the edge grows by a FWHM
    assert story_of(night, (400.0, 10.0)).fate == Fate.UNCOVERED


def test_empty_sky_is_below_the_threshold_by_far(night):
    story = story_of(night, (150.0, 40.0))
    assert story.fate == Fate.BELOW
    assert abs(story.end.value) < 4.0


def test_every_block_holds_the_strongest_of_its_good_pixels(night):
    new, reference, difference, *_ = night
    scores = kept(new, reference, difference)
    values = decode(scores.codes)
    assert scores.block == 4
    assert values.shape == (80, 81)
    for row in range(0, 80, 7):
        for column in [*range(0, 80, 7), 80]:
            part = np.s_[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            good = difference.score[part][difference.mask[part] == 0]
            if good.size == 0:
                assert np.isnan(values[row, column])
                continue
            strongest = good[np.argmax(np.abs(good))]
            expected = np.clip(strongest, -126.5 / STEPS_PER_SIGMA, 126.5 / STEPS_PER_SIGMA)
            assert values[row, column] == pytest.approx(expected, abs=0.5 / STEPS_PER_SIGMA + 1e-6)
            planes = np.bitwise_or.reduce(new.frame.mask[part], axis=None)
            assert scores.frame_mask[row, column] == planes


def test_places_lead_to_the_frames_own_file(night):
    new, reference, difference, *_ = night
    turned = replace(new, to_new=rotation(3.0, (150.0, 160.0), (4.0, -2.5)))
    scores = kept(turned, reference, difference)
    x, y = turned.map_to_new(np.array([33.0]), np.array([210.0]))
    assert scores.to_frame(33.0, 210.0) == pytest.approx((x[0] + 12, y[0] + 5), abs=1e-6)
    assert scores.to_frame.inverse(x[0] + 12, y[0] + 5) == pytest.approx((33.0, 210.0), abs=1e-3)
    assert scores.sky is None


def test_places_lead_to_the_sky_where_there_is_a_wcs(night):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [0.0, 60.0], [160.0, 160.0], [-2e-4, 2e-4]
    found = sky_map(replace(night[1].frame, wcs=wcs))
    assert found is not None
    ra, dec = (float(angle) for angle in wcs.all_pix2world(20.0, 301.0, 0))
    assert found.to_grid(ra, dec) == pytest.approx((20.0, 301.0), abs=0.01)
    assert found.pixel_scale == pytest.approx(0.72, rel=1e-3)
