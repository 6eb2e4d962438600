"""Energy between readings: counters, wraps, resets, gaps; and draws where there is no counter."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.energy.readings import Counter, Reading, Spent, add, between, with_mean_draw


def reading(clock: float, joules: float | None = None, watts: float | None = None) -> Reading:
    return Reading(1e9 + clock, clock, None if joules is None else Counter(joules), watts)


@pytest.mark.parametrize(
    ("before", "after", "joules"),
    [
        (Counter(5.0), Counter(7.5), 2.5),
        (Counter(5.0), Counter(5.0), 0.0),
        (Counter(90.0, wraps_at_j=100.0), Counter(20.0, wraps_at_j=100.0), 30.0),
        (Counter(90.0), Counter(20.0), None),  # the driver was loaded anew
        (None, Counter(20.0), None),
        (Counter(20.0), None, None),
    ],
)
def test_the_energy_between_two_counter_values(before, after, joules) -> None:
    assert between(before, after) == joules


@given(st.floats(0, 1e6), st.lists(st.floats(0, 99.9), max_size=30))
def test_a_wrapping_counter_adds_up_whatever_it_started_from(start: float, steps: list[float]) -> None:
    counters, true = [Counter(start % 100.0, 100.0)], start
    for step in steps:
        true += step
        counters.append(Counter(true % 100.0, 100.0))
    pairs = pairwise(counters)
    assert sum(between(*pair) for pair in pairs) == pytest.approx(sum(steps), abs=1e-6 * max(true, 1))


def test_the_counter_is_taken_before_the_draw() -> None:
    spent = add(Spent(), reading(0.0, 100.0, watts=500.0), reading(2.0, 120.0, watts=500.0), 3.0)
    assert spent == Spent(20.0, 2.0, "counter")


def test_without_a_counter_the_draw_is_integrated_by_trapezoids() -> None:
    spent = Spent()
    samples = [reading(t, watts=w) for t, w in ((0.0, 10.0), (1.0, 30.0), (3.0, 30.0))]
    for before, after in pairwise(samples):
        spent = add(spent, before, after, 3.0)
    assert spent == Spent(80.0, 3.0, "draw")


def test_a_draw_is_not_taken_to_last_through_a_gap_but_a_counter_bridges_it() -> None:
    assert add(Spent(), reading(0.0, watts=10.0), reading(60.0, watts=10.0), 3.0) == Spent()
    assert add(Spent(), reading(0.0, 1.0), reading(60.0, 601.0), 3.0) == Spent(600.0, 60.0, "counter")


def test_a_device_that_tells_nothing_adds_nothing() -> None:
    spent = Spent(5.0, 1.0, "counter")
    assert add(spent, reading(0.0, 1.0), reading(1.0), 3.0) == spent
    assert add(spent, reading(0.0), reading(1.0, 1.0, 20.0), 3.0) == spent


def test_a_device_with_a_counter_alone_gets_its_mean_draw() -> None:
    assert with_mean_draw(None, reading(0.0, 100.0)).watts is None
    assert with_mean_draw(reading(0.0, 100.0), reading(2.0, 190.0)).watts == 45.0
    assert with_mean_draw(reading(0.0, 100.0), reading(2.0, 190.0, watts=7.0)).watts == 7.0
    assert with_mean_draw(reading(0.0), reading(2.0, 190.0)).watts is None
