"""Images in units of their pixels' noise: of empty sky as of a field that has no empty pixel."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.classify.pixel_noise import in_pixel_noise
from pipeline.classify.triplets import NOISE, SIDE, SOFTENING, network_input, of_arrays, of_cutouts

FWHM = 4.5


def sky(count=200, seed=1):
    return np.random.default_rng(seed).normal(size=(count, SIDE, SIDE)).astype(np.float32)


def stars(seed=2, number=60, faintest=10.0):
    """A crowd without noise, (SIDE, SIDE); heights are in that of a pixel."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    heights = faintest * (1.0 - random.random(number)) ** -1.0
    for a, b, height in zip(*random.uniform(-5, SIDE + 5, (2, number)), heights, strict=True):
        image += height * np.exp(-2.773 * ((x - a) ** 2 + (y - b) ** 2) / FWHM**2)
    return image.astype(np.float32)


def test_empty_sky_stays_as_it_is():
    given = sky()
    slope, level = np.polyfit(given.ravel(), in_pixel_noise(given).ravel(), 1)
    assert slope == pytest.approx(1.0, abs=0.03)
    assert level == pytest.approx(0.2, abs=0.1)  # the darkest fifth of blocks lies as far below the sky


def test_a_change_in_a_crowd_is_nearly_as_high_as_on_empty_sky():
    crowd = stars()
    change = 10.0 * np.exp(-2.773 * np.sum((np.mgrid[:SIDE, :SIDE] - SIDE // 2) ** 2, axis=0) / FWHM**2)
    with_it, without = (sky(60) + crowd + some for some in (change.astype(np.float32), np.float32(0.0)))
    middle = SIDE // 2

    def height(scaled):
        """Of the change in units of a scale that each image has of itself."""
        return np.median(scaled(with_it)[:, middle, middle] - scaled(without)[:, middle, middle])

    assert height(lambda images: of_arrays(images, images, images).new) < 3.0
    assert height(in_pixel_noise) == pytest.approx(10.0, rel=0.3)


def test_of_no_images_there_are_none():
    assert in_pixel_noise(sky(0)).shape == (0, SIDE, SIDE)
    assert network_input(of_cutouts([]), NOISE).shape == (0, 6, SIDE, SIDE)


def test_neither_unit_nor_level_nor_the_way_up_matters():
    given = sky(5) + stars()
    found = in_pixel_noise(given)
    np.testing.assert_allclose(in_pixel_noise(given * np.float32(7.0) - np.float32(90.0)), found, atol=0.02)
    for turned in (lambda image: image[:, ::-1], lambda image: np.rot90(image, axes=(1, 2))):
        np.testing.assert_allclose(in_pixel_noise(turned(given).copy()), turned(found), atol=1e-3)


def test_masked_pixels_stay_masked_and_tell_nothing():
    given = sky(60)
    given[:, :, :40], given[:, 50:55, 45] = np.nan, np.nan
    found = in_pixel_noise(given)
    assert np.array_equal(np.isnan(found), np.isnan(given))
    assert np.nanstd(found) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("value", [np.nan, 0.0, 3.0])
def test_what_tells_of_no_noise_is_left(value):
    flat = np.full((2, SIDE, SIDE), value, np.float32)
    flat[1] += sky(1)[0]
    found = in_pixel_noise(flat)
    np.testing.assert_array_equal(found[0], flat[0])
    half = sky(1)
    half[:, :, : SIDE // 2] = value  # as where a frame ends and zeros fill it up
    np.testing.assert_array_equal(np.isfinite(in_pixel_noise(half)), np.isfinite(half))
    assert np.nanmax(np.abs(in_pixel_noise(half))) < 10.0


@pytest.mark.parametrize("value", [-20.0, -3.0, 20.0])
@pytest.mark.parametrize("rows", [3, 5, 10, 31])
def test_what_fills_up_an_image_that_ends_is_no_sky(rows, value):
    whole = np.round(4.0 * sky(60)) / np.float32(4.0)  # as cutouts are kept, in which a few pixels are alike
    filled = whole.copy()
    filled[:, :rows] = value
    found, expected = (in_pixel_noise(each)[:, rows:] for each in (filled, whole))
    slope, level = np.polyfit(expected.ravel(), found.ravel(), 1)
    assert slope == pytest.approx(1.0, abs=0.05)
    assert level == pytest.approx(0.0, abs=0.15)


def test_a_network_takes_new_and_reference_so_and_the_difference_as_it_is():
    crowd = of_arrays(sky(3) + stars(), sky(3, 5) + stars(), sky(3, 6))
    plain, scaled = network_input(crowd), network_input(crowd, NOISE)
    for i, plane in enumerate((crowd.new, crowd.ref)):
        np.testing.assert_allclose(
            np.sinh(scaled[:, i]) * SOFTENING, in_pixel_noise(plane), rtol=1e-3, atol=1e-3
        )
    np.testing.assert_array_equal(scaled[:, 2:], plain[:, 2:])


def test_a_pixel_that_no_number_holds_in_these_units_is_masked():
    slope = 3e-9 * np.mgrid[:SIDE, :SIDE].sum(axis=0)
    given = (1e-9 * sky(1) + slope).astype(np.float32)
    given[0, 5, 5] = 9e29  # which is no sentinel yet
    seen = of_arrays(given, given, given)
    assert np.isfinite(seen.new).all()
    found = network_input(seen, NOISE)
    assert np.isfinite(found).all()
    assert np.argwhere(found[0, 3:] == 0.0).tolist() == [[0, 5, 5], [1, 5, 5]]
