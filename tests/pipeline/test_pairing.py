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
