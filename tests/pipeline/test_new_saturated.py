"""A new source too bright to be measured is told with its place, and nothing else that is saturated is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.detection.new_saturated import CAUSE, new_saturated, remark_on
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair

FULL = 40_000.0  # electrons above the sky
PLACE = (150.4, 160.2)
NOVA = (*PLACE, 3e6)


def clipped(aligned, spoil=lambda _light: None, full=FULL):
    """The frame as a detector of that full well gives it, one pixel around what is clipped masked with it."""
    light = aligned.frame.signal.copy()
    spoil(light)
    masked = binary_dilation(light >= full, np.ones((3, 3)))
    frame = replace(
        aligned.frame,
        data=aligned.frame.background + np.minimum(light, np.float32(full)),
        mask=aligned.frame.mask | (masked * np.uint16(MaskPlane.SATURATED)),
    )
    return replace(aligned, frame=frame)


def told(new, reference):
    difference = subtract(new, reference, Settings())
    return new_saturated(difference, new, reference)


def bleed(light):
    light[100:230, 150:152] = 2.0 * FULL


def hot_column(light):
    light[:, 80:82] = 2.0 * FULL


def cosmic_ray(light):
    light[60:62, 60:63] = 2.0 * FULL


@pytest.mark.parametrize("spoil", [lambda _light: None, bleed])
def test_a_new_source_that_saturates_is_told_with_its_place(spoil):
    new, reference, *_ = make_pair(new={"extra": [NOVA]})
    found = told(clipped(new, spoil), reference)
    (one,) = found
    assert (one.x, one.y) == (pytest.approx(PLACE[0], abs=1.0), pytest.approx(PLACE[1], abs=1.0))
    assert one.cause == CAUSE
    assert one.value < one.limit
    (said,) = remark_on(found, reference.frame)
    assert said.startswith("Look at ")
    assert said.endswith(": saturated here, and faint in the reference.")


def test_a_bad_column_through_it_makes_one_source_no_two():
    new, reference, *_ = make_pair(new={"extra": [NOVA]})
    seen = clipped(new)
    mask = seen.frame.mask.copy()
    mask[:, 149:151] |= MaskPlane.BAD
    assert len(told(replace(seen, frame=replace(seen.frame, mask=mask)), reference)) == 1


@pytest.mark.parametrize("spoil", [hot_column, cosmic_ray])
def test_what_saturates_without_the_light_of_a_star_around_it_is_none(spoil):
    new, reference, *_ = make_pair()
    found = told(clipped(new, spoil), reference)
    assert found == []
    assert remark_on(found, reference.frame) == ()


@pytest.mark.parametrize("is_clipped", [True, False])
def test_a_star_that_was_as_bright_before_is_none(is_clipped):
    new, reference, *_ = make_pair(new={"extra": [NOVA]}, ref={"extra": [NOVA]})
    before = replace(reference, frame=clipped(reference).frame) if is_clipped else reference
    assert told(clipped(new), before) == []


@pytest.mark.parametrize(("before", "is_told"), [(0.02, True), (0.7, False)])
def test_how_faint_it_was_decides(before, is_told):
    new, reference, *_ = make_pair(new={"extra": [(*PLACE, 1e6)]}, ref={"extra": [(*PLACE, before * 1e6)]})
    assert bool(told(clipped(new), reference)) is is_told
