"""What the pipeline screen reads of the store and of the log. Everything blocks: call it from a thread."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.database.store import Store
from core.database.tables import Run
from core.frames.intake import PACE_STAGES
from core.frames.queue import count_left
from core.operations import runs
from core.operations.causes import Cause, causes
from core.operations.crew import Worker, crew
from core.operations.launch import StartedRun, log_path, start_run
from core.operations.logs import tail
from core.operations.night import Night, newest_night
from core.operations.processes import is_gone
from core.operations.stage_times import Pace, StageTimes, pace, recent_stages, stage_times, time_left_s
from core.settings import Settings
from screens.frame.opened import Opened

RUNS = 30
LOG_LINES = 400


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run. Times are Unix seconds, `reason` is text that may come from outside.

    `is_gone` where its process, of this host, is known to be no more, which it could not say itself.
    """

    run_id: int
    engine: str
    host: str
    state: str
    workers: int
    started_at: float
    heard_at: float
    ended_at: float | None
    counts: Mapping[str, int]
    reason: str | None
    is_gone: bool = False

    @property
    def is_at_work(self) -> bool:
        """It has not ended, as far as is known."""
        return self.state == "running" and not self.is_gone

    @property
    def is_stopping(self) -> bool:
        """It was asked to stop, and has not ended yet."""
        return self.is_at_work and self.reason == runs.ASKED_TO_STOP


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read.

    Attributes
    ----------
    run : RunFacts or None
        The one whose stages and log these are; none: there are no runs, and the stages are of all.
    left : int
        Frames that wait for a worker or are in the hands of one.
    left_s : float or None
        How long they take, if that can be told.
    log, log_name : lines and where they are from
    """

    at: float
    runs: tuple[RunFacts, ...]
    run: RunFacts | None
    stages: tuple[StageTimes, ...]
    pace: Pace
    left: int
    left_s: float | None
    causes: tuple[Cause, ...]
    workers: tuple[Worker, ...]
    night: Night
    log: tuple[str, ...]
    log_name: str


def read(run_id: int | None, settings: Settings, store: Store) -> Answer:
    """Read it, for one run or the newest.

    Raises
    ------
    AstridError
    """
    with store.read() as session:
        now = store.now(session)
    rows = tuple(_facts(row, now) for row in runs.newest(store, limit=RUNS))
    run = next((row for row in rows if row.run_id == run_id), rows[0] if rows else None)
    stages = recent_stages(store, run.run_id if run else None)
    at_work = [row for row in rows if row.is_at_work]
    measured = pace(stages if run is None or run in at_work else recent_stages(store, limit=PACE_STAGES))
    left = count_left(store)
    log, log_name = _log(run, settings)
    return Answer(
        at=time.time(),
        runs=rows,
        run=run,
        stages=stage_times(stages),
        pace=measured,
        left=left,
        left_s=time_left_s(left, measured, sum(row.workers for row in at_work)),
        causes=causes(store),
        workers=crew(store),
        night=newest_night(store),
        log=log,
        log_name=log_name,
    )


def start(opened: Opened, **wished: Any) -> StartedRun:
    """Start a run as a process of its own, where the store has frames for it now.

    What a screen shows of the queue is of its last reading, which a frame that was just given back is
    not in.

    Parameters
    ----------
    **wished
        As `start_run` takes them.

    Raises
    ------
    AstridError
    """
    if not count_left(opened.store):
        raise runs.RunRefused("no frame is queued")
    return start_run(opened.store, opened.settings, config=opened.settings_path, **wished)


def stop(run: RunFacts, store: Store) -> bool:
    """Ask a run to stop; once it was asked, to give its frames back. Whether it ended at once.

    Raises
    ------
    RunRefused
    """
    return runs.cancel(store, run.run_id, now=run.is_stopping).state != "running"


def _log(run: RunFacts | None, settings: Settings) -> tuple[tuple[str, ...], str]:
    """What a detached run says of itself; else what the pipeline logs of all of them."""
    files = [settings.home / "logs" / "pipeline.log"]
    if run is not None:
        files.insert(0, log_path(settings, run.run_id))
    file = next((each for each in files if each.is_file()), files[0])
    try:
        return tail(file, most_lines=LOG_LINES), file.name
    except FileNotFoundError:
        return (), file.name  # nothing was said yet
    except OSError as error:
        return (f"{file} cannot be read: {error.strerror}",), file.name


def _facts(row: Run, now: float) -> RunFacts:
    return RunFacts(
        row.id or 0,
        row.engine,
        row.host,
        row.state,
        row.workers,
        row.started_at,
        row.heartbeat_at,
        row.ended_at,
        row.counts,
        row.reason,
        row.state == "running"
        and row.host == socket.gethostname()
        and is_gone(row.pid, row.process, now - row.heartbeat_at),
    )
