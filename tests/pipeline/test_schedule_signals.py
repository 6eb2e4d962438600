"""Signals that come to a schedule of Prefect's as it begins and as it ends: it is paused whatever comes."""

import os
from pathlib import Path

from tests.forks import Program

ENDS_S = 180.0


def goes_through(code: str, home: Path) -> None:
    """A process of its own, whose signals are its own, meets nothing that it does not expect."""
    where = os.environ | {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "true"}
    with Program(env=where, before=code) as program:
        _, said = program.communicate(ENDS_S)
    assert program.returncode == 0, said


def test_a_second_hang_up_does_not_keep_a_schedule_from_being_paused(tmp_path: Path) -> None:
    """Who closes a terminal has it sent by the kernel, and by the shell again."""
    code = """
import asyncio, signal, threading
from pipeline.engines.schedule import keep
asked, again, paused = threading.Event(), threading.Event(), threading.Event()
class Runner:
    is_begun = True
    async def start(self):
        try:
            signal.raise_signal(signal.SIGHUP)
            await asyncio.sleep(600)
        finally:
            signal.raise_signal(signal.SIGHUP)
            for _ in range(10):  # the loop hears of it in between
                await asyncio.sleep(0.01)
            paused.set()
keep(Runner(), asked, again)
assert (asked.is_set(), again.is_set(), paused.is_set()) == (True, False, True)
raise SystemExit
"""
    goes_through(code, tmp_path)


def test_a_signal_that_comes_as_a_schedule_begins_pauses_it_too(tmp_path: Path) -> None:
    """Prefect's runner pauses nothing where it is cancelled on its way to the server."""
    code = """
import asyncio, functools, signal, threading, types
import anyio
from prefect.runner import Runner
from pipeline.engines import schedule
asked, again, paused = threading.Event(), threading.Event(), threading.Event()
async def begins(self):
    signal.raise_signal(signal.SIGTERM)
    for _ in range(10):  # the loop hears of it in between
        await asyncio.sleep(0.01)
    self._loops_task_group = anyio.create_task_group()
    self._scheduled_run_poller = types.SimpleNamespace(run=functools.partial(asyncio.sleep, 600))
async def ends(self, *_):
    paused.set()
Runner.__aenter__, Runner.__aexit__ = begins, ends
schedule.keep(schedule._Runner(name="begins"), asked, again)
assert (asked.is_set(), again.is_set(), paused.is_set()) == (True, False, True)
raise SystemExit
"""
    goes_through(code, tmp_path)
