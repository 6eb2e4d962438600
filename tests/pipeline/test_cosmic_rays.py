"""Cosmic rays are found, stars are not touched."""

import numpy as np
import pytest

from pipeline.calibration.cosmic_rays import find_cosmic_rays, laplacian
from tests.pipeline.synthetic import star_frame


def unmasked(image):
    """No bad pixels and no saturated ones."""
    return np.zeros(image.shape, bool), np.zeros(image.shape, bool)


def tracks(shape, count, rng):
    """Electrons of straight tracks of a few pixels."""
    hits = np.zeros(shape)
    for _ in range(count):
        x, y = rng.uniform(6, shape[1] - 6), rng.uniform(6, shape[0] - 6)
        length, angle = min(rng.exponential(4.0), 30.0), rng.uniform(0.0, np.pi)
        total = 10.0 ** rng.uniform(2.5, 3.7) * max(1.0, length / 2.0)
        steps = max(int(length * 3), 1)
        for t in np.linspace(0.0, length, steps):
            i, j = int(y + t * np.sin(angle)), int(x + t * np.cos(angle))
            if 0 <= i < shape[0] and 0 <= j < shape[1]:
                hits[i, j] += total / steps
    return hits


@pytest.mark.parametrize("fwhm", [1.5, 2.0, 2.5, 4.0])
def test_tracks_are_found_and_stars_spared_whatever_the_seeing(fwhm):
    frame, truth = star_frame(
        (400, 400), seed=1, n_stars=250, fwhm=fwhm, sky=300.0, read_noise=6.0, flux_range=(1e3, 1e6)
    )
    hits = tracks(frame.shape, 80, np.random.default_rng(3))
    noise = np.sqrt(336.0)
    signal = (frame.data + hits - 300.0).astype(np.float32)
    found = find_cosmic_rays(signal, frame.variance, *unmasked(frame), 6.0)
    visible = hits > 8.0 * np.sqrt(frame.variance)
    assert found[visible].mean() > 0.85
    assert np.mean(hits[found] > noise) > 0.75
    x, y = np.round(truth.x).astype(int), np.round(truth.y).astype(int)
    inside = (x > 2) & (x < 397) & (y > 2) & (y < 397)
    near_hit = [hits[j - 2 : j + 3, i - 2 : i + 3].any() for i, j in zip(x[inside], y[inside], strict=True)]
    touched = [found[j, i] for i, j in zip(x[inside], y[inside], strict=True)]
    spoiled = np.count_nonzero(np.array(touched) & ~np.array(near_hit))
    assert spoiled <= 0.01 * np.count_nonzero(inside)


def test_an_empty_sky_has_none():
    noise = np.random.default_rng(2).normal(0.0, 10.0, (500, 500)).astype(np.float32)
    found = find_cosmic_rays(noise, np.full(noise.shape, 100.0, np.float32), *unmasked(noise), 6.0)
    assert found.sum() <= 2


def test_masked_pixels_are_left_out():
    signal = np.zeros((50, 50), np.float32)
    signal[20, 20] = signal[30, 30] = 1000.0
    bad = np.zeros(signal.shape, bool)
    bad[20, 20] = True
    found = find_cosmic_rays(signal, np.full(signal.shape, 25.0, np.float32), bad, np.zeros_like(bad), 6.0)
    assert np.argwhere(found).tolist() == [[30, 30]]


def test_the_shoulders_of_a_saturated_star_are_no_hits():
    frame, _ = star_frame((80, 80), n_stars=0, fwhm=4.0, extra=[(40.0, 40.0, 5e6)], seed=5, sky=300.0)
    full = frame.data > 60000.0
    assert full.sum() > 5
    signal = np.minimum(frame.data, 60000.0) - np.float32(300.0)
    found = find_cosmic_rays(signal, frame.variance, np.zeros(full.shape, bool), full, 6.0)
    assert not found.any()


def test_the_neighbours_of_a_dead_pixel_are_no_hits():
    signal = np.random.default_rng(4).normal(0.0, 5.0, (60, 60)).astype(np.float32)
    signal[:, 59] = -2000.0
    signal[30, 30] = -2000.0
    found = find_cosmic_rays(signal, np.full(signal.shape, 25.0, np.float32), *unmasked(signal), 6.0)
    assert not found.any()


def test_the_laplacian_is_that_of_the_image_sampled_twice():
    image = np.random.default_rng(5).normal(0.0, 1.0, (12, 15)).astype(np.float32)
    fine = np.pad(np.kron(image, np.ones((2, 2))), 1, mode="edge")
    kernel = 4 * fine[1:-1, 1:-1] - fine[:-2, 1:-1] - fine[2:, 1:-1] - fine[1:-1, :-2] - fine[1:-1, 2:]
    expected = np.maximum(kernel, 0.0).reshape(12, 2, 15, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(laplacian(image)[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-5)
