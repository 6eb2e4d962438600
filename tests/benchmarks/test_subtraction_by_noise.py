"""What chi squared of noise alone is at stars, against noise that is drawn and filtered."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pairs.draw import SKY, Changes, Pair, _pair
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.subtraction.by_noise import DRAWS, SIZE, sky_squares, star_squares
from pipeline.subtraction.arrays import arrays
from pipeline.subtraction.zogy import filters

RADIUS, HALF = 3.3, 22


@pytest.fixture(scope="module")
def pair() -> Pair:
    bare = np.zeros((256, 256), dtype=np.float32)
    scenario = replace(SCENARIOS["typical"], size=256)
    return _pair(scenario, 1, bare, bare, Changes(*(np.zeros(0) for _ in range(8))))


def filtered_noise(pair, x, y, flux, count=3000):
    """Mean squares of a score of noise, drawn pixel by pixel around a star in the middle."""
    random = np.random.default_rng(2)
    index = np.arange(-HALF, HALF + 1)
    light, noise, spectra = [], [], []
    for psf, frame, depth in ((pair.psf_new, pair.new, 1.0), (pair.psf_ref, pair.ref, 0.9 * 6.0)):
        wide, centred = np.zeros((2, SIZE, SIZE))
        column, row = round(x), round(y)
        wide[index[:, None], index] = psf.stamp(x, y, HALF, x - column, y - row)
        centred[index[:, None], index] = psf.stamp(x, y, HALF)
        spectra.append(np.fft.rfft2(centred).astype(np.complex64))
        noise.append((SKY * depth + frame.read_noise**2) / frame.light**2)
        light.append(np.maximum(wide, 0.0) * flux / frame.light)
    made = filters(*spectra, *np.sqrt(noise), (SIZE, SIZE), arrays("cpu"))
    score, variance = 0.0, 0.0
    for of, star, sky, sign in zip((made.of_new, made.of_ref), light, noise, (1.0, -1.0), strict=True):
        kernel = made.match * of
        pixels = random.normal(size=(count, SIZE, SIZE)) * np.sqrt(star + sky)
        score = score + sign * np.fft.irfft2(np.fft.rfft2(pixels) * kernel, s=(SIZE, SIZE))
        spread = np.fft.rfft2(np.fft.irfft2(kernel, s=(SIZE, SIZE)) ** 2)
        variance = variance + np.fft.irfft2(np.fft.rfft2(star + sky) * spread, s=(SIZE, SIZE))
    offset = np.fft.fftfreq(SIZE, 1.0 / SIZE)
    disc = np.hypot(offset[:, None] - (y - round(y)), offset - (x - round(x))) <= RADIUS
    return np.mean(score[:, disc] ** 2 / variance[disc], axis=1)


@pytest.mark.parametrize("flux", [0.0, 2e5])
def test_noise_has_the_squares_that_it_has_when_drawn_pixel_by_pixel(pair, flux):
    x, y = 128.3, 127.8
    expected = filtered_noise(pair, x, y, flux)
    found = star_squares(pair, *(np.full(10, each) for each in (x, y, flux)), RADIUS)
    assert found.shape == (10, DRAWS)
    assert np.mean(found) == pytest.approx(1.0, abs=0.05)
    for share in (25, 50, 75):
        assert np.percentile(found, share) == pytest.approx(np.percentile(expected, share), rel=0.06)


def test_the_median_is_lower_where_the_noise_is_of_fewer_pixels(pair):
    bright = star_squares(pair, *(np.full(40, each) for each in (128.0, 128.0, 1e6)), RADIUS)
    assert np.median(bright) < 0.95 * np.median(sky_squares(pair, RADIUS))


def test_without_stars_there_is_nothing_to_draw(pair):
    assert star_squares(pair, *np.zeros((3, 0)), RADIUS).shape == (0, DRAWS)
