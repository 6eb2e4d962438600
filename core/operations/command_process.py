"""A command of AstrID as a process of its own: who asked goes on meanwhile, and may end it at any time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any, ClassVar

from core.errors import AstridError
from core.settings import find_file
from core.text import safe_text
from core.vocabulary import ExitCode

Report = Callable[[int, int], None]  # done, of how many that must be measured
_ENDS_S = 2.0  # so long a process may take to end once nobody reads it


class CommandFailed(AstridError):
    """A command found nothing out; one sentence."""


class CommandStopped(AstridError):
    """A command was given up."""


class CommandProcess:
    """A command that measures, once.

    Its work is the processor's alone: within the console it would hold up keys. It ends with whoever reads
    what it tells, for then it cannot tell any more.

    Parameters
    ----------
    config : Path or None
        The configuration file, if one was named.
    read_only : bool
        Nothing is changed; what is measured is not kept either.
    """

    NAME: ClassVar[str]  # as it is told
    WORDS: ClassVar[tuple[str, ...]]  # behind ``astrid``
    DONE: ClassVar[tuple[int, ...]] = (ExitCode.DONE,)
    FAILED: ClassVar[type[CommandFailed]] = CommandFailed
    STOPPED: ClassVar[type[CommandStopped]] = CommandStopped

    def __init__(self, config: Path | None, *, read_only: bool = False) -> None:
        self._config = config
        self._read_only = read_only
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False
        self._lock = Lock()

    def run(self, words: Sequence[str], report: Report) -> dict[str, Any]:
        """Do it; blocks until it is done, or stopped.

        Parameters
        ----------
        words : sequence of str
            What follows the command.
        report : callable
            Called in this thread.

        Returns
        -------
        dict
            What the command tells with ``--json``.

        Raises
        ------
        CommandStopped
        CommandFailed
            Its sentence is the command's own.
        OSError
            It cannot be started.
        """
        with TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as said:
            process = self._begun(words, said)
            try:
                found = _read(process, report)
            finally:
                self._end(process)
            if self._is_stopped:
                raise self.STOPPED(f"the {self.NAME} was given up")
            if process.returncode not in self.DONE or found is None:
                raise self.FAILED(self._why(process.returncode, found, said))
            return found

    def stop(self) -> None:
        """Give it up, from whichever thread; what was measured so far is kept."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _begun(self, words: Sequence[str], said: IO[str]) -> subprocess.Popen[str]:
        file = find_file(self._config)
        options = [] if file is None else ["--config", str(file.absolute())]
        options += ["--read-only"] if self._read_only else []
        # Nothing that lies in the folder one stands in is run: that may be one of data.
        command = [sys.executable, "-P", "-m", "astrid_tui", *options, *self.WORDS, *words]
        with self._lock:
            if self._is_stopped:
                raise self.STOPPED(f"the {self.NAME} was given up")
            self._process = subprocess.Popen(
                [*command, "--json", "--lines"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                encoding="utf-8",
                errors="replace",
            )
            return self._process

    def _end(self, process: subprocess.Popen[str]) -> None:
        """See that it is no more, whatever became of it."""
        if process.stdout is not None:
            process.stdout.close()  # it has ended, or learns now that nobody reads
        try:
            process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with self._lock:
            self._process = None  # its number may be another's by now

    def _why(self, code: int, found: dict[str, Any] | None, said: IO[str]) -> str:
        if found is not None and isinstance(told := found.get("error"), str):
            return safe_text(told, 300)
        said.seek(0)
        lines = deque(filter(None, map(str.strip, said)), maxlen=1)  # however much was said before it
        last = f": {safe_text(lines[0], 200)}" if lines else ""
        if code < 0:
            return f"the {self.NAME} was killed{last}"
        return f"the {self.NAME} ended with code {code}{last}"


def _read(process: subprocess.Popen[str], report: Report) -> dict[str, Any] | None:
    """What it tells last; how far it is goes to the report."""
    found = None
    for line in process.stdout or ():
        try:
            told = json.loads(line)
        except ValueError:
            return None
        if not isinstance(told, dict):
            return None
        if "measured" in told:
            report(int(told["measured"]), int(told["of"]))
        else:
            found = told
    return found
