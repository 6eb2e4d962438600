"""Light curves: what a detection says in one unit it says in the other."""

from __future__ import annotations

import pytest

from core.database.tables import Candidate, Difference, ForcedFlux
from core.objects.curve_table import curve_row
from core.objects.light_curve import current_detections, light_curve
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
