"""Runs that are started as frames come: none beside another, and ever more seldom where they fail."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.database.store import Store
from core.frames import queue
from core.operations import runs
from core.operations.launch import StartedRun
from core.operations.runs import RunRefused
from core.operations.starter import FIRST_PAUSE_S, LONGEST_PAUSE_S, Starter
from tests.core.test_queue import add_frames

LOOK_S = 5.0
LONG_S = 5400.0  # pauses have grown to the longest by then, and some of those are over


class Starts:
    """Starts a run as a test wants it, and remembers when."""

    def __init__(self, store: Store, outcome: Callable[[int], None]) -> None:
        self.now, self.at = 0.0, list[float]()
        self._store, self._outcome = store, outcome
        self.starter = Starter(store, self.start, lambda: self.now)

    def start(self) -> StartedRun:
        self.at.append(self.now)
        run = runs.start(self._store, engine="local", workers=1, config_hash="c").id or 0
        self._outcome(run)
        return StartedRun(run, 1, "local", Path("run.log"))

    def looks_for(self, seconds: float) -> list[str]:
        said, end = [], self.now + seconds
        while self.now < end:
            said += self.starter.look()
            self.now += LOOK_S
        return said

    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.at, self.at[1:], strict=False)]


def test_a_run_is_started_where_a_frame_is_due_and_told_when_it_ends(sqlite_store: Store) -> None:
    starts = Starts(sqlite_store, lambda _: None)
    assert starts.looks_for(60.0) == []
    add_frames(sqlite_store, 1)
    assert starts.looks_for(60.0) == ["run 1 started; its log is run.log"]  # and none beside it
    queue.claim(sqlite_store, runs.owner(1), 600.0)
    runs.finish(sqlite_store, 1, counts={"rejected": 1, "done": 2})
    said = starts.looks_for(LOOK_S)
    assert said == ["run 1 done: 2 done, 1 rejected", "run 2 started; its log is run.log"]


@pytest.mark.parametrize("how", ["refused", "no space", "ended", "gone"])
def test_starts_that_come_to_nothing_grow_seldom(sqlite_store: Store, how: str) -> None:
    def fail(run: int) -> None:
        if how == "gone":
            runs.hand_over(sqlite_store, run, 0)
            return
        runs.finish(sqlite_store, run, "failed", reason="the disk is full")
        if how == "refused":
            raise RunRefused("the disk is full")
        if how == "no space":
            raise OSError(28, "No space left on device")

    add_frames(sqlite_store, 1)
    starts = Starts(sqlite_store, fail)
    said = starts.looks_for(LONG_S)
    pauses = starts.pauses()
    assert pauses == sorted(pauses)
    assert FIRST_PAUSE_S <= pauses[0] <= FIRST_PAUSE_S + LOOK_S
    assert LONGEST_PAUSE_S <= pauses[-1] <= LONGEST_PAUSE_S + 2 * LOOK_S
    assert len(starts.at) < LONG_S / LONGEST_PAUSE_S + 10
    assert all(("trying again in" in each) == (how in {"refused", "no space"}) for each in said[:1])


def test_a_run_that_does_something_ends_the_pause(sqlite_store: Store) -> None:
    add_frames(sqlite_store, 1)
    outcomes = [
        lambda run: runs.finish(sqlite_store, run, "failed", reason="no"),
        lambda run: runs.finish(sqlite_store, run, "failed", {"done": 1}, reason="later"),
        lambda run: runs.finish(sqlite_store, run, "done"),
    ]
    starts = Starts(sqlite_store, lambda run: outcomes[run % 3](run))
    starts.looks_for(300.0)
    seldom = [pause for pause in starts.pauses() if pause > LOOK_S]
    assert len(seldom) == sum((number + 1) % 3 == 0 for number in range(len(starts.at) - 1))
    assert set(seldom) <= {FIRST_PAUSE_S, FIRST_PAUSE_S + LOOK_S}
