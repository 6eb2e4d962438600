"""The curve of completeness: it finds what it was made from, and says how well it is known."""

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.depth.completeness import fit, needed


def logistic(brightness, b50, width, plateau):
    return plateau / (1.0 + (2.0 * plateau - 1.0) * np.exp(-(brightness - b50) / width))


@pytest.mark.parametrize(
    ("b50", "width", "plateau", "count"),
    [(0.1, 0.15, 1.0, 40), (-0.2, 0.1, 0.95, 40), (-0.2, 0.1, 0.95, 300), (0.3, 0.25, 0.8, 300)],
)
def test_the_fit_finds_b50_within_the_error_it_tells(b50, width, plateau, count):
    random = np.random.default_rng(2)
    brightness = np.linspace(-1.0, 1.8, count)
    # The least possible, with width and plateau known: the information of n / 2.8 sources a magnitude.
    bound = np.sqrt(2.8 * width / count)
    pulls, errors = [], []
    for _ in range(60):
        found = random.uniform(size=count) < logistic(brightness, b50, width, plateau)
        curve = fit(brightness, found.astype(float))
        pulls.append((curve.b50 - b50) / curve.b50_err)
        errors.append(curve.b50_err)
    assert bound < np.median(errors) < 2.0 * bound
    assert abs(np.mean(pulls)) < 0.5
    assert np.std(pulls) == pytest.approx(1.0, abs=0.35)  # 60 values


def test_with_many_sources_plateau_and_width_are_found_too():
    random = np.random.default_rng(3)
    brightness = np.linspace(-1.0, 1.8, 4000)
    found = random.uniform(size=4000) < logistic(brightness, 0.1, 0.25, 0.85)
    curve = fit(brightness, found.astype(float))
    assert curve.plateau == pytest.approx(0.85, abs=0.02)
    assert curve.width == pytest.approx(0.25, rel=0.15)


@pytest.mark.parametrize("found", [0.0, 1.0])
def test_where_all_or_none_are_found_b50_is_outside(found):
    brightness = np.linspace(-0.6, 1.6, 50)
    curve = fit(brightness, np.full(50, found))
    assert curve.b50 < -0.5 if found else curve.b50 > 1.4


def test_gaussian_noise_is_near_enough_to_a_logistic():
    """At 5 sigma the share found is a normal integral in the flux, not in the magnitude."""
    brightness = np.linspace(-0.6, 1.6, 2000)
    share = norm.cdf(5.0 * 10.0 ** (0.4 * brightness) - 5.0)
    assert fit(brightness, share).b50 == pytest.approx(0.0, abs=0.015)


def test_taking_the_noise_of_the_places_off_steadies_the_fit():
    """The places' own noise makes most of the scatter; b50 stays where it is."""
    random = np.random.default_rng(4)
    brightness = np.linspace(-0.6, 1.6, 100)
    flux = 5.0 * 10.0 ** (0.4 * brightness)
    everywhere = norm.cdf(flux - 5.0)
    plain, steadied = [], []
    for _ in range(60):
        noise = random.normal(size=100)
        found = (flux + noise + 0.3 * random.normal(size=100)) > 5.0
        luck = (flux + noise > 5.0) - everywhere
        plain.append(fit(brightness, found.astype(float)).b50)
        steadied.append(fit(brightness, found - luck).b50)
    assert np.std(steadied) < 0.7 * np.std(plain)
    assert np.mean(steadied) == pytest.approx(np.mean(plain), abs=0.02)


def test_the_needed_flux_is_just_significant():
    flux, error = np.array([-3.0, 0.0, 2.0, 10.0]), np.array([1.0, 2.0, 3.0, 4.0])
    for noise2 in (0.0, 0.7):
        lacking = needed(flux, error, noise2, 5.0)
        significance = (flux + lacking) / np.sqrt(error**2 + noise2 * lacking)
        assert significance == pytest.approx(5.0)
