"""Cutouts as the models take them: the same whatever their unit, size and company."""

from __future__ import annotations

import numpy as np
import pytest

from core.review.cutouts import Cutouts
from pipeline.classify.survey_cutouts import of_sources
from pipeline.classify.triplets import (
    MOST_ENLARGED,
    SIDE,
    SOFTENING,
    STAR_PX,
    TripletError,
    enlarged,
    enlargement,
    network_input,
    of_arrays,
    of_cutouts,
)


@pytest.fixture
def planes():
    random = np.random.default_rng(1)
    made = random.normal(size=(3, 6, SIDE, SIDE)).astype(np.float32)
    made[1, 2] = np.nan
    made[0, 3, :20] = np.nan
    made[2, 4, 10:12, 30] = np.nan
    return made


def test_the_unit_and_the_level_of_a_plane_do_not_matter(planes):
    same = of_arrays(*(planes * np.float32(37.5) + np.float32(900.0)))
    for ours, theirs in zip(of_arrays(*planes).planes, same.planes, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3, equal_nan=True)


@pytest.mark.parametrize(("unit", "level"), [(1.0, 3e9), (1e-44, 0.0), (1e-32, 5e-27), (1e25, 1e28)])
def test_units_and_levels_that_single_precision_does_not_hold_do_not_matter_in_double(planes, unit, level):
    same = of_arrays(*(planes.astype(np.float64) * unit + level))
    for ours, theirs in zip(of_arrays(*planes).planes, same.planes, strict=True):
        assert theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=2e-3, equal_nan=True)


def test_whole_numbers_of_a_high_level_keep_their_sky(planes):
    counts = np.nan_to_num(np.round(planes * 100)).astype(np.int32)
    for ours, theirs in zip(of_arrays(*counts).planes, of_arrays(*(counts + 2**30)).planes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_each_plane_is_in_its_own_sigma_with_its_sky_at_nought(planes):
    for plane in of_arrays(*planes).planes:
        for image in plane:
            seen = image[np.isfinite(image)]
            if seen.size:
                assert np.median(seen) == pytest.approx(0.0, abs=1e-5)
                assert np.median(np.abs(seen)) * 1.4826 == pytest.approx(1.0, rel=1e-3)


def test_what_is_masked_or_beyond_all_measure_stays_masked(planes):
    marked = planes.copy()
    marked[0, 0, 5, 5], marked[0, 0, 5, 6], marked[0, 0, 5, 7] = np.inf, -3.4e38, 2e30
    found = of_arrays(*marked)
    assert np.isnan(found.new[0, 5, 5:8]).all()
    assert np.array_equal(np.isnan(found.new[1:]), np.isnan(planes[0, 1:]))
    assert np.isnan(found.ref[2]).all()


@pytest.mark.parametrize(("dtype", "sky"), [(np.float32, 1e-44), (np.float64, 1e-310), (np.float64, 1e-30)])
@pytest.mark.filterwarnings("error")
def test_more_light_than_a_number_can_tell_of_is_masked(dtype, sky):
    planes = (np.random.default_rng(1).normal(size=(3, 1, SIDE, SIDE)) * sky).astype(dtype)
    planes[:, :, 31, 31] = 1e20
    for plane in of_arrays(*planes).planes:
        assert np.argwhere(~np.isfinite(plane[0])).tolist() == [[31, 31]]
        assert np.isnan(plane[0, 31, 31])


@pytest.mark.parametrize("side", [15, 61, 62, 63, 64, 101])
def test_another_size_shares_the_middle_pixel(side):
    image = np.zeros((1, side, side), np.float32)
    image[0, side // 2, side // 2] = 100.0
    found = of_arrays(image, image, image)
    assert np.unravel_index(np.nanargmax(found.new[0]), (SIDE, SIDE)) == (SIDE // 2, SIDE // 2)
    assert np.isfinite(found.new).sum() == min(side, SIDE) ** 2


def test_cutouts_of_many_sizes_are_as_each_alone(planes):
    cutouts = [Cutouts(*planes[:, 0]), Cutouts(*planes[:, 1, :51, :]), Cutouts(*planes[:, 3])]
    together = of_cutouts(cutouts)
    for i, each in enumerate(cutouts):
        for ours, alone in zip(together.planes, of_cutouts([each]).planes, strict=True):
            np.testing.assert_array_equal(ours[i], alone[0])


def test_a_network_sees_softened_values_and_where_they_can_be_used(planes):
    triplets = of_arrays(*planes)
    seen = network_input(triplets)
    assert seen.shape == (6, 6, SIDE, SIDE)
    assert np.isfinite(seen).all()
    good = seen[:, 3:] == 1
    assert np.array_equal(good, np.isfinite(np.stack(triplets.planes, axis=1)))
    np.testing.assert_allclose(
        np.sinh(seen[:, :3])[good] * SOFTENING, np.stack(triplets.planes, axis=1)[good], rtol=1e-4, atol=1e-5
    )
    assert (seen[:, :3][~good] == 0).all()


def test_an_image_of_one_value_is_nought_and_a_quantised_one_has_the_spread_of_all():
    flat = np.full((1, SIDE, SIDE), 7.0)
    coarse = flat.copy()
    coarse[0, :, :10] = 8.0
    found = of_arrays(flat, coarse, coarse)
    assert (found.new == 0).all()
    assert found.ref.max() == pytest.approx(1.0 / coarse.std(), rel=1e-3)


@pytest.mark.parametrize(
    "shapes",
    [((2, 5), (2, 5, 5), (2, 5, 5)), ((2, 5, 5), (1, 5, 5), (2, 5, 5)), ((2, 0, 5), (2, 5, 5), (2, 5, 5))],
)
def test_what_is_no_stack_of_images_is_refused(shapes):
    with pytest.raises(TripletError):
        of_arrays(*(np.zeros(shape) for shape in shapes))


def gaussians(sigma_px, noise=0.0, x=0.0, y=0.0):
    steps = np.arange(SIDE) - SIDE // 2
    image = 500.0 * np.exp(-0.5 * ((steps - x) ** 2 + (steps[:, None] - y) ** 2) / sigma_px**2)
    return image + noise * np.random.default_rng(3).normal(size=image.shape)


def test_coarse_pixels_are_enlarged_until_a_star_is_as_wide_as_models_know_it():
    assert enlargement(None) == enlargement(STAR_PX) == enlargement(7.0) == 1.0
    assert enlargement(2.0) == pytest.approx(1.5)
    assert enlargement(0.1) == MOST_ENLARGED
    fine, coarse = (of_arrays(*[gaussians(s, 1.0)[np.newaxis]] * 3) for s in (1.8, 1.2))
    found = enlarged(coarse, np.array([1.5])).new[0]
    found, expected = (image / image[31, 31] for image in (found, fine.new[0]))
    inside = np.hypot(*np.mgrid[-31:32, -31:32]) < 8
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.03)


def test_what_is_enlarged_stays_in_place_in_sigma_and_masked():
    image = gaussians(1.2, 1.0, x=4.0, y=-2.0)
    image[31 + 6, 31 - 8] = np.nan
    absent = np.full((1, SIDE, SIDE), np.nan)
    found = enlarged(of_arrays(image[np.newaxis], absent, image[np.newaxis]), np.array([1.5]))
    assert np.unravel_index(np.nanargmax(found.new[0]), (SIDE, SIDE)) == (31 - 3, 31 + 6)
    assert np.isnan(found.new[0, 31 + 9, 31 - 12])
    assert 1 <= np.isnan(found.new[0]).sum() <= 9
    assert np.isnan(found.ref).all()
    sky = found.new[0][np.hypot(*np.mgrid[-31:32, -31:32]) > 15]
    assert 1.4826 * np.nanmedian(np.abs(sky)) == pytest.approx(1.0, abs=0.1)


def test_only_what_needs_it_is_enlarged():
    image = gaussians(1.2, 1.0)[np.newaxis]
    both = of_arrays(*[np.concatenate([image, image])] * 3)
    found = enlarged(both, np.array([1.0, 1.5]))
    assert np.array_equal(found.new[0], both.new[0])
    assert not np.array_equal(found.new[1], both.new[1])
    assert np.array_equal(both.new[0], both.new[1])  # what came in is as it was


def test_a_survey_of_coarse_pixels_is_enlarged_and_our_own_frames_are_not():
    image = gaussians(0.9, 1.0).astype(np.float32)
    stamps = [Cutouts(image, image, image)] * 3
    found = of_sources(stamps, ["astrid", "ztf", "rubin"])
    as_is = of_cutouts(stamps)
    assert np.array_equal(found.new[0], as_is.new[0])
    assert np.array_equal(found.new[2], as_is.new[2])
    assert np.count_nonzero(found.new[1] > 50) > 1.8 * np.count_nonzero(as_is.new[1] > 50)
