"""Lines of known light in the noise of a score: which are seen, how faint, and what is no line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pipeline.detection.streak_lines import LEAST_SIGMA, MOST, lit_lines
from pipeline.detection.unet_objects import StreakObject

FWHM = 4.0
CORRELATED_PX = 1.5 * FWHM  # along a line the score of white noise has one value in so many pixels
SHAPE = (300, 360)


def noise(seed, shape=SHAPE):
    """The score of white noise through a Gaussian PSF."""
    smooth = ndimage.gaussian_filter(
        np.random.default_rng(seed).normal(size=shape), FWHM / 2.3548, mode="wrap"
    )
    return (smooth / smooth.std()).astype(np.float32)


def lit(ends, sigma, shape=SHAPE):
    """The score of a line whose light adds up to so many sigma: a profile of twice the PSF's variance."""
    line = StreakObject(*ends, 0.0)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    height = sigma / np.sqrt(line.length / CORRELATED_PX)
    return height * np.exp(-np.square(line.distance(columns, rows) / FWHM * 2.3548) / 4.0)


def found(score, masked=None):
    masked = np.zeros(score.shape, bool) if masked is None else masked
    return lit_lines(np.where(masked, 0.0, score).astype(np.float32), masked, FWHM)


def near(line, ends):
    """Whether the middle and the quarters of a line lie on another."""
    share = np.array([0.25, 0.5, 0.75])
    x = line.x_begin + share * (line.x_end - line.x_begin)
    y = line.y_begin + share * (line.y_end - line.y_begin)
    return bool(np.all(StreakObject(*ends, 0.0).distance(x, y) < 1.5 * FWHM))


ANYWHERE = [
    (40.0, 60.0, 320.0, 75.0),
    (60.0, 260.0, 300.0, 40.0),
    (150.0, 20.0, 190.0, 280.0),
    (200.0, 280.0, 185.0, 15.0),
    (100.0, 100.0, 180.0, 170.0),
]


@pytest.mark.parametrize("ends", ANYWHERE)
def test_a_line_is_seen_whose_pixels_are_all_within_the_noise(ends):
    """Of 12 sigma in all; none of its FWHM has more than 2.6."""
    made = noise(1) + lit(ends, 12.0)
    assert any(near(line, ends) for line in found(made))


def test_most_lines_of_nine_sigma_are_seen():
    seen = [any(near(line, ends) for line in found(noise(seed) + lit(ends, 9.0)))
            for seed, ends in enumerate(ANYWHERE * 2)]  # fmt: skip
    assert np.mean(seen) > 0.6


def test_noise_has_no_lines():
    """Two million pixels; of as many Gaussian numbers .04 are beyond the limit."""
    assert LEAST_SIGMA >= 5.5
    assert sum(len(found(noise(seed, (1024, 1024)))) for seed in (10, 11)) <= 1


def test_neither_a_masked_column_nor_a_star_is_a_line():
    masked = np.zeros(SHAPE, bool)
    masked[:, 120:123] = True
    made = noise(2)
    made[:, 120:123] = 50.0
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    made += 500.0 * np.exp(-(np.square(rows - 200) + np.square(columns - 250)) * 2.3548**2 / 4.0 / FWHM**2)
    assert found(made, masked) == []


def test_light_that_is_spread_evenly_is_no_line():
    rows, _ = np.mgrid[: SHAPE[0], : SHAPE[1]]
    assert found(noise(3) + 1.5 + np.sin(rows / 60.0)) == []


def test_a_bright_line_hides_no_faint_one_that_crosses_it():
    bright, faint = ANYWHERE[0], ANYWHERE[2]
    lines = found(noise(4) + lit(bright, 400.0) + lit(faint, 20.0))
    assert any(near(line, bright) for line in lines)
    assert any(near(line, faint) for line in lines)
    assert len(lines) < MOST / 2


@pytest.mark.parametrize(
    "ends", [(0.0, 0.0, 0.0, 299.0), (359.0, 299.0, 359.0, 0.0), (0.0, 299.0, 359.0, 299.0)]
)
def test_a_line_along_the_border_is_told_of_within_it(ends):
    lines = found(noise(7) + lit(ends, 200.0))
    assert any(near(line, ends) for line in lines)
    x, y = np.array([(at.x_begin, at.y_begin, at.x_end, at.y_end) for at in lines]).reshape(-1, 2).T
    assert x.min() >= 0.0 <= y.min()
    assert x.max() <= 359.0
    assert y.max() <= 299.0


def test_a_field_that_is_too_small_or_wholly_masked_has_no_lines():
    assert found(noise(5, (12, 400))) == []
    assert found(noise(6), np.ones(SHAPE, bool)) == []
