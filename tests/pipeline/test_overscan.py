"""The overscan goes, and its level with it; amplifiers of one chip make one frame."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.overscan import trim
from pipeline.files.fits_files import read_frame
from pipeline.frame import FrameRefused
from tests.pipeline.synthetic_raw import WITHOUT_COSMIC_RAYS as SETTINGS
from tests.pipeline.synthetic_raw import pull, raw_frame

X = np.mgrid[:256, :256][1]


def with_overscan(level=500.0):
    """A frame of 256 x 256 with 20 columns of overscan before it and 4 rows below."""
    raw, truth = raw_frame()
    rng = np.random.default_rng(9)
    drift = np.linspace(0.0, 30.0, 260)[:, None]
    data = np.empty((260, 276), np.float32)
    data[:] = level + drift + rng.normal(0.0, 3.0, data.shape)
    data[4:, 20:] = raw.data + level + drift[4:]
    header = Header(
        {
            "BIASSEC": "[  3:18, 1: 260]",
            "TRIMSEC": "[21:276,5:260]",
            "CRPIX1": 150.0,
            "CRPIX2": 130.0,
            "CRVAL1": 10.0,
            "CRVAL2": 20.0,
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CDELT1": -1e-4,
            "CDELT2": 1e-4,
        }
    )
    return replace(
        raw, data=data, mask=np.zeros(data.shape, np.uint16), header=header, wcs=WCS(header)
    ), truth


def test_the_overscan_s_level_is_subtracted_and_its_pixels_cut_off():
    raw, truth = with_overscan()
    frame = calibrate(raw, None, SETTINGS)
    assert frame.shape == (256, 256)
    assert frame.origin == (20, 4)
    assert frame.saturation == pytest.approx((65535.0 - 515.0) * 2.0, rel=1e-3), (
        "of electrons, without the bias"
    )
    pulls = pull(frame, truth)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.05)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.03)
    rows = np.median(frame.data, axis=1) - truth.sky
    assert abs(rows[:64].mean() - rows[-64:].mean()) < 3.0, "the drift along the strip is followed"


def test_an_overscan_that_the_file_s_own_mask_leaves_out_still_tells_the_level():
    raw, _ = with_overscan()
    mask = raw.mask.copy()
    mask[:, :20] = MaskPlane.BAD
    masked, open_ = trim(replace(raw, mask=mask)), trim(raw)
    np.testing.assert_allclose(masked.raw.data, open_.raw.data, atol=1e-3)
    assert masked.pedestal == pytest.approx(open_.pedestal)


def test_a_place_on_the_sky_stays_where_it_was_when_the_overscan_goes():
    raw, _ = with_overscan()
    frame = calibrate(raw, None, SETTINGS)
    before = raw.wcs.all_pix2world([[120.0, 104.0]], 0)
    np.testing.assert_allclose(frame.wcs.all_pix2world([[100.0, 100.0]], 0), before, atol=1e-10)
    np.testing.assert_allclose(WCS(frame.header).all_pix2world([[100.0, 100.0]], 0), before, atol=1e-10)


def of_two_amplifiers(gains=(2.0, 1.6), levels=(500.0, 800.0)):
    """A frame whose halves were read with other gains and biases, each with ten columns of overscan."""
    raw, truth = raw_frame()
    rng = np.random.default_rng(9)
    data = np.empty((256, 276), np.float32)
    for half, (gain, level) in enumerate(zip(gains, levels, strict=True)):
        left, strip = 128 * half, 256 + 10 * half
        data[:, left : left + 128] = raw.data[:, left : left + 128] * 2.0 / gain + level
        data[:, strip : strip + 10] = level + rng.normal(0.0, 3.0, (256, 10))
    cards = {"TRIMSEC": "[1:256,1:256]", "GAINA": gains[0], "GAINB": gains[1]}
    cards |= {"TRIMSECA": "[1:128,1:256]", "TRIMSECB": "[129:256,1:256]"}
    cards |= {"BIASSECA": "[257:266,1:256]", "BIASSECB": "[267:276,1:256]"}
    exposure, mask = replace(raw.exposure, gain=gains[0]), np.zeros(data.shape, np.uint16)
    return replace(raw, data=data, mask=mask, header=Header(cards), exposure=exposure), truth


def test_two_amplifiers_of_a_chip_make_one_frame_of_one_gain():
    raw, truth = of_two_amplifiers()
    frame = calibrate(raw, None, SETTINGS)
    assert frame.shape == (256, 256)
    assert frame.notes == ()
    for half in (X < 128, X >= 128):
        pulls = pull(frame, truth, half)
        assert np.mean(pulls) == pytest.approx(0.0, abs=0.05)
        assert np.std(pulls) == pytest.approx(1.0, abs=0.05)
    assert trim(raw).pedestal == pytest.approx(650.0, abs=1.0)


def test_amplifiers_may_have_numbers_instead_of_letters():
    raw, truth = of_two_amplifiers()
    for keyword in ("GAIN", "TRIMSEC", "BIASSEC"):
        for letter, number in zip("AB", "12", strict=True):
            raw.header.rename_keyword(f"{keyword}{letter}", f"{keyword}{number}")
    frame = calibrate(raw, None, SETTINGS)
    assert frame.notes == ()
    for half in (X < 128, X >= 128):
        assert np.mean(pull(frame, truth, half)) == pytest.approx(0.0, abs=0.05)


def test_amplifiers_that_have_letters_and_numbers_count_once():
    raw, _ = of_two_amplifiers()
    by_letters = calibrate(raw, None, SETTINGS)
    for number, letter in enumerate("AB", 1):
        raw.header[f"DATASEC{number}"] = raw.header[f"TRIMSEC{letter}"]
        raw.header[f"BIASSEC{number}"] = raw.header[f"BIASSEC{letter}"]
    frame = calibrate(raw, None, SETTINGS)
    assert frame.notes == ()
    np.testing.assert_array_equal(frame.data, by_letters.data)
    del raw.header["BIASSECB"]  # then the letters alone do not tell
    assert not any("no overscan" in note for note in calibrate(raw, None, SETTINGS).notes)


def test_amplifiers_of_several_gains_that_cannot_be_made_alike_are_told():
    raw, _ = of_two_amplifiers()
    for letter in "AB":
        del raw.header[f"BIASSEC{letter}"]
    (note,) = trim(raw).raw.notes
    assert note.startswith(
        "its amplifiers have gains of 1.6 to 2 and are not made alike, for its header does"
    )
    assert note in calibrate(raw, None, SETTINGS).notes
    raw.header["GAINB"] = raw.header["GAINA"]
    assert trim(raw).raw.notes == ()


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"BIASSEC": "[513:544,1:512]"}, "no overscan is subtracted from it: BIASSEC is '[513:544,1:512]', "),
        ({"BIASSEC": "[256:276,1:256]"}, "no overscan is subtracted from it: BIASSEC is '[256:276,1:256]', "),
        ({"BIASSEC": "[257:276,*]"}, "no overscan is subtracted from it: BIASSEC is '[257:276,*]', "),
        (
            {"BIASSEC": "[257:276,1:256]", "TRIMSEC": None},
            "its header has an overscan, BIASSEC, 20 x 256 pixels",
        ),
        ({"BIASSEC": "[257:276,1:256]"}, None),
        ({"BIASSEC": "[513:544,1:512]", "TRIMSEC": None}, None),  # it was cut before
        ({}, None),
    ],
)
def test_an_overscan_that_cannot_be_used_is_told(sections, told):
    raw, _ = of_two_amplifiers()
    cards = {"TRIMSEC": "[1:256,1:256]"} | sections
    raw = replace(raw, header=Header({word: value for word, value in cards.items() if value is not None}))
    notes = trim(raw).raw.notes
    assert len(notes) == (told is not None)
    assert all(note.startswith(told) for note in notes)


@pytest.mark.parametrize("unit", ["adu/electron", "electron", "adu/s"])
def test_gains_of_amplifiers_are_read_as_that_of_the_frame_is(unit):
    """Turned over where their cards say so; electrons have one gain already, and counts a second too."""
    raw, truth = of_two_amplifiers()
    data, gain, seconds = raw.data, 2.0, 1.0
    if unit == "adu/electron":
        for letter in "AB":
            raw.header[f"GAIN{letter}"] = (1.0 / raw.header[f"GAIN{letter}"], f"[{unit}]")
    elif unit == "electron":
        raw.header["BUNIT"], gain = unit, 1.0
        data = of_two_amplifiers(gains=(1.0, 1.0))[0].data
    else:
        raw.header["BUNIT"], seconds = unit, 50.0
        data, gain = raw.data / np.float32(seconds), 2.0 * seconds
    exposure = replace(raw.exposure, gain=gain, exposure_s=seconds)
    frame = calibrate(replace(raw, data=data, exposure=exposure), None, SETTINGS)
    assert frame.gain == gain
    for half in (X < 128, X >= 128):
        pulls = pull(frame, truth, half)
        assert np.mean(pulls) == pytest.approx(0.0, abs=0.05)
        assert np.std(pulls) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("cards", "is_told"),
    [
        ({"TRIM": "Jan 12 3:04 Trim data section is [21:276,5:260]"}, False),
        ({"TRIMMED": True}, False),
        ({"OVERSCAN": "Jan 12 3:04 Overscan section is [3:18,1:260] with mean=501.2"}, False),
        ({"TRIM": "no", "TRIMMED": False}, True),
        ({"OVERSCAN": 20}, True),  # columns
        ({"OVERSCAN": "[3:18,1:260]"}, True),
    ],
)
def test_an_overscan_that_is_gone_is_not_told_as_left(cards, is_told):
    raw, _ = raw_frame()
    notes = trim(replace(raw, header=Header({"BIASSEC": "[3:18,1:256]"} | cards))).raw.notes
    assert any("neither subtracted" in note for note in notes) is is_told


def test_a_section_that_leaves_hardly_anything_of_a_frame_is_told():
    raw, _ = with_overscan()
    raw.header["TRIMSEC"] = "[21:276,5:30]"
    with pytest.raises(
        FrameRefused, match=r"leaves 256 x 26 pixels \[21:276,5:30\] of it; 32 x 32 are needed"
    ):
        calibrate(raw, None, SETTINGS)


def test_an_overscan_of_one_of_two_amplifiers_is_not_taken_from_half_of_a_frame():
    raw, _ = of_two_amplifiers()
    del raw.header["BIASSECB"]
    np.testing.assert_array_equal(trim(raw).raw.data, raw.data[:, :256])


def test_a_frame_that_was_trimmed_before_is_left_alone():
    raw, _ = raw_frame()
    told = Header({"BIASSEC": "[4:13,1:264]", "TRIMSEC": "[17:272,1:264]"})
    trimmed = trim(replace(raw, header=told))
    np.testing.assert_array_equal(trimmed.raw.data, raw.data)
    assert trimmed.origin == (0, 0)


def test_a_real_raw_frame_loses_its_overscan(shared_data):
    frame = calibrate(read_frame(shared_data / "odd/fits/a8280271.fits"), None, Settings())
    assert frame.shape == (520, 512)
    assert frame.origin == (16, 0)
    assert 50.0 < np.median(frame.background) / frame.gain < 150.0
    assert frame.notes == ()
