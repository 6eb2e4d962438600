"""Frames are spoilt as they are said to be, and what the product says of one is counted right."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pairs.draw import draw
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.spoilt import __main__ as spoilt
from benchmarks.spoilt.ways import WAYS, noise_of, sky_of


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(2)
    image = random.normal(400.0, 20.0, (256, 256))
    for x, y in random.integers(10, 246, (40, 2)):
        image[y, x] += 4000.0
    return image.astype(np.float32)


@pytest.mark.parametrize("way", list(WAYS))
def test_each_way_spoils_the_frame_the_same_each_time_and_leaves_what_it_was_given(data, way):
    before = data.copy()
    made = WAYS[way](data)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_array_equal(made, WAYS[way](data))
    assert np.array_equal(made, data) == (way == "as it is")


def test_a_dimmed_quarter_keeps_its_sky_and_its_noise(data):
    quarter = WAYS["a quarter dimmed to .5"](data)[128:, 128:]
    assert sky_of(quarter) == pytest.approx(400.0, abs=1.0)
    assert noise_of(quarter) == pytest.approx(20.0, rel=0.05)
    assert quarter.max() == pytest.approx(400.0 + 2000.0, abs=100.0)


def test_what_is_shown_is_counted_against_the_truth():
    """A plain pair shows nearly all of its bright changes and nothing else; a doubled one is refused."""
    pair = draw(replace(SCENARIOS["typical"], size=512, transients=60.0), 3)
    plain = spoilt._told("as it is", pair)
    assert plain.refused is None
    assert plain.truth >= 5
    assert plain.found >= 0.8 * plain.truth
    assert plain.others <= 1
    assert plain.masked < 0.2
    twice = spoilt._told("exposed twice", pair)
    assert twice.refused is not None
    assert "a second time" in twice.refused
