"""Maps between pixel grids: they go where they say, and back."""

import numpy as np
import pytest

from pipeline.registration.pixel_map import PixelMap, term_powers
from tests.pipeline.synthetic import rotation

SHAPE = (300, 400)


def places(count=50):
    rng = np.random.default_rng(0)
    return rng.uniform(0, SHAPE[1] - 1, count), rng.uniform(0, SHAPE[0] - 1, count)


def curved():
    """A map with some pixels of third-order distortion."""
    rng = np.random.default_rng(1)
    base = PixelMap.from_affine(rotation(10.0, (200, 150), (30.0, -20.0)), SHAPE)
    coefficients = np.zeros((2, len(term_powers(3))))
    coefficients[:, :3] = base.coefficients
    coefficients[:, 3:] = rng.normal(scale=2.0, size=(2, len(term_powers(3)) - 3))
    return PixelMap(coefficients, 3, SHAPE)


def test_an_affine_map_is_its_matrix():
    affine = np.array([[0.9, 0.2, 12.0], [-0.3, 1.1, -7.0]])
    x, y = places()
    found = PixelMap.from_affine(affine, SHAPE)
    np.testing.assert_allclose(found(x, y), affine[:, :2] @ np.stack([x, y]) + affine[:, 2:], atol=1e-9)
    np.testing.assert_allclose(found.affine, affine, atol=1e-9)
    assert found.area == pytest.approx(0.9 * 1.1 + 0.2 * 0.3)


@pytest.mark.parametrize("make", [curved, lambda: PixelMap.from_affine(rotation(33.0, (9, 9)), SHAPE)])
def test_the_inverse_leads_back(make):
    found = make()
    x, y = places()
    np.testing.assert_allclose(found.inverse(*found(x, y)), np.stack([x, y]), atol=1e-4)


def test_a_fit_through_exact_pairs_is_the_map():
    found = curved()
    x, y = places()
    fitted = PixelMap.fit(x, y, *found(x, y), SHAPE, 3)
    np.testing.assert_allclose(fitted.coefficients, found.coefficients, atol=1e-8)


def test_grid_and_areas_agree_with_single_places():
    found = curved()
    x, y = found.grid()
    assert x.shape == SHAPE
    np.testing.assert_allclose((x[37, 211], y[37, 211]), found(np.array(211), np.array(37)))
    step = 1e-3
    right, up = np.array(found(211 + step, 37)), np.array(found(211, 37 + step))
    here = np.array(found(211, 37))
    jacobian = np.column_stack([(right - here) / step, (up - here) / step])
    assert found.areas()[37, 211] == pytest.approx(abs(np.linalg.det(jacobian)), rel=1e-3)


def test_then_applies_the_second_map_last():
    found, turn = curved(), rotation(90.0, (0.0, 0.0), (5.0, 6.0))
    x, y = places()
    expected = turn[:, :2] @ np.stack(found(x, y)) + turn[:, 2:]
    np.testing.assert_allclose(found.then(turn)(x, y), expected, atol=1e-9)
