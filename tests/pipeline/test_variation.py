"""A variation in few shapes is told from noise in all pixels."""

import numpy as np
import pytest

from pipeline.stellar.variation import fit_core, fit_pixels, shapes_of

PIXELS, STARS = 90, 140
ORDERS = np.array([1.0, 1.0, 2.0, 2.0, 2.0])


def field(noise: float, shapes: int = 2, seed: int = 3):
    """Stars of a PSF that varies in a few shapes: values, weights, terms and the true coefficients."""
    random = np.random.default_rng(seed)
    u, v = random.uniform(-1, 1, (2, STARS))
    terms = np.column_stack([np.ones(STARS), u, v, u * u, u * v, v * v])
    place = np.linspace(-1, 1, PIXELS)
    centre = np.exp(-4.0 * place**2)
    true = np.zeros((6, PIXELS))
    true[0] = centre
    for k in range(shapes):
        true[1:] += 0.1 * random.normal(size=(5, 1)) * centre * np.cos((k + 2) * 3.0 * place)
    values = terms @ true + noise * random.normal(size=(STARS, PIXELS))
    return values, np.full(values.shape, noise**-2.0), terms, true


def fitted(values, weights, terms):
    prior = np.full((PIXELS, 6), 4.0)
    prior[:, 0] = 0.0
    pixelwise = fit_pixels(values, weights, terms, prior)
    return pixelwise, fit_core(pixelwise, np.zeros(PIXELS), np.full(PIXELS, 1e3), ORDERS)


def test_as_many_shapes_are_found_as_there_are():
    pixelwise, _ = fitted(*field(0.05)[:3])
    shapes, _ = shapes_of(pixelwise.terms[1:], pixelwise.covariances[:, 1:, 1:])
    assert 2 <= shapes.shape[1] <= 4


def test_few_shapes_take_on_less_noise_than_all_pixels():
    values, weights, terms, true = field(0.05)
    pixelwise, core = fitted(values, weights, terms)
    assert np.linalg.norm(core.terms - true) < 0.8 * np.linalg.norm(pixelwise.terms - true)


def test_the_covariance_says_how_far_the_psf_is_off():
    ratios = []
    for seed in range(6):
        values, weights, terms, true = field(0.05, seed=seed)
        _, core = fitted(values, weights, terms)
        corner = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
        ratios.append(np.sum((corner @ (core.terms - true)) ** 2) / (corner @ core.covariance @ corner))
    assert np.sqrt(np.mean(ratios)) == pytest.approx(1.0, abs=0.35)


def test_a_psf_that_is_the_same_everywhere_is_the_mean_of_its_stars():
    values, weights, _, true = field(0.05, shapes=0)
    pixelwise = fit_pixels(values, weights, np.ones((STARS, 1)), np.zeros((PIXELS, 1)))
    core = fit_core(pixelwise, np.zeros(PIXELS), np.full(PIXELS, 1e3), np.zeros(0))
    assert core.terms.shape == (1, PIXELS)
    assert np.std(core.terms[0] - true[0]) == pytest.approx(0.05 / np.sqrt(STARS), rel=0.3)


def test_the_centre_goes_with_the_variation_that_is_believed():
    """A PSF that is curved over the field is another one in its middle than on average."""
    rng = np.random.default_rng(3)
    u = rng.uniform(-1.0, 1.0, 80)
    terms = np.stack([np.ones(80), u**2], axis=1)
    true = np.array([[1.0, 2.0, 0.5], [0.6, -0.3, 0.0]])
    values, weights = terms @ true, np.full((80, 3), 1e4)
    fitted = fit_pixels(values, weights, terms, np.zeros((3, 2)))
    np.testing.assert_allclose(fitted.centre(true[1:])[0], true[0], rtol=1e-5)
    mean, error = fitted.centre(np.zeros((1, 3)))
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(error, 0.01 / np.sqrt(80.0))
