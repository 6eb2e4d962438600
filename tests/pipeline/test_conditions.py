"""What makes training fields harder: some are as they were, and what is added is as large as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.training.conditions import HARD_SHARE, PLAIN, Conditions, Crowd, Noise, draw_conditions
from pipeline.training.events import draw_events
from pipeline.training.scenes import (
    AWAY_DENSITY,
    AXIS_SHARE,
    LONG,
    LONG_SHARE,
    MOST_AWAY,
    OFF_AXIS,
    draw_scene,
)

SIDE = 200
NOISE = 20.0


def added(noise: Noise) -> np.ndarray:
    plate = np.zeros((SIDE, SIDE))
    noise.add(np.random.default_rng(1), plate, NOISE)
    return plate / NOISE


def test_some_fields_are_under_none_and_no_two_others_alike():
    drawn = [draw_conditions(np.random.default_rng(seed)) for seed in range(400)]
    hard = [each for each in drawn if each != PLAIN]
    assert len(hard) / len(drawn) == pytest.approx(HARD_SHARE, abs=0.08)
    assert len(set(hard)) == len(hard)
    for what in (
        lambda each: each.crowd is not None,
        lambda each: each.bright_variables,
        lambda each: each.fwhm is not None,
        lambda each: each.new.total > 0.5,
        lambda each: each.new.response > 0.0,
    ):
        assert 0.05 < np.mean([what(each) for each in hard]) < 0.8


@pytest.mark.parametrize("noise", [Noise(excess=1.5), Noise(correlated=0.7), Noise(banding=0.3)])
def test_noise_is_as_large_as_it_says(noise):
    assert added(noise).std() == pytest.approx(noise.total, rel=0.12)


def test_white_noise_is_of_each_pixel_and_the_other_kinds_of_neighbours():
    beside = {
        name: float(np.corrcoef(each[:, :-1].ravel(), each[:, 1:].ravel())[0, 1])
        for name, each in (
            ("white", added(Noise(excess=1.0))),
            ("correlated", added(Noise(correlated=1.0, correlation_px=1.0))),
            ("banding", added(Noise(banding=1.0))),
        )
    }
    assert abs(beside["white"]) < 0.05
    assert beside["correlated"] > 0.6
    assert beside["banding"] > 0.99


def test_an_error_of_the_flat_field_is_in_proportion_to_the_light():
    plate = np.full((SIDE, SIDE), 1e4)
    Noise(response=0.01).add(np.random.default_rng(1), plate, NOISE)
    assert plate.mean() == pytest.approx(1e4, rel=1e-3)
    assert plate.std() == pytest.approx(100.0, rel=0.05)


def test_a_scene_under_no_conditions_is_the_one_without_any():
    first, again = (draw_scene(np.random.default_rng(5), 128, *given) for given in ((), (PLAIN,)))
    crowded = draw_scene(np.random.default_rng(5), 128, Conditions(crowd=Crowd(30_000.0, 5e6, 4.0, 0.6)))
    noisy = draw_scene(np.random.default_rng(5), 128, Conditions(new=Noise(excess=2.0)))
    assert np.array_equal(first.new.electrons, again.new.electrons)
    assert crowded.stars.shape[1] == round(30_000 * 128**2 / 1024**2) > 3 * first.stars.shape[1]
    assert first.stars[2].max() < 5e6
    assert np.mean(crowded.stars[2] > 1e5) > np.mean(first.stars[2] > 1e5)
    sharp = draw_scene(np.random.default_rng(5), 128, Conditions(fwhm=(1.6, 2.4)))
    assert (sharp.new.brush.fwhm, sharp.ref.brush.fwhm) == (1.6, 2.4)
    assert noisy.new.noise == pytest.approx(first.new.noise * np.sqrt(5.0))


def test_bright_stars_vary_by_what_their_own_photons_let_be_seen():
    scene = draw_scene(np.random.default_rng(7), 512, Conditions(crowd=Crowd(4000.0, 5e6, 4.0, 0.75)))
    few, many = (
        [
            event
            for event in draw_events(np.random.default_rng(2), scene, 512, "f", each)
            if event.host == "star"
        ]
        for each in (PLAIN, Conditions(variable_share=0.9, bright_variables=True))
    )
    assert len(many) > len(few)
    flux = {(x, y): value for x, y, value in scene.stars.T}
    brightest = max(many, key=lambda event: flux[event.x, event.y])
    steady = flux[brightest.x, brightest.y]
    assert steady > 2.0 * max(flux[event.x, event.y] for event in few)
    assert abs(brightest.flux / brightest.snr) > np.sqrt(steady)


def test_a_star_that_varies_in_a_crowd_is_lit_by_itself_once():
    """There its own photons are of the light that the error is of already."""
    crowd = Crowd(4000.0, 5e6, 4.0, 0.75)
    scene = draw_scene(np.random.default_rng(7), 256, Conditions(crowd=crowd))
    faint, bright = (
        {
            (event.x, event.y): event.flux / event.snr
            for seed in range(8)
            for event in draw_events(
                np.random.default_rng(seed), scene, 256, "f", Conditions(crowd, 0.9, bright_variables=each)
            )
            if event.host == "star"
        }
        for each in (False, True)
    )
    both = faint.keys() & bright.keys()
    assert len(both) > 10
    assert [bright[place] for place in both] == pytest.approx([faint[place] for place in both])


def test_some_stars_are_long_and_half_of_those_along_rows_or_columns():
    psfs = [draw_scene(np.random.default_rng(seed), 32).new.brush.field for seed in range(300)]
    size = np.array([np.hypot(psf.e1, psf.e2) for psf in psfs])
    long = [psf for psf, each in zip(psfs, size, strict=True) if each > LONG[0]]
    assert len(long) / len(psfs) == pytest.approx(LONG_SHARE, abs=0.09)
    assert 0.9 * LONG[1] < size.max() < LONG[1]
    slant = np.array([abs(np.arctan2(psf.e2, abs(psf.e1))) for psf in long])
    near = 2.0 * OFF_AXIS
    expected = AXIS_SHARE * 0.954 + (1.0 - AXIS_SHARE) * near / (np.pi / 2.0)
    assert np.mean(slant < near) == pytest.approx(expected, abs=0.13)


def test_no_more_stars_stand_elsewhere_in_a_crowd_than_nearby_ones_can():
    crowded = Conditions(crowd=Crowd(40_000.0, 5e6, 4.0, 0.6))
    moved = [draw_scene(np.random.default_rng(seed), 128, crowded).moved.shape[1] for seed in range(12)]
    most = MOST_AWAY * AWAY_DENSITY * (128 / 1024) ** 2  # 5.6, of 625 stars
    assert 0 < max(moved) < most + 4.0 * np.sqrt(most)


def test_a_change_in_a_crowd_is_as_bright_as_the_light_there_lets_be_seen():
    """Of even light the photons alone are the noise of a pixel, and the sky is not."""
    drawn = draw_scene(np.random.default_rng(3), 256)
    light = 1e5 * np.ones_like(drawn.new.electrons)
    new, ref = (replace(plate, electrons=light) for plate in (drawn.new, drawn.ref))
    scene = replace(drawn, new=new, ref=ref)
    at = 128.0, 128.0
    for conditions, lit in ((PLAIN, False), (Conditions(crowd=Crowd(3e4, 5e6, 4.0, 0.6)), True)):
        events = [
            event
            for event in draw_events(np.random.default_rng(4), scene, 256, "f", conditions)
            if not event.is_streak
        ]
        errors = [
            np.sqrt((1e5 + each.read_noise**2 if lit else each.noise**2) * each.brush.noise_pixels(*at))
            for each in (new, ref)
        ]
        expected = float(np.hypot(errors[0] / scene.flux_ratio, errors[1]))
        assert [event.flux / event.snr for event in events] == pytest.approx(
            [expected] * len(events), rel=0.25
        )  # the PSF varies over the field
