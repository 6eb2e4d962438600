"""Flashes in a row are told apart from new sources that lie anywhere."""

import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from core.frames.outcome import CandidateFacts
from core.line_words import line_of, line_words
from core.settings import Settings
from pipeline.classify.classify import best_of
from pipeline.detection.rows import rows_of, with_rows
from pipeline.diff import DiffOptions, diff_files, report
from pipeline.simulate import simulate_night
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair

SIDE = 2048
FWHM = 3.0


def row(count, angle, length=900.0, seed=1, scatter=0.3):
    along = np.linspace(-length / 2, length / 2, count)
    random = np.random.default_rng(seed)
    x = 1000.0 + along * math.cos(angle) + random.normal(0, scatter, count)
    y = 1100.0 + along * math.sin(angle) + random.normal(0, scatter, count)
    return x, y


def anywhere(count, seed):
    return np.random.default_rng(seed).uniform(0, SIDE, (2, count))


@pytest.mark.parametrize("angle", np.radians([0.0, 31.0, 90.0, 140.0]))
@pytest.mark.parametrize(("count", "others"), [(5, 0), (6, 10), (8, 50), (12, 150)])
def test_flashes_in_a_row_are_found_among_others(count, others, angle):
    flashes = row(count, angle)
    x, y = (np.r_[mine, theirs] for mine, theirs in zip(flashes, anywhere(others, 7), strict=True))
    first, *more = rows_of(x, y, SIDE**2, FWHM)
    assert set(first.members) >= set(range(count))
    assert len(first.members) <= count + 1
    assert first.length == pytest.approx(900.0, rel=0.4)  # one of the others may lie on the line
    assert math.sin(math.radians(first.angle_deg) - angle) == pytest.approx(0.0, abs=0.01)
    assert not more


def test_two_rows_are_two():
    x, y = (np.r_[one, other] for one, other in zip(row(9, 0.5), row(7, 2.0), strict=True))
    found = rows_of(x, y + np.r_[np.zeros(9), np.full(7, 250.0)], SIDE**2, FWHM)
    assert [set(each.members) for each in found] == [set(range(9)), set(range(9, 16))]


@pytest.mark.parametrize("count", [0, 4, 5, 10, 30, 60, 120, 200, 500])
def test_sources_anywhere_are_in_no_row(count):
    """A thousandth of the frames may have one by chance."""
    assert not any(rows_of(*anywhere(count, seed), SIDE**2, FWHM) for seed in range(20))


def test_a_curve_is_no_row():
    along = np.linspace(-1.0, 1.0, 9)
    assert not rows_of(1000.0 + 450.0 * along, 1000.0 + 40.0 * along**2, SIDE**2, FWHM)


def test_a_clump_is_no_row_nor_two_at_the_ends_of_a_line():
    clump = np.random.default_rng(2).normal(1000.0, 8.0, (2, 12))
    assert not rows_of(*clump, SIDE**2, FWHM)
    x = np.r_[1000.0 + 5.0 * np.arange(4), 1800.0 + 5.0 * np.arange(4)]
    assert not rows_of(x, np.full(8, 900.0), SIDE**2, FWHM)


@pytest.fixture(scope="module")
def difference():
    new, reference, *_ = make_pair((400, 400))
    return subtract(new, reference, Settings())


def flash(x, y, **facts):
    kept = {"snr": 20.0, "score": 0.9, "scores": {"ensemble": 0.9}} | facts
    return CandidateFacts(
        x=x, y=y, x_frame=x, y_frame=y, flux=1.0, flux_err=0.1, position_error_px=0.1, **kept
    )


def flashes(**facts):
    return tuple(flash(40.0 + 60.0 * i, 50.0 + 40.0 * i, **facts) for i in range(6))


def test_each_source_of_a_row_says_so_and_so_does_the_frame(difference):
    other = flash(300.0, 60.0, features={"ellipticity": 0.1})
    made, said = with_rows((*flashes(), other), difference)
    assert said == (
        "6 sources lie in a row, from pixel 40, 50 of the reference to 340, 250: "
        "an airplane's or a satellite's flashes?",
    )
    assert [line_of(each.features) for each in made] == ["row"] * 6 + [None]
    assert line_words(made[0].features) == "one of 6 in a row, 361 px: flashes?"
    assert made[6] == other
    assert [each.x for each in made] == [each.x for each in (*flashes(), other)]


@pytest.mark.parametrize(
    "facts",
    [
        {"snr": -20.0},
        {"score": 0.2, "scores": {"ensemble": 0.2}},
        {"features": {"streak_length": 90.0, "streak_angle": 30.0}},
    ],
)
def test_what_faded_what_is_bogus_and_streaks_flash_not(difference, facts):
    assert with_rows(flashes(**facts), difference) == (flashes(**facts), ())


def test_what_no_model_scored_may_flash(difference):
    bare = tuple(replace(each, score=20.0, scores={}) for each in flashes())
    assert len(with_rows(bare, difference)[1]) == 1


def test_an_airplane_in_a_frame_is_told(tmp_path):
    """Its lamp flashes seven times: seven new stars for every model."""
    night = simulate_night(tmp_path, frames=1, size=384, seed=3, references=1)
    (new,), (reference, *_) = night.science, night.reference
    with fits.open(new, mode="update") as hdus:
        data = hdus[0].data.astype(np.float64)
        y, x = np.indices(data.shape)
        for step in np.linspace(0.1, 0.9, 7):
            far2 = (x - step * 384) ** 2 + (y - (0.2 + 0.5 * step) * 384) ** 2
            data += 1500.0 * np.exp(-0.5 * far2 / 1.4**2)
        hdus[0].data = np.clip(data, 0, 60000).astype(hdus[0].data.dtype)
    result = diff_files(str(new), str(reference), DiffOptions(score=True), Settings())
    in_row = [each for each in result.detections if line_of(each.features) == "row"]
    assert len(in_row) == 7
    assert min(best_of(each.scores) for each in in_row) > 0.5
    assert any("7 sources lie in a row" in each for each in result.warnings)
    assert [each["kind"] for each in report(result)["sources"]].count("row") == 7
