"""What one process took: wall time, CPU time and peak memory of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """One run of one command."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


def measure(command: Sequence[str], env: dict[str, str] | None = None) -> Usage:
    """Run a command to its end and ask the kernel what it used.

    Raises
    ------
    subprocess.CalledProcessError
        The command failed: a time of it would mean nothing.
    """
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command, output)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    wall = time.perf_counter() - began
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, output)


def best_of(count: int, command: Sequence[str], env: dict[str, str] | None = None) -> Usage:
    """The run with the least CPU time of several: what the command costs when nothing disturbs it."""
    return min((measure(command, env) for _ in range(count)), key=lambda usage: usage.cpu_s)
