"""From counts to electrons: every step against a known truth."""

import re
from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header

from core.settings import Settings
from core.settings_sections import CalibrateSettings, CameraSettings
from core.vocabulary import FrameKind, MaskPlane
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.illumination import vignetted
from pipeline.calibration.masters import Masters
from pipeline.calibration.mean_noise import UNKNOWN
from pipeline.calibration.variance import source_model
from pipeline.files.fits_files import read_frame
from pipeline.frame import FrameRefused
from tests.pipeline.synthetic_raw import WITHOUT_COSMIC_RAYS as SETTINGS
from tests.pipeline.synthetic_raw import pull, raw_frame

Y, X = np.mgrid[:256, :256].astype(np.float32)
FLAT = (1.1 - 0.4 * ((X - 128) ** 2 + (Y - 128) ** 2) / 128**2 / 2).astype(np.float32)
FLAT /= np.median(FLAT)


def test_electrons_come_back_and_the_variance_is_theirs():
    raw, truth = raw_frame()
    frame = calibrate(raw, None, SETTINGS)
    assert (frame.gain, frame.read_noise, frame.notes) == (2.0, 6.0, ())
    pulls = pull(frame, truth)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.03)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.02)
    assert np.median(frame.background) == pytest.approx(truth.sky, rel=0.01)


def test_the_variance_also_holds_on_stars():
    raw, truth = raw_frame(n_stars=60, fwhm=2.5, flux_range=(2e4, 3e5))
    frame = calibrate(raw, None, SETTINGS)
    for low, high in ((200.0, 2000.0), (2000.0, 20000.0)):
        on_stars = (truth.model > low) & (truth.model < high)
        assert np.count_nonzero(on_stars & (frame.mask == 0)) > 100
        assert np.std(pull(frame, truth, on_stars)) == pytest.approx(1.0, abs=0.1)


def test_an_uncertain_flat_adds_to_the_variance_by_the_square_of_the_light_of_sources():
    raw, truth = raw_frame(n_stars=60, fwhm=2.5, flux_range=(2e4, 3e5))
    flat = np.ones(X.shape, dtype=np.float32)
    low, high = (
        SETTINGS.model_copy(update={"calibrate": SETTINGS.calibrate.model_copy(update={"flat_error": error})})
        for error in (0.0, 0.05)
    )
    sure = calibrate(raw, Masters(flat=flat), low)
    noisy = Masters(flat=flat, noise=replace(UNKNOWN, flat=0.05**2))  # the same, from pixel to pixel
    bright = (truth.model > 2000.0) & (sure.mask == 0)
    light = sure.signal[bright]
    for frame, more in (
        (calibrate(raw, Masters(flat=flat), high), light**2),
        (calibrate(raw, noisy, low), (light + truth.sky) ** 2),
    ):
        added = frame.variance[bright] - sure.variance[bright]
        assert np.median(added / more) == pytest.approx(0.05**2, rel=0.02)


def test_the_noise_model_does_not_follow_the_noise():
    rng = np.random.default_rng(5)
    noise = rng.normal(0.0, 20.0, (200, 200)).astype(np.float32)
    model = source_model(noise, np.full_like(noise, 20.0), np.zeros(noise.shape, bool))
    inverse = 1.0 / (400.0 + model)
    weighted = float((noise * inverse).sum() / inverse.sum())
    naive = 1.0 / np.maximum(400.0 + noise, 1.0)
    assert abs(weighted) < 0.4
    assert abs(weighted) < abs(float((noise * naive).sum() / naive.sum())) / 2


def test_bias_dark_and_flat_are_taken_out():
    rng = np.random.default_rng(3)
    bias = (300.0 + 5.0 * np.sin(X / 9.0)).astype(np.float32)
    dark = np.abs(rng.normal(0.05, 0.01, X.shape)).astype(np.float32)
    raw, truth = raw_frame(flat=FLAT, bias=bias + dark * 60.0)
    frame = calibrate(raw, Masters(bias=bias, dark=dark, flat=FLAT), SETTINGS)
    assert frame.saturation == pytest.approx((65535.0 - np.median(bias)) * frame.gain, abs=1.0)
    pulls = pull(frame, truth)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.04)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.03)
    corner = np.std(pull(frame, truth, (X < 60) & (Y < 60)))
    assert corner == pytest.approx(1.0, abs=0.05), "under a low flat the noise is larger, and known"


@pytest.mark.parametrize("flat", [None, FLAT])
def test_the_noise_of_a_dark_current_is_expected_and_no_reason_to_doubt_the_gain(flat):
    rng = np.random.default_rng(9)
    dark = rng.gamma(4.0, 0.3, X.shape).astype(np.float32)  # data units a second: a camera that is warm
    stars = {"n_stars": 60, "fwhm": 2.5, "flux_range": (5e3, 1e5), "sky": 100.0}
    current = rng.poisson(2.0 * 60.0 * dark) / 2.0
    raw, truth = raw_frame(flat=1.0 if flat is None else flat, bias=300.0 + current, **stars)
    masters = Masters(bias=np.full(X.shape, 300.0, np.float32), dark=dark, flat=flat)
    frame = calibrate(raw, masters, SETTINGS)
    assert (frame.gain, frame.notes) == (2.0, ())
    on_stars = (truth.model > 500.0) & (truth.model < 20000.0)
    for where in (truth.model < 5.0, (truth.model < 5.0) & (dark > np.quantile(dark, 0.9)), on_stars):
        assert np.std(pull(frame, truth, where)) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(("seconds", "is_told"), [(None, True), (60.0, False)])
def test_a_frame_of_unknown_length_is_told_that_no_dark_current_is_taken_from_it(seconds, is_told):
    dark = np.full(X.shape, 0.1, np.float32)
    raw, truth = raw_frame(bias=300.0 + 6.0)
    raw = replace(raw, exposure=replace(raw.exposure, exposure_s=seconds))
    frame = calibrate(raw, Masters(bias=np.full(X.shape, 300.0, np.float32), dark=dark), SETTINGS)
    assert any("no dark current is taken from it" in note for note in frame.notes) == is_told
    assert (np.median(frame.data) - truth.sky > 5.0) == is_told


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize(("left", "is_told"), [(0.0, True), (1000.0, False)])
def test_a_bias_that_was_taken_out_before_is_not_taken_out_again(left, is_told, holds):
    """As of a frame whose header does not say it, or of biases whose headers name no overscan."""
    raw, truth = raw_frame(bias=left)
    bias = np.full(X.shape, 1000.0, np.float32)
    masters = Masters(dark=bias / 60.0, dark_holds_bias=True) if holds else Masters(bias=bias)
    frame = calibrate(raw, masters, SETTINGS)
    assert np.mean(pull(frame, truth)) == pytest.approx(0.0, abs=0.05)
    assert [note[:13] for note in frame.notes] == ["its level, 20"] * is_told


def test_dead_pixels_of_the_flat_and_hot_ones_of_the_dark_are_bad():
    raw, _ = raw_frame()
    flat = np.ones_like(FLAT)
    flat[10, 20] = 0.0
    bad = np.zeros(FLAT.shape, bool)
    bad[10, 20] = bad[30, 40] = True
    frame = calibrate(raw, Masters(flat=flat, bad=bad), SETTINGS)
    assert np.argwhere(frame.mask & MaskPlane.BAD).tolist() == [[10, 20], [30, 40]]


def test_masters_of_another_size_are_refused_with_both_sizes():
    raw, _ = raw_frame()
    named = rf"{re.escape(raw.exposure.name)} is 256 x 256 pixels .*, its calibration frames 10 x 20: "
    with pytest.raises(FrameRefused, match=named):
        calibrate(raw, Masters(bias=np.zeros((20, 10), np.float32)), SETTINGS)


def test_nothing_that_is_not_finite_leaves():
    raw, truth = raw_frame()
    mask = raw.mask.copy()
    mask[50:53, 50:53], mask[100], mask[:, 7] = MaskPlane.BAD, MaskPlane.BAD, MaskPlane.BAD
    data = raw.data.copy()
    data[mask != 0] = 0.0
    frame = calibrate(replace(raw, data=data, mask=mask), None, SETTINGS)
    for image in (frame.data, frame.background, frame.variance):
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
    assert (frame.variance > 0.0).all()
    filled = (frame.mask & MaskPlane.INTERPOLATED) != 0
    assert filled[100].mean() > 0.95
    residual = (frame.data - truth.sky - truth.model)[filled & (truth.model < 20.0)]
    assert abs(np.median(residual)) < 3.0 * np.sqrt(truth.sky)


@pytest.mark.parametrize("saturation", [3000.0, None, 1e5])  # the last is what the wells hold
def test_saturated_stars_are_masked_with_a_border(saturation):
    raw, _ = raw_frame(flux_range=(2e4, 3e5))
    data = np.minimum(raw.data, 3000.0)
    frame = calibrate(
        replace(raw, data=data, exposure=replace(raw.exposure, saturation=saturation)), None, SETTINGS
    )
    full = data >= 3000.0
    assert full.sum() >= 3
    saturated = (frame.mask & MaskPlane.SATURATED) != 0
    assert saturated[full].all()
    assert saturated.sum() > full.sum()
    assert saturated.mean() < 0.02
    assert frame.saturation == pytest.approx(6000.0, rel=0.03)


def test_a_frame_without_a_plateau_has_nothing_saturated():
    raw, _ = raw_frame()
    assert not (calibrate(raw, None, SETTINGS).mask & MaskPlane.SATURATED).any()
    few = raw.data.copy()
    few[20:200:60, 30:200:60] = few.max() + 100.0  # as bright, but not side by side
    assert calibrate(replace(raw, data=few), None, SETTINGS).saturation > 1e5


def test_columns_that_the_file_itself_calls_bad_are_no_plateau_of_saturated_stars():
    raw, _ = raw_frame()
    data, mask = raw.data.copy(), raw.mask.copy()
    data[:, 60:62] = 2.0 * data.max()
    mask[:, 60:62] |= np.uint16(MaskPlane.BAD)
    frame = calibrate(replace(raw, data=data, mask=mask), None, SETTINGS)
    assert not (frame.mask & MaskPlane.SATURATED).any()
    assert (frame.mask[:, 60:62] & MaskPlane.BAD).all()
    assert not (frame.mask[:, [56, 57, 64, 65]] & MaskPlane.BAD).any()
    unmasked = calibrate(replace(raw, data=data), None, SETTINGS)
    assert (unmasked.mask[:, 60:62] & MaskPlane.SATURATED).all()


def test_settings_stand_in_for_a_silent_header_and_yield_to_a_telling_one():
    camera = Settings(camera=CameraSettings(gain=2.0, read_noise=6.0))
    silent, _ = raw_frame(told=False)
    assert calibrate(silent, None, camera).gain == 2.0
    telling, _ = raw_frame()
    other = Settings(camera=CameraSettings(gain=5.0))
    assert calibrate(telling, None, other).gain == 2.0


@pytest.mark.parametrize(("unit", "counts"), [("adu", 1.0), ("adu/s", 60.0), ("nmgy", 5000.0)])
def test_the_gain_of_the_settings_is_that_of_a_count_whatever_the_data_are(unit, counts):
    camera = CameraSettings(gain=2.0, read_noise=6.0)
    settings = Settings(calibrate=CalibrateSettings(cosmic_rays=False), camera=camera)
    raw, truth = raw_frame(told=False, n_stars=60, fwhm=2.5, flux_range=(2e4, 3e5))
    stored = (raw.data / counts).astype(np.float32)
    frame = calibrate(replace(raw, data=stored, header=Header({"BUNIT": unit})), None, settings)
    electrons = truth.gain * counts / frame.gain  # true ones of one that is told
    on_stars = (truth.model > 2000.0) & (truth.model < 20000.0) & (frame.mask == 0)
    residual = (electrons * frame.data - truth.sky - truth.model)[on_stars]
    pulls = residual / (electrons * np.sqrt(frame.variance[on_stars]))
    assert np.std(pulls) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("claimed", [0.5, 20.0])
def test_a_gain_that_the_sky_contradicts_is_replaced_and_said(claimed):
    raw, truth = raw_frame(sky=4000.0)
    raw = replace(raw, exposure=replace(raw.exposure, gain=claimed))
    frame = calibrate(raw, None, SETTINGS)
    assert frame.notes
    rms = np.sqrt(np.median(frame.variance)) / frame.gain * truth.gain  # as true electrons
    assert rms == pytest.approx(np.sqrt(truth.sky + truth.read_noise**2), rel=0.05)
    if claimed > truth.gain:
        assert frame.gain == pytest.approx(truth.gain, rel=0.05)


def test_counts_a_second_that_no_unit_tells_are_known_by_their_noise():
    raw, truth = raw_frame(sky=4000.0)
    exposure = replace(raw.exposure, exposure_s=60.0)
    frame = calibrate(replace(raw, data=raw.data / np.float32(60.0), exposure=exposure), None, SETTINGS)
    assert frame.gain == 60.0 * truth.gain
    assert np.std(pull(frame, truth)) == pytest.approx(1.0, abs=0.03)
    (note,) = frame.notes
    assert "counts a second" in note
    averaged = calibrate(replace(raw, data=raw.data / np.float32(5.0), exposure=exposure), None, SETTINGS)
    assert averaged.gain == truth.gain
    assert "taken as measured" in averaged.notes[0]


def test_whole_numbers_on_a_bias_are_no_counts_a_second_though_their_noise_is_alike():
    """As of a raw frame of a dark sky, without any bias frame.

    Of fractions only a pixel that would hold more electrons than any tells the two apart.
    """
    raw, truth = raw_frame(sky=20.0, bias=1000.0)
    counts = np.rint(raw.data)
    odd = counts + np.float32(0.25)
    bright = odd.copy()
    bright[128, 128] = 30000.0
    for data, gain in ((counts, truth.gain), (odd, truth.gain * 34.0), (bright, truth.gain)):
        exposure = replace(raw.exposure, exposure_s=34.0)
        assert calibrate(replace(raw, data=data, exposure=exposure), None, SETTINGS).gain == gain


def test_pixels_that_were_scaled_to_one_have_a_gain_of_their_own():
    raw, truth = raw_frame(sky=4000.0, read_noise=3.0)
    frame = calibrate(replace(raw, data=raw.data / np.float32(65535.0)), None, SETTINGS)
    assert frame.gain == pytest.approx(65535.0 * truth.gain, rel=0.05)
    (note,) = frame.notes
    assert note.startswith("its pixels were scaled, and gain 2 is not theirs")


def test_an_unknown_gain_is_found_from_the_sky():
    raw, truth = raw_frame(sky=4000.0, read_noise=3.0, told=False)
    frame = calibrate(raw, None, SETTINGS)
    assert frame.gain == pytest.approx(truth.gain, rel=0.05)
    assert "gain unknown" in frame.notes[0]


def test_a_pedestal_leaves_the_sky_s_noise_as_it_is():
    raw, truth = raw_frame(bias=5000.0)
    frame = calibrate(raw, None, SETTINGS)
    assert np.sqrt(np.median(frame.variance)) == pytest.approx(np.sqrt(truth.sky + 36.0), rel=0.05)


def test_a_sky_subtracted_frame_has_the_noise_it_shows():
    raw, truth = raw_frame(bias=-200.0)
    frame = calibrate(raw, None, SETTINGS)
    assert abs(np.median(frame.background)) < 5.0
    assert np.sqrt(np.median(frame.variance)) == pytest.approx(np.sqrt(truth.sky + 36.0), rel=0.05)


def test_a_flat_frame_is_no_science_frame():
    raw, _ = raw_frame()
    with pytest.raises(FrameRefused, match="flat"):
        calibrate(replace(raw, exposure=replace(raw.exposure, kind=FrameKind.FLAT)), None, SETTINGS)


def test_vignetted_corners_are_masked_and_nothing_else():
    raw, truth = raw_frame((384, 384), sky=2000.0)
    y, x = np.mgrid[:384, :384]
    lit = np.hypot(x - 192, y - 192) < 230
    data = np.where(lit, raw.data, raw.data * 0.02).astype(np.float32)
    frame = calibrate(replace(raw, data=data), None, SETTINGS)
    bad = (frame.mask & MaskPlane.BAD) != 0
    assert bad[~lit].mean() > 0.99
    assert bad[lit].mean() < 0.05
    assert truth.sky == 2000.0


@pytest.mark.parametrize(("sigmas", "is_refused"), [(0.0, True), (-0.4, True), (-1.5, False), (-5.0, False)])
def test_a_frame_that_is_cut_off_at_its_sky_is_refused(sigmas, is_refused):
    raw, _ = raw_frame((384, 384), sky=300.0)
    sky, noise = np.median(raw.data), np.std(raw.data[raw.data < np.quantile(raw.data, 0.9)])
    cut = replace(raw, data=np.maximum(raw.data, np.float32(np.rint(sky + sigmas * noise))))
    if is_refused:
        with pytest.raises(FrameRefused, match="of its pixels hold its least value"):
            calibrate(cut, None, SETTINGS)
    else:
        calibrate(cut, None, SETTINGS)


def test_a_sky_that_is_not_flat_is_cut_off_unevenly_and_refused_too():
    """Half of its pixels are lost as well, but more of them side by side."""
    raw, _ = raw_frame((384, 384), sky=300.0)
    noise = np.std(raw.data[raw.data < np.quantile(raw.data, 0.9)])
    waves = 1.5 * noise * np.sin(np.arange(384) / 30.0)[:, None]
    data = raw.data + waves
    cut = replace(raw, data=np.maximum(data, np.median(data)).astype(np.float32))
    with pytest.raises(FrameRefused, match="of its pixels hold its least value"):
        calibrate(cut, None, SETTINGS)
    calibrate(replace(raw, data=data.astype(np.float32)), None, SETTINGS)


def test_a_border_without_data_is_no_noise_that_is_cut_off():
    raw, _ = raw_frame((384, 384), sky=300.0)
    data = raw.data.copy()
    data[:, 200:] = 0.0
    assert calibrate(replace(raw, data=data), None, SETTINGS).mask.shape == (384, 384)


@pytest.mark.parametrize(("columns", "is_told"), [(40, False), (120, True)])
def test_of_a_large_part_in_the_dark_it_is_told(columns, is_told):
    raw, _ = raw_frame((384, 384), sky=2000.0)
    data = raw.data.copy()
    data[:, :columns] *= 0.2
    told = [note for note in calibrate(replace(raw, data=data), None, SETTINGS).notes if "darker" in note]
    assert [note[:1] for note in told] == ["3"] * is_told  # 31 % and its edge


def test_what_nothing_was_written_to_is_not_told_as_dark():
    """As the borders of a frame that was turned, which its reader masks."""
    raw, _ = raw_frame((384, 384), sky=2000.0)
    data, mask = raw.data.copy(), raw.mask.copy()
    data[:, :120], mask[:, :120] = 0.0, MaskPlane.BAD
    frame = calibrate(replace(raw, data=data, mask=mask), None, SETTINGS)
    assert not [note for note in frame.notes if "darker" in note]


@pytest.mark.parametrize("turns", range(4))
def test_a_border_that_is_less_and_less_lit_is_masked_as_far_as_it_falls(turns):
    raw, _ = raw_frame((384, 384), sky=300.0)
    response = np.ones((384, 384))
    response[:24] = np.sqrt(np.linspace(0.4, 1.0, 24))[:, None]
    short = np.rot90(response, turns)
    frame = calibrate(replace(raw, data=(raw.data * short).astype(np.float32)), None, SETTINGS)
    bad = (frame.mask & MaskPlane.BAD) != 0
    assert bad[short < 0.94].all()
    assert not bad[short > 0.97].any()


def test_rows_without_values_hide_no_other_and_are_no_border_that_falls():
    """A row of nothing else has no median, and tells of no trend."""
    counts = np.full((384, 384), 300.0, dtype=np.float32)
    counts[60] = np.nan
    level, bad = np.full_like(counts, 300.0), np.isnan(counts)
    assert not vignetted(counts, level, bad)[~bad].any()
    counts[:5] = 30.0
    dark = vignetted(counts, level, bad)
    assert dark[:5].all()
    assert not dark[32:].any()


@pytest.mark.parametrize("edge", [0.8, 1.0, 1.2])
def test_light_that_falls_off_gently_masks_nothing(edge):
    raw, _ = raw_frame((384, 384), sky=300.0)
    y, x = np.mgrid[:384, :384]
    gentle = 1.0 + (edge - 1.0) * (np.hypot(x - 192, y - 192) / 192) ** 2 / 2.0
    frame = calibrate(replace(raw, data=(raw.data * gentle).astype(np.float32)), None, SETTINGS)
    assert not (frame.mask & MaskPlane.BAD).any()


def test_a_dark_pixel_is_bad_and_a_faint_sky_is_not_vignetted():
    raw, _ = raw_frame(sky=1.0, read_noise=10.0, n_stars=10)
    data = raw.data.copy()
    data[40, 60] = -400.0
    frame = calibrate(replace(raw, data=data), None, SETTINGS)
    assert np.argwhere(frame.mask & MaskPlane.BAD).tolist() == [[40, 60]]


def test_real_saao_frames_agree_with_their_header(shared_data):
    frame = calibrate(read_frame(shared_data / "images/saao_kb13475/AKB13475I0028.fits"), None, Settings())
    assert (frame.gain, frame.read_noise, frame.notes) == (1.9, 5.0, ())
    assert np.mean(frame.mask != 0) < 0.01


def test_real_rise_corners_are_masked_and_hardly_more(shared_data):
    raw = read_frame(shared_data / "images/lt_rise/q_e_20200830_1_1_1_1.fits")
    frame = calibrate(raw, None, Settings())
    bad = frame.mask != 0
    dark = raw.data < 0.5 * np.median(raw.data)
    assert bad[dark].mean() > 0.99
    assert bad[~dark].mean() < 0.15
    assert frame.notes == ()
    low = (frame.data - frame.background)[~bad] / np.sqrt(frame.variance[~bad])
    assert 1.4826 * np.median(np.abs(low[low < 0])) == pytest.approx(1.0, abs=0.05)
