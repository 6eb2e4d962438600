"""The Moon and the air, against what astropy makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord, get_body, get_sun
from astropy.time import Time
from hypothesis import example, given
from hypothesis import strategies as st

from core import horizon
from core.epochs import unix_of
from core.moon import moon
from core.precession import of_date


@pytest.mark.filterwarnings("ignore")  # of a future that no table of the Earth's rotation reaches
def test_the_moon_stands_where_astropy_has_it():
    times = Time(np.linspace(50000.0, 64000.0, 60), format="mjd", scale="utc")
    truth = get_body("moon", times, ephemeris="builtin")
    sun = get_sun(times)
    for time, place, light in zip(times, truth, sun, strict=True):
        found = moon(float(time.mjd))
        seen = of_date(unix_of(float(time.mjd)), float(place.ra.deg), float(place.dec.deg))
        assert found.distance_deg(*seen) < 0.25
        elongation = SkyCoord(place.ra, place.dec).separation(SkyCoord(light.ra, light.dec)).rad
        assert found.lit == pytest.approx((1.0 - np.cos(elongation)) / 2.0, abs=0.01)


@given(altitude=st.floats(0.01, 90.0))
def test_airmass_is_the_secant_high_up(altitude):
    found = horizon.airmass(altitude)
    assert found > 0.999
    if altitude > 40.0:
        assert found == pytest.approx(1.0 / np.sin(np.radians(altitude)), rel=0.003)
    assert horizon.airmass(-altitude) is None


def test_airmass_at_the_horizon_is_38():
    assert horizon.airmass(1e-9) == pytest.approx(38.0, abs=0.1)  # as Kasten & Young have it


# Here rounding makes the sine 1 + 2e-16, and its opposite.
@example(latitude=-0.82, longitude=0.0, at=horizon.J2000_S)
@given(latitude=st.floats(-90.0, 90.0), longitude=st.floats(-180.0, 180.0), at=st.floats(0.0, 4e9))
def test_what_passes_through_the_zenith_stands_there_and_its_opposite_at_the_nadir(latitude, longitude, at):
    transit = 280.46061837 + 360.98564736629 * (at - horizon.J2000_S) / horizon.DAY_S + longitude
    highest = horizon.altitude_deg(at, transit % 360.0, latitude, latitude, longitude)
    assert highest == pytest.approx(90.0, abs=1e-3)
    lowest = horizon.altitude_deg(at, (transit + 180.0) % 360.0, -latitude, latitude, longitude)
    assert lowest == pytest.approx(-90.0, abs=1e-3)


def test_a_place_culminates_at_the_latitude_of_its_declination():
    highest = max(horizon.altitude_deg(at, 123.0, 20.0, 28.76, -17.88) for at in range(0, 90_000, 60))
    assert highest == pytest.approx(90.0 - 28.76 + 20.0, abs=0.01)
