"""What few calibration frames leave of their noise, in frames that they are applied to."""

import numpy as np
import pytest

from core.vocabulary import FrameKind
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.choice import Choice
from pipeline.calibration.kept_masters import load, save
from pipeline.calibration.masters import build
from tests.pipeline.raw_night import calibrator
from tests.pipeline.synthetic_raw import WITHOUT_COSMIC_RAYS, pull, raw_frame

SHAPE, GAIN, READ_NOISE = (256, 256), 2.0, 12.0


def exposures(kind, count, seconds=0.0, light=0.0, current=0.0):
    """Some frames of one camera, in counts; `light` and `current` in electrons and electrons a second."""
    rng = np.random.default_rng([count, int(seconds), 5])
    for number in range(count):
        electrons = rng.poisson(light + current * seconds, SHAPE) + rng.normal(0.0, READ_NOISE, SHAPE)
        data = np.round(electrons / GAIN + 500.0)
        header = {"GAIN": GAIN}
        yield calibrator(kind, number, data, seconds, "r" if light else None, header=header)


@pytest.mark.parametrize(
    ("biases", "darks", "flats", "sky"),
    [
        (exposures(FrameKind.BIAS, 1), (), (), 30.0),
        (exposures(FrameKind.BIAS, 3), (), (), 30.0),
        (exposures(FrameKind.BIAS, 9), exposures(FrameKind.DARK, 1, 60.0), (), 30.0),
        (exposures(FrameKind.BIAS, 2), exposures(FrameKind.DARK, 3, 10.0), (), 100.0),
        (exposures(FrameKind.BIAS, 9), (), exposures(FrameKind.FLAT, 3, light=1400.0), 5000.0),
    ],
    ids=["one bias", "three biases", "one dark", "short darks", "faint flats"],
)
def test_the_noise_of_few_calibration_frames_is_known_and_no_reason_to_doubt_the_gain(
    biases, darks, flats, sky, tmp_path
):
    made = build(Choice((*biases, *darks, *flats), 60.0))
    raw, truth = raw_frame(SHAPE, sky=sky, gain=GAIN, read_noise=READ_NOISE, bias=500.0, n_stars=60)
    frame = calibrate(raw, made, WITHOUT_COSMIC_RAYS)
    assert (frame.gain, frame.read_noise, frame.notes) == (GAIN, READ_NOISE, ())
    assert np.std(pull(frame, truth, truth.model < 5.0)) == pytest.approx(1.0, abs=0.06)
    assert np.std(pull(frame, truth, truth.model > 500.0)) == pytest.approx(1.0, abs=0.15)
    save(tmp_path, made)
    assert load(tmp_path, made.content).noise == made.noise


def test_darks_of_the_frame_s_own_length_bring_no_noise_of_the_bias():
    made = build(
        Choice((*exposures(FrameKind.BIAS, 1), *exposures(FrameKind.DARK, 9, 60.0, current=0.1)), 60.0)
    )
    of_nine = (READ_NOISE**2 + 6.0) / GAIN**2 / 9.0
    assert made.noise.added(60.0, has_bias=True, has_dark=True) == pytest.approx(of_nine, rel=0.1)
    assert made.noise.added(60.0, has_bias=True, has_dark=False) == pytest.approx(
        READ_NOISE**2 / 4.0, rel=0.1
    )


@pytest.mark.parametrize("freed", ["by us", "before"])
def test_the_noise_of_the_bias_is_in_what_darks_were_freed_of(freed):
    biases, darks = exposures(FrameKind.BIAS, 1), list(exposures(FrameKind.DARK, 9, 60.0))
    if freed == "before":
        for one in darks:
            one.read().header["ZEROCOR"] = True
    noise = build(Choice((*biases, *darks), 60.0)).noise
    of_bias, of_darks = READ_NOISE**2 / GAIN**2, READ_NOISE**2 / GAIN**2 / 9.0
    # The frame's own bias is taken out of it before: then it comes with the dark alone.
    for has_bias in (True, False):
        expected = of_darks + of_bias * (has_bias - (freed == "by us")) ** 2
        assert noise.added(60.0, has_bias=has_bias, has_dark=True) == pytest.approx(expected, rel=0.1)


def test_stars_that_are_elsewhere_in_each_twilight_flat_are_no_noise_of_their_mean():
    rng = np.random.default_rng(8)
    flats = list(exposures(FrameKind.FLAT, 30, light=20000.0))
    for number, one in enumerate(flats):
        raw = one.read()
        rows, columns = rng.integers(3, 253, (2, 60))
        for row, column in zip(rows, columns, strict=True):
            raw.data[row - 1 : row + 2, column - 1 : column + 2] += 3000.0 * (1 + number % 3)
    made = build(Choice((*exposures(FrameKind.BIAS, 9), *flats), 60.0))
    assert made.noise.flat == pytest.approx((20000.0 + READ_NOISE**2) / 20000.0**2 / 30, rel=0.2)
