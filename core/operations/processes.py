"""Processes that outlive this one: how they are started, and known again when ids are given out anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PROC = Path("/proc")


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> int:
    """Start a command that outlives this process and its terminal; both its streams go to the end of a log.

    Raises
    ------
    OSError
    """
    nohup = shutil.which("nohup")  # a signal that is ignored stays so in whatever is executed
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [nohup, *command] if nohup else command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()  # no zombie stays behind
    return process.pid


def mark_of(pid: int) -> str | None:
    """What tells a process from any other that ever had its id; none where it is no more.

    On Linux the boot and the clock tick in which it began, elsewhere the second. A process that ended
    and was not waited for is no more.
    """
    if pid <= 0:  # to the kernel these are groups of processes
        return None
    if (PROC / "self" / "stat").exists():
        return _mark_on_linux(pid)
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    told = subprocess.run(
        command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    state, _, began = told.stdout.strip().partition(" ")
    return None if not began or state.startswith("Z") else began.strip()


def is_alive(pid: int, mark: str | None = None) -> bool:
    """Whether a process lives, and is the one of the mark where one is given."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except PermissionError:
        return True  # somebody else's, which may be hidden from us: only its silence tells
    found = mark_of(pid)
    return found is not None and mark in {None, found}


def is_surely_alive(pid: int, mark: str | None) -> bool:
    """Whether the process of a mark is seen to live: not where it is hidden, nor where there is no mark."""
    return mark is not None and mark_of(pid) == mark


def _mark_on_linux(pid: int) -> str | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name of the program stands in brackets and may hold anything, brackets and blanks too.
    state, *fields = stat.rpartition(")")[2].split()
    if state in {"Z", "X"}:
        return None
    try:
        boot = (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{boot}:{fields[18]}"
