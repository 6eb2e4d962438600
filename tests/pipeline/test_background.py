"""The sky under the sources, and the noise of its pixels."""

import numpy as np
import pytest

from pipeline.calibration.background import sky_level
from pipeline.calibration.noise import SkyNoise, detector_of, sky_noise
from pipeline.frame import Exposure
from tests.pipeline.synthetic import star_frame

Y, X = np.mgrid[:256, :256]


def test_a_sloping_sky_under_stars_is_followed():
    frame, _ = star_frame((256, 256), seed=2, n_stars=60, sky=500.0, read_noise=5.0)
    slope = (0.2 * X - 0.1 * Y).astype(np.float32)
    level = sky_level(frame.data + slope, np.zeros(frame.shape, bool), 64)
    error = level - 500.0 - slope
    assert abs(np.median(error)) < 2.0
    assert np.std(error) < 4.0


def test_a_steep_sky_is_followed_to_the_edges():
    frame, _ = star_frame((256, 256), seed=2, n_stars=60, sky=2000.0, read_noise=5.0)
    slope = (2.0 * X + 1.0 * Y - 380.0).astype(np.float32)
    none = np.zeros(frame.shape, bool)
    error = sky_level(frame.data + slope, none, 64) - slope - sky_level(frame.data, none, 64)
    assert np.abs(error).max() < 5.0  # 45 is the noise of a pixel


@pytest.mark.parametrize("shape", [(32, 32), (40, 300), (65, 33)])
def test_frames_smaller_than_a_cell_have_a_sky(shape):
    data = np.random.default_rng(1).normal(100.0, 5.0, shape).astype(np.float32)
    level = sky_level(data, np.zeros(shape, bool), 64)
    assert level.shape == shape
    assert level.mean() == pytest.approx(100.0, abs=1.0)


def test_a_frame_masked_nearly_everywhere_has_the_sky_of_what_is_left():
    data = np.random.default_rng(1).normal(100.0, 5.0, (128, 128)).astype(np.float32)
    bad = np.ones(data.shape, bool)
    bad[::3, ::3] = False
    data[bad] = 1e6
    assert sky_level(data, bad, 64).mean() == pytest.approx(100.0, abs=2.0)


def test_coarse_digitisation_does_not_lose_the_sky():
    data = np.round(np.random.default_rng(1).normal(350.0, 0.4, (256, 256))).astype(np.float32)
    assert sky_level(data, np.zeros(data.shape, bool), 64).mean() == pytest.approx(350.0, abs=0.3)


@pytest.mark.parametrize(("n_stars", "fwhm"), [(0, 3.0), (60, 3.0), (1500, 5.0)])
def test_the_noise_of_the_sky_does_not_count_the_stars(n_stars, fwhm):
    frame, _ = star_frame((256, 256), seed=3, n_stars=n_stars, fwhm=fwhm, sky=400.0, flux_range=(300.0, 1e5))
    noise = sky_noise(frame.data, sky_level(frame.data, frame.mask != 0, 64), frame.mask != 0)
    assert noise.sigma == pytest.approx(np.sqrt(noise.level + 25.0), rel=0.04)


@pytest.mark.parametrize(("gain", "read_noise"), [(0.5, 3.0), (1.9, 5.0), (8.0, 12.0)])
def test_a_header_that_agrees_with_the_sky_is_believed(gain, read_noise):
    sky = SkyNoise(1000.0, np.sqrt(1000.0 / gain + (read_noise / gain) ** 2))
    found = detector_of(Exposure("x", gain=gain, read_noise=read_noise), sky, 3e4)
    assert (found.gain, found.read_noise, found.sky_variance_factor, found.notes) == (
        gain,
        read_noise,
        1.0,
        (),
    )


def test_noise_that_a_gain_alone_cannot_explain_is_read_noise():
    sky = SkyNoise(100.0, np.sqrt(100.0 / 2.0 + (20.0 / 2.0) ** 2))
    found = detector_of(Exposure("x", gain=2.0), sky, 3e4)
    assert found.read_noise == pytest.approx(20.0)


def test_a_pedestal_cannot_make_the_gain_without_bound():
    found = detector_of(Exposure("x"), SkyNoise(350.0, 1.0), 4000.0)
    assert found.gain == pytest.approx(50.0)
    measured = found.sky_variance_factor * 350.0 * found.gain
    assert measured == pytest.approx(found.gain**2)
