"""Fluxes as magnitudes, and forced fluxes as points of a light curve: by Pogson's definition alone."""

import math

import pytest

from core.database.tables import ForcedFlux
from core.magnitudes import magnitude
from core.objects.light_curve import forced_point


@pytest.mark.parametrize(
    ("flux", "mag"), [(1.0, 25.0), (100.0, 20.0), (-100.0, 20.0), (1e4, 15.0), (0.01, 30.0), (2.0, 24.247425)]
)
def test_five_magnitudes_are_a_hundred_times_the_flux(flux, mag):
    found, error = magnitude(flux, abs(flux) * 0.01, 25.0)
    assert found == pytest.approx(mag, abs=1e-6)
    assert error == pytest.approx(0.0108574, abs=1e-6)  # 1.0857 times the relative error


@pytest.mark.parametrize(
    ("flux", "zeropoint"), [(0.0, 25.0), (math.nan, 25.0), (math.inf, 25.0), (100.0, None)]
)
def test_what_has_no_magnitude_has_none(flux, zeropoint):
    assert magnitude(flux, 1.0, zeropoint) == (None, None)


def point(flux, flux_err, zeropoint=25.0):
    return forced_point(
        ForcedFlux(mjd=60000.0, flux=flux, flux_err=flux_err, flux_unit="electron", zeropoint=zeropoint)
    )


@pytest.mark.parametrize("flux", [50.0, -50.0, 1000.0])
def test_a_forced_flux_of_five_sigma_is_seen(flux):
    found = point(flux, 10.0)
    assert (found.is_limit, found.flux) == (False, flux)
    assert found.mag == pytest.approx(25.0 - 2.5 * math.log10(abs(flux)))
    assert found.mag_err == pytest.approx(1.0857362 * 10.0 / abs(flux))


@pytest.mark.parametrize("flux", [49.9, 0.0, -49.9])
def test_below_it_is_a_limit_of_five_sigma_without_an_error(flux):
    found = point(flux, 10.0)
    assert (found.is_limit, found.flux, found.flux_err, found.mag_err) == (True, flux, 10.0, None)
    assert found.mag == pytest.approx(25.0 - 2.5 * math.log10(50.0))


def test_without_a_zeropoint_it_is_a_flux_alone():
    found = point(100.0, 10.0, zeropoint=None)
    assert (found.is_limit, found.mag, found.mag_err) == (False, None, None)
