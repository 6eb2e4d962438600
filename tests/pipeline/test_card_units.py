"""The unit of a number is what the comment of its card says, in the ways in which observatories say it."""

import pytest
from astropy.io.fits import Card, Header

from pipeline.files.card_units import is_in_counts, is_in_electrons, is_of_counts_per_electron, seconds_of
from pipeline.files.headers import exposure_of, unknown_length

DATE = {"DATE-OBS": "2020-01-01T00:00:00"}


def read(*cards, **others):
    return exposure_of(
        Header([Card(*card) for card in cards] + [Card(*each) for each in (DATE | others).items()]), "x"
    )


@pytest.mark.parametrize(
    ("comment", "seconds"),
    [
        ("", 1.0),
        ("[s] Exposure time", 1.0),
        ("Exposure time in seconds", 1.0),
        ("[sec] of the shutter, which opens in ms", 1.0),
        ("Integration time; min. 0.1", 1.0),
        ("exposure of the day", 1.0),
        ("Exposure time, millisecond precision", 1.0),
        ("Exposure (d)uration", 1.0),
        ("exposure seconds, not minutes", 1.0),
        ("[d] time on source", 86400.0),
        ("exposure time in ms", 1e-3),
        ("Exposure time (ms)", 1e-3),
        ("Exposure time(ms)", 1e-3),
        ("exposure time in msec", 1e-3),
        ("Exposure time, milliseconds", 1e-3),
        ("[us] exposure", 1e-6),
        ("Exposure time minutes", 60.0),
        ("[min] total", 60.0),
        ("total (hours)", 3600.0),
        ("ms", 1e-3),
        ("Exposure time, ms", 1e-3),
        ("Exposure time: min.", 60.0),
        ("exposure time, to within a ms", 1.0),
    ],
)
def test_the_unit_of_an_exposure_time(comment, seconds):
    assert seconds_of(comment) == seconds


@pytest.mark.parametrize("keyword", ["EXPTIME", "EXPOSURE", "ITIME"])
def test_an_exposure_time_is_told_in_seconds_and_its_middle_is_by_them(keyword):
    found = read((keyword, 90000.0, "exposure time in ms"))
    assert found.exposure_s == pytest.approx(90.0)
    assert (found.mjd - 58849.0) * 86400.0 == pytest.approx(45.0, abs=1e-4)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("60 s", 60.0),
        ("60.0 ", 60.0),
        ("60.5sec", 60.5),
        ("1e2 Seconds", 100.0),
        ("500 ms", 0.5),
        ("1.5 min.", 90.0),
        ("60 beats", None),
        ("9e999 s", None),
        ("60 s or so", None),
        ("s", None),
    ],
)
def test_an_exposure_time_may_be_a_text_with_its_unit(written, seconds):
    assert read(("EXPTIME", written)).exposure_s == pytest.approx(seconds)
    other = read(("EXPTIME", written), ("EXPOSURE", 7.0))
    assert other.exposure_s == pytest.approx(seconds or 7.0)
    doubt = unknown_length(Header({"EXPTIME": written, **DATE}), seconds)
    assert (f"no usable exposure time ({written})" in (doubt or "")) is (seconds is None)


@pytest.mark.parametrize(
    ("comment", "gain"),
    [
        ("[e-/ADU] gain", 0.5),
        ("Nominal Photo-electrons per ADU", 0.5),
        ("Conversion from ADUs to electrons", 0.5),
        ("Camera gain", 0.5),
        ("[e-/ADU] e- to ADU conversion", 0.5),
        ("e-/ADU (2 ADU/e-)", 0.5),
        ("scale to counts", 0.5),
        ("[adu/e-] gain", 2.0),
        ("ADU per electron", 2.0),
        ("Conversion from electrons to ADU", 2.0),
        ("gain (DN/electron)", 2.0),
    ],
)
def test_a_gain_of_counts_per_electron_is_turned_over(comment, gain):
    assert is_of_counts_per_electron(comment) == (gain == 2.0)
    assert read(("GAIN", 0.5, comment)).gain == pytest.approx(gain)


@pytest.mark.parametrize(
    ("comment", "of_electrons"),
    [
        ("[electrons] full well", True),
        ("Full well (e-)", True),
        ("saturation level in electrons", True),
        ("[adu] saturation", False),
        ("[adu] saturation, of 3 electrons each", False),
        ("Saturation value (ADU)", False),
        ("the level that is full", False),
        ("ADU level where electrons saturate", False),
        ("[e-] full well, in counts below", True),
    ],
)
def test_a_full_well_of_electrons_is_made_one_of_counts_by_the_gain(comment, of_electrons):
    assert is_in_electrons(comment) == of_electrons
    level = ("SATURATE", 60000.0, comment)
    assert read(level, GAIN=3.0).saturation == pytest.approx(20000.0 if of_electrons else 60000.0)
    assert read(level).saturation == (None if of_electrons else 60000.0)
    assert read(level, GAIN=3.0, BUNIT="electron").saturation == 60000.0


@pytest.mark.parametrize(
    ("comment", "of_counts"),
    [
        ("[adu] read noise", True),
        ("(ADU rms)", True),
        ("[e-] rms", False),
        ("[e-] rms, measured in counts", False),
        ("readout noise", False),
    ],
)
def test_a_read_noise_of_counts_is_made_one_of_electrons_by_the_gain(comment, of_counts):
    assert is_in_counts(comment) == of_counts
    assert read(("RDNOISE", 4.0, comment), GAIN=2.5).read_noise == pytest.approx(10.0 if of_counts else 4.0)
    assert read(("RDNOISE", 4.0, comment)).read_noise == (None if of_counts else 4.0)


def test_long_keywords_have_comments_too():
    found = read(("HIERARCH ESO DET OUT1 CONAD", 0.25, "[adu/e-]"))
    assert found.gain == pytest.approx(4.0)
