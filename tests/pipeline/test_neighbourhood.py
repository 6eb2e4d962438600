"""Blurred images, grown masks and squares of pixels are what SciPy and NumPy make of them, faster."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.neighbourhood import blurred, grown, patches, places, spline_coefficients

SHAPES = [(150, 90), (33, 200), (5, 7), (1, 1)]


def noise(shape):
    """An image of one seed."""
    return np.random.default_rng(1).normal(0.0, 1.0, shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_an_image_is_blurred_by_a_gaussian_that_its_edges_mirror(shape, sigma):
    image = noise(shape)
    np.testing.assert_allclose(blurred(image, sigma), ndimage.gaussian_filter(image, sigma), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [1, 3])
def test_a_mask_grows_by_a_square(shape, radius):
    mask = noise(shape) > 2.0
    before = mask.copy()
    expected = ndimage.maximum_filter(mask.astype(np.uint8), size=2 * radius + 1) > 0
    np.testing.assert_array_equal(grown(mask, radius), expected)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("shape", [(150, 90), (33, 200)])
def test_a_spline_has_the_coefficients_of_its_recursive_filter(order, shape):
    image = noise(shape)
    expected = ndimage.spline_filter(image, order, mode="mirror")
    np.testing.assert_allclose(
        spline_coefficients(image, order), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_places_are_those_of_nonzero():
    mask = noise((40, 30)) > 1.0
    for mine, expected in zip(places(mask), np.nonzero(mask), strict=True):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("edge", ["reflect", "edge"])
def test_patches_are_cut_from_the_image_continued_beyond_its_edges(edge):
    image = noise((12, 9))
    padded = np.pad(image, 2, mode=edge)
    rows, columns = np.array([0, 5, 11]), np.array([8, 4, 0])
    expected = [padded[row : row + 5, column : column + 5] for row, column in zip(rows, columns, strict=True)]
    np.testing.assert_array_equal(patches(image, rows, columns, 5, edge), expected)
