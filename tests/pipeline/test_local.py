"""Local shifts are found where stars show them, and nowhere else."""

import numpy as np
import pytest

from pipeline.registration.local import LocalShift, fit_local
from pipeline.registration.pixel_map import PixelMap

SHAPE = (600, 700)
RMS = 0.3


def waves(x, y):
    """A smooth displacement of 0.3 px rms an axis that no polynomial of the third degree follows."""
    return RMS * np.stack([np.sqrt(2.0) * np.sin(x / 45.0), 2.0 * np.cos(y / 50.0) * np.sin(x / 60.0)])


def stars(noise, field=waves, count=300, seed=3):
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, SHAPE[1] - 1, count), random.uniform(0, SHAPE[0] - 1, count)
    errors = noise * random.uniform(0.3, 1.5, count)
    return x, y, field(x, y) + errors * random.normal(size=(2, count)), errors


def fitted(noise=0.05) -> LocalShift:
    found = fit_local(*stars(noise), RMS, SHAPE)
    assert found is not None
    return found[0]


GRID = tuple(axis.ravel() for axis in np.meshgrid(np.arange(30.0, 670.0, 20.0), np.arange(30.0, 570.0, 20.0)))


def test_the_field_is_found_between_the_stars_and_its_error_with_it():
    local = fitted()
    off = local(*GRID) - waves(*GRID)
    assert np.sqrt(np.mean(off**2)) < 0.3 * RMS
    assert np.std(off / local.error(*GRID)) == pytest.approx(1.0, abs=0.35)
    far = local.error(np.array([5000.0]), np.array([5000.0]))
    assert far[0] == pytest.approx(RMS)


def test_stars_that_were_not_seen_are_predicted_as_well_as_is_said():
    x, y, shift, noise = stars(0.05)
    _, off = fit_local(x, y, shift, noise, RMS, SHAPE)
    assert np.sqrt(np.median(off**2) / 0.4549) < 0.5 * RMS


def test_noise_alone_is_no_field():
    nothing = stars(0.3, lambda x, y: np.zeros((2, len(x))))
    assert fit_local(*nothing, 0.3, SHAPE) is None
    assert fit_local(*stars(0.05, count=20), RMS, SHAPE) is None
    assert fit_local(*stars(0.05), 0.04, SHAPE) is None


def test_a_star_that_moves_on_its_own_bends_nothing():
    x, y, shift, noise = stars(0.02)
    local, _ = fit_local(x, y, shift, noise, RMS, SHAPE)
    shift[:, 7] += 3.0
    other, off = fit_local(x, y, shift, noise, RMS, SHAPE)
    assert np.abs(other(*GRID) - local(*GRID)).max() < 0.1
    assert np.all(off[:, 7] > 2.0)


def test_known_places_are_followed():
    local = fitted(0.2)
    x, y = np.array([100.0, 400.0]), np.array([300.0, 200.0])
    off = np.array([[0.1, -0.05], [0.0, 0.1]])
    better = local.followed(x, y, off, np.full(2, 0.005), 0.15)
    np.testing.assert_allclose(better(x, y), local(x, y) + off, atol=0.01)
    assert np.all(better.error(x, y) < 0.01)


def test_what_a_star_is_left_off_by_is_its_noise_less_what_the_field_followed_of_it():
    """A field like those that are expected, and twice as many stars as it is bent to."""
    random = np.random.default_rng(5)
    nodes = random.normal(0.0, RMS, (2, 60)), random.uniform(-50, 750, (2, 60))
    length, least, count = 60.0, 0.02, 400
    x, y = random.uniform(20, 580, (2, count))
    apart = [np.hypot(x - a, y - b) for a, b in nodes[1].T]
    true = nodes[0] @ np.exp(-0.5 * (np.array(apart) / length) ** 2)
    photons = random.uniform(0.02, 0.1, count)
    seen = true + np.hypot(photons, least) * random.normal(size=(2, count))
    bare = LocalShift(np.zeros((2, 22, 25)), 0.5 * length, np.zeros((3, 0)), RMS, np.zeros((2, 0)))
    own = np.arange(count) % 2 == 0
    to = x[own], y[own]
    bent = bare.followed(*to, seen[:, own], photons[own], RMS, least)
    variance = photons**2 + bent.astray(x, y)
    pull = (seen - bent(x, y)) / np.sqrt(variance)
    assert np.std(pull[:, own]) == pytest.approx(1.0, abs=0.12)
    assert np.all(bent.astray(*to) < least**2)
    by_itself = (true - bent(x, y))[:, ~own] / np.sqrt(bent.astray(x, y)[~own])
    assert np.std(by_itself) == pytest.approx(1.0, abs=0.25)
    followed = PixelMap(PixelMap.from_affine(2.0 * np.eye(2, 3), SHAPE).coefficients, 1, SHAPE, bent)
    np.testing.assert_allclose(followed.astray(x, y), bent.astray(x, y) / 4.0)


def test_a_star_whose_centroid_alone_was_seen_is_as_far_off_as_the_field_is():
    local = fitted()
    at = local.seen[:2]
    np.testing.assert_allclose(local.astray(*at), local.error(*at) ** 2)


def test_a_map_with_a_local_shift_goes_there_and_back():
    affine = np.array([[1.01, 0.02, 3.0], [-0.02, 0.99, -4.0]])
    found = PixelMap(PixelMap.from_affine(affine, SHAPE).coefficients, 1, SHAPE, fitted())
    assert not found.straight
    x, y = GRID
    np.testing.assert_allclose(np.stack(found.inverse(*found(x, y))), np.stack([x, y]), atol=1e-6)
    whole = found.grid()
    rows, columns = y.astype(int), x.astype(int)
    for one, other in zip(whole, found(x, y), strict=True):
        np.testing.assert_allclose(one[rows, columns], other, atol=1e-9)
    np.testing.assert_allclose(found.rows(slice(64, 128))[1], whole[1][64:128], atol=1e-9)
    # The area of a pixel is the determinant of the slopes.
    (dxdy, dxdx), (dydy, dydx) = (np.gradient(each) for each in whole)
    numeric = (dxdx * dydy - dxdy * dydx)[2:-2, 2:-2]
    np.testing.assert_allclose(found.areas()[2:-2, 2:-2], numeric, atol=2e-4)
    turned = found.then(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(turned(x, y), found(x, y)[::-1], atol=1e-9)
