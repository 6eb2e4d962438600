"""What is found in a difference, how well it is measured, and what is left out and why."""

from dataclasses import replace

import numpy as np
import pytest

from core.places.cut_words import MEASURED
from core.settings import Settings
from core.vocabulary import BESIDE_MASKED, DOUBT, MaskPlane
from pipeline.detection.detect import (
    CUTS,
    SURE,
    apart,
    climb,
    detect,
    dropped_words,
    judge,
    position_width,
)
from pipeline.detection.features import MEANING, Places
from pipeline.detection.forced import bilinear, forced_flux, interpolate
from pipeline.detection.joined import STREAK_CAUSE
from pipeline.detection.new_saturated import CAUSE as SATURATED_CAUSE
from pipeline.detection.new_saturated import TRAIL_CAUSE
from pipeline.frame import Dropped, FrameRefused
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair
from tests.pipeline.synthetic import Moffat

SETTINGS = Settings()


def scattered(count, seed, size=400, flux=(3e3, 2e4)):
    random = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    step = (size - 60) / side
    cells = [(i % side, i // side) for i in range(count)]
    return [
        (
            40 + step * (i + random.uniform(0, 0.5)),
            40 + step * (j + random.uniform(0, 0.5)),
            float(np.exp(random.uniform(*np.log(flux)))),
        )
        for i, j in cells
    ]


@pytest.mark.parametrize("method", ["zogy", "classic"])
def test_changes_of_both_signs_are_found_and_nothing_else(method):
    appeared, vanished = scattered(30, 1), [(x + 20.0, y + 20.0, f) for x, y, f in scattered(12, 1)]
    new, reference, *_ = make_pair((400, 400), new={"extra": appeared, "fwhm": 3.5}, ref={"extra": vanished})
    difference = subtract(new, reference, SETTINGS, method)
    found, _ = detect(difference, new, reference, SETTINGS)
    truth = [(x, y, 1.0) for x, y, _ in appeared] + [(x, y, -1.0) for x, y, _ in vanished]
    matched = set()
    for x, y, sign in truth:
        near = [i for i, d in enumerate(found) if np.hypot(d.x - x, d.y - y) < 1.0 and d.snr * sign > 0]
        matched.update(near[:1])
    assert len(matched) >= 41
    assert len(found) == len(matched)
    assert [abs(d.snr) for d in found] == sorted((abs(d.snr) for d in found), reverse=True)


def test_positions_are_as_good_as_they_claim():
    truth = scattered(49, 5, flux=(2e3, 6e3))  # fainter than the sky under them, as the bound assumes
    new, reference, *_ = make_pair((400, 400), n_stars=40, flux_range=(1e3, 1e4), new={"extra": truth})
    found, _ = detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)
    pulls = []
    for x, y, _ in truth:
        best = min(found, key=lambda d: np.hypot(d.x - x, d.y - y))
        if np.hypot(best.x - x, best.y - y) < 1.0:
            pulls += [(best.x - x) / best.position_error_px, (best.y - y) / best.position_error_px]
    assert len(pulls) >= 90
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.3)


def test_the_threshold_is_what_the_settings_say():
    new, reference, *_ = make_pair((300, 300))
    difference = subtract(new, reference, SETTINGS)
    low, dropped = detect(difference, new, reference, Settings(detect={"threshold": 3.0}))
    assert len(low) + len(dropped) > 10
    assert all(abs(found.snr) > 2.9 for found in low)
    assert detect(difference, new, reference, SETTINGS)[0] == []


def test_a_variable_star_is_kept_with_its_features():
    star = (150.4, 160.2, 8e3)
    new, reference, *_ = make_pair(new={"extra": [(*star[:2], 2.5 * star[2])]}, ref={"extra": [star]})
    found, _ = detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)
    (one,) = found
    assert (one.x, one.y) == (pytest.approx(star[0], abs=0.2), pytest.approx(star[1], abs=0.2))
    assert set(one.features) == set(MEANING)
    assert all(np.isfinite(list(one.features.values())))
    assert one.features["relative_change"] == pytest.approx(1.5, rel=0.1)
    assert one.features["fwhm_ratio"] == pytest.approx(1.0, abs=0.15)
    assert one.features["likeness"] == pytest.approx(1.0, abs=0.15)
    assert 0.1 < one.features["chi2"] < 1.5
    assert one.features["dipole_ratio"] < 0.3


def test_a_bright_pixel_that_no_one_masked_is_dropped_and_said_so():
    new, reference, *_ = make_pair()
    data = new.frame.data.copy()
    data[120, 77] += 2000.0
    new = replace(new, frame=replace(new.frame, data=data))
    found, dropped = detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)
    assert found == []
    (one,) = dropped
    assert one.cause == "single pixel"
    assert (one.x, one.y) == (pytest.approx(77, abs=0.5), pytest.approx(120, abs=0.5))
    assert one.value > one.limit


def test_an_extended_patch_is_no_point_source():
    new, reference, *_ = make_pair()
    y, x = np.mgrid[:320, :320]
    patch = 60.0 * np.exp(-0.5 * ((x - 160) ** 2 + (y - 150) ** 2) / 6.0**2)
    new = replace(new, frame=replace(new.frame, data=(new.frame.data + patch).astype(np.float32)))
    found, dropped = detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)
    assert found == []
    assert {one.cause for one in dropped} <= {"extended", "no point source"}
    assert dropped


def test_beside_a_saturated_star_is_left_out():
    new, reference, *_ = make_pair(new={"extra": [(166.0, 160.0, 5e3), (250.0, 80.0, 5e3)]})
    mask = new.frame.mask.copy()
    mask[157:164, 157:164] |= MaskPlane.SATURATED
    new = replace(new, frame=replace(new.frame, mask=mask))
    found, dropped = detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)
    assert [round(one.x) for one in found] == [250]
    assert [one.cause for one in dropped] == ["wing of a saturated star"]


def beside_bad_columns(flux):
    wide = {"fwhm": 4.5}
    new, reference, *_ = make_pair(new={"extra": [(160.0, 160.0, flux)], **wide}, ref=wide)
    mask = new.frame.mask.copy()
    mask[:, 161:164] |= MaskPlane.BAD
    new = replace(new, frame=replace(new.frame, mask=mask))
    return detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)


def test_bad_columns_drop_what_is_faint_but_only_cast_doubt_on_what_is_sure():
    found, dropped = beside_bad_columns(1.5e3)
    assert found == []
    assert [one.cause for one in dropped] == ["masked core"]
    assert abs(dropped[0].snr) < SURE
    found, dropped = beside_bad_columns(8e3)
    (one,) = found
    assert one.x == pytest.approx(160.0, abs=1.0)
    assert one.snr > SURE
    assert all(abs(other.snr) < SURE for other in dropped)  # its light beyond the columns
    assert one.features[f"{DOUBT}masked core"] == pytest.approx(one.features["masked_share"])
    assert 0.3 < one.features["masked_share"] < 0.5


def test_a_source_whose_middle_is_masked_says_that_its_flux_is_doubtful():
    new, reference, *_ = make_pair(new={"extra": [(160.0, 160.0, 3e3), (80.0, 240.0, 3e3)]})
    mask = new.frame.mask.copy()
    mask[:, 160] |= MaskPlane.BAD
    new = replace(new, frame=replace(new.frame, mask=mask))
    found, _ = detect(subtract(new, reference, SETTINGS), new, reference, SETTINGS)
    whole = next(one for one in found if abs(one.x - 80.0) < 1.0)
    halved = [one for one in found if abs(one.x - 160.0) < 6.0]
    doubt = f"{DOUBT}{BESIDE_MASKED}"
    assert doubt not in whole.features
    assert halved
    assert all(one.flux < 0.8 * whole.flux for one in halved)
    assert [one.features[doubt] for one in halved] == [one.features["mask_distance"] for one in halved]


def test_of_what_is_sure_a_mostly_masked_core_is_still_dropped():
    (cut,) = (cut for cut in CUTS if cut.cause == "masked core")
    found = {"masked_share": 0.6, "significance": 5.0 * SURE}
    assert cut.holds(found)
    assert not cut.doubts(found)
    assert cut.limit_for(found) < 0.6


def test_a_point_on_a_star_whose_errors_are_large_in_the_middle_alone_is_not_extended():
    star = (150.4, 160.2, 8e3)
    new, reference, *_ = make_pair(new={"extra": [(*star[:2], 2.5 * star[2])]}, ref={"extra": [star]})
    difference = subtract(new, reference, SETTINGS)
    y, x = np.mgrid[:320, :320]
    steep = 1.0 + 3.0 * np.exp(-0.5 * ((x - star[0]) ** 2 + (y - star[1]) ** 2) / 2.0**2)
    error = (difference.flux_err * steep).astype(np.float32)
    score = np.where(difference.mask == 0, difference.flux / error, np.float32(0.0))
    found, _ = detect(replace(difference, flux_err=error, score=score), new, reference, SETTINGS)
    (one,) = found
    assert one.features["ring_share"] < 0.2


def test_a_sure_peak_stays_where_nothing_would_be_left_of_it_on_the_star():
    new, reference, *_ = make_pair((128, 128))
    difference = subtract(new, reference, SETTINGS)
    flux = np.zeros_like(difference.flux)
    flux[60, 60:64] = [100.0, 110.0, 120.0, 130.0]
    score = np.zeros_like(difference.score)
    made = replace(difference, flux=flux, score=score)
    for peak, place in ((1.5 * SURE, 60.0), (0.5 * SURE, 63.0)):
        score[60, 60:64] = [peak, 4.0, 4.0, 4.0]
        assert climb(made, np.array([60.0]), np.array([60.0]), 5.0)[0] == pytest.approx([place])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_start_on_a_masked_pixel_climbs_to_the_source_around_it(sign):
    """The middle of what the U-Net sees around a bad pixel lies on it."""
    new, reference, *_ = make_pair((128, 128))
    difference = subtract(new, reference, SETTINGS)
    flux, mask = np.zeros_like(difference.flux), np.zeros_like(difference.mask)
    flux[59:62, 59:62] = sign * 50.0
    flux[61, 61] = sign * 100.0
    mask[60, 60] = MaskPlane.BAD
    made = replace(difference, flux=flux, mask=mask, score=np.zeros_like(difference.score))
    x, y = climb(made, np.array([60.0]), np.array([60.0]), 5.0)
    assert (x, y) == (61.0, 61.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_several_peaks_of_the_score_of_one_bright_source_are_one_detection(sign):
    extra = {"extra": [(150.3, 160.2, 3e5)]}
    new, reference, *_ = make_pair(**({"new": extra} if sign > 0 else {"ref": extra}))
    difference = subtract(new, reference, SETTINGS)
    around = [(150, 160), (154, 160), (146, 160), (150, 164), (153, 156)]  # as rings of errors part its score
    x, y = np.array(around, dtype=np.float64).T
    (one,), dropped = judge(difference, x, y, new, reference, SETTINGS)
    assert dropped == []
    assert (one.x, one.y) == (pytest.approx(150.3, abs=0.1), pytest.approx(160.2, abs=0.1))
    assert one.flux == pytest.approx(sign * 3e5, rel=0.02)
    assert one.features["neighbours"] == 0


def test_a_sure_peak_is_not_given_up_for_the_middle_of_its_source_where_nothing_is_significant():
    """One peak stays beside the middle, in which errors are large, and a fainter one climbs onto it."""
    new, reference, *_ = make_pair(new={"extra": [(150.3, 160.2, 3e5)]}, fwhm=6.0)
    difference = subtract(new, reference, SETTINGS)
    error = difference.flux_err.copy()
    error[159:162, 149:152] *= 1000.0
    score = np.where(difference.mask == 0, difference.flux / error, np.float32(0.0))
    score[163, 150] = 0.5 * SURE
    made = replace(difference, flux_err=error, score=score)
    x, y = np.array([(153.0, 160.0), (150.0, 163.0)]).T
    alone, _ = judge(made, x[:1], y[:1], new, reference, SETTINGS)
    both, _ = judge(made, x, y, new, reference, SETTINGS)
    assert [(each.x, each.y) for each in both] == [(each.x, each.y) for each in alone]
    assert len(both) == 1


def test_a_source_and_another_of_the_other_sign_beside_it_stay_two():
    places = Places(
        *(np.array(each) for each in ([10.0, 11.0], [9.0, 9.0], [9.0, -8.0], [9.0, -8.0], [1.0, 1.0]))
    )
    assert len(apart(places, 2.0, 5.0).x) == 2
    faint = replace(places, snr=np.abs(places.snr), flux=np.abs(places.flux))
    assert apart(faint, 2.0, 5.0).x == pytest.approx([10.0])
    assert apart(faint, 2.0, 10.0).x == pytest.approx([10.0])  # neither is significant
    weak = replace(faint, snr=np.array([4.0, 8.0]))
    for sign in (1.0, -1.0):
        signed = replace(weak, snr=sign * weak.snr, flux=sign * weak.flux)
        assert apart(signed, 2.0, 5.0).x == pytest.approx([11.0])
    assert len(apart(faint, 0.9, 5.0).x) == 2


def test_significant_drops_are_told_by_cause():
    cuts = [("single pixel", 41.2), ("single pixel", -12.0), ("edge", 30.0), ("edge", 6.0)]
    dropped = [Dropped("detect", cause, 5.0, 5.0, snr=snr) for cause, snr in cuts]
    told = dropped_words(dropped)
    assert told == "Dropped of 10 sigma or more: 2 single pixel (to 41 sigma), 1 edge (to 30 sigma)."
    assert dropped_words(dropped[3:]) is None


def test_too_many_detections_refuse_the_frame():
    new, reference, *_ = make_pair(new={"extra": scattered(9, 3, size=320)})
    difference = subtract(new, reference, SETTINGS)
    with pytest.raises(FrameRefused, match=r"more than 5 "):
        detect(difference, new, reference, Settings(detect={"max_candidates": 5}))


def test_a_difference_full_of_residuals_is_refused():
    new, reference, *_ = make_pair((128, 128))
    difference = subtract(new, reference, SETTINGS)
    broken = replace(difference, score=np.full_like(difference.score, 9.0))
    with pytest.raises(FrameRefused, match="100 % of the difference"):
        detect(broken, new, reference, SETTINGS)


def test_every_cut_names_features_that_exist():
    for cut in CUTS:
        assert {cut.feature, *(name for name, _, _ in cut.only)} <= set(MEANING)


def test_of_every_cause_it_can_be_told_what_was_measured():
    """`astrid why` has it from the store, where the numbers alone are."""
    weak = "weak where its flux peaks"
    others = {weak, BESIDE_MASKED, STREAK_CAUSE, SATURATED_CAUSE, TRAIL_CAUSE}
    assert {*(cut.cause for cut in CUTS), *others} == set(MEASURED)


def test_forced_flux_says_nothing_under_a_mask_or_outside():
    new, reference, *_ = make_pair((128, 128), new={"extra": [(60.4, 70.3, 9e3)]})
    difference = subtract(new, reference, SETTINGS)
    flux, error = forced_flux(difference, 60.4, 70.3)
    assert flux == pytest.approx(9e3, abs=4.0 * error)
    for x, y in ((0.0, 60.0), (-3.0, 5.0), (64.0, 500.0)):
        assert np.isnan(forced_flux(difference, x, y)).all()


def test_interpolation_is_exact_on_a_psf_and_keeps_constants():
    profile = Moffat((41, 41), 4.2, 3.0)  # as wide as the flux of a PSF of 3 px
    image = profile.stamp(20.3, 19.6, np.arange(41), np.arange(41)).astype(np.float32)
    x, y = np.array([20.3, 21.05]), np.array([19.6, 18.4])
    expected = [
        profile.stamp(20.3 - a + 20, 19.6 - b + 20, np.array([20]), np.array([20]))[0, 0]
        for a, b in zip(x, y, strict=True)
    ]
    assert interpolate(image, x, y) == pytest.approx(expected, rel=3e-3)
    flat = np.full((20, 30), 7.0, dtype=np.float32)
    for function in (interpolate, bilinear):
        assert function(flat, np.array([0.0, 29.0, 3.7]), np.array([0.2, 19.0, 8.5])) == pytest.approx(7.0)


def test_position_width_of_a_gaussian_is_the_root_of_two_sigma():
    new, *_ = make_pair((128, 128))
    steps = np.arange(-25, 26)
    stamp = np.exp(-0.5 * (steps[:, None] ** 2 + steps[None, :] ** 2) / 3.0**2)
    psf = replace(new.psf, basis=(stamp / stamp.sum())[None].astype(np.float32))
    assert position_width(psf) == pytest.approx(np.sqrt(2.0) * 3.0, rel=0.1)
