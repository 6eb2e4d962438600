"""Positions of date, and what they make of altitude and airmass, against ERFA and astropy."""

from __future__ import annotations

from math import cos, degrees, radians, sin

import astropy.units as u
import erfa
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given
from hypothesis import strategies as st

from core import horizon
from core.epochs import JD_OF_MJD_0, unix_of
from core.objects.sphere import separation_deg
from core.precession import of_date


@given(ra=st.floats(0.0, 360.0), dec=st.floats(-90.0, 90.0), mjd=st.floats(15_000.0, 90_000.0))
def test_positions_of_date_are_those_of_erfa(ra: float, dec: float, mjd: float) -> None:
    """Its matrix has the frame's bias of 0.02 arcsec too. 1900 to 2105, at the poles as well."""
    a, d = radians(ra), radians(dec)
    x, y, z = erfa.pmat06(JD_OF_MJD_0, mjd) @ np.array([cos(d) * cos(a), cos(d) * sin(a), sin(d)])
    found = of_date(unix_of(mjd), ra, dec)
    truth = degrees(np.arctan2(y, x)), degrees(np.arctan2(z, np.hypot(x, y)))
    assert float(separation_deg(*truth, *found)) * 3600.0 < 0.05
    assert 0.0 <= found[0] <= 360.0


def test_nothing_has_moved_at_j2000() -> None:
    assert of_date(horizon.J2000_S, 123.0, -45.0) == (pytest.approx(123.0, abs=1e-5), pytest.approx(-45.0))


@pytest.mark.parametrize("site", [(28.76, -17.88), (-30.24, -70.74), (68.0, 20.0)])
def test_altitude_and_airmass_are_those_of_astropy_low_in_the_sky(site: tuple[float, float]) -> None:
    random = np.random.default_rng(8)
    ra, dec = random.uniform(0.0, 360.0, 400), np.degrees(np.arcsin(random.uniform(-1.0, 1.0, 400)))
    when = Time(60_500.0 + random.uniform(0.0, 365.0, 400), format="mjd")
    place = EarthLocation(lat=site[0] * u.deg, lon=site[1] * u.deg)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        truth = SkyCoord(ra * u.deg, dec * u.deg).transform_to(AltAz(obstime=when, location=place)).alt.deg
    low = np.flatnonzero((truth > 12.0) & (truth < 20.0))
    assert len(low) > 10
    for i in low:
        at = float(when[i].unix)
        altitude = horizon.altitude_deg(at, *of_date(at, ra[i], dec[i]), *site)
        assert altitude == pytest.approx(truth[i], abs=0.02)
        assert horizon.airmass(altitude) == pytest.approx(horizon.airmass(truth[i]), rel=0.002)
