"""What a tile's filters make of it, against the paper's formulas in double precision."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.subtraction import zogy
from pipeline.subtraction.arrays import arrays
from pipeline.subtraction.field import Field
from pipeline.subtraction.match import Match
from pipeline.subtraction.tile_score import Side, measure, point_source
from pipeline.subtraction.tiles import centred, plan
from tests.pipeline.synthetic import Moffat

SHAPE = (150, 130)
HALO = 40
HOST = arrays("cpu")
SIGMAS = 3.0, 2.0


@pytest.fixture
def tile():
    return plan(SHAPE, 512, HALO, 16)[0]


@pytest.fixture
def matched():
    flat = Field(np.zeros(1), SHAPE)
    return Match(flat, flat, flat, rms_px=0.2, gain_scatter=0.03, n_stars=10)


def kernel(fwhm, shape):
    """A PSF around index 0, 0."""
    return centred(Moffat(shape, fwhm, 3.0).centred(20.0, 20.0, 25).astype(np.float32), shape)


def test_flux_and_error_of_a_tile_are_those_of_the_paper(tile, matched):
    """Eqs 25 to 33 of Zackay, Ofek & Gal-Yam, to a few ten thousandths of the error."""
    random, near = np.random.default_rng(3), tile.near
    assert near.shape < tile.shape
    star = np.roll(kernel(3.0, tile.shape), (70, 66), axis=(0, 1))
    lights = [
        (random.normal(0.0, sigma, tile.shape) + flux * star).astype(np.float32)
        for sigma, flux in zip(SIGMAS, (3000.0, 2500.0), strict=True)
    ]
    variances = [
        (sigma**2 + np.maximum(light, 0.0)).astype(np.float32)
        for sigma, light in zip(SIGMAS, lights, strict=True)
    ]
    psfs = [kernel(fwhm, tile.shape) for fwhm in (3.4, 2.6)]
    begin = [
        n.origin - t.origin for n, t in zip((near.rows, near.columns), (tile.rows, tile.columns), strict=True)
    ]
    part = tuple(slice(first, first + length) for first, length in zip(begin, near.shape, strict=True))
    sides = [
        Side(*(HOST.rfft2(each) for each in (light, variance[part], psf)), sigma)
        for light, variance, psf, sigma in zip(lights, variances, psfs, SIGMAS, strict=True)
    ]
    made = zogy.filters(sides[0].psf, sides[1].psf, *SIGMAS, tile.shape, HOST)
    change, found_flux, found_error = measure(made, *sides, tile, matched, HOST)

    p_n, p_r = (np.fft.fft2(psf.astype(float)) for psf in psfs)
    noise = SIGMAS[0] ** 2 * np.abs(p_r) ** 2 + SIGMAS[1] ** 2 * np.abs(p_n) ** 2 + 13.0 * zogy.FLOOR
    k_n, k_r = np.conj(p_n) * np.abs(p_r) ** 2 / noise, np.conj(p_r) * np.abs(p_n) ** 2 / noise
    ours, theirs = (
        np.fft.ifft2(k * np.fft.fft2(light.astype(float))).real
        for k, light in zip((k_n, k_r), lights, strict=True)
    )
    variance = sum(
        np.fft.ifft2(np.fft.fft2(np.fft.ifft2(k).real ** 2) * np.fft.fft2(values.astype(float))).real
        for k, values in zip((k_n, k_r), variances, strict=True)
    )
    for axis in (0, 1):
        slopes = [(np.roll(s, -1, axis) - np.roll(s, 1, axis)) / 2.0 for s in (ours, theirs)]
        variance += matched.rms_px**2 * np.maximum(slopes[0] * slopes[1], 0.0)
    variance += matched.gain_scatter**2 * (np.maximum(ours * theirs, 0.0) + (ours - theirs) ** 2)
    norm = np.mean(np.abs(p_n * p_r) ** 2 / noise)
    flux, error = ((ours - theirs) / norm)[tile.inside], (np.sqrt(variance) / norm)[tile.inside]

    d = np.fft.ifft2(
        (p_r * np.fft.fft2(lights[0]) - p_n * np.fft.fft2(lights[1])) / np.sqrt(noise / 13.0)
    ).real
    np.testing.assert_allclose(
        change, d[tile.inside], rtol=0, atol=1e-4 * float(np.abs(d).max()), equal_nan=False
    )
    np.testing.assert_allclose(found_flux, flux, rtol=0, atol=2e-4 * error.min(), equal_nan=False)
    np.testing.assert_allclose(found_error, error, rtol=1e-4, atol=1e-12, equal_nan=False)


def test_it_does_not_matter_how_many_pixels_are_computed_at_once(matched, monkeypatch):
    random = np.random.default_rng(5)
    ours, theirs = (random.normal(size=(92, 77)).astype(np.float32) for _ in range(2))
    variance = random.uniform(0.5, 2.0, (90, 75)).astype(np.float32)
    whole = point_source(ours, theirs, variance.copy(), 0.7, matched, HOST)
    monkeypatch.setattr(type(HOST), "pixels_at_once", 1000)
    strips = point_source(ours, theirs, variance.copy(), 0.7, matched, HOST)
    assert all(np.array_equal(a, b) for a, b in zip(strips, whole, strict=True))


def test_without_scatter_the_error_is_that_of_the_pixels(matched):
    quiet = replace(matched, rms_px=0.0, gain_scatter=0.0)
    image = np.random.default_rng(6).normal(size=(40, 40)).astype(np.float32)
    variance = np.full((38, 38), 4.0, dtype=np.float32)
    flux, error = point_source(image, image * 0.5, variance, 2.0, quiet, HOST)
    assert flux == pytest.approx(image[1:-1, 1:-1] * 0.25, abs=1e-6)
    assert error == pytest.approx(np.ones((38, 38)))
