"""Processes that outlive this one: how they are started, and known again when ids are given out anew."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROC = Path("/proc")
BEGINNING = 0xEFFFFFFC  # the kernel's number of the namespace that is no container's
QUIET_S = 180.0  # whoever speaks once a minute, and lives, was heard of since
_WORLD = re.compile(r"(?P<boot>[0-9a-f-]{36}):(?P<tick>[0-9]+)(?P<container>:[0-9]+)?")


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

    On Linux the boot and the clock tick in which it began, and the container within which its id is one,
    elsewhere the second. A process that ended and was not waited for is no more.
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
    return found is not None and (mark is None or _is_same(mark, found))


def is_surely_alive(pid: int, mark: str | None) -> bool:
    """Whether the process of a mark is seen to live: not where it is hidden, nor where there is no mark."""
    found = mark_of(pid)
    return mark is not None and found is not None and _is_same(mark, found)


def _is_same(mark: str, found: str) -> bool:
    """Whether a mark is the one that was found; earlier versions wrote none of containers."""
    whole = _WORLD.fullmatch(found)
    return mark in {found, f"{whole['boot']}:{whole['tick']}" if whole else found}


def is_elsewhere(mark: str | None, silent_s: float) -> bool:
    """Whether a process is of another machine or container of this one's name: its id tells nothing here.

    Parameters
    ----------
    mark : str or None
    silent_s : float
        How long ago it was heard of. What spoke before this machine began may be of its own last boot, and
        what a container of this name last said long ago, of one that is begun anew.
    """
    theirs, ours = _WORLD.fullmatch(mark or ""), _WORLD.fullmatch(mark_of(os.getpid()) or "")
    if theirs is None or ours is None:
        return False
    if theirs["boot"] == ours["boot"]:
        return is_beside(mark, silent_s)
    return silent_s < time.clock_gettime(time.CLOCK_BOOTTIME)


def is_beside(mark: str | None, silent_s: float) -> bool:
    """Whether a process is of another container of this very machine, and was heard of lately."""
    theirs, ours = _WORLD.fullmatch(mark or ""), _WORLD.fullmatch(mark_of(os.getpid()) or "")
    if theirs is None or ours is None or theirs["boot"] != ours["boot"]:
        return False
    return theirs["container"] != ours["container"] and silent_s < QUIET_S


def is_gone(pid: int, mark: str | None, silent_s: float) -> bool:
    """Whether a process that was begun under this machine's name is known to be no more."""
    return not is_alive(pid, mark) and not is_elsewhere(mark, silent_s)


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
    try:
        container = (PROC / "self" / "ns" / "pid").stat().st_ino
    except OSError:
        container = BEGINNING
    return f"{boot}:{fields[18]}" + (f":{container}" if container != BEGINNING else "")
