"""The simulator's CCD: its noise, its flaws and its limits are those that its header tells."""

import numpy as np
import pytest

from pipeline.simulate import detector as ccd

SIZE = 160


@pytest.fixture(scope="module")
def camera():
    return ccd.make_detector(np.random.default_rng(5), SIZE)


def raw(camera, random, light, seconds=0.0):
    electrons, _ = camera.expose(random, np.full(camera.shape, light), seconds)
    return camera.read(random, electrons).astype(float)


def counts_above_bias(camera, frame):
    """Overscan taken off, as anyone would."""
    return frame[:, :SIZE] - np.median(frame[:, SIZE:])


def robust_std(values):
    low, high = np.percentile(values, [15.865, 84.135])
    return (high - low) / 2


def test_mean_and_variance_of_flat_pairs_give_the_gain(camera):
    random = np.random.default_rng(1)
    points = []
    for light in (500.0, 5_000.0, 20_000.0, 40_000.0):
        one, two = (counts_above_bias(camera, raw(camera, random, light)) for _ in range(2))
        sky = camera.response > 0.8
        variance = np.var((one - two)[sky] / np.sqrt(camera.response[sky])) / 2
        points.append((np.mean(((one + two) / 2)[sky] / camera.response[sky]), variance))
    slope = np.polyfit(*np.array(points).T, 1)[0]
    assert 1 / slope == pytest.approx(ccd.GAIN, rel=0.03)


def test_the_noise_of_bias_pairs_is_the_read_noise(camera):
    random = np.random.default_rng(2)
    difference = raw(camera, random, 0.0) - raw(camera, random, 0.0)
    # Rounding to counts adds a twelfth of a count squared to each frame.
    expected = np.sqrt(2 * ((ccd.READ_NOISE / ccd.GAIN) ** 2 + 1 / 12))
    assert np.std(difference) == pytest.approx(expected, rel=0.02)


def test_the_overscan_follows_a_bias_that_drifts(camera):
    random = np.random.default_rng(3)
    levels = [np.median(raw(camera, random, 8_000.0)[:, SIZE:]) for _ in range(6)]
    assert np.ptp(levels) > 0.5
    assert np.mean(levels) == pytest.approx(ccd.BIAS_LEVEL, abs=5)


def test_the_flat_field_is_normalised_vignetted_and_has_dead_columns(camera):
    assert np.median(camera.response) == pytest.approx(1.0)
    assert np.median(camera.response[:20, :20]) < 0.93 < np.median(camera.response[70:90, 70:90])
    dead = [column for column in camera.bad_columns if camera.response[-1, column] < 0.1]
    hot = [column for column in camera.bad_columns if camera.dark[-1, column] > 5.0]
    assert dead
    assert hot
    assert sorted(dead + hot) == list(camera.bad_columns)


def test_a_long_dark_shows_hot_pixels_over_a_faint_current(camera):
    electrons, _ = camera.expose(np.random.default_rng(4), np.zeros(camera.shape), 2000.0)
    assert np.median(electrons) == pytest.approx(2000.0 * ccd.DARK_CURRENT, rel=0.15)
    assert electrons[-1, camera.bad_columns].max() > 5_000


def test_full_wells_bleed_along_their_column_and_lose_nothing():
    wells = np.full((101, 7), 100.0)
    wells[50, 3], wells[51, 3] = 9e5, 3e5
    total = wells.sum()
    ccd.bleed(wells)
    assert wells.sum() == pytest.approx(total)
    assert wells.max() <= ccd.FULL_WELL
    assert (wells[:, [0, 1, 2, 4, 5, 6]] == 100.0).all()
    full = np.flatnonzero(wells[:, 3] >= ccd.FULL_WELL)
    assert len(full) == 14  # 1.2 million electrons in wells of eighty thousand, some already wet
    assert (np.diff(full) == 1).all()
    assert abs(full.mean() - 50.5) <= 0.5


def test_two_stars_that_bleed_into_each_other_share_the_wells_between():
    wells = np.zeros((60, 1))
    wells[20, 0] = wells[26, 0] = 6e5
    ccd.bleed(wells)
    assert wells.sum() == pytest.approx(1.2e6)
    assert wells.max() <= ccd.FULL_WELL


def test_what_overflows_the_edge_is_lost():
    wells = np.zeros((5, 1))
    wells[2, 0] = 5e6
    ccd.bleed(wells)
    assert (wells == ccd.FULL_WELL).all()


def test_saturated_pixels_read_more_than_the_header_says(camera):
    frame = raw(camera, np.random.default_rng(6), 5e5)
    assert frame[:, :SIZE].max() < 65535
    live = camera.response > 0.5
    assert (frame[:, :SIZE][live] >= ccd.SATURATION).all()


def test_cosmic_rays_come_with_time_and_leave_what_they_say():
    random = np.random.default_rng(7)
    image = np.zeros((512, 512))
    rays = ccd.add_cosmic_rays(random, image, 4000.0)
    assert len(rays) == pytest.approx(ccd.COSMIC_RAYS * 4000 / 4, rel=0.3)
    assert image.sum() == pytest.approx(sum(ray.electrons for ray in rays))
    assert 0 < (image > 0).mean() < 0.02
    assert ccd.add_cosmic_rays(random, image, 0.0) == []
