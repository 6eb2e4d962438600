"""How much values scatter beyond their errors is told by those whose errors are small."""

import numpy as np
import pytest

from pipeline.subtraction.scatter import excess


def deviates(errors, scatter, seed=1, each=1):
    random = np.random.default_rng(seed)
    noise = np.hypot(errors, scatter)[:, None] * random.normal(size=(len(errors), each))
    return noise**2, np.broadcast_to(errors[:, None] ** 2, noise.shape)


ERRORS = np.geomspace(0.001, 0.1, 600)


@pytest.mark.parametrize("bound", [2.5, 4.0, 9.0])
@pytest.mark.parametrize("scatter", [0.003, 0.03])
def test_the_scatter_is_found_whatever_the_bound(bound, scatter):
    found = [np.sqrt(excess(*deviates(ERRORS, scatter, seed), bound)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(scatter, rel=0.12)


def test_wrong_errors_of_the_faint_make_no_scatter():
    """Where all count alike, a tenth more noise than is said at the faint ones makes as much as they have."""
    squares, noise = deviates(ERRORS * np.where(ERRORS > 0.01, 1.1, 1.0), 0.002)
    assert np.sqrt(excess(squares, noise, 4.0)) == pytest.approx(0.002, rel=0.35)


def test_a_group_counts_once_however_alike_its_deviates_are():
    squares, noise = deviates(ERRORS, 0.01)
    alike = np.repeat(squares, 20, axis=1), np.repeat(noise, 20, axis=1)
    assert excess(*alike, 4.0) == excess(squares, noise, 4.0)
    # Many deviates of a group scatter less than one, and yet the mean of bounded ones is known.
    assert np.sqrt(excess(*deviates(ERRORS, 0.01, each=20), 2.5)) == pytest.approx(0.01, rel=0.2)


def test_a_few_that_changed_count_little():
    squares, noise = deviates(ERRORS, 0.005)
    before = excess(squares, noise, 4.0)
    squares[5:100:12] = 1.0  # 8 of the best known
    assert excess(squares, noise, 4.0) < 1.7 * before


def test_many_faint_ones_beside_what_changed_do_not_outvote_the_best_known():
    errors = np.geomspace(0.01, 0.5, 16)
    squares, noise = deviates(errors, 0.02, seed=4)
    squares[8:13] = 30.0  # most of a streak's light, or of a new source
    assert np.sqrt(excess(squares, noise, 9.0)) < 0.08


def test_what_one_tells_is_not_enough_where_more_must():
    squares, noise = deviates(np.r_[0.001, np.full(30, 1.0)], 0.0)
    squares[0] = 0.004**2
    assert excess(squares, noise, 4.0) > 0
    assert excess(squares, noise, 4.0, told=3.5) == 0.0


def test_too_few_or_unknown_tell_nothing():
    squares, noise = deviates(ERRORS[:11], 1.0)
    assert excess(squares, noise, 4.0) == 0.0
    assert excess(squares, noise, 4.0, fewest=3) > 0
    squares[3:] = np.nan
    assert excess(squares, noise, 4.0, fewest=4) == 0.0
