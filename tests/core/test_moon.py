"""The Moon and the air, against what astropy makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord, get_body, get_sun
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from core import horizon
from core.moon import moon


@pytest.mark.filterwarnings("ignore")  # of a future that no table of the Earth's rotation reaches
def test_the_moon_stands_where_astropy_has_it():
    times = Time(np.linspace(50000.0, 64000.0, 60), format="mjd", scale="utc")
    truth = get_body("moon", times, ephemeris="builtin")
    sun = get_sun(times)
    for time, place, light in zip(times, truth, sun, strict=True):
        found = moon(float(time.mjd))
        assert found.distance_deg(float(place.ra.deg), float(place.dec.deg)) < 0.6
        elongation = SkyCoord(place.ra, place.dec).separation(SkyCoord(light.ra, light.dec)).rad
        assert found.lit == pytest.approx((1.0 - np.cos(elongation)) / 2.0, abs=0.01)


@given(altitude=st.floats(0.01, 90.0))
def test_airmass_is_the_secant_high_up_and_ends_at_forty(altitude):
    found = horizon.airmass(altitude)
    assert 0.999 < found < 40.0
    if altitude > 40.0:
        assert found == pytest.approx(1.0 / np.sin(np.radians(altitude)), rel=0.003)
    assert horizon.airmass(-altitude) is None


@given(latitude=st.floats(-90.0, 90.0), longitude=st.floats(-180.0, 180.0), at=st.floats(0.0, 4e9))
def test_what_passes_through_the_zenith_stands_there(latitude, longitude, at):
    transit = 280.46061837 + 360.98564736629 * (at - horizon.J2000_S) / horizon.DAY_S + longitude
    highest = horizon.altitude_deg(at, transit % 360.0, latitude, latitude, longitude)
    assert highest == pytest.approx(90.0, abs=1e-3)


def test_a_place_culminates_at_the_latitude_of_its_declination():
    highest = max(horizon.altitude_deg(at, 123.0, 20.0, 28.76, -17.88) for at in range(0, 90_000, 60))
    assert highest == pytest.approx(90.0 - 28.76 + 20.0, abs=0.01)
