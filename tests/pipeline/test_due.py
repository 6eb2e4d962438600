"""What a header says was done is not done again."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.due import ALL, done_by, due
from pipeline.calibration.masters import Masters
from tests.pipeline.synthetic_raw import WITHOUT_COSMIC_RAYS as SETTINGS
from tests.pipeline.synthetic_raw import raw_frame

SHAPE = (256, 256)
BIAS = np.full(SHAPE, 300.0, dtype=np.float32)
DARK = np.full(SHAPE, 1.0, dtype=np.float32)
FLAT = np.linspace(0.7, 1.3, SHAPE[1], dtype=np.float32)[None, :] * np.ones((SHAPE[0], 1), np.float32)
MASTERS = Masters(bias=BIAS, dark=DARK, flat=FLAT, bad=np.zeros(SHAPE, dtype=bool), content="c")
TWO = frozenset({FrameKind.BIAS, FrameKind.DARK})


@pytest.mark.parametrize(
    ("cards", "done"),
    [
        ({}, frozenset()),
        ({"BUNIT": "adu", "CALSTAT": "", "RLEVEL": 0, "NCOMBINE": 1}, frozenset()),
        ({"FLATCORR": "PERFORM", "DARKCORR": "OMIT", "ZEROCOR": False}, frozenset()),
        ({"CALSTAT": "uncalibrated"}, frozenset()),
        ({"CALSTAT": "BDF"}, ALL),
        ({"CALSTAT": "D"}, TWO),
        ({"IMAGETYP": "Light, flat fielded"}, frozenset({FrameKind.FLAT})),
        ({"IMAGETYP": "science (dark subtracted)"}, TWO),
        ({"IMAGETYP": "Light, flattened"}, frozenset({FrameKind.FLAT})),
        ({"IMAGETYP": "flat"}, frozenset()),
        ({"ZEROCOR": "Jan  5 10:11 Zero level correction image is Zero"}, frozenset({FrameKind.BIAS})),
        ({"BIASCORR": "COMPLETE", "DARKCORR": "COMPLETE"}, TWO),
        ({"FLATCOR": True}, frozenset({FrameKind.FLAT})),
        ({"RLEVEL": 91}, ALL),
        ({"PROCTYPE": "RAW"}, frozenset()),
        ({"PROCTYPE": "InstCal"}, ALL),
        ({"HIERARCH ESO PRO CATG": "SCIENCE_IMAGE"}, ALL),
        ({"STACKCNT": 20}, ALL),
        ({"BUNIT": "electron"}, ALL),
        ({"BUNIT": "adu/s"}, ALL),
        ({"BUNIT": "nJy"}, ALL),
    ],
)
def test_what_is_done_is_told_by_the_header(cards, done):
    assert done_by(Header(cards)) == done


@pytest.mark.parametrize("cards", [{"CALSTAT": "BDF"}, {"RLEVEL": 91}, {"NCOMBINE": 8}])
def test_a_reduced_frame_goes_through_as_it_is(cards):
    raw, truth = raw_frame(SHAPE)
    raw = replace(raw, header=Header(cards))
    frame, plain = calibrate(raw, MASTERS, SETTINGS), calibrate(raw, None, SETTINGS)
    np.testing.assert_array_equal(frame.data, plain.data)
    np.testing.assert_array_equal(frame.mask, plain.mask)
    assert np.median(frame.background) == pytest.approx(truth.sky, rel=0.01)
    assert any("reduced" in note for note in frame.notes)


def test_what_is_left_to_do_is_done():
    raw, truth = raw_frame(SHAPE, flat=FLAT)
    frame = calibrate(replace(raw, header=Header({"CALSTAT": "BD"})), MASTERS, SETTINGS)
    assert np.median(frame.background[:, :40]) == pytest.approx(truth.sky, rel=0.03)
    assert np.median(frame.background[:, -40:]) == pytest.approx(truth.sky, rel=0.03)


def test_where_the_bias_alone_was_taken_off_the_dark_is_and_its_noise_is_known():
    header = Header({"CALSTAT": "B"})
    current = np.random.default_rng(5).poisson(2.0 * 60.0 * DARK) / 2.0
    raw, truth = raw_frame(SHAPE, bias=current)
    masters = due(replace(MASTERS, flat=None), header)  # as the way of a frame asks beforehand
    frame = calibrate(replace(raw, header=header), masters, SETTINGS)
    assert np.median(frame.background) == pytest.approx(truth.sky, rel=0.01)
    empty = truth.model < 5.0
    assert np.std((frame.signal / np.sqrt(frame.variance))[empty]) == pytest.approx(1.0, abs=0.04)


def test_a_dark_that_holds_the_bias_is_not_subtracted_where_the_bias_was():
    left = due(replace(MASTERS, bias=None, dark_holds_bias=True), Header({"CALSTAT": "B"}))
    assert (left.bias, left.dark) == (None, None)
    assert left.flat is FLAT


def test_a_raw_frame_gets_all_and_twice_is_once():
    assert due(MASTERS, Header()) is MASTERS
    for cards in ({"CALSTAT": "BDF"}, {"CALSTAT": "BD"}, {"CALSTAT": "B"}):
        once = due(MASTERS, Header(cards))
        assert due(once, Header(cards)) is once
        assert len(once.notes) == 1


@pytest.mark.parametrize("written", [100.0, -100.0, "-100"])
def test_what_a_calibration_added_to_all_pixels_is_taken_away(written):
    raw, truth = raw_frame(SHAPE)
    plain = calibrate(raw, None, SETTINGS)
    header = Header({"CALSTAT": "BDF", "PEDESTAL": written})
    found = calibrate(replace(raw, data=raw.data + 100.0, header=header), MASTERS, SETTINGS)
    assert np.median(found.background) == pytest.approx(truth.sky, rel=0.01)
    np.testing.assert_allclose(found.variance, plain.variance, rtol=1e-4)
    assert found.saturation == pytest.approx(plain.saturation - 100.0 * truth.gain)


@pytest.mark.parametrize("written", [100.0, 1e300])
def test_a_pedestal_that_pixels_cannot_hold_is_left_and_told(written):
    """As PixInsight writes 100 of the 65535 that its pixels, from 0 to 1, are divided by."""
    raw, _ = raw_frame(SHAPE)
    raw = replace(raw, data=raw.data / np.float32(65535.0), exposure=replace(raw.exposure, gain=None))
    plain = calibrate(raw, None, SETTINGS)
    header = Header({"CALSTAT": "BDF", "PEDESTAL": written})
    found = calibrate(replace(raw, header=header), None, SETTINGS)
    np.testing.assert_array_equal(found.variance, plain.variance)
    assert any(note.startswith(f"PEDESTAL, {written:g}, is not taken away") for note in found.notes)


def test_the_pedestal_of_a_raw_frame_is_taken_away_by_its_bias():
    raw, truth = raw_frame(SHAPE, bias=BIAS)
    masters = replace(MASTERS, dark=None, flat=None)
    frame = calibrate(replace(raw, header=Header({"PEDESTAL": -100})), masters, SETTINGS)
    assert np.median(frame.background) == pytest.approx(truth.sky, rel=0.01)
