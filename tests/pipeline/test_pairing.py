"""What is said of a difference as such: that its noise is not known, that its frames share theirs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from core.settings import Settings
from pipeline.pairing import told_of
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair


@pytest.fixture(scope="module")
def pair():
    new, reference, *_ = make_pair((400, 400), ref={"sky": 20.0, "read_noise": 2.0})
    return new, reference


def test_of_a_sound_difference_nothing_is_said(pair):
    assert told_of(subtract(*pair, Settings())) == ()


def test_of_a_smoothed_frame_it_is_told_that_its_noise_is_not_known(pair):
    new, reference = pair
    smooth = replace(
        new.frame,
        data=gaussian_filter(new.frame.data, 1.5).astype(np.float32),
        variance=new.frame.variance / 100.0,  # as its pixels say
    )
    difference = subtract(replace(new, frame=smooth), reference, Settings())
    (said,) = told_of(difference)
    assert f"scattered by {difference.score_std:.2f}, where 1 is expected" in said
    assert "what is found may be noise" in said


@pytest.mark.parametrize("scatter", [0.03, 0.25])
def test_where_each_star_is_brighter_or_fainter_it_is_told_by_how_much(scatter):
    """As behind clouds, or through another filter."""
    new, reference, truth, _ = make_pair((400, 400), seed=5, n_stars=160)
    light, random = np.zeros((400, 400)), np.random.default_rng(3)
    factors = np.exp(scatter * random.normal(size=len(truth.x)))
    for x, y, flux, factor in zip(truth.x, truth.y, truth.flux, factors, strict=True):
        rows, columns = (np.arange(max(int(at) - 20, 0), min(int(at) + 21, 400)) for at in (y, x))
        if rows.size and columns.size:
            stamp = truth.psf.stamp(x, y, rows, columns)
            light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += flux * (factor - 1.0) * stamp
    stars = replace(new.stars, flux=new.stars.flux * factors[_nearest(new.stars, truth)])
    frame = replace(new.frame, data=(new.frame.data + light).astype(np.float32))
    difference = subtract(replace(new, frame=frame, stars=stars), reference, Settings())
    assert difference.gain_scatter == pytest.approx(scatter, rel=0.4)
    said = " ".join(told_of(difference))
    assert (f"in the reference by {difference.gain_scatter:.0%}, beyond noise" in said) == (scatter > 0.1)


def _nearest(stars, truth):
    return np.hypot(stars.x[:, None] - truth.x, stars.y[:, None] - truth.y).argmin(axis=1)
