"""Positions and radii as people write them."""

import pytest

from core.coordinates import CoordinateError, degrees_of_ra, parse_position, parse_radius

RA, DEC = 153.1379166667, -4.1697222222


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("10:12:33.1", "-04:10:11"),
        ("10 12 33.1", "-4 10 11"),
        ("10h12m33.1s", "-04d10m11s"),
        ("10h 12m 33.1s", "-4° 10' 11\""),
        ("10h12m33.1s", "\N{MINUS SIGN}4°10′11″"),
        ("153.1379166667", "-4.1697222222"),
        ("1.531379166667e2", "-4.1697222222"),
        ("153d8m16.5s", "-04d10m11s"),
        ("153°08'16.5\"", "-4:10:11"),
    ],
)
def test_a_position_is_read_in_every_usual_form(ra, dec):
    assert parse_position(ra, dec) == pytest.approx((RA, DEC), abs=1e-8)


@pytest.mark.parametrize(
    "text",
    [
        "10:12:33.1 -04:10:11",
        "10:12:33.1-04:10:11",
        "10:12:33.1, -04:10:11",
        "10 12 33.1 -4 10 11",
        "10h12m33.1s−04d10m11s",
        "153d08m16.5s−04d10m11s",
        " 153.1379166667 -4.1697222222 ",
        "153.1379166667,-4.1697222222",
    ],
)
def test_a_position_is_read_from_one_word_too(text):
    assert parse_position(text) == pytest.approx((RA, DEC), abs=1e-8)


@pytest.mark.parametrize("text", ["10:12:33.1", "M31", "", "1 2 3", "10:12:33.1 -04:10:11 2000"])
def test_half_a_position_is_refused(text):
    with pytest.raises(CoordinateError, match="is no coordinate"):
        parse_position(text)


def test_the_poles_are_places_too():
    assert parse_position("0 -90") == (0.0, -90.0)
    assert parse_position("23:59:59.9 +90:00:00") == (pytest.approx(359.9995833), 90.0)


def test_the_sign_of_zero_degrees_counts():
    assert parse_position("0", "-00:30:00") == (0.0, -0.5)
    assert parse_position("0", "+00:30:00") == (0.0, 0.5)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("10:12", "1"), ("10:60:00", "1"), ("10:12:60", "1"), ("24:00:00", "0"), ("360", "0"), ("-1", "0"),
        ("0", "90:00:01"), ("0", "-91"), ("nan", "0"), ("inf", "0"), ("", "0"), ("M31", "0"), ("10::12", "0"),
        ("\x1b[31m", "0"), ("1:2:3:4", "0"), ("1:2:3", "4h10m11s"), ("361d0m0s", "0"),
    ],
)  # fmt: skip
def test_what_is_no_position_is_refused_in_safe_words(ra, dec):
    with pytest.raises(CoordinateError) as refused:
        parse_position(ra, dec)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("5arcsec", 5 / 3600), ('30"', 30 / 3600), ("3arcmin", 3 / 60), ("2'", 2 / 60), ("1e-3deg", 1e-3)],
)
def test_a_radius_has_a_unit(text, degrees):
    assert parse_radius(text) == pytest.approx(degrees)


@pytest.mark.parametrize("text", ["5", "5s", "5px", "0arcsec", "-1deg", "181deg", "deg", "1e999deg", ""])
def test_what_is_no_radius_is_refused(text):
    with pytest.raises(CoordinateError):
        parse_radius(text)


@pytest.mark.parametrize(
    ("ra", "text"),
    [(359.9999999, "0.000000"), (359.9999994, "359.999999"), (0.0, "0.000000"), (10.5, "10.500000")],
)
def test_a_right_ascension_is_never_rounded_to_a_whole_turn(ra, text):
    assert degrees_of_ra(ra, 6) == text
