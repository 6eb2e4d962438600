"""Streaks are told at the product's threshold, and at the one that lets the stated rate through."""

import numpy as np
import pytest

from benchmarks.judge.streaks import streaks


def columns(false_evidence):
    """Two nights of 1,000 patches; of forty streaks in four kinds the product found two kinds."""
    return {
        "frame": np.array(["a", "b"]),
        "frame_night": np.array(["night 1", "night 2"]),
        "frame_false_streaks": np.array([1, 0]),
        "frame_free_patches": np.array([1000, 1000]),
        "streak_field": np.repeat(["a", "a", "b", "b"], 10),
        "streak_snr": np.repeat([2.0, 10.0, 2.0, 10.0], 10),
        "streak_evidence": np.repeat([3.0, 9.0, -np.inf, 8.0], 10),
        "streak_found": np.repeat([False, True, False, True], 10),
        "false_streak_field": np.array(["a"] * len(false_evidence)),
        "false_streak_evidence": np.array(false_evidence, dtype=float),
    }


def values(false_evidence):
    return {line.what: line.estimate.value for line in streaks(columns(false_evidence))}


def test_the_product_is_told_as_it_is():
    told = values([])
    assert told["streaks found, all"] == 0.5
    assert told["streaks found, SNR 4 to 20 a FWHM of length"] == 1.0
    assert told["false streaks a streak-free patch of 256 x 256"] == pytest.approx(1 / 2000)


@pytest.mark.parametrize(
    ("false_evidence", "share"),
    [
        ([], 0.75),  # what no line was proposed for is never found
        ([4.0] * 6, 0.75),  # six in 2,000 patches may be let through
        ([4.0] * 7, 0.5),  # the seventh may not, so nothing as unsure as they are is counted
        ([8.5] * 7, 0.25),
        ([1.0, 8.5, 2.0, *[9.5] * 6], 0.25),  # in any order
    ],
)
def test_at_a_rate_the_threshold_is_that_of_the_first_false_streak_too_many(false_evidence, share):
    assert values(false_evidence)["streaks found at 0.003 false a patch, all"] == share


def test_a_set_without_streaks_has_nothing_to_tell():
    none = columns([]) | {"streak_field": np.array([], dtype=str)}
    assert streaks(none) == []
