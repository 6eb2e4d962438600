"""A schedule of Prefect's, kept by this process until a signal.

Importing this imports Prefect: its environment must be set before, as for `pipeline.engines.flows`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, Self

from prefect.client.schemas.schedules import CronSchedule
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from core.text import safe_text
from pipeline.engines.flows import process
from pipeline.engines.prefect import ScheduleRefused

NAME = "astrid"


class _Runner(Runner):
    """Pauses the schedule at SIGTERM too: Prefect's own lets it go on with nobody to start its runs."""

    is_begun = False  # before that it would not pause the schedule as it ends
    on_begun: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.is_begun = True
        if self.on_begun:
            self.on_begun()
        return self

    def handle_sigterm(self, *_: object) -> None:
        _as_ctrl_c()


def must_be_cron(cron: str) -> None:
    """Refuse what Prefect does not take for a time of cron's.

    Raises
    ------
    ScheduleRefused
    """
    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise ScheduleRefused(
            f'"{safe_text(cron)}" is no time of cron\'s: write minute, hour, day, month and day of the week,'
            ' such as "*/5 18-23 * * *"'
        ) from error


def registered(every_s: float | None, cron: str | None, parameters: dict[str, Any]) -> _Runner:
    """Register the schedule with the server; what is to be kept."""
    runner = _Runner(name=NAME, limit=1)
    runner.add_flow(
        process,
        name=NAME,
        interval=every_s,
        cron=cron,
        parameters=parameters,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return runner


def keep(runner: _Runner, asked: threading.Event, again: threading.Event) -> None:
    """Start the runs of a registered schedule, one at a time, until a signal; then pause the schedule.

    Parameters
    ----------
    runner : _Runner
    asked : Event
        Set by the signal: what goes wrong after it goes wrong as the schedule is paused.
    again : Event
        Set by the second one, which ends it before the schedule is paused; a second hang-up is none.
    """
    signal.signal(signal.SIGTERM, _as_ctrl_c)  # until Prefect has its own say, and after it
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _hung_up)
    warnings.filterwarnings("ignore", "coroutine 'Runner", RuntimeWarning)  # which a lost server leaves
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # Prefect prints tracebacks there
        asyncio.run(_until(asked, again, runner))


async def _until(asked: threading.Event, again: threading.Event, runner: _Runner) -> None:
    task = asyncio.current_task()

    def stop() -> None:
        if asked.is_set():
            again.set()
        asked.set()
        if task is not None and (runner.is_begun or again.is_set()):
            task.cancel()

    def begun() -> None:
        if task is not None and asked.is_set():
            task.cancel()

    runner.on_begun = begun
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)
    with suppress(asyncio.CancelledError):
        await runner.start()


def _as_ctrl_c(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


def _hung_up(*_: object) -> None:
    """As Ctrl-C, once: who closes a terminal has this sent by the kernel, and by the shell again."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _as_ctrl_c()
