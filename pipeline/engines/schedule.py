"""A schedule of Prefect's, kept by this process until a signal.

Importing this imports Prefect: its environment must be set before, as for `pipeline.engines.flows`.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

from prefect.client.schemas.schedules import CronSchedule
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from core.text import safe_text
from pipeline.engines.flows import process
from pipeline.engines.prefect import ScheduleRefused

NAME = "astrid"


class _Runner(Runner):
    """Pauses the schedule at SIGTERM too: Prefect's own lets it go on with nobody to start its runs."""

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


def keep(every_s: float | None, cron: str | None, parameters: dict[str, Any]) -> None:
    """Register the schedule and start its runs, one at a time, until a signal; then pause the schedule."""
    runner = _Runner(name=NAME, limit=1)
    runner.add_flow(
        process,
        name=NAME,
        interval=every_s,
        cron=cron,
        parameters=parameters,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else asyncio would not end in good order
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _as_ctrl_c)
    with suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


def _as_ctrl_c(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)
