"""Light curves: what a detection says in one unit it says in the other."""

from __future__ import annotations

import pytest

from core.database.tables import Candidate, Difference, ForcedFlux, SurveyFlux
from core.objects.curve_table import curve_row
from core.objects.known import write_known
from core.objects.light_curve import current_detections, light_curve
from core.vocabulary import FluxKind
from tests.core.rows import add_candidate, add_difference, add_object

TWENTIETH_AB_NJY = 3631e9 * 1e-8  # 3631 Jy is magnitude 0


def detected(store, **facts) -> dict:
    values = {"external_id": "c1", "mjd": 60000.0, "snr": 10.0, "score": 10.0, "mag_system": "ab"} | facts
    with store.read() as session:
        (point,) = light_curve(session, [1], [Candidate(**values)])
    return curve_row(point)


@pytest.mark.parametrize("flux", [250.0, -250.0, 0.04])
def test_a_detection_in_nanojansky_is_its_magnitude_on_the_ab_system(sqlite_store, flux):
    told = detected(sqlite_store, flux=flux, flux_err=abs(flux) / 10.0, flux_unit="electron", mag=20.0)
    sign = 1.0 if flux > 0 else -1.0
    assert told["flux_njy"] == pytest.approx(sign * TWENTIETH_AB_NJY, rel=1e-4)
    assert told["flux_err_njy"] == pytest.approx(TWENTIETH_AB_NJY / 10.0, rel=1e-4)
    assert (told["calibration"], told["flux"], told["mag"]) == ("ab", flux, 20.0)


@pytest.mark.parametrize("lacks", [{"mag": None}, {"flux": None}, {"flux": 0.0}, {"mag_system": "vega"}])
def test_a_detection_without_a_zeropoint_on_the_ab_system_is_in_its_own_unit_alone(sqlite_store, lacks):
    told = detected(sqlite_store, **{"flux": 250.0, "flux_err": 25.0, "mag": 20.0} | lacks)
    assert (told["flux_njy"], told["flux_err_njy"], told["calibration"]) == (None, None, "instrumental")


def test_each_epoch_tells_what_was_subtracted_from_its_frame(store):
    """A reference that replaced another may hold the light of what is measured, which is then unseen."""
    sky_object = add_object(store)
    (_, first), (_, second), (_, third) = (add_difference(store, f"{name}.fits") for name in "abc")
    seen = [
        add_candidate(store, sky_object, mjd=60000.0 + day, difference_id=each)
        for day, each in ((0.0, first), (1.0, second))
    ]
    alert = add_candidate(store, sky_object, mjd=60001.5, source="ztf")
    with store.write() as session:
        flux = {"flux": 1.0, "flux_err": 9.0, "flux_unit": "electron"}
        session.add(ForcedFlux(difference_id=third, sky_object_id=sky_object, mjd=60002.0, **flux))
        references = [session.get_one(Difference, each).reference_id for each in (first, second, third)]
    assert len(set(references)) == 3
    with store.read() as session:
        points = light_curve(session, [sky_object], current_detections(session, sky_object))
    assert [(each["candidate"], each["reference"]) for each in map(curve_row, points)] == [
        (seen[0], references[0]), (seen[1], references[1]), (alert, None), (None, references[2])
    ]  # fmt: skip


def tells_more(store, **facts) -> tuple[int, int]:
    """An object with a detection, a forced flux of another frame, and what a survey tells; both keys."""
    sky_object = add_object(store, **facts)
    (_, first), (_, second) = (add_difference(store, f"{name}.fits") for name in "ab")
    seen = add_candidate(store, sky_object, mjd=60000.0, difference_id=first)
    with store.write() as session:
        flux = {"flux": 1.0, "flux_err": 9.0, "flux_unit": "electron"}
        session.add(ForcedFlux(difference_id=second, sky_object_id=sky_object, mjd=59999.0, **flux))
        for day, kind in (
            (59990.0, FluxKind.DETECTION),
            (59991.0, FluxKind.LIMIT),
            (59992.0, FluxKind.FORCED),
        ):
            told = {"source": "ztf", "external_id": str(day), "mjd": day, "kind": kind}
            session.add(SurveyFlux(sky_object_id=sky_object, **told, **flux))
    return sky_object, seen


def curve_of(store, sky_object: int) -> list[tuple[float, bool]]:
    with store.read() as session:
        points = light_curve(session, [sky_object], current_detections(session, sky_object))
    return [(point.mjd, point.is_limit) for point in points]


def test_before_its_discovery_what_stays_has_limits(sqlite_store):
    sky_object, _ = tells_more(sqlite_store)
    assert curve_of(sqlite_store, sky_object) == [
        (59990.0, False), (59991.0, True), (59992.0, True), (59999.0, True), (60000.0, False)
    ]  # fmt: skip


@pytest.mark.parametrize("facts", [{"moving": True}, {"review_label": "moving", "review_state": "real"}])
def test_of_a_body_that_moves_there_is_no_limit_where_it_was_not(sqlite_store, facts):
    sky_object, _ = tells_more(sqlite_store, **facts)
    assert curve_of(sqlite_store, sky_object) == [(59990.0, False), (60000.0, False)]


def test_a_known_body_moves_but_what_was_seen_apart_from_it_too_does_not(store):
    sky_object, seen = tells_more(store)
    with store.write() as session:
        write_known(session, {seen: {"solar_system": {"status": "none"}}}, "before")
    assert len(curve_of(store, sky_object)) == 5
    body = {"solar_system": {"status": "match", "name": "(433) Eros", "catalog": "MPC"}}
    with store.write() as session:
        write_known(session, {seen: body}, "now")
    assert curve_of(store, sky_object) == [(59990.0, False), (60000.0, False)]
    add_candidate(store, sky_object, mjd=60003.0)
    assert len(curve_of(store, sky_object)) == 6


def test_of_two_detections_in_one_exposure_the_surer_stands(store):
    """ZTF has both halves of a source that its subtraction split."""
    sky_object = add_object(store)
    with store.write() as session:
        for name, flux, error in (("1", 900.0, 60.0), ("2", 800.0, 8.0), ("3", 700.0, 70.0)):
            told = {"source": "ztf", "external_id": name, "mjd": 59990.0, "kind": FluxKind.DETECTION}
            told |= {"flux": flux, "flux_err": error, "flux_unit": "nJy"}
            session.add(SurveyFlux(sky_object_id=sky_object, **told))
    with store.read() as session:
        assert [point.flux for point in light_curve(session, [sky_object], [])] == [800.0]
