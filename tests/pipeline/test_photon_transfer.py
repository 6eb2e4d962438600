"""The gain that flats and biases tell, where it is known what they were made with."""

from __future__ import annotations

import numpy as np
import pytest

from core.settings import Settings
from core.settings_sections import CameraSettings
from core.vocabulary import FrameKind
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.calibrators import Calibrator
from pipeline.calibration.choice import Choice
from pipeline.calibration.kept_masters import load, save
from pipeline.calibration.masters import Masters, build
from pipeline.calibration.photon_transfer import Lit, photon_transfer
from pipeline.frame import FrameRefused
from tests.pipeline.raw_night import calibrator
from tests.pipeline.synthetic_raw import raw_frame

SHAPE = (256, 320)
LEVELS = (20000.0, 24000.0, 22000.0, 23000.0)  # electrons
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
VIGNETTING = 1.0 - 0.25 * ((X / SHAPE[1] - 0.5) ** 2 + (Y / SHAPE[0] - 0.5) ** 2)


def camera(
    gain, read_noise=6.0, levels=LEVELS, n_biases=5, *, header=None, seed=0, scale=1.0, kind=FrameKind.BIAS
) -> list[Calibrator]:
    """Biases and flats of pixels that respond unlike, with cosmic rays, dead pixels and a tilt of the sky."""
    rng = np.random.default_rng([seed, 5])
    response = VIGNETTING * rng.normal(1.0, 0.02, SHAPE)
    response[40:60, 70:74] = 0.0
    bias = 500.0 + rng.normal(0.0, 3.0, SHAPE)
    frames = []
    for number in range(n_biases):
        counts = np.round(bias + rng.normal(0.0, read_noise / gain, SHAPE))
        counts[rng.integers(0, SHAPE[0], 40), rng.integers(0, SHAPE[1], 40)] += 3000.0
        seconds = 0.0 if kind is FrameKind.BIAS else 10.0
        frames.append(calibrator(kind, number, counts * scale, seconds, header=header))
    for number, level in enumerate(levels):
        light = rng.poisson(level * response * (1.0 + 0.02 * number * X / SHAPE[1]))
        counts = np.round(bias + (light + rng.normal(0.0, read_noise, SHAPE)) / gain)
        counts[rng.integers(0, SHAPE[0], 40), rng.integers(0, SHAPE[1], 40)] += 9000.0
        frames.append(calibrator(FrameKind.FLAT, number, counts * scale, 10.0, "r", header=header))
    return frames


def masters(*args, **more) -> Masters:
    return build(Choice(tuple(camera(*args, **more)), 60.0))


@pytest.mark.parametrize(("gain", "read_noise"), [(1.5, 6.0), (0.6, 3.0), (4.5, 2.0)])
def test_the_gain_and_the_read_noise_are_what_went_in(gain, read_noise):
    found = masters(gain, read_noise).transfer
    assert found.gain == pytest.approx(gain, rel=0.02)
    assert found.gain_err < 0.01 * gain
    rounding = gain / np.sqrt(12.0)
    assert found.read_noise == pytest.approx(np.hypot(read_noise, rounding), rel=0.02)
    assert (found.flats, found.biases) == (4, 5)


def test_the_error_is_that_of_the_measurement():
    found = [masters(1.5, seed=seed).transfer for seed in range(6)]
    pulls = [(each.gain - 1.5) / each.gain_err for each in found]
    assert np.sqrt(np.mean(np.square(pulls))) < 2.0
    assert max(abs(pull) for pull in pulls) < 5.0


def test_darks_of_one_length_stand_in_for_biases():
    made = masters(1.5, kind=FrameKind.DARK)
    assert made.transfer.gain == pytest.approx(1.5, rel=0.02)
    assert "measured from 4 flats and 5 darks" in made.transfer.sentence


def test_of_darks_of_several_lengths_those_of_one_stand_in():
    frames = camera(1.5, kind=FrameKind.DARK)
    alone = calibrator(FrameKind.DARK, 9, frames[0].read().data, 5.0)
    made = build(Choice((alone, *frames), 60.0))
    assert made.transfer.gain == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("header", [{"BIASCOR": True}, {"CALSTAT": "BD"}])
def test_flats_from_which_the_bias_was_taken_hold_their_light_alone(header):
    frames = [
        calibrator(FrameKind.FLAT, number, one.read().data - 500.0, 10.0, "r", header=header)
        if one.exposure.kind is FrameKind.FLAT
        else one
        for number, one in enumerate(camera(1.5, levels=(5000.0,) * 4))
    ]
    made, raw = build(Choice(tuple(frames), 60.0)), masters(1.5, levels=(5000.0,) * 4)
    assert made.transfer.gain == pytest.approx(1.5, rel=0.02)
    assert np.median(np.abs(made.flat - raw.flat)) < 0.002
    assert made.notes == ()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"levels": LEVELS[:1]}, "2 flats of like level are needed"),
        ({"levels": (20000.0, 10000.0, 5000.0)}, "2 flats of like level are needed"),
        ({"levels": (15.0, 15.0, 15.0)}, "too faint"),
        ({"n_biases": 1}, "2 biases, or darks of one length, are needed"),
    ],
)
def test_what_does_not_tell_it_is_refused_with_the_reason(more, told):
    made = masters(1.5, **more)
    assert made.transfer is None
    assert told in made.untold


def test_flats_near_saturation_do_not_tell_it():
    frames = camera(0.4, levels=(20000.0, 20000.0))  # 50,000 counts and a bias of 500
    for one in frames:
        one.read().data[:3] = 65535.0
    made = build(Choice(tuple(frames), 60.0))
    assert "too bright" in made.untold


@pytest.mark.parametrize(("scale", "is_refused"), [(1.0, True), (8.0, False)])
def test_where_nothing_tells_the_saturation_it_is_that_of_16_bits_unless_pixels_hold_more(scale, is_refused):
    made = masters(0.4, levels=(20000.0, 20000.0), scale=scale)
    assert (made.transfer is None) == is_refused
    assert ("too bright" in made.untold) == is_refused


def test_flats_that_are_too_bright_leave_their_place_to_others():
    made = masters(0.6, levels=(30000.0,) * 9 + (20000.0, 20500.0))
    assert made.transfer.flats == 2
    assert made.transfer.gain == pytest.approx(0.6, rel=0.03)


def test_flats_that_hold_what_the_camera_adds_tell_nothing():
    made = build(Choice(tuple(one for one in camera(1.5) if one.exposure.kind is FrameKind.FLAT), 60.0))
    assert made.transfer is None


@pytest.mark.parametrize("header", [{"BUNIT": "adu/s"}, {"NCOMBINE": 10}])
def test_rates_and_masters_are_not_asked(header):
    made = masters(1.5, header=header)
    assert (made.transfer, made.untold) == (None, "")


def test_each_amplifier_is_measured_by_itself_and_is_told_where_they_differ():
    one, two = (camera(gain, seed=seed) for seed, gain in enumerate((1.2, 1.8)))
    header = {"TRIMSEC": "[11:650,1:256]"}
    for letter, part, strip in (
        ("A", "[11:330,1:256]", "[1:10,1:256]"),
        ("B", "[331:650,1:256]", "[651:660,1:256]"),
    ):
        header |= {f"TRIMSEC{letter}": part, f"BIASSEC{letter}": strip}
    level = np.full((SHAPE[0], 10), 500.0)
    frames = [
        calibrator(
            left.exposure.kind, number, np.hstack([level, left.read().data, right.read().data, level]),
            left.exposure.exposure_s, left.exposure.filter, header=header,
        )
        for number, (left, right) in enumerate(zip(one, two, strict=True))
    ]  # fmt: skip
    found = build(Choice(tuple(frames), 60.0)).transfer
    assert found.each == pytest.approx((1.2, 1.8), rel=0.03)
    assert found.gain == pytest.approx(1.5, rel=0.02)
    assert "the mean of its amplifiers: 1." in found.sentence


def test_a_frame_whose_gain_nobody_tells_is_calibrated_by_it_and_told():
    made = masters(1.5)
    raw, _ = raw_frame(SHAPE, gain=1.5, read_noise=6.0, bias=500.0, told=False)
    frame = calibrate(
        raw, Masters(bias=np.full(SHAPE, 500.0, np.float32), transfer=made.transfer), Settings()
    )
    assert frame.gain == made.transfer.gain
    assert frame.read_noise == made.transfer.read_noise
    assert any(note.startswith("gain 1.5") and "± 0.0" in note for note in frame.notes)
    assert any("measured from 4 flats and 5 biases" in note for note in frame.notes)
    assert not any("assumed" in note for note in frame.notes)


@pytest.mark.parametrize("source", ["header", "settings"])
def test_a_gain_that_is_told_stands(source):
    made = masters(3.0)
    raw, _ = raw_frame(SHAPE, gain=1.5, bias=500.0, told=source == "header")
    camera_settings = CameraSettings() if source == "header" else CameraSettings(gain=1.5, read_noise=6.0)
    both = Masters(bias=np.full(SHAPE, 500.0, np.float32), transfer=made.transfer)
    frame = calibrate(raw, both, Settings(camera=camera_settings))
    assert frame.gain == 1.5
    assert not any("measured" in note for note in frame.notes)


def test_why_it_cannot_be_measured_is_told_beside_the_guess():
    raw, _ = raw_frame(SHAPE, gain=1.5, bias=500.0, told=False)
    frame = calibrate(
        raw, Masters(bias=np.full(SHAPE, 500.0, np.float32), untold="2 flats are needed"), Settings()
    )
    assert "its gain cannot be measured: 2 flats are needed" in frame.notes
    assert any(note.startswith("gain unknown") for note in frame.notes)


def test_it_is_kept_with_the_masters(tmp_path):
    made = Masters(bias=np.zeros(SHAPE, np.float32), content="a", transfer=masters(1.5).transfer)
    save(tmp_path, made)
    assert load(tmp_path, "a").transfer == made.transfer
    save(tmp_path, Masters(bias=np.zeros(SHAPE, np.float32), content="b", untold="no flats"))
    assert (load(tmp_path, "b").transfer, load(tmp_path, "b").untold) == (None, "no flats")


def test_no_flats_are_too_few():
    with pytest.raises(FrameRefused, match="2 flats of like level"):
        photon_transfer([], [[np.zeros((16, 1024), np.float32)]] * 2)


def test_flats_of_other_amplifiers_than_the_biases_tell_nothing():
    block = np.ones((16, 1024), np.float32)
    flats = [Lit(20000.0, 0.3, [block, block])] * 2
    with pytest.raises(FrameRefused, match="do not name the same amplifiers"):
        photon_transfer(flats, [[block], [block]])
