"""What bright stars leave is measured on them, and expected of all of them."""

import math

import numpy as np
import pytest

from core.vocabulary import MaskPlane
from pipeline.subtraction.left_over import (
    REACH_PX,
    WINGS_FWHM,
    StarLight,
    add_astray,
    add_left_over,
    add_unseen,
    left_over,
    shift_error,
    wing_error,
)
from pipeline.subtraction.tiles import centred

SHAPE = (500, 500)
FWHM = 4.0


def field(leaves: float, count: int = 40, seed: int = 1):
    """Flux and error images of a field whose stars leave a part of their flux at 9 px from them."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(30, 470, (2, count))
    star_flux = 10 ** random.uniform(3.0, 4.0, count)
    flux = random.normal(size=SHAPE)
    rows, columns = np.indices(SHAPE)
    for a, b, f in zip(x, y, star_flux, strict=True):
        away = np.hypot(rows - b, columns - a)
        flux += leaves * f * np.exp(-(((away - 9.0) / 2.5) ** 2)) * random.normal(size=SHAPE)
    stars = StarLight(x, y, star_flux, np.ones(count, dtype=bool), np.ones(count), np.zeros(count), FWHM)
    return flux.astype(np.float32), np.ones(SHAPE, dtype=np.float32), np.zeros(SHAPE, dtype=np.uint16), stars


def test_the_error_is_found_where_it_is():
    flux, error, mask, stars = field(0.01)
    profiles = np.sqrt(left_over(flux, error, mask, stars))
    assert profiles[9] == pytest.approx(0.01, rel=0.25)
    assert np.all(profiles[17:] < 0.002)


def test_stars_that_leave_nothing_add_nothing():
    flux, error, mask, stars = field(0.0)
    found = left_over(flux, error, mask, stars)
    add_left_over(error, stars, found)
    assert np.median(error) == 1.0
    assert error.max() < 1.5


def test_a_few_variable_stars_change_nothing():
    flux, error, mask, stars = field(0.005)
    before = left_over(flux, error, mask, stars)
    rows, columns = np.indices(SHAPE)
    for i in np.argsort(-stars.flux)[:4:2]:  # two of the brightest vary by all of their light
        flux += stars.flux[i] * np.exp(-0.5 * ((rows - stars.y[i]) ** 2 + (columns - stars.x[i]) ** 2) / 9.0)
    after = left_over(flux, error, mask, stars)
    assert np.sqrt(after[9]) == pytest.approx(np.sqrt(before[9]), rel=0.3)


def on_a_grid(leaves: np.ndarray, at: float, seed: int = 1):
    """As `field`, of stars that stand apart, each brighter than the next, and leave each its own part."""
    random = np.random.default_rng(seed)
    side = math.ceil(math.sqrt(len(leaves)))
    flux = random.normal(size=(60 * side, 60 * side))
    star_flux = np.geomspace(1e4, 3e3, len(leaves))
    x, y = (30.0 + 60.0 * place for place in np.divmod(random.permutation(side**2)[: len(leaves)], side))
    ring = np.exp(-(((np.hypot(*np.mgrid[-30:30, -30:30]) - at) / 3.0) ** 2))
    for a, b, f, part in zip(x.astype(int), y.astype(int), star_flux, leaves, strict=True):
        flux[b - 30 : b + 30, a - 30 : a + 30] += part * f * ring * random.normal(size=ring.shape)
    count = len(leaves)
    stars = StarLight(x, y, star_flux, np.ones(count, dtype=bool), np.ones(count), np.zeros(count), FWHM)
    mask = np.zeros(flux.shape, dtype=np.uint16)
    return flux.astype(np.float32), np.ones(flux.shape, dtype=np.float32), mask, stars


def left_at(leaves: np.ndarray, at: int) -> float:
    return float(np.sqrt(left_over(*on_a_grid(leaves, at))[at]))


def shares(usual: float, odd: float, count: int) -> np.ndarray:
    """What 80 stars leave, of which a few, bright ones and faint ones, leave another part."""
    found = np.full(80, usual)
    found[:: 80 // count] = odd
    return found


def test_stars_that_changed_themselves_hardly_count_in_the_middle():
    assert left_at(shares(0.01, 0.2, 8), 0) < 1.5 * left_at(shares(0.01, 0.01, 8), 0)


def test_few_stars_that_leave_most_count_farther_out_but_each_is_bounded():
    usual = left_at(shares(0.01, 0.01, 8), 14)
    assert usual == pytest.approx(0.01, rel=0.15)
    scatter = 0.01 * math.sqrt(0.9 + 0.1 * 20.0**2)  # the root mean square of all
    assert 0.4 * scatter < left_at(shares(0.01, 0.2, 8), 14) < 1.1 * scatter
    assert left_at(shares(0.01, 5.0, 4), 14) < 1.4 * usual


def test_the_brightest_hundred_tell():
    leaves = np.repeat([0.01, 0.03, 0.2], [50, 50, 100])
    assert left_at(leaves, 14) == pytest.approx(0.01 * math.sqrt(0.5 * (1.0 + 9.0)), rel=0.2)


@pytest.mark.parametrize(
    ("x", "y", "is_there"),
    [
        (-0.4, 50.0, True), (-0.6, 50.0, False), (99.4, 50.0, True), (99.6, 50.0, False),
        (50.0, -0.4, True), (50.0, -0.6, False), (50.0, 79.4, True), (50.0, 79.6, False),
    ],
)  # fmt: skip
def test_a_star_leaves_something_wherever_its_middle_is_on_a_pixel(x, y, is_there):
    error = np.ones((80, 100), dtype=np.float32)
    one = np.ones(1)
    stars = StarLight(np.array([x]), np.array([y]), 1e4 * one, one > 0, one, 0.0 * one, FWHM)
    add_left_over(error, stars, np.full(REACH_PX + 1, 1e-4))
    assert error.max() == pytest.approx(math.hypot(1.0, 100.0) if is_there else 1.0)


def test_the_score_beside_stars_becomes_honest():
    flux, error, mask, stars = field(0.01)
    assert np.abs(flux / error).max() > 50
    add_left_over(error, stars, left_over(flux, error, mask, stars))
    assert np.abs(flux / error).max() < 6
    assert np.std(flux / error) == pytest.approx(1.0, abs=0.05)


def test_too_few_stars_tell_nothing():
    flux, error, mask, stars = field(0.01, count=8)
    assert left_over(flux, error, mask, stars) is None


def test_wings_are_in_doubt_far_out_alone_and_the_more_the_farther():
    offset = np.arange(-REACH_PX, REACH_PX + 1)
    profile = (1.0 + np.hypot(offset[:, None], offset) ** 2 / 9.0) ** -1.8
    error = wing_error(centred(profile.astype(np.float32), (128, 128)), FWHM)
    begin = math.ceil(WINGS_FWHM * FWHM)
    assert np.all(error[:begin] == 0)
    assert np.all(np.diff(error[begin:]) < 0)
    for radius in (begin, 20, 35):
        doubt = 0.1 * radius / (WINGS_FWHM * FWHM)
        assert np.sqrt(error[radius]) == pytest.approx(doubt * profile[REACH_PX, REACH_PX + radius], rel=0.05)


def test_a_star_cut_by_an_edge_is_expected_to_leave_something_beside_it_and_nowhere_else():
    """On both kinds of edges: the frame's own, and that of what a turned frame covers of it."""
    mask = np.zeros((200, 200), dtype=np.uint16)
    mask[:, :30] = np.uint16(MaskPlane.EDGE)
    rows, columns = np.indices(mask.shape)
    light = np.zeros(mask.shape, dtype=np.float32)
    for x, y in ((28.0, 60.0), (120.0, 199.0), (100.0, 100.0)):
        light += 5000.0 * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / 1.7**2).astype(np.float32)
    error = np.ones(mask.shape, dtype=np.float32)
    add_unseen(error, light, mask, FWHM)
    assert error[60, 34] > 100.0
    assert error[195, 120] > 100.0
    assert error[100, 100] == 1.0, "a whole star"
    assert error[60, 34] > error[60, 38] > error[60, 42]
    assert np.all(error[:, 60:90] == 1.0)


def test_what_is_not_known_of_cut_light_is_the_flux_that_a_fit_to_it_would_have():
    """Four tenths of the light of a pixel, times the pixels that a fit of a Gaussian PSF weighs; spread."""
    mask = np.zeros((120, 120), dtype=np.uint16)
    mask[:, :30] = np.uint16(MaskPlane.EDGE)
    light = np.zeros(mask.shape, dtype=np.float32)
    light[60, 30] = 50.0  # beside what is not known
    light[60, 31] = 70.0  # and not
    error = np.ones(mask.shape, dtype=np.float32)
    add_unseen(error, light, mask, FWHM)
    rows, columns = np.indices((81, 81)) - 40
    psf = np.exp(-4.0 * math.log(2.0) * (rows**2 + columns**2) / FWHM**2)
    weighed = psf.sum() ** 2 / (psf**2).sum()
    extra = np.sqrt(np.square(error, dtype=np.float64) - 1.0)
    assert extra.sum() == pytest.approx(0.4 * weighed * 50.0, rel=0.01)
    assert (extra.sum(axis=1) @ np.arange(120), extra.sum(axis=0) @ np.arange(120)) == pytest.approx(
        (60.0 * extra.sum(), 30.0 * extra.sum())
    )
    for share, is_told in ((0.28, False), (0.32, True)):  # of the error on the sky
        error = np.ones(mask.shape, dtype=np.float32)
        add_unseen(error, light * np.float32(share / (0.4 * weighed * 50.0)), mask, FWHM)
        assert (error.max() > 1.0) == is_told


def test_sky_along_the_edge_adds_no_error():
    error = np.ones((100, 100), dtype=np.float32)
    light = np.random.default_rng(2).normal(0.0, 0.003, error.shape).astype(np.float32)
    add_unseen(error, light, np.zeros(error.shape, dtype=np.uint16), FWHM)
    assert np.all(error == 1.0)


def test_a_star_that_the_map_misplaces_leaves_its_slopes():
    offset = np.arange(-60, 61)
    sigma = 3.0
    gaussian = np.exp(-0.5 * (offset[:, None] ** 2 + offset**2) / sigma**2)
    found = shift_error(np.asarray(np.fft.ifftshift(gaussian), dtype=np.float32))
    radius = np.arange(REACH_PX + 1)
    expected = (radius / sigma**2 * np.exp(-0.5 * radius**2 / sigma**2)) ** 2
    np.testing.assert_allclose(found, expected, atol=0.1 * expected.max())


def test_what_the_map_misplaces_is_added_and_what_it_followed_of_noise_taken_off():
    profile = np.array([0.0, 0.01, 0.02, 0.01, 0.0])
    places = np.array([20.0, 60.0, 100.0, 140.0])
    stars = StarLight(
        x=places,
        y=np.full(4, 20.0),
        flux=np.full(4, 100.0),
        whole=np.ones(4, dtype=bool),
        doubt=np.ones(4),
        astray=np.array([0.01, 0.0, -0.002, -1.0]),
        fwhm=FWHM,
    )
    error = np.full((40, 160), 1.0, dtype=np.float32)
    add_astray(error, stars, profile)
    np.testing.assert_allclose(error[20, [22, 62, 102]] ** 2, [1.0 + 2.0, 1.0, 1.0 - 0.4], rtol=1e-5)
    assert error[20, 142] ** 2 == pytest.approx(0.4)  # noise is left whatever the map says
    assert np.count_nonzero(error != 1.0) < 3 * 81
