"""Which examples a training goes through."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

from pipeline.training.passes import PLAIN, PLAINEST, Passes


def learnt(passes: Passes, steps: range, loss: np.ndarray, batch: int = 10) -> np.ndarray:
    """The examples of a pass, in order, each with a loss from now on."""
    seen = np.concatenate([passes.chosen(step, batch) for step in steps])
    passes.loss[seen] = loss[seen]
    return seen


def test_the_first_pass_takes_all_and_later_ones_those_in_doubt_and_a_share_of_the_others():
    loss = np.where(np.arange(4000) < 1000, 2.0 * PLAIN, PLAIN / 100).astype(np.float32)
    passes = Passes()
    first = learnt(passes, passes.steps(0, 4000, 10, seed=3), loss)
    assert sorted(first) == list(range(4000))
    steps = passes.steps(400, 4000, 10, seed=3)
    assert steps.start == 400
    second = learnt(passes, steps, loss)
    assert len(set(second)) == len(second)
    assert np.count_nonzero(second < 1000) >= 990  # the last ones fill no step
    assert np.count_nonzero(second >= 1000) == pytest.approx(3000 * PLAINEST, rel=0.1)
    others = Passes(plainest=1.0)
    learnt(others, others.steps(0, 4000, 10, seed=3), loss)
    assert len(others.steps(400, 4000, 10, seed=3)) == 400


def test_where_too_few_are_in_doubt_for_a_step_all_are_taken():
    passes = Passes()
    learnt(passes, passes.steps(0, 20, 10, seed=3), np.zeros(20, np.float32))
    assert len(passes.steps(2, 20, 10, seed=3)) == 2


def test_in_the_middle_of_a_pass_it_goes_on_with_what_was_kept():
    loss = np.random.default_rng(1).exponential(PLAIN, 400).astype(np.float32)
    whole, halted = Passes(), Passes()
    for each in (whole, halted):
        learnt(each, each.steps(0, 400, 10, seed=3), loss)
        end = each.steps(40, 400, 10, seed=3).stop
        learnt(each, range(40, 45), 10 * loss)
    resumed = Passes()
    resumed.take(halted.kept())
    assert resumed.steps(45, 400, 10, seed=3) == range(45, end)
    for each in (whole, resumed):
        learnt(each, range(45, end), loss)
        each.steps(end, 400, 10, seed=3)
    np.testing.assert_array_equal(whole.order, resumed.order)
    assert whole.begun == resumed.begun == end
