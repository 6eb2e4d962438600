"""What is made ahead comes in order, and nothing is made for long that nobody asks for."""

import itertools
import threading

import pytest

from pipeline.training.ahead import PER_THREAD, ahead, makers


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_it_comes_in_the_order_of_the_steps(threads):
    late = threading.Event()

    def make(step):
        if step == 0 and threads > 1:
            late.wait(10)  # others are done before it
        if step == threads - 1:
            late.set()
        return step**2

    assert list(ahead(make, range(20), threads)) == [step**2 for step in range(20)]


@pytest.mark.parametrize("threads", [0, 2])
def test_what_fails_is_raised_where_its_turn_is(threads):
    def make(step):
        if step == 5:
            raise ValueError("step 5")
        return step

    found = ahead(make, itertools.count(), threads)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="step 5"):
        next(found)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_little_is_made_that_nobody_asks_for(threads):
    made = []

    def make(step):
        made.append(step)
        return step

    found = ahead(make, itertools.count(), threads)
    assert next(found) == 0
    found.close()
    assert len(made) <= 1 + PER_THREAD * threads
    assert not any(each.name.startswith("batches") for each in threading.enumerate())


def test_a_cpu_that_learns_with_several_threads_has_one_to_make_besides():
    assert [makers("cpu", threads) for threads in (1, 2, 8)] == [0, 1, 1]
    assert [makers("cuda", threads) for threads in (1, 2, 8)] == [1, 2, 8]
