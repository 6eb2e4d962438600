"""A frame whose stars stand in it twice is refused, and one in which much changed is not."""

from dataclasses import replace

import numpy as np
import pytest

from core.settings import Settings
from pipeline.frame import FrameRefused
from pipeline.pairing import told_of
from pipeline.subtraction.second_image import second_images
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair

SIDE = 1000


def stars_of(seed, count=200):
    return np.random.default_rng(seed).uniform(0, SIDE, (count, 2))


@pytest.mark.parametrize("offset", [(0.0, 9.0), (-30.0, 17.3), (150.0, -150.0)])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_sources_at_one_offset_from_stars_are_second_images(offset, share):
    for seed in range(10):
        stars = stars_of(seed)
        images = stars[: int(share * len(stars))] + offset
        images += np.random.default_rng(seed).normal(0, 0.5, images.shape)
        changes = stars_of(seed + 100, 30)
        found = second_images(np.concatenate([images, changes]), stars, 3.0)
        assert found is not None
        count, away = found
        assert count == pytest.approx(len(images), abs=6)
        assert away == pytest.approx(np.hypot(*offset), abs=1.0)


@pytest.mark.parametrize(("left", "stars"), [(10, 5), (10, 40), (60, 40), (300, 200), (3000, 8000)])
def test_changes_are_no_second_images_however_many(left, stars):
    """As in the fields that models learn of, and in a crowd."""
    for seed in range(20):
        assert second_images(stars_of(seed + 100, left), stars_of(seed, stars), 3.0) is None


def test_what_a_few_bright_stars_are_mirrored_in_is_no_second_image_of_the_frame():
    """Crosstalk, at one offset: it is all that is left, but most stars have none."""
    stars = stars_of(1)
    assert second_images(stars[:20] + np.array([0.0, 120.0]), stars, 3.0) is None


def test_without_stars_or_anything_left_there_is_none():
    assert second_images(np.empty((0, 2)), stars_of(1), 3.0) is None
    assert second_images(stars_of(1), np.empty((0, 2)), 3.0) is None


@pytest.fixture(scope="module")
def pair():
    new, reference, *_ = make_pair((600, 600), n_stars=500)
    return new, reference


def twice(frame, light):
    """The frame with all of its sources seen again, 34 pixels away."""
    above = frame.data - frame.background
    return replace(frame, data=(frame.data + light * np.roll(above, (30, 17), (0, 1))).astype(np.float32))


@pytest.mark.parametrize("light", [0.6, 1.0])
def test_a_frame_that_was_exposed_twice_is_refused(pair, light):
    new, reference = pair
    new = replace(new, frame=twice(new.frame, light))
    # The star list of a frame is of its own pixels.
    both = np.concatenate([new.stars.x, new.stars.x + 17]), np.concatenate([new.stars.y, new.stars.y + 30])
    stars = new.stars.take(np.r_[: len(new.stars), : len(new.stars)])
    share = np.r_[np.ones(len(new.stars)), np.full(len(new.stars), light)]
    new = replace(new, stars=replace(stars, x=both[0], y=both[1], flux=stars.flux * share))
    with pytest.raises(FrameRefused, match=r"stars stand in the frame a second time, 34 px away") as refused:
        subtract(new, reference, Settings())
    assert refused.value.value > refused.value.limit


def test_so_many_stars_that_are_left_are_told(pair):
    difference = subtract(*pair, Settings())
    assert difference.left_share < 0.1
    assert told_of(difference) == ()
    (said,) = told_of(replace(difference, left_share=0.31))
    assert said.startswith(
        "31% of the bright stars, all over the frame, are not where the reference has them"
    )
