"""How light runs along lines of which it is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.classify.unet import LogOdds
from pipeline.detection.streak_course import LIT_SHARE, course
from pipeline.detection.streak_light import CORRELATED_FWHM, Scene
from pipeline.detection.unet_objects import StreakObject

SIDE = 240
FWHM = 4.0
NOISE = 2.0  # of the new frame


def line_at(angle_deg, length, x=120.0, y=120.0):
    way = 0.5 * length * np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    return StreakObject(x - way[0], y - way[1], x + way[0], y + way[1], 0.0)


def glow(line):
    """Light as wide as the PSF along a line, of height 1."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    return np.exp(-0.5 * (line.distance(columns, rows) / (FWHM / 2.3548)) ** 2).astype(np.float32)


def scene_of(score, new=None, mask=None):
    nothing = np.zeros((SIDE, SIDE), np.float32)
    difference = SimpleNamespace(
        score=score,
        mask=np.zeros((SIDE, SIDE), np.uint16) if mask is None else mask,
        psf=SimpleNamespace(fwhm=FWHM),
    )
    shown, sky = (nothing if new is None else new), {"background": nothing, "shape": nothing.shape}
    frame = SimpleNamespace(data=shown, variance=nothing + NOISE**2, **sky)
    reference = SimpleNamespace(frame=SimpleNamespace(data=nothing, variance=nothing + 1.0, **sky))
    return Scene(LogOdds(nothing, nothing, nothing), difference, SimpleNamespace(frame=frame), reference)


def independent(length):
    return np.sqrt(length / FWHM / CORRELATED_FWHM)


@pytest.mark.parametrize(("angle", "length"), [(0.0, 60.0), (37.0, 60.0), (90.0, 24.0), (121.0, 130.0)])
def test_an_even_line_is_lit_throughout_whatever_its_angle_and_length(angle, length):
    line = line_at(angle, length)
    light = glow(line)
    found = course(scene_of(5.0 * light, 12.0 * light), line)
    assert found.lit == 1.0
    assert found.evenness == pytest.approx(0.0, abs=0.03)
    assert found.median_sigma == pytest.approx(5.0 * independent(length), rel=0.05)
    assert found.ridge_sigma == pytest.approx(12.0 / NOISE * independent(length), rel=0.05)
    assert found.unrest == pytest.approx(0.0, abs=1e-3)


def test_stars_in_a_row_are_no_even_line():
    line = line_at(20.0, 120.0)
    stars = sum(glow(line_at(20.0, 1.0, 120.0 + dx, 120.0 + 0.364 * dx)) for dx in (-48.0, -16.0, 16.0, 48.0))
    found = course(scene_of(15.0 * stars, 15.0 * stars), line)
    assert found.lit < 1.0
    assert found.evenness < -0.5


def test_what_the_new_frame_does_not_show_has_no_ridge():
    """A level or a slope is none either."""
    line = line_at(20.0, 120.0)
    slope = np.tile(np.linspace(0.0, 50.0, SIDE, dtype=np.float32), (SIDE, 1))
    found = course(scene_of(5.0 * glow(line), slope), line)
    assert found.ridge_sigma == pytest.approx(0.0, abs=0.05)


def test_what_is_beside_a_line_is_unrest():
    line, other = line_at(0.0, 120.0), line_at(0.0, 120.0, y=120.0 + 4.0 * FWHM)
    quiet, lively = (course(scene_of(5.0 * glow(line) + h * glow(other)), line) for h in (0.0, 9.0))
    assert quiet.unrest == pytest.approx(0.0, abs=1e-3)
    assert lively.unrest > 1.0
    assert lively.median_sigma == pytest.approx(quiet.median_sigma, rel=0.01)


def test_what_is_masked_tells_nothing():
    line = line_at(0.0, 120.0)
    score = 5.0 * glow(line)
    mask = np.zeros((SIDE, SIDE), np.uint16)
    mask[:, 100:140] = 1
    dark = np.where(mask > 0, np.float32(0.0), score)
    found = course(scene_of(dark, mask=mask), line)
    assert (found.lit, found.evenness) == (1.0, pytest.approx(0.0, abs=0.05))
    assert course(scene_of(dark), line).lit == pytest.approx(1.0 - 40.0 / 120.0, abs=0.05)
    mask[:] = 1
    nothing = course(scene_of(score, mask=mask), line)
    assert (nothing.lit, nothing.median_sigma, nothing.ridge_sigma) == (0.0, 0.0, 0.0)


def test_no_light_however_bright_makes_it_endless():
    line = line_at(0.0, 60.0)
    found = course(scene_of(np.float32(1e30) * glow(line), np.float32(1e30) * glow(line)), line)
    assert all(abs(value) < 1e4 for value in (found.evenness, found.median_sigma, found.ridge_sigma))
    assert LIT_SHARE < found.lit <= 1.0
