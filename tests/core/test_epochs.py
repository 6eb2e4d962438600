"""Times in the scales of astronomers, against astropy."""

from datetime import UTC, datetime

import pytest
from astropy.time import Time

from core.epochs import JD_OF_MJD_0, MJD_0, julian_year, mjd_of, night_of, unix_of


@pytest.mark.parametrize("mjd", [15_020.0, 40_587.0, 51_544.5, 60_370.123456, 88_069.0])
def test_times_are_those_of_astropy(mjd):
    truth = Time(mjd, format="mjd", scale="utc")
    assert unix_of(mjd) == pytest.approx(truth.unix, abs=1e-4)
    assert mjd_of(unix_of(mjd)) == pytest.approx(mjd, abs=1e-9)
    assert mjd + JD_OF_MJD_0 == pytest.approx(truth.jd, abs=1e-9)
    assert julian_year(mjd) == pytest.approx(Time(mjd, format="mjd", scale="tt").jyear, abs=1e-9)


def test_a_whole_second_is_the_same_second_again():
    day = (60_370 - 40_587) * 86_400
    assert [unix_of(60_370 + second / 86_400) for second in range(86_400)] == list(range(day, day + 86_400))


def test_the_first_day_of_mjd_is_counted_by_the_calendar():
    assert (datetime(2024, 3, 1, tzinfo=UTC) - MJD_0).days == 60_370


@pytest.mark.parametrize(
    ("east_deg", "first_mjd", "hours", "nights"),
    [
        (0.0, 60000.75, 12, 1),  # Europe, across 0 h
        (-70.4, 60000.97, 11, 1),  # Chile
        (-155.5, 60001.2, 11, 1),  # Hawaii
        (149.1, 60000.36, 11, 1),  # Australia
        (0.0, 60000.75, 24, 2),
    ],
)
def test_a_night_is_one_from_dusk_to_dawn(east_deg, first_mjd, hours, nights):
    found = {night_of(first_mjd + hour / 24.0, east_deg) for hour in range(hours + 1)}
    assert len(found) == nights
    assert 60000 in found
