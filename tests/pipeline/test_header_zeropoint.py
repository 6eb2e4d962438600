"""What a header's zeropoint is of, and in which system."""

import math

import pytest
from astropy.io.fits import Header

from pipeline.files.headers import exposure_of
from pipeline.files.zeropoint import header_zeropoint

CASU = {"MAGZPT": 23.2812, "PHOTZP": 28.7214, "PHOTSYS": "VEGA", "EXPTIME": 150.0, "EXTINCT": 0.09}


def told(**cards):
    header = Header({"DATE-OBS": "2020-01-01T00:00:00", "FILTER": "r", **cards})
    return header_zeropoint(header, exposure_of(header, "a.fits"))


def test_that_of_the_whole_exposure_goes_first():
    assert told(**CASU) == pytest.approx((28.7214, "vega"))


@pytest.mark.parametrize(
    ("cards", "value"),
    [
        ({}, 23.2812 + 2.5 * math.log10(150.0)),
        ({"AIRMASS": 1.5}, 23.2812 + 2.5 * math.log10(150.0) - 0.5 * 0.09),
        ({"BUNIT": "adu/s", "AIRMASS": 1.0}, 23.2812),
        ({"EXPTIME": 0.0}, None),
    ],
)
def test_that_of_a_count_a_second_is_made_that_of_the_exposure(cards, value):
    found = told(**{key: each for key, each in CASU.items() if key != "PHOTZP"} | cards)
    assert (None if found is None else found.value) == (None if value is None else pytest.approx(value))


def test_that_of_pan_starrs_is_of_a_count_a_second():
    assert told(**{"EXPTIME": 1000.0, "HIERARCH FPA.ZP": 25.0, "AIRMASS": 1.3}) == pytest.approx((32.5, "ab"))


@pytest.mark.parametrize(
    ("cards", "system"),
    [
        ({"FILTER": "J"}, "vega"),
        ({"FILTER": "V"}, "vega"),
        ({"FILTER": "J", "PHOTSYS": "AB"}, "ab"),
        ({"FILTER": "g"}, "ab"),
        ({"FILTER": "g", "MAGSYS": "Vega"}, "vega"),
    ],
)
def test_the_system_is_as_the_header_says_else_as_the_band_is_used(cards, system):
    assert told(MAGZERO=25.0, **cards).mag_system == system


@pytest.mark.parametrize(
    ("unit", "value"), [("nJy", 31.4), ("uJy", 23.9), ("nanomaggy", 22.5), ("nmgy", 22.5)]
)
def test_a_unit_of_flux_is_its_own_zeropoint(unit, value):
    assert told(BUNIT=unit, FILTER="J") == pytest.approx((value, "ab"))


@pytest.mark.parametrize("value", [0.0, -3.0, 77.0, "none", True, float("1e308")])
def test_what_is_no_magnitude_is_none(value):
    assert told(MAGZERO=value) is None
