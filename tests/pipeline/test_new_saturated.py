"""A new source too bright to be measured is told with its place, and nothing else that is saturated is."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.detection.detect import detect
from pipeline.detection.joined import STREAK_CAUSE
from pipeline.detection.new_saturated import (
    CAUSE,
    TRAIL_CAUSE,
    apart_from_streaks,
    new_saturated,
    remark_on,
)
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair
from tests.pipeline.seen import with_unet

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


def test_of_a_wide_star_that_bled_the_star_is_told():
    new, reference, *_ = make_pair()
    rows, columns = np.indices(new.frame.shape)
    away = np.hypot(columns - 150, rows - 160)

    def shine(light):
        light += 2.0 * FULL * np.exp(-np.maximum(away - 30.0, 0.0) / 8.0)
        bleed(light)

    (one,) = told(clipped(new, shine), reference)
    assert (one.x, one.y) == (pytest.approx(150, abs=2.0), pytest.approx(160, abs=2.0))


def trail(angle, peak=4.0 * FULL, reach=np.inf):
    """Of a satellite through the middle, as wide as a star."""
    way = np.deg2rad(angle)

    def shine(light):
        dy, dx = np.indices(light.shape) - 160.0
        along, across = dx * np.cos(way) + dy * np.sin(way), dy * np.cos(way) - dx * np.sin(way)
        light += peak * np.exp(-0.5 * (across / 1.5) ** 2) * (np.abs(along) < reach)

    return shine


def flash(light):
    rows, columns = np.indices(light.shape)
    light += 6.0 * FULL * np.exp(-0.5 * ((columns - 212.0) ** 2 + (rows - 190.0) ** 2) / 1.5**2)


@pytest.mark.parametrize("peak", [1.3 * FULL, 8.0 * FULL])
@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 135.0])
@pytest.mark.parametrize("reach", [50.0, np.inf])
def test_a_saturated_trail_is_told_as_a_trail_and_no_source(angle, peak, reach):
    new, reference, *_ = make_pair()
    found = told(clipped(new, trail(angle, peak, reach)), reference)
    (one,) = found
    assert one.cause == TRAIL_CAUSE
    across = (one.y - 160.0) * np.cos(np.deg2rad(angle)) - (one.x - 160.0) * np.sin(np.deg2rad(angle))
    assert abs(across) < 2.0
    assert one.value > one.limit
    assert reach == np.inf or one.value == pytest.approx(2.0 * reach, abs=4.0)
    (said,) = remark_on(found, reference.frame)
    assert said.startswith("A saturated trail goes through ")


@pytest.mark.parametrize("peak", [300.0, 3000.0, 20000.0])
def test_what_flashes_on_a_streak_is_a_part_of_it(peak):
    new, reference, *_ = make_pair()

    def shine(light):
        trail(30.0, peak)(light)
        flash(light)

    seen = clipped(new, shine)
    difference = subtract(seen, reference, Settings())
    detections, dropped = detect(difference, seen, reference, Settings())
    joined = with_unet(detections, dropped, difference, seen, reference, Settings())
    found = new_saturated(difference, seen, reference)
    assert [each.cause for each in found] == [CAUSE]
    (one,) = apart_from_streaks(found, joined.detections, difference.psf.fwhm)
    assert one.cause == STREAK_CAUSE
    assert one.value < one.limit
    assert remark_on([one], reference.frame) == ()


def test_a_new_source_beside_a_streak_is_told():
    new, reference, *_ = make_pair(new={"extra": [NOVA]})
    found = told(clipped(new), reference)
    streak = SimpleNamespace(x=160.0, y=200.0, features={"streak_length": 300.0, "streak_angle": 30.0})
    assert apart_from_streaks(found, [streak], 3.0) == found
    beyond = SimpleNamespace(x=350.4, y=160.2, features={"streak_length": 100.0, "streak_angle": 0.0})
    assert apart_from_streaks(found, [beyond], 3.0) == found


def test_a_bright_trail_across_the_frame_takes_no_more_memory_than_a_difference_does():
    side = 1500
    sky = np.full((side, side), 1000.0, dtype=np.float32)
    step = np.arange(side)
    trail = np.zeros(sky.shape, dtype=bool)
    light = sky.copy()
    for aside in range(-5, 6):
        at = step, np.clip(step + aside, 0, side - 1)
        light[at] += 5000.0
        trail[at] = abs(aside) < 4
    light[trail] = FULL
    mask = trail * np.uint16(MaskPlane.SATURATED)
    before = SimpleNamespace(data=sky, background=sky, variance=sky, mask=np.zeros_like(mask))
    new = SimpleNamespace(data=light, background=sky, variance=sky, mask=mask)
    difference = SimpleNamespace(psf=SimpleNamespace(fwhm=3.0), gain_ratio=1.0, mask=np.zeros_like(mask))
    tracemalloc.start()
    try:
        new_saturated(difference, SimpleNamespace(frame=new), SimpleNamespace(frame=before))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 30 * side * side


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


def test_where_stars_do_not_subtract_one_that_lies_elsewhere_is_none():
    new, reference, *_ = make_pair(new={"extra": [NOVA]})
    new = clipped(new)
    difference = subtract(new, reference, Settings())
    mask = difference.mask.copy()
    mask[100:, 100:] |= MaskPlane.UNSUBTRACTED
    assert new_saturated(difference, new, reference)
    assert new_saturated(replace(difference, mask=mask), new, reference) == []


@pytest.mark.parametrize(("before", "is_told"), [(0.02, True), (0.7, False)])
def test_how_faint_it_was_decides(before, is_told):
    new, reference, *_ = make_pair(new={"extra": [(*PLACE, 1e6)]}, ref={"extra": [(*PLACE, before * 1e6)]})
    assert bool(told(clipped(new), reference)) is is_told
