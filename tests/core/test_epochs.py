"""Times in the scales of astronomers, against astropy."""

from datetime import UTC, datetime

import pytest
from astropy.time import Time

from core.epochs import JD_OF_MJD_0, MJD_0, julian_year, mjd_of, unix_of


@pytest.mark.parametrize("mjd", [15_020.0, 40_587.0, 51_544.5, 60_370.123456, 88_069.0])
def test_times_are_those_of_astropy(mjd):
    truth = Time(mjd, format="mjd", scale="utc")
    assert unix_of(mjd) == pytest.approx(truth.unix, abs=1e-4)
    assert mjd_of(unix_of(mjd)) == pytest.approx(mjd, abs=1e-9)
    assert mjd + JD_OF_MJD_0 == pytest.approx(truth.jd, abs=1e-9)
    assert julian_year(mjd) == pytest.approx(Time(mjd, format="mjd", scale="tt").jyear, abs=1e-9)


def test_the_first_day_of_mjd_is_counted_by_the_calendar():
    assert (datetime(2024, 3, 1, tzinfo=UTC) - MJD_0).days == 60_370
