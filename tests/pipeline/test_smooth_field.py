"""A smooth field has the lowest order that its values call for, and what is off does not bend it."""

import numpy as np
import pytest

from pipeline.subtraction.field import PER_TERM, Field, fit_field, terms

SHAPE = (300, 400)
ERROR = 0.01
TRUTH = np.array([0.3, 0.2, -0.15, 0.12, 0.1, -0.2])


def values(degree: int, count: int, seed: int = 3):
    lot = np.random.default_rng(seed)
    x, y = lot.uniform(0, SHAPE[1] - 1, count), lot.uniform(0, SHAPE[0] - 1, count)
    truth = Field(TRUTH[: (degree + 1) * (degree + 2) // 2], SHAPE)
    return x, y, truth.at(x, y) + lot.normal(0, ERROR, count), np.full(count, ERROR), truth


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_the_order_and_the_coefficients_of_the_truth_are_found(degree):
    x, y, value, error, truth = values(degree, 200)
    value[:10] += 1.0  # stars that vary
    fitted = fit_field(x, y, value, error, SHAPE)
    assert fitted.field.degree == degree
    assert fitted.field.coefficients == pytest.approx(truth.coefficients, abs=5 * ERROR / np.sqrt(200) * 2)
    assert not fitted.kept[:10].any()
    assert fitted.kept.sum() > 180


def test_what_is_round_about_the_middle_is_found_though_it_has_no_slope():
    x, y, value, error, _ = values(0, 200)
    middle, across = (SHAPE[1] - 1) / 2.0, SHAPE[1]
    value -= 0.3 * ((x - middle) ** 2 + (y - (SHAPE[0] - 1) / 2.0) ** 2) / across**2
    fitted = fit_field(x, y, value, error, SHAPE)
    assert fitted.field.degree == 2
    assert fitted.scatter < ERROR


def test_few_values_make_no_higher_order():
    x, y, value, error, _ = values(1, 3 * PER_TERM - 1)
    assert fit_field(x, y, value, error, SHAPE).field.degree == 0


def test_scatter_beyond_the_errors_is_measured():
    x, y, value, error, _ = values(0, 400)
    value += np.random.default_rng(5).normal(0, 0.05, len(value))
    assert fit_field(x, y, value, error, SHAPE).scatter == pytest.approx(0.05, rel=0.2)


def test_the_image_has_the_value_of_each_place():
    field = Field(TRUTH, SHAPE)
    rows, columns = np.mgrid[: SHAPE[0] : 50, : SHAPE[1] : 50]
    at = field.at(columns.ravel().astype(float), rows.ravel().astype(float))
    assert field.image()[::50, ::50].ravel() == pytest.approx(at, abs=1e-5)
    assert terms(np.zeros(1), np.zeros(1), SHAPE, 2).shape == (1, 6)
