"""A card's epochs on one axis: in flux or in magnitudes, whoever measured them."""

from dataclasses import replace

import pytest

from core.objects.light_curve import LightCurvePoint
from core.review.cards import Card
from screens.review.epochs import FLUX, MAG, curve_points, has_magnitudes, other_axis

ZEROPOINT = 27.4  # 1 electron is 1e4^.4 = 39.8 nJy


def point(mjd, flux, error=10.0, *, zeropoint=ZEROPOINT, unit="electron", candidate=None, limit=False):
    from core.database.tables import ForcedFlux
    from core.objects.light_curve import forced_point

    made = forced_point(
        ForcedFlux(
            difference_id=1, sky_object_id=1, mjd=mjd, flux=flux, flux_err=error, flux_unit=unit,
            zeropoint=zeropoint, mag_system="ab" if zeropoint is not None else None,
        )
    )  # fmt: skip
    assert made.is_limit is limit
    return replace(made, candidate_id=candidate)


def card(*points: LightCurvePoint) -> Card:
    shown = next(each for each in points if each.candidate_id == 7)
    record = {"mag_system": shown.mag_system, "flux_unit": shown.flux_unit}
    made = object.__new__(Card)
    object.__setattr__(made, "candidate", record)
    object.__setattr__(made, "candidate_id", 7)
    object.__setattr__(made, "light_curve", points)
    return made


BRIGHT = point(60000.0, 1000.0, candidate=7)
FAINT = point(60001.0, 20.0, limit=True)
FADED = point(60002.0, -500.0)


def test_it_turns_from_magnitudes_to_flux_and_back():
    shown = card(BRIGHT, FAINT)
    points, magnitudes, unit = curve_points(shown)
    assert (magnitudes, unit) == (True, "mag ab")
    assert points[0].value == pytest.approx(ZEROPOINT - 7.5)
    assert points[0].error == pytest.approx(1.0857 * 10 / 1000, rel=1e-3)
    assert (points[1].is_limit, points[1].error) == (True, None)
    assert points[1].value == pytest.approx(ZEROPOINT - 2.5 * 1.69897, abs=1e-3)  # of five times the error
    assert other_axis(shown, "auto") == FLUX
    points, magnitudes, unit = curve_points(shown, FLUX)
    assert (magnitudes, unit) == (False, "nJy")
    assert points[0].value == pytest.approx(1000 * 10**1.6)
    assert points[0].error == pytest.approx(10 * 10**1.6)
    assert points[1].value == pytest.approx(50 * 10**1.6)
    assert other_axis(shown, FLUX) == MAG


def test_what_is_fainter_than_the_reference_is_in_flux_unless_magnitudes_are_asked_for():
    shown = card(BRIGHT, FAINT, FADED)
    points, magnitudes, _ = curve_points(shown)
    assert not magnitudes
    assert points[2].value < 0
    points, magnitudes, _ = curve_points(shown, MAG)
    assert magnitudes
    assert [each.fades for each in points] == [False, False, True]


def test_without_a_zeropoint_there_is_flux_alone_in_its_own_unit():
    shown = card(point(60000.0, 1000.0, zeropoint=None, candidate=7), point(60001.0, 5e4, unit="nJy"))
    assert not has_magnitudes(shown)
    for axis in ("auto", FLUX, MAG):
        points, magnitudes, unit = curve_points(shown, axis)
        assert (len(points), magnitudes, unit) == (1, False, "electron")


def test_all_whose_calibration_is_known_share_one_unit_of_flux():
    survey = replace(point(60003.0, 4e4, zeropoint=None, unit="nJy"), source="ztf", mag_system="ab")
    points, _, unit = curve_points(card(BRIGHT, survey), FLUX)
    assert unit == "nJy"
    assert [round(each.value) for each in points] == [round(1000 * 10**1.6), 40000]
