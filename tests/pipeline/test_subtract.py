"""Subtraction of pairs whose truth is known: the score is honest, fluxes are unbiased, holes stay holes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.detection.forced import forced_flux
from pipeline.frame import FrameRefused
from pipeline.subtraction.arrays import HostArrays
from pipeline.subtraction.masks import combined_mask
from pipeline.subtraction.match import _by_region, _scatter, match
from pipeline.subtraction.score_check import sky_deviation
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair, true_stars

SETTINGS = Settings()
METHODS = ["zogy", "classic"]
SCENES = {
    "one seeing": {},
    "new sharper": {"new": {"fwhm": 2.6}, "ref": {"fwhm": 3.8}},
    "new blurred and thin": {"new": {"fwhm": 3.8, "transparency": 0.7, "sky": 400.0}, "ref": {"fwhm": 2.6}},
    "deep reference": {"new": {"fwhm": 3.5}, "ref": {"fwhm": 2.9, "sky": 20.0, "read_noise": 2.0}},
    "crowded": {"n_stars": 700, "new": {"fwhm": 3.6}},
    "varying": {"new": {"fwhm": 3.5, "psf_gradient": 0.08}, "ref": {"psf_gradient": -0.04}},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scene", SCENES)
def test_score_has_unit_deviation_and_constant_stars_leave_nothing(scene, method):
    new, reference, *_ = make_pair((400, 330), **SCENES[scene])
    difference = subtract(new, reference, SETTINGS, method)
    assert difference.score_std == pytest.approx(1.0, abs=0.04)  # 400 x 330 pixels know it to about 0.01
    assert difference.score_scale == 1.0
    # A PSF that varies within a tile may touch the threshold at the brightest stars; the kernel, which
    # learns its variation from the stars of this small frame alone, more so.
    allowed = {"zogy": 10, "classic": 30}[method] if scene == "varying" else 0
    assert np.count_nonzero(np.abs(difference.score) > 5.0) <= allowed
    assert difference.score[difference.mask == 0].std() == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_flux_of_changes_of_both_signs_is_unbiased(method):
    random = np.random.default_rng(8)
    # Far apart, and among few stars: a crowd scatters the flux ratios that tell how well fluxes are known.
    grid = np.stack(np.meshgrid(np.arange(40, 680, 80), np.arange(40, 680, 80)), axis=-1).reshape(-1, 2)
    places = grid + random.uniform(-0.5, 0.5, grid.shape)
    appeared, vanished = [(x, y, 20000.0) for x, y in places[::2]], [(x, y, 20000.0) for x, y in places[1::2]]
    new, reference, *_ = make_pair(
        (700, 700), n_stars=120, new={"extra": appeared, "fwhm": 3.6}, ref={"extra": vanished}
    )
    difference = subtract(new, reference, SETTINGS, method)
    for truth in (appeared, vanished):
        sign = 1.0 if truth is appeared else -1.0
        measured = np.array([forced_flux(difference, x, y) for x, y, _ in truth])
        pull = (measured[:, 0] - sign * 20000.0) / measured[:, 1]
        # The mean is known to 0.2 %, the gain ratio to 0.2 %, the sum of a fitted kernel to 0.5 %.
        within = 0.007 if method == "zogy" else 0.015
        assert np.mean(measured[:, 0]) == pytest.approx(sign * 20000.0, rel=within)
        assert np.std(pull) == pytest.approx(1.0, abs=0.35)  # 32 values
        assert np.median(np.abs(measured[:, 0] / measured[:, 1])) > 15


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("new", "ref"), [(3.0, 4.5), (4.5, 3.0)])
def test_sky_that_is_left_in_one_frame_is_taken_out_of_the_flux(method, new, ref):
    aligned, reference, *_ = make_pair((400, 330), new={"fwhm": new}, ref={"fwhm": ref})
    frame = aligned.frame
    plain = subtract(aligned, reference, SETTINGS, method)
    moonlit = replace(aligned, frame=replace(frame, data=frame.data + np.float32(15.0)))
    difference = subtract(moonlit, reference, SETTINGS, method)
    good = (difference.mask == 0) & (plain.mask == 0)
    change = (difference.flux - plain.flux)[good] / plain.flux_err[good]
    assert abs(np.median(change)) < 0.05
    assert np.median(difference.score[good]) == pytest.approx(0.0, abs=0.1)
    assert np.median(difference.data[good]) == pytest.approx(0.0, abs=0.3)  # of 15


@pytest.mark.parametrize("ratio", [0.4, 1.0, 2.5])
def test_gain_ratio_is_better_than_one_percent(ratio):
    new, reference, *_ = make_pair(new={"transparency": ratio, "fwhm": 3.8}, ref={"fwhm": 2.8})
    matched = match(new, reference)
    assert matched.gain_ratio == pytest.approx(ratio, rel=0.005)
    assert matched.gain_scatter < 0.02
    assert matched.rms_px < 0.03


def test_a_few_variable_stars_do_not_move_the_gain_ratio():
    new, reference, truth, _ = make_pair(n_stars=80)
    brightest = np.argsort(-truth.flux)[:12:2]
    varied = [(truth.x[i], truth.y[i], 1.5 * truth.flux[i]) for i in brightest]
    new, *_ = make_pair(n_stars=80, new={"extra": varied})
    assert match(new, reference).gain_ratio == pytest.approx(1.0, rel=0.01)


def test_a_shift_of_all_stars_is_taken_out():
    shifted = np.array([[1.0, 0.0, 0.25], [0.0, 1.0, -0.15]])
    new, reference, *_ = make_pair(new={"affine": shifted})
    new = replace(new, stars=reference.stars)
    matched = match(new, reference)
    middle = np.array([160.0]), np.array([160.0])
    assert matched.dx.at(*middle)[0] == pytest.approx(0.25, abs=0.015)
    assert matched.dy.at(*middle)[0] == pytest.approx(-0.15, abs=0.015)
    assert np.abs(subtract(new, reference, SETTINGS).score).max() < 5.0


def test_misregistered_single_stars_do_not_fire():
    """0.3 px rms, different for every star: found in the stars, expected by the score."""
    random = np.random.default_rng(2)
    new, reference, truth, _ = make_pair((400, 400), n_stars=0)
    x, y = random.uniform(15, 385, (2, 150))
    flux = 10.0 ** random.uniform(3.0, 4.7, 150)
    jitter = random.normal(0.0, 0.3, (2, 150))
    moved = list(zip(x + jitter[0], y + jitter[1], flux, strict=True))
    still = list(zip(x, y, flux, strict=True))
    new, reference, truth, ref_truth = make_pair(
        (400, 400), n_stars=0, new={"extra": moved}, ref={"extra": still}
    )
    new = replace(new, stars=true_stars(new.frame, replace(truth, n_extra=0)))
    reference = replace(reference, stars=true_stars(reference.frame, replace(ref_truth, n_extra=0)))
    matched = match(new, reference)
    assert matched.rms_px == pytest.approx(0.3, abs=0.08)
    score = subtract(new, reference, SETTINGS).score
    beyond = np.count_nonzero(np.abs(score) > 5.0)
    assert beyond <= 40  # pixels, around the few stars that moved by more than two rms


def test_the_rest_of_a_frame_is_no_worse_for_a_part_of_it_that_is():
    """A quarter of the stars displaced: the frame's own scatter has to do with all of them."""
    random = np.random.default_rng(4)
    x, y = random.uniform(0, 600, (2, 300))
    corner = (x < 300) & (y < 300)
    error = random.uniform(0.01, 0.05, 300)
    off = np.where(corner, np.hypot(error, 0.3), error) * random.normal(size=(2, 300))
    assert _scatter(off, error) > 0.03**2
    places = np.sqrt(_by_region(x, y, off, error, (600, 600)))
    assert np.all(places[:2, :2] > 0.05)
    assert np.all(places[2] < 0.015)
    assert np.all(places[:, 2] < 0.015)


def test_what_bright_stars_have_beside_them_is_expected_there_and_no_change():
    """A ghost of 1.2 % at 9 px from each, on any side: nine sigma of the sky's noise."""
    random = np.random.default_rng(3)
    x, y = (each.ravel().astype(float) for each in np.mgrid[40:400:40, 40:400:40])
    angle = random.uniform(0.0, 2.0 * np.pi, len(x))
    stars = [(a, b, 1e5) for a, b in zip(x, y, strict=True)]
    beside = x + 9.0 * np.cos(angle), y + 9.0 * np.sin(angle)
    apart = x[::9] + 20.0, y[::9] + 20.0
    faint = [(a, b, 1200.0) for each in (beside, apart) for a, b in zip(*each, strict=True)]
    new, reference, truth, ref_truth = make_pair(
        (440, 440), n_stars=0, new={"extra": stars + faint}, ref={"extra": stars}
    )
    new = replace(new, stars=true_stars(new.frame, replace(truth, n_extra=0)))
    reference = replace(reference, stars=true_stars(reference.frame, replace(ref_truth, n_extra=0)))
    score = subtract(new, reference, SETTINGS).score
    ghosts, changes = (score[np.rint(y).astype(int), np.rint(x).astype(int)] for x, y in (beside, apart))
    assert ghosts.max() < 5.0
    assert np.median(changes) > 5.0


def test_misregistration_of_one_corner_is_expected_there_alone():
    """0.3 px rms in the last quarter of the frame, nothing elsewhere: the frame as a whole knows of none."""
    random = np.random.default_rng(2)
    shape, count = (640, 640), 400
    x, y = random.uniform(15, 625, (2, count))
    flux = 10.0 ** random.uniform(3.5, 4.7, count)
    corner = (x > 400) & (y > 400)
    jitter = random.normal(0.0, 0.3, (2, count)) * corner
    moved = list(zip(x + jitter[0], y + jitter[1], flux, strict=True))
    still = list(zip(x, y, flux, strict=True))
    new, reference, truth, ref_truth = make_pair(shape, n_stars=0, new={"extra": moved}, ref={"extra": still})
    new = replace(new, stars=true_stars(new.frame, replace(truth, n_extra=0)))
    reference = replace(reference, stars=true_stars(reference.frame, replace(ref_truth, n_extra=0)))
    matched = match(new, reference)
    assert matched.rms_px < 0.03
    there, elsewhere = matched.rms_at(np.array([533.0, 106.0]), np.array([533.0, 106.0]))
    assert 0.15 < there < 0.33
    assert elsewhere < 0.02
    small = SETTINGS.model_copy(update={"subtract": SETTINGS.subtract.model_copy(update={"tile_px": 128})})
    difference = subtract(new, reference, small)
    flank = np.rint(y).astype(int), np.rint(x).astype(int) + 2
    error = difference.flux_err[flank] / flux
    bright = flux > 2e4
    assert np.median(error[bright & corner]) > 3.0 * np.median(error[bright & ~corner])
    beyond = np.count_nonzero(np.abs(difference.score) > 5.0)
    assert beyond <= 120  # pixels; of one scatter for the whole frame nearly a thousand


def test_source_noise_is_expected_at_bright_stars():
    """Without the source-noise term the score of a star of 2e5 electrons scatters by far more than 1."""
    places = [(x, y, 2e5) for x in range(40, 360, 40) for y in range(40, 360, 40)]
    new, reference, *_ = make_pair((400, 400), n_stars=60, new={"extra": places}, ref={"extra": places})
    difference = subtract(new, reference, SETTINGS)
    at_stars = np.array([difference.score[y, x] for x, y, _ in places])
    sky_error = np.median(difference.flux_err)
    at_error = np.array([difference.flux_err[y, x] for x, y, _ in places])
    assert np.all(at_error > 3.0 * sky_error)
    assert np.std(at_stars) == pytest.approx(1.0, abs=0.25)  # 64 values
    assert abs(np.mean(at_stars)) < 1.0  # 0.2 % of the gain ratio is half a sigma here


def test_wings_of_a_bright_star_and_what_the_map_may_misplace_of_it_are_in_doubt():
    star = {"extra": [(160.0, 160.0, 1e6)]}
    new, reference, _, truth = make_pair(new=star, ref=star)
    reference = replace(reference, stars=true_stars(reference.frame, replace(truth, n_extra=0)))
    error = subtract(new, reference, SETTINGS).flux_err
    assert error[160, 166] > 3e-3 * 1e6  # where its photons' noise is 4e-4
    assert error[160, 190] < 1.05 * np.median(error)
    astray = SimpleNamespace(astray=lambda x, y: np.full(len(x), 0.2**2))
    lost = subtract(replace(new, pixel_map=astray), replace(reference, caches={}), SETTINGS).flux_err
    assert lost[160, 162] > 0.03 * 1e6 > 5.0 * error[160, 162]


def test_beside_a_star_that_the_border_cuts_the_flux_is_known_less():
    star = {"extra": [(150.0, 320.5, 3e5)]}  # its middle is outside
    new, reference, *_ = make_pair(new=star, ref=star)
    error = subtract(new, reference, SETTINGS).flux_err
    assert error[312, 150] > 3.0 * np.median(error)
    assert error[304, 150] < 1.1 * np.median(error)


@pytest.mark.parametrize("method", METHODS)
def test_masked_pixels_do_not_spread(method):
    clean, reference, *_ = make_pair()
    frame = clean.frame
    data, mask = frame.data.copy(), frame.mask.copy()
    mask[:, 150] |= MaskPlane.BAD
    data[:, 150] = 1e7
    mask[200:203, 60:63] |= MaskPlane.COSMIC_RAY
    data[200:203, 60:63] = 1e6
    mask[:, :20] |= MaskPlane.EDGE
    data[:, :20] = 0.0
    broken = replace(clean, frame=replace(frame, data=data, mask=mask))
    whole, holed = (subtract(new, reference, SETTINGS, method) for new in (clean, broken))
    assert np.all(holed.mask[mask != 0] != 0)
    assert np.all(holed.score[holed.mask != 0] == 0.0)
    assert np.isfinite(holed.data).all()
    assert np.isfinite(holed.score).all()
    assert np.abs(holed.score).max() < 5.0
    assert np.mean(holed.mask != 0) - np.mean(whole.mask != 0) < 0.12
    far = np.s_[80:180, 200:300]
    assert np.std(holed.score[far] - whole.score[far]) < 0.1


@pytest.mark.parametrize("plane", ["data", "variance"])
def test_a_difference_that_is_no_number_is_refused(plane):
    """A pixel whose square is beyond single precision makes none of all around it."""
    new, reference, *_ = make_pair()
    pixels = getattr(new.frame, plane).copy()
    pixels[150, 150] = 3e38
    with np.errstate(all="ignore"), pytest.raises(FrameRefused, match="no number"):
        subtract(replace(new, frame=replace(new.frame, **{plane: pixels})), reference, SETTINGS)


def test_an_isolated_bad_pixel_stays_one_and_edges_grow():
    mask = np.zeros((60, 60), dtype=np.uint16)
    mask[30, 30] = MaskPlane.BAD
    out = combined_mask(mask, fwhm=4.0)
    assert np.count_nonzero(out & MaskPlane.BAD) == 1
    assert np.all(out[:4] & MaskPlane.EDGE)
    assert not np.any(out[5:55, 5:55] & MaskPlane.EDGE)


@pytest.mark.parametrize(("fwhm", "radius"), [(1.7, 4), (2.3, 3), (4.0, 5)])
def test_saturated_stars_grow_with_the_psf_and_in_coarse_pixels_by_what_their_aliases_reach(fwhm, radius):
    mask = np.zeros((60, 60), dtype=np.uint16)
    mask[30, 30] = MaskPlane.SATURATED
    out = (combined_mask(mask, fwhm) & MaskPlane.SATURATED) != 0
    assert np.all(out[30, 30 - radius : 31 + radius])
    assert not out[30, 30 + radius + 1]


def test_tiles_agree_with_the_whole():
    new, reference, *_ = make_pair((384, 384), new={"fwhm": 3.6})
    whole = subtract(new, reference, SETTINGS)
    reference.caches.clear()
    tiled = subtract(new, reference, Settings(subtract={"tile_px": 128}))
    np.testing.assert_allclose(
        tiled.score, whole.score, rtol=0, atol=0.15, equal_nan=False
    )  # what stars leave is measured anew
    assert np.std(tiled.score - whole.score) < 0.02


def test_a_reference_is_transformed_once_and_that_changes_nothing(monkeypatch):
    new, reference, *_ = make_pair()
    counts, rfft2 = [], HostArrays.rfft2
    monkeypatch.setattr(HostArrays, "rfft2", lambda xp, image: counts.append(1) or rfft2(xp, image))
    first = subtract(new, reference, SETTINGS)
    of_both = len(counts)
    second = subtract(new, reference, SETTINGS)
    assert len(counts) - of_both == of_both // 2  # light and variance of the new frame alone
    assert np.array_equal(first.score, second.score)


@pytest.mark.parametrize("method", METHODS)
def test_interchanged_frames_give_the_opposite_score(method):
    new, reference, *_ = make_pair(new={"fwhm": 3.6, "extra": [(100.3, 140.8, 5e3)]})
    swapped_new = replace(new, frame=reference.frame, psf=reference.psf, stars=reference.stars)
    swapped_ref = replace(reference, frame=new.frame, psf=new.psf, stars=new.stars, caches={})
    one, other = (
        subtract(*pair, SETTINGS, method) for pair in ((new, reference), (swapped_new, swapped_ref))
    )
    assert np.std(one.score + other.score) < 0.1
    assert one.score[141, 100] == pytest.approx(-other.score[141, 100], rel=0.03)


def test_difference_is_in_the_stored_unit_of_the_reference():
    new, reference, *_ = make_pair(new={"extra": [(100.0, 140.0, 2e4)]})
    stored = replace(reference, flux_unit="adu", flux_scale=2.5, caches={})
    one, other = subtract(new, reference, SETTINGS), subtract(new, stored, SETTINGS)
    assert other.flux_unit == "adu"
    assert other.flux[140, 100] == pytest.approx(one.flux[140, 100] / 2.5, rel=1e-4)
    np.testing.assert_allclose(other.score, one.score, rtol=0, atol=1e-3, equal_nan=False)


def test_psf_of_the_difference_has_unit_sum_everywhere():
    new, reference, *_ = make_pair(**SCENES["varying"])
    psf = subtract(new, reference, Settings(subtract={"tile_px": 128})).psf
    assert psf.degree >= 1
    for x, y in ((0, 0), (160, 160), (319, 100)):
        assert psf.at(x, y).sum() == pytest.approx(1.0, abs=1e-4)


def test_too_few_common_stars_are_refused_with_their_number():
    new, reference, *_ = make_pair()
    lonely = replace(new, stars=new.stars.take(np.arange(2)))
    with pytest.raises(FrameRefused, match=r"only 2 .* 3 are needed"):
        subtract(lonely, reference, SETTINGS)


def test_noise_that_no_variance_shows_is_measured_and_said():
    new, reference, *_ = make_pair()
    understated = replace(new, frame=replace(new.frame, variance=new.frame.variance / 4.0))
    difference = subtract(understated, reference, SETTINGS)
    assert difference.score_std > 1.1
    assert difference.score_scale < 0.9
    after = sky_deviation(difference.score, difference.flux_err, difference.mask)
    assert after == pytest.approx(1.0, abs=0.06)
    good = difference.mask == 0
    assert difference.score[good] == pytest.approx((difference.flux / difference.flux_err)[good], rel=1e-5)
