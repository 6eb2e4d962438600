"""Pixels have a class at labels alone, and there the one that the reviewers gave."""

import numpy as np
import pytest

from core.vocabulary import Label
from pipeline.training.fields import ARTEFACT, DARK, POINT, STREAK, UNTOLD
from pipeline.training.label_classes import Mark, told_classes

FWHM = 3.0


def painted(*marks: Mark, score=None, masked=None):
    plain, clear = np.zeros((64, 64), dtype=np.float32), np.zeros((64, 64), dtype=bool)
    return told_classes(marks, plain if score is None else score, clear if masked is None else masked, FWHM)


def places(classes):
    return {tuple(each) for each in np.argwhere(classes != UNTOLD)}


@pytest.mark.parametrize(
    ("snr", "label", "kind", "value"),
    [
        (9.0, 1, Label.SUPERNOVA, POINT),
        (-9.0, 1, Label.VARIABLE, DARK),
        (9.0, 0, Label.DIPOLE, ARTEFACT),
        (-9.0, 0, Label.COSMIC_RAY, ARTEFACT),
    ],
)
def test_a_label_tells_the_core_of_a_source_and_nothing_else(snr, label, kind, value):
    classes, told = painted(Mark(20.3, 30.0, snr, label, kind))
    assert len(told) == 1
    assert set(np.unique(classes)) == {value, UNTOLD}
    assert (30, 20) in places(classes)
    assert max(np.hypot(x - 20.3, y - 30.0) for y, x in places(classes)) < 0.6 * FWHM


def test_a_bogus_goes_as_far_as_its_island_but_no_island_that_nobody_judged_has_a_class():
    score = np.zeros((64, 64), dtype=np.float32)
    score[28:33, 18:26], score[28:33, 26:30] = 9.0, -7.0  # a dipole, on whose brighter lobe it lies
    score[5:9, 40:44] = 50.0
    classes, _ = painted(Mark(24.0, 30.0, 9.0, 0, Label.DIPOLE), score=score)
    assert (classes[28:33, 18:26] == ARTEFACT).all()
    assert (classes[5:9, 40:44] == UNTOLD).all()
    long = np.where(np.abs(np.arange(64) - 30)[:, None] < 2, 9.0, 0.0).astype(np.float32) * np.ones((1, 64))
    classes, _ = painted(Mark(10.0, 30.0, 9.0, 0, Label.ARTEFACT), score=long.astype(np.float32))
    assert max(x for _, x in places(classes)) < 10 + 3.0 * FWHM  # whose other end nobody looked at


def test_light_along_a_line_is_a_streak_whoever_left_it_and_a_trail_without_a_course_is_nothing():
    for label, kind, value in (
        (1, Label.MOVING, STREAK), (0, Label.TRAIL, STREAK), (0, Label.ARTEFACT, ARTEFACT)
    ):  # fmt: skip
        classes, _ = painted(Mark(32.0, 32.0, 9.0, label, kind, length=40.0, angle=90.0))
        assert set(np.unique(classes)) == {value, UNTOLD}
        rows, columns = np.nonzero(classes != UNTOLD)
        assert np.ptp(rows) == pytest.approx(40.0, abs=4.0)
        assert np.ptp(columns) <= 4
    kinds = [Mark(0.0, 0.0, 9.0, 0, kind).judged_as for kind in (Label.TRAIL, Label.ARTEFACT)]
    assert kinds == ["trail", "bogus"]
    classes, told = painted(Mark(32.0, 32.0, 9.0, 0, Label.TRAIL))
    assert (told, places(classes)) == ([], set())


def test_what_is_real_lies_over_what_is_bogus_and_masked_pixels_tell_nothing():
    score = np.full((64, 64), 9.0, dtype=np.float32)
    masked = np.zeros((64, 64), dtype=bool)
    masked[:, 33:] = True
    real, bogus = Mark(30.0, 30.0, 9.0, 1, Label.REAL), Mark(27.0, 30.0, 9.0, 0, Label.DIPOLE)
    hidden = Mark(50.0, 30.0, 9.0, 1, Label.REAL)
    classes, told = painted(real, bogus, hidden, score=score, masked=masked)
    assert (classes[30, 30], classes[30, 27]) == (POINT, ARTEFACT)
    assert (classes[masked] == UNTOLD).all()
    assert told == [bogus, real]
