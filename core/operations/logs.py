"""AstrID's log files: what writes to them, and what was said last, however long they are.

Many processes write to one log. When it is full it becomes ``pipeline.1.log``, the one before that
``pipeline.2.log``, and so on; the oldest goes. Where several users share AstrID's home by a group, they share
the log; whoever may not write to it writes to one of their own, ``pipeline-vera.log``. A detached run has a
log of its own, ``run-7.log``, and of these the oldest go too.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import IO

from core.login import login_name
from core.permissions import share_as_folder
from core.settings import Settings
from core.settings_sections import LogSettings

log = logging.getLogger(__name__)

TAIL_BYTES = 128 * 1024
TAIL_LINES = 1000
FILES = 50
NAME = "pipeline.log"
_RUN = re.compile(r"run-(\d+)\.log")
_OWN = re.compile(r"pipeline-\w+\.log")
OLDER = 7  # full logs that are kept beside the one that is written to


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log, and how it was when it was looked at; two that are equal have the same end."""

    path: Path
    size: int
    changed_at: float  # Unix seconds

    @property
    def name(self) -> str:
        """Of the file, without what all of them share."""
        return self.path.stem


def folder_of(home: Path) -> Path:
    """Where the logs are."""
    return home / "logs"


class SharedLog(WatchedFileHandler):
    """Writes to a log that other processes write to as well, and puts it aside when it is full.

    Whoever finds it full renames it under a lock that only one can have, and once: the file that is locked
    must still be the one of that name. The others see at their next line that there is another file. A line
    that one of them writes in between is in the older file, not lost.

    Parameters
    ----------
    path : Path
    most_bytes : int
        Of one file, but for the line that fills it.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.wanted = self._path = path.absolute()
        self._most_bytes = most_bytes

    def _open(self) -> TextIOWrapper:
        """Open the log; where another user's bars this one, a log of this user's."""
        try:
            file = super()._open()
        except PermissionError:
            if self._path != self.wanted:
                raise
            self._path = _own(self.wanted)
            self.baseFilename = str(self._path)
            file = super()._open()
        with suppress(OSError):
            share_as_folder(self._path)
        return file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, if the disk lets it: a log that cannot be written to ends no work."""
        with suppress(OSError):  # what cannot be put aside is written to as it is
            self._put_aside_if_full()
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Let go of a record that a full disk refused, which the checks of health tell; else complain."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def _put_aside_if_full(self) -> None:
        if not _is_full(self._path, self._most_bytes):
            return
        with self._path.open("rb") as full:  # its own, for a lock of this process alone
            fcntl.flock(full, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(full.fileno())  # another may have put it aside since: then this one is new
            if found.st_size >= self._most_bytes and os.path.samestat(found, self._path.stat()):
                for age in range(OLDER, 0, -1):  # the one of this name last: there is no other before
                    with suppress(FileNotFoundError):
                        _aged(self._path, age - 1).replace(_aged(self._path, age))


def _is_full(path: Path, most_bytes: int) -> bool:
    try:
        return path.stat().st_size >= most_bytes
    except FileNotFoundError:
        return False


def _own(path: Path) -> Path:
    """The log of this user alone, beside the one that all share."""
    login = re.sub(r"\W", "_", login_name(), flags=re.ASCII)[:32]
    return path.with_name(f"{path.stem}-{login}{path.suffix}")


def _aged(path: Path, age: int) -> Path:
    """What a log is called after it was full; 0 is the one that is written to."""
    return path.with_name(f"{path.stem}.{age}{path.suffix}") if age else path


class _InUtc(logging.Formatter):
    """A line with its time in UTC, as all that AstrID tells is; marked, for older lines are in local time."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s,%03dZ"


def log_to_file(settings: Settings) -> None:
    """Send what AstrID logs to a file in its home: runs, frames, refusals, and tracebacks above all."""
    folder = folder_of(settings.home)
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        share_as_folder(folder)
    if not any(os.access(each, os.W_OK) for each in (folder, folder / NAME)):
        log.warning("%s cannot be written to by this login: what goes wrong is said here alone", folder)
        return
    handler = SharedLog(folder / NAME, most_bytes_of(settings.logs))
    handler.setFormatter(_InUtc("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    for logger in map(logging.getLogger, ("core", "pipeline")):
        known = {each.wanted for each in logger.handlers if isinstance(each, SharedLog)}
        if handler.wanted not in known:
            logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def most_bytes_of(settings: LogSettings) -> int:
    """The size of one log, so that all of them together keep within the limit."""
    return max(int(settings.keep_mib * 2**20) // (OLDER + 1), 1)


def put_aside(path: Path, settings: LogSettings) -> None:
    """Begin a log anew that another program is about to write to, where it is full; one older is kept."""
    with suppress(OSError):  # it may not be ours
        if path.stat().st_size >= most_bytes_of(settings):
            path.replace(_aged(path, 1))


def prune_runs(settings: Settings, at_work: Collection[int]) -> list[Path]:
    """Take away the oldest logs of detached runs, so that all of them together keep within the limit.

    Parameters
    ----------
    settings : Settings
    at_work : collection of int
        The numbers of runs whose logs stay, however large.

    Returns
    -------
    list of Path
        What was taken away, the newest first.
    """
    left = int(settings.logs.keep_mib * 2**20)
    found: list[tuple[int, Path, int]] = []
    for path in folder_of(settings.home).glob("run-*.log"):
        if name := _RUN.fullmatch(path.name):
            with suppress(OSError):  # another took it away a moment ago
                found.append((int(name[1]), path, path.stat().st_size))
    gone = []
    for number, path, size in sorted(found, reverse=True):
        left -= size
        if left < 0 and number not in at_work:
            with suppress(OSError):  # it may not be ours to take away: then it stays
                path.unlink()
                gone.append(path)
    return gone


def lines_of_run(home: Path, run_id: int, *, most_lines: int = TAIL_LINES) -> tuple[str, ...]:
    """What the logs have of one run, the last lines, oldest first, as they are: not safe to be shown.

    None where there is no log. Raises OSError where a file cannot be read.
    """
    mark = f": run {run_id}: "
    with ExitStack() as opened:
        files = [file for path in _shared(home) for file in reversed(list(_opened(path, opened)))]
        lines = (line.rstrip("\r\n") for file in files for line in file if mark in line)
        return tuple(deque(lines, maxlen=most_lines))


def _shared(home: Path) -> list[Path]:
    """The log of all users, and those of users who may not write to it."""
    return [folder_of(home) / NAME, *sorted(path for path in folder_of(home).glob("*.log") if _is_own(path))]


def _is_own(path: Path) -> bool:
    return bool(_OWN.fullmatch(path.name))


def _opened(path: Path, stack: ExitStack) -> Iterator[IO[str]]:
    """A log and the older ones, the newest first.

    In this order none is missed that grows older meanwhile; one that was met already is passed over.
    """
    met: set[int] = set()
    for age in range(OLDER + 1):
        with suppress(FileNotFoundError):
            file = stack.enter_context(_aged(path, age).open(encoding="utf-8", errors="backslashreplace"))
            number = os.fstat(file.fileno()).st_ino
            if number not in met:
                met.add(number)
                yield file


def log_files(home: Path) -> tuple[LogFile, ...]:
    """The logs in AstrID's home, the one that was written to last first; `FILES` at most."""
    found = []
    for path in folder_of(home).glob("*.log"):
        try:
            facts = path.stat()
        except OSError:
            continue  # it was taken away a moment ago
        if facts.st_size:
            found.append(LogFile(path, facts.st_size, facts.st_mtime))
    return tuple(sorted(found, key=lambda each: (-each.changed_at, each.name))[:FILES])


def tail(
    path: Path, *, most_bytes: int = TAIL_BYTES, most_lines: int = TAIL_LINES, end: int | None = None
) -> tuple[str, ...]:
    """The last lines of a log, oldest first, as they are: not safe to be shown.

    A line that the limit cuts is left out. A log that was begun a moment ago, for the one before was full,
    goes on from that one. Of a log that ``end`` is given of, what is beyond that byte is left out. Raises
    OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2) if end is None else end
        begin = max(size - most_bytes, 0)
        file.seek(begin)
        content = file.read(size - begin)
    lines = content.decode("utf-8", errors="backslashreplace").split("\n")
    if begin:
        lines = lines[1:]
    if lines and not lines[-1]:
        lines.pop()
    last = tuple(line.rstrip("\r") for line in lines[-most_lines:])
    before = _aged(path, 1)
    if (path.name == NAME or _is_own(path)) and not begin and len(last) < most_lines and before.exists():
        return (*tail(before, most_bytes=most_bytes - size, most_lines=most_lines - len(last)), *last)
    return last
