"""Processes that tests disturb: runs that start in milliseconds, their children, and what they leave."""

import fcntl
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from core.settings import Settings
from pipeline.engines.local import run
from tests.forks import FORKS

PROC = Path("/proc")


def a_run(settings: Settings, workers: int = 1, *, temporary: Path | None = None, log: Path) -> BaseProcess:
    """Start one `astrid run` in a process of its own."""
    process = FORKS.Process(target=_run, args=(settings, workers, temporary, log))
    process.start()
    return process


def _run(settings: Settings, workers: int, temporary: Path | None, log: Path) -> None:
    stream = log.open("ab", buffering=0)
    fcntl.flock(stream, fcntl.LOCK_SH)  # held by every process that inherits it, until the last one ends
    for target in (sys.stdout, sys.stderr):
        os.dup2(stream.fileno(), target.fileno())
    if temporary is not None:
        os.environ["TMPDIR"], tempfile.tempdir = str(temporary), str(temporary)
    run(settings, workers=workers)


def family(process: BaseProcess) -> list[int]:
    """The ids of a process and of all that descend from it."""
    found = [process.pid or 0]
    for pid in found:
        found.extend(children(pid))
    return found


def children(pid: int) -> list[int]:
    found = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        try:
            found.extend(map(int, task.read_text().split()))
        except OSError:
            continue
    return found


def somebody_lives(log: Path) -> bool:
    """Whether any process that a run with this log started is there still."""
    with log.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; false where the process is no more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def stop(pid: int) -> None:
    """Stop a process; when this returns, none of its threads goes on.

    Called within a transaction for writing, it stops none that holds SQLite's lock.
    """
    os.kill(pid, signal.SIGSTOP)
    assert eventually(lambda: is_stopped(pid), every_s=0.005)


def is_stopped(pid: int) -> bool:
    """Whether none of its threads goes on."""
    return all(map(_is_stopped, PROC.glob(f"{pid}/task/*/stat")))


def _is_stopped(stat: Path) -> bool:
    try:
        return ") T " in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):  # a thread that ended
        return True


@contextmanager
def none_survives() -> Iterator[list[BaseProcess]]:
    """Whatever is put into the list is dead at the end, and so are its children."""
    started: list[BaseProcess] = []
    try:
        yield started
    finally:
        for each in started:
            for pid in reversed(family(each)) if each.is_alive() else []:
                send(pid, signal.SIGKILL)
            each.join()


def eventually(condition, within_s: float = 60.0, every_s: float = 0.05) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True
