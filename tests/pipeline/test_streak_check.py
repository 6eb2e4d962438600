"""Lines of known light: what is lit, how it is measured, and which are streaks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from pipeline.classify import unet
from pipeline.classify.unet import LogOdds
from pipeline.detection.streak_check import WEIGHTS, evidence, proposed, streak_objects, terms
from pipeline.detection.streak_course import course
from pipeline.detection.streak_light import CLIP_SIGMA, Scene
from pipeline.detection.unet_objects import StreakObject, proposed_streaks
from pipeline.frame import Difference, PsfModel

SHAPE = (180, 220)
FWHM = 4.0
SIGMA = FWHM / 2.3548
ENDS = (40.0, 30.0, 160.0, 140.0)
LIKELY = 3.0


def psf_stamp(half=12):
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    stamp = np.exp(-(rows**2 + columns**2) / (2.0 * SIGMA**2))
    return (stamp / stamp.sum()).astype(np.float32)


def line(x, y, x_end, y_end, height, sigma=SIGMA, shape=SHAPE):
    """Light of a height and width along a line, each point of it as bright."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    away = StreakObject(x, y, x_end, y_end, 0.0).distance(columns, rows)
    return height * np.exp(-(away**2) / (2.0 * sigma**2))


def scene(light, before=None, on=ENDS, opinion=LIKELY, turned=None, mask=None):
    """A frame of unit noise with some light in the new image, and a network of an opinion along a line."""
    random = np.random.default_rng(5)
    new = (random.normal(0.0, 1.0, SHAPE) + light).astype(np.float32)
    ref = np.zeros(SHAPE, np.float32) if before is None else before.astype(np.float32)
    data = new - ref
    stamp = psf_stamp()
    score = ndimage.convolve(data, stamp) / np.sqrt(np.sum(stamp**2))
    mask = np.zeros(SHAPE, np.uint16) if mask is None else mask
    score = np.where(mask == 0, score, 0.0).astype(np.float32)
    streak = np.full(SHAPE, -9.0, np.float32)
    streak[line(*on, 1.0) > 0.7] = opinion
    nothing = np.full(SHAPE, -9.0, np.float32)
    difference = Difference(
        data,
        score,
        score,
        np.ones_like(score),
        mask,
        PsfModel(stamp[None], 0, SHAPE, FWHM),
        "zogy",
        "e",
        1.0,
        1.0,
    )
    beside = {"background": np.zeros(SHAPE, np.float32), "variance": np.ones(SHAPE, np.float32)}
    aligned = SimpleNamespace(
        frame=SimpleNamespace(data=new, shape=SHAPE, **beside), map_to_new=turned or (lambda x, y: (x, y))
    )
    prepared = SimpleNamespace(frame=SimpleNamespace(data=ref, shape=SHAPE, **beside))
    return LogOdds(nothing, nothing, streak), difference, aligned, prepared


def found_in(made, threshold=None):
    return streak_objects(*made, unet.shipped().streak_threshold if threshold is None else threshold)


def light_of(made, ends=ENDS):
    return Scene(*made).light(StreakObject(*ends, 0.0))


def height_of(significance):
    """Of a line of unit noise for a score of so much on it."""
    stamp = psf_stamp()
    return significance / float(
        np.sum(line(40, 40, 180, 40, 1.0)[28:53, 98:123] * stamp) / np.sqrt(np.sum(stamp**2))
    )


def test_the_light_of_a_line_is_that_which_was_put_there():
    """Of a score of 4 along 163 pixels, of which 6 are independent at a time."""
    _, light = light_of(scene(line(*ENDS, height_of(4.0))))
    length = np.hypot(120.0, 110.0)
    assert light.significance == pytest.approx(4.0 * np.sqrt(length / (1.5 * FWHM)), rel=0.1)
    assert light.length == pytest.approx(length / FWHM, rel=0.05)
    assert (light.width, light.streak, light.point) == (1.0, pytest.approx(LIKELY, abs=0.5), -8.0)
    assert light.angle_deg == pytest.approx(np.degrees(np.arctan2(110, 120)), abs=1.0)
    assert light.lobes > -0.2
    assert abs(light.ground) < 0.1


def test_on_empty_sky_a_line_is_as_significant_as_chance_has_it():
    """The mean over a line of fixed place has the standard deviation that its significance is told by."""
    made = scene(np.zeros(SHAPE))
    score = made[1].score[12:-12, 12:-12]
    length = score.shape[1]
    drawn = score.mean(axis=1) * np.sqrt(length / (1.5 * FWHM))
    assert drawn.std() == pytest.approx(1.0, abs=0.3)
    assert light_of(made) is None


@pytest.mark.parametrize("proposal", [(70.0, 58.0, 130.0, 113.0), (10.0, 2.5, 190.0, 167.5)])
def test_a_line_is_lengthened_or_cut_to_what_is_lit(proposal):
    streak, _ = light_of(scene(line(*ENDS, height_of(8.0))), proposal)
    ends = sorted([(streak.x_begin, streak.y_begin), (streak.x_end, streak.y_end)])
    assert ends[0] == pytest.approx(ENDS[:2], abs=FWHM)
    assert ends[1] == pytest.approx(ENDS[2:], abs=FWHM)


def test_what_a_mask_hides_breaks_no_streak():
    mask = np.zeros(SHAPE, np.uint16)
    mask[75:95] = 1
    (streak,) = found_in(scene(line(*ENDS, height_of(8.0)), mask=mask))
    assert streak.length == pytest.approx(np.hypot(120.0, 110.0), abs=2 * FWHM)


@pytest.mark.parametrize("significance", [2.5, 6.0, 60.0])
def test_streaks_are_found_faint_and_bright(significance):
    (streak,) = found_in(scene(line(*ENDS, height_of(significance))))
    assert streak.distance(np.array([100.0]), np.array([85.0]))[0] < 1.5
    assert streak.length == pytest.approx(np.hypot(120.0, 110.0), abs=3 * FWHM)


def test_one_streak_is_one_however_often_it_is_proposed():
    ends = (40.0, 140.0, 160.0, 30.0)
    made = scene(line(*ENDS, height_of(8.0)) + line(*ends, height_of(8.0)))
    made[0].streak[line(*ends, 1.0) > 0.7] = LIKELY
    assert len(found_in(made)) == 2


def test_a_streak_across_the_end_of_another_is_one_of_its_own():
    """At a small angle: its middle and one of its quarters lie on the other."""
    ends = (133.0, 133.0, 193.0, 140.0)
    made = scene(line(*ENDS, height_of(8.0)) + line(*ends, height_of(8.0)))
    made[0].streak[line(*ends, 1.0) > 0.7] = LIKELY
    found = sorted(found_in(made), key=lambda each: -each.length)
    assert [each.length for each in found] == pytest.approx(
        [np.hypot(120.0, 110.0), np.hypot(60.0, 7.0)], abs=3 * FWHM
    )


def of_column(width):
    return line(100.0, 0.0, 100.0, 179.0, height_of(6.0) * SIGMA / width, sigma=width)


def disc(x, y, radius, height):
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    return height * (np.hypot(columns - x, rows - y) < radius)


COLUMN = (100.0, 0.0, 100.0, 179.0)
SHORT = (90.0, 80.0, 120.0, 100.0)
FAULTS = {
    "a bad column": (of_column(0.5), None, COLUMN),
    "smear": (of_column(2.0 * SIGMA), None, COLUMN),
    "a ghost": (disc(105.0, 90.0, 25.0, 2.0), None, SHORT),
    "a star that is badly subtracted": (
        line(103.0, 89.0, 107.0, 91.0, 90.0),
        line(101.0, 88.0, 105.0, 90.0, 85.0),
        SHORT,
    ),
    "nothing": (np.zeros(SHAPE), None, ENDS),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_no_streaks_where_the_network_is_in_doubt(fault):
    """A streak at the same place, of the same opinion, is one."""
    light, before, on = FAULTS[fault]
    assert found_in(scene(light, before, on, opinion=1.0)) == []


def test_a_streak_of_which_the_network_is_in_doubt_is_found_by_its_light():
    assert len(found_in(scene(line(*ENDS, height_of(8.0)), opinion=1.0))) == 1


def turned(degrees):
    """The map to a frame that is turned."""
    angle = np.radians(degrees)
    return lambda x, y: (x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle))


def sure(on, degrees):
    """Of a line of light in a frame whose detector is turned."""
    made = scene(line(*on, height_of(8.0)), on=on, turned=turned(degrees))
    found, light = light_of(made, on)
    return evidence(light, course(Scene(*made), found))


def test_what_runs_along_the_detector_must_be_surer():
    """A column of the detector, upright in the maps or turned."""
    upright, slanted = (100.0, 20.0, 100.0, 160.0), (40.0, 30.0, 160.0, 150.0)
    assert sure(upright, 0.0) == pytest.approx(sure(upright, 3.0) - WEIGHTS["angle"], abs=0.3)
    assert sure(slanted, 45.0) == pytest.approx(sure(slanted, 0.0) - WEIGHTS["angle"], abs=0.3)


def test_a_long_line_that_leaves_its_row_is_none_of_the_detector():
    """As it would 3 degrees from the row; a short one might yet be a bad row."""
    long, short = (10.0, 85.0, 210.0, 85.0), (90.0, 85.0, 140.0, 85.0)
    assert sure(long, 0.9) == pytest.approx(sure(long, 3.0), abs=0.1)
    assert sure(short, 0.6) == pytest.approx(sure(short, 3.0) - 0.5 * WEIGHTS["angle"], abs=0.5)


def test_a_bright_band_is_measured_along_itself():
    """However wide it is, no slanted line within it is as bright."""
    band = line(100.0, 0.0, 100.0, 179.0, height_of(60.0), sigma=2.5 * SIGMA)
    _, light = light_of(scene(band), (97.0, 20.0, 103.0, 160.0))
    assert light.angle_deg < 0.3


def test_the_spikes_of_a_star_fade_away_from_it():
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    away = np.hypot(columns - 100, rows - 85)
    star = 3000.0 * np.exp(-(away**2) / (2.0 * SIGMA**2))
    straight = line(*ENDS, height_of(10.0))
    spikes = straight * np.exp(-away / 40.0) * 3.0
    of = {
        name: light_of(scene(light, before))[1].spike
        for name, light, before in (
            ("spikes", spikes + star, star),
            ("streak", straight + star, star),
            ("fading", spikes, None),
        )
    }
    assert of["spikes"] > 1.0
    assert of["streak"] < 0.1 * of["spikes"]
    assert of["fading"] == 0.0


def test_how_much_of_a_line_is_masked_is_told():
    mask = np.zeros(SHAPE, np.uint16)
    mask[75:97] = 1
    _, light = light_of(scene(line(*ENDS, height_of(8.0)), mask=mask))
    assert light.masked == pytest.approx(0.2, abs=0.03)


def test_a_line_that_only_its_light_tells_of_is_looked_at():
    """The U-Net proposes nothing there, and none of its FWHM has more than 3 sigma."""
    made = scene(line(*ENDS, height_of(3.5)), opinion=-2.0)
    made[0].point[:] = 0.0  # it is likelier a point source than a streak, everywhere
    assert proposed_streaks(made[0], made[1].score, made[1].mask != 0, FWHM) == []
    near = [each.distance(np.array([100.0]), np.array([85.0]))[0] for each in proposed(Scene(*made))]
    assert min(near) < FWHM


def test_light_and_the_u_net_tell_together():
    def sure(significance, opinion):
        made = scene(line(*ENDS, height_of(significance)), opinion=opinion)
        found, light = light_of(made)
        return evidence(light, course(Scene(*made), found))

    threshold = unet.shipped().streak_threshold
    assert sure(3.5, -4.0) < threshold < sure(3.5, 3.0)
    assert sure(3.5, -4.0) < sure(8.0, -4.0) < sure(8.0, 3.0)


def test_every_term_has_a_weight_and_none_can_be_endless():
    made = scene(line(*ENDS, 1e6))
    found, light = light_of(made)
    along = course(Scene(*made), found)
    assert terms(light, along).keys() == WEIGHTS.keys()
    assert np.isfinite(evidence(light, along))
    assert light.significance <= CLIP_SIGMA * np.sqrt(light.length / 1.5 + 1)


def test_products_are_of_what_they_are_named_by():
    made = scene(line(*ENDS, height_of(8.0)))
    found, light = light_of(made)
    told = terms(light, course(Scene(*made), found))
    assert told["streak length"] == pytest.approx(told["streak"] * told["length"])
    assert told["ridge ridge"] == pytest.approx(told["ridge"] ** 2)
