"""Where in a frame stars do not lie where the map has them: told there, and nowhere else."""

import numpy as np
import pytest

from pipeline.frame import Stars
from pipeline.registration.pixel_map import PixelMap
from pipeline.registration.residual import REGIONS, by_region, mean_square
from pipeline.registration.star_match import StarList, match_stars, with_local, with_regions

SHAPE = (768, 1024)
NOISE = 0.03
AFFINE = np.array([[0.0, 1.5, 20.0], [-1.5, 0.0, 1700.0]])  # a quarter turn, and smaller pixels
PARTS = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]


def places(count=500):
    random = np.random.default_rng(7)
    return random.uniform(0, SHAPE[1] - 1, count), random.uniform(0, SHAPE[0] - 1, count)


def inside(x, y, corner):
    """Which places lie in the region of a row and a column."""
    height, width = SHAPE
    return (y * REGIONS // height == corner[0]) & (x * REGIONS // width == corner[1])


def listed(x, y):
    flux, none = np.geomspace(1e6, 1e5, len(x)), np.zeros(len(x), dtype=np.int64)
    return StarList(Stars(x, y, flux, np.sqrt(flux), flux, none + 3.0, none * 0.0, none, none), 3.0)


def found(off):
    """The regions of stars that lie ``off`` (2, n) from where an affine map has them, in REF's pixels."""
    x, y = places(off.shape[1])
    noise = np.random.default_rng(8).normal(0.0, NOISE, off.shape)
    new_x, new_y = AFFINE[:, :2] @ (np.stack([x, y]) + off + noise) + AFFINE[:, 2:]
    new, reference = listed(new_x, new_y), listed(x, y)
    match = match_stars(PixelMap.from_affine(AFFINE, SHAPE), new, reference, (1740, 1200))
    match = with_local(match, new, reference)
    return match, np.reshape([region.rms_px for region in match.regions], (REGIONS, REGIONS))


@pytest.mark.parametrize("corner", PARTS)
def test_stars_that_jitter_in_one_region_are_told_there(corner):
    x, y = places()
    here = inside(x, y, corner)
    match, rms = found(np.random.default_rng(9).normal(0.0, 0.3, (2, len(x))) * here)
    assert match.to_new.local is None
    assert match.rms_px < 0.04
    assert 0.15 < rms[corner] < 0.3  # of .3, for the rest of the frame counts too
    rms[corner] = 0.0
    assert rms.max() < 0.05
    told = match.regions[REGIONS * corner[0] + corner[1]]
    assert inside(told.x, told.y, corner)
    assert told.stars == pytest.approx(np.count_nonzero(here) / 2, abs=7)
    assert told.scatter_px == pytest.approx(np.hypot(told.rms_px, NOISE), rel=0.1)
    assert sum(region.stars for region in match.regions) >= match.n_matched / 2


@pytest.mark.parametrize("corner", PARTS[:4])
def test_a_distortion_of_one_corner_is_told_there(corner):
    """Of half a pixel at its very end, and on 140 px: no polynomial of the field follows it."""
    x, y = places()
    far = np.hypot(x - (SHAPE[1] - 1) * (corner[1] == 2), y - (SHAPE[0] - 1) * (corner[0] == 2))
    bump = 0.5 * np.exp(-0.5 * (far / 140.0) ** 2)
    match, rms = found(np.stack([bump, -0.7 * bump]))
    assert match.rms_px < 0.04
    assert rms[corner] > 0.08
    rms[corner] = 0.0
    assert rms.max() < 0.06


def test_a_frame_that_is_as_good_everywhere_has_no_bad_region():
    match, rms = found(np.zeros((2, 500)))
    scatter = np.array([region.scatter_px for region in match.regions])
    np.testing.assert_allclose(scatter, NOISE, rtol=0.5)
    assert np.all(rms.ravel() < scatter)
    assert np.mean(rms) == pytest.approx(match.rms_px, rel=0.1)


def test_beside_a_local_map_it_is_what_that_has_not_seen():
    """Waves of .4 px everywhere, which the map follows, and stars of one corner that jitter."""
    x, y = places()
    waves = 0.4 * np.stack([np.sin(x / 60.0) * np.cos(y / 60.0), np.cos(x / 60.0) * np.sin(y / 60.0)])
    jitter = np.random.default_rng(9).normal(0.0, 0.3, (2, len(x))) * inside(x, y, (2, 2))
    match, rms = found(waves + jitter)
    assert match.to_new.local is not None
    assert np.unravel_index(rms.argmax(), rms.shape) == (2, 2)
    assert rms[2, 2] > 1.8 * np.median(rms)


def told_by(*off):
    """The first region's residual by stars that lie so far off there, where the frame has .05 px."""
    count = len(off)
    noise = np.full(count, 0.01)
    return by_region(
        np.full(count, 9.0), np.full(count, 9.0), np.array([off, off]), noise, SHAPE, (0.05, 0.06)
    )


def test_what_few_stars_show_counts_little_and_none_is_as_the_whole_frame():
    regions = told_by(0.9)
    assert [region.stars for region in regions] == [1] + [0] * (REGIONS**2 - 1)
    assert {(region.rms_px, region.scatter_px) for region in regions[1:]} == {(0.05, 0.06)}
    assert (regions[5].x, regions[5].y) == pytest.approx((852.8, 383.5), abs=0.1)
    assert 0.05 < regions[0].rms_px < 0.1
    best = [told_by(*[0.0] * count)[0].rms_px for count in (1, 12, 100)]
    assert 0.05 > best[0] > best[1] > best[2]
    assert best[1] == pytest.approx(0.035, abs=0.002)  # half of the variance is the frame's


def test_wrong_partners_are_no_residual_and_many_stars_that_are_off_are():
    assert told_by(*[0.05, -0.05] * 4, 1.9, -1.5)[0].rms_px < 0.1
    assert told_by(*[0.3, -0.3] * 8)[0].rms_px > 0.18


def test_a_frame_on_the_grid_of_its_reference_is_told_too():
    x, y = places()
    off = np.random.default_rng(9).normal(0.0, 0.3, (2, len(x))) * inside(x, y, (0, 2))
    same, there = PixelMap.from_affine(np.eye(2, 3), SHAPE), listed(x, y)
    new = listed(*(np.stack([x, y]) + off))
    match = match_stars(same, new, there, SHAPE)
    regions = with_regions(match, new, there).regions
    assert max(regions, key=lambda region: region.rms_px) is regions[2]


def test_a_mean_square_is_that_of_most():
    squares = np.random.default_rng(9).normal(0.0, 0.3, (2, 4000)) ** 2
    assert mean_square(squares) == pytest.approx(0.09, rel=0.05)
    squares[:, :200] = 25.0  # wrong partners
    assert mean_square(squares) == pytest.approx(0.09, rel=0.2)
