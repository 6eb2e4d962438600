"""The sky that a difference still has: told where it is there, and not made of noise."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.subtraction.left_sky import left_sky

SHAPE = (512, 512)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(4).normal(0.0, 10.0, SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    """Clouds some 60 pixels wide, of a rms of 5."""
    rough = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=SHAPE), 30.0)
    return (5.0 / rough.std() * rough).astype(np.float32)


def test_noise_is_taken_for_no_sky(noise):
    sky = left_sky(noise, np.zeros(SHAPE, dtype=bool))
    assert np.std(sky) < 0.2  # as the wide mesh alone has; the narrow one has 0.4


def test_most_of_clouds_is_told(noise, patches):
    sky = left_sky(noise + patches, np.zeros(SHAPE, dtype=bool))
    assert np.std(sky - patches) < 2.0  # of 5; the wide mesh alone leaves 4.6


def test_what_is_hidden_and_what_is_bright_tell_nothing(noise, patches):
    data, bad = noise + patches, np.zeros(SHAPE, dtype=bool)
    bad[100:140, 200:260] = True
    plain = left_sky(data, bad)
    data[bad] = 1e6
    data[300:304, 300:304] += 5000.0
    assert np.max(np.abs(left_sky(data, bad) - plain)) < 1.5


def test_a_frame_without_a_good_pixel_has_a_finite_sky(noise):
    assert np.all(np.isfinite(left_sky(noise, np.ones(SHAPE, dtype=bool))))
