"""Percentiles, pace and time left, by numbers that can be checked in the head."""

import pytest

from core.frames.outcome import StageRecord
from core.operations.stage_times import (
    ENOUGH,
    LONG_S,
    Pace,
    StageFact,
    pace,
    recent_stages,
    stage_times,
    time_left_s,
)
from tests.core.frames import add_frames, add_reference, done, process


def facts(*stages: tuple[int, str, float, float], attempt: int = 1, outcome: str = "done") -> list[StageFact]:
    """Stages as (frame, name, start, seconds)."""
    return [
        StageFact(number, frame, attempt, stage, start, seconds, outcome)
        for number, (frame, stage, start, seconds) in enumerate(stages)
    ]


def test_stages_stand_in_the_order_in_which_frames_go_through_them():
    read = facts(*((frame, "read", 10.0 * frame, 1.0) for frame in range(3)))
    align = facts(*((frame, "align", 10.0 * frame + 1, 2.0 + frame) for frame in range(3)))
    grid = stage_times([*align, *read])
    assert [row.stage for row in grid] == ["read", "align"]
    assert (grid[0].times, grid[0].p50, grid[0].p95, grid[0].last) == (3, 1.0, 1.0, 1.0)
    assert grid[1].p50 == 3.0
    assert grid[1].p95 == pytest.approx(3.9)
    assert grid[1].share == pytest.approx(9 / 12)


def test_refusals_and_failures_are_counted_where_they_happened():
    grid = stage_times(
        [*facts((1, "quality", 0, 1), outcome="rejected"), *facts((2, "quality", 1, 1), outcome="failed")]
    )
    assert (grid[0].refused, grid[0].failed) == (1, 1)


def test_pace_is_that_of_the_last_half_hour():
    steady = facts(*((frame, "all", 60.0 * frame, 20.0) for frame in range(11)))
    assert pace(steady).per_hour == pytest.approx(60.0)
    assert pace(steady).work_s == 20.0
    assert pace(steady).last_at == 620.0
    assert pace([*facts((99, "all", -9e5, 900.0)), *steady]).per_hour == pytest.approx(60.0)


def test_frames_that_workers_end_together_took_the_time_since_they_began():
    together = facts((1, "all", 0.0, 65.2), (2, "all", 0.4, 65.5))
    assert pace(together).per_hour == pytest.approx(2 / 65.9 * 3600.0)
    pairs = facts(*((frame, "all", 5.0 * (frame // 2), 5.0) for frame in range(40)))
    assert pace(pairs).per_hour == pytest.approx(1440.0)


def test_nothing_is_guessed_of_one_frame_or_none():
    assert pace([]) == Pace()
    one = pace(facts((1, "read", 0, 2), (1, "align", 2, 3)))
    assert (one.frames, one.per_hour, one.work_s) == (1, None, 5.0)


def test_a_few_frames_of_a_few_seconds_make_no_pace():
    def of(frames: int, each_s: float) -> float | None:
        return pace(facts(*((frame, "all", each_s * frame, each_s) for frame in range(frames)))).per_hour

    assert of(2, 0.3) is None
    assert of(ENOUGH - 1, 0.3) is None
    assert of(ENOUGH, 0.3) == pytest.approx(12_000.0)
    assert of(2, LONG_S / 2) == pytest.approx(120.0)
    assert of(2, 0.99 * LONG_S / 2) is None


def test_a_frame_that_was_retried_is_two_attempts():
    again = facts((1, "read", 0, 1), (1, "align", 1, 1), (1, "read", 60, 1), (1, "align", 61, 1))
    assert pace(again).frames == 2
    assert pace(again).per_hour == pytest.approx(60.0)


def test_time_left_follows_the_pace_and_failing_that_the_work():
    assert time_left_s(30, Pace(9, per_hour=60.0, work_s=9.0), workers=2) == pytest.approx(1800.0)
    assert time_left_s(30, Pace(1, work_s=10.0), workers=2) == pytest.approx(150.0)
    assert time_left_s(30, Pace(9, per_hour=60.0), workers=0) is None
    assert time_left_s(30, Pace(), workers=1) is None
    assert time_left_s(0, Pace(), workers=0) == 0.0


def test_the_store_gives_the_newest_stages_oldest_first(store):
    reference = add_reference(store)
    add_frames(store, 1, 2)
    for start in (100.0, 200.0):
        stages = tuple(StageRecord(name, start + n, 1.0, "done") for n, name in enumerate(("read", "align")))
        process(store, done(reference.id, stages=stages))
    assert [fact.started_at for fact in recent_stages(store)] == [100.0, 101.0, 200.0, 201.0]
    assert [fact.started_at for fact in recent_stages(store, limit=3)] == [101.0, 200.0, 201.0]
    assert recent_stages(store, run_id=77) == ()
