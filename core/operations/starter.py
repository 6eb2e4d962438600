"""Runs as they are needed: one is started when a frame is due and none is at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from core.database.store import Store
from core.database.tables import Run
from core.frames import queue
from core.operations import runs
from core.operations.launch import StartedRun
from core.operations.runs import RunRefused

FIRST_PAUSE_S = 10.0  # after a start that failed; doubles with each that follows it
LONGEST_PAUSE_S = 600.0


@dataclass(slots=True)
class Starter:
    """Starts runs, and waits longer and longer where they come to nothing.

    Parameters
    ----------
    store : Store
    start : callable
        Starts one run: `core.operations.launch.start_run`.
    clock : callable
        Seconds that only grow.
    """

    store: Store
    start: Callable[[], StartedRun]
    clock: Callable[[], float] = time.monotonic
    _begun: list[int] = field(default_factory=list)
    _pause_s: float = 0.0
    _not_before: float = float("-inf")

    def look(self) -> Iterator[str]:
        """Start a run if there is need; yield in sentences what was done, and what became of earlier ones.

        Raises
        ------
        StoreError
            The store cannot be used.
        """
        runs.reconcile(self.store)  # first: the frames of a run that was killed are due by that
        for run in self._ended():
            yield _told(run)
            self._begun.remove(run.id or 0)
            self._pause(run.state in {"failed", runs.LOST} and not run.counts)
        if self.clock() < self._not_before or runs.newest(self.store, limit=1, running=True):
            return
        if not queue.count_takeable(self.store, 1):
            return
        try:
            started = self.start()
        except (RunRefused, OSError) as error:
            self._pause(True)
            yield f"no run could be started: {error}; trying again in {self._pause_s:g} s"
            return
        self._begun.append(started.run_id)
        yield f"run {started.run_id} started; its log is {started.log}"

    def _ended(self) -> list[Run]:
        begun = [runs.read(self.store, run_id) for run_id in self._begun]
        return [run for run in begun if run.state != "running"]

    def _pause(self, failed: bool) -> None:
        """Put the next start off after one that came to nothing."""
        self._pause_s = min(max(2.0 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S) if failed else 0.0
        self._not_before = self.clock() + self._pause_s


def _told(run: Run) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in sorted(run.counts.items()))
    said = [word for word in (counts or "no frame was due", run.reason) if word]
    return f"run {run.id} {run.state}: {'; '.join(said)}"
