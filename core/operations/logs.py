"""AstrID's log files: what writes to them, and what was said last, however long they are."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 128 * 1024
TAIL_LINES = 1000
FILES = 50
NAME = "pipeline.log"


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


def log_to_file(home: Path) -> None:
    """Send what AstrID logs to a file in its home: runs, frames, refusals, and tracebacks above all."""
    folder = folder_of(home)
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / NAME, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    for logger in map(logging.getLogger, ("core", "pipeline")):
        known = {each.baseFilename for each in logger.handlers if isinstance(each, logging.FileHandler)}
        if handler.baseFilename not in known:
            logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def lines_of_run(home: Path, run_id: int, *, most_lines: int = TAIL_LINES) -> tuple[str, ...]:
    """What the log has of one run, the last lines, oldest first, as they are: not safe to be shown.

    None where the log is not there. Raises OSError where the file cannot be read.
    """
    path = folder_of(home) / NAME
    if not path.exists():
        return ()
    mark = f": run {run_id}: "
    with path.open(encoding="utf-8", errors="backslashreplace") as file:
        return tuple(deque((line.rstrip("\r\n") for line in file if mark in line), maxlen=most_lines))


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
    return tuple(sorted(found, key=lambda log: (-log.changed_at, log.name))[:FILES])


def tail(path: Path, *, most_bytes: int = TAIL_BYTES, most_lines: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of a log, oldest first, as they are: not safe to be shown.

    A line that the limit cuts is left out. Raises OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        begin = max(size - most_bytes, 0)
        file.seek(begin)
        content = file.read(most_bytes)
    lines = content.decode("utf-8", errors="backslashreplace").split("\n")
    if begin:
        lines = lines[1:]
    if lines and not lines[-1]:
        lines.pop()
    return tuple(line.rstrip("\r") for line in lines[-most_lines:])
