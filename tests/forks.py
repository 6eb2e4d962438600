"""Processes forked from one that has loaded the program already: they begin in milliseconds, not seconds.

Each has its own id, signals, streams and end, as any process; only Python is not started anew.
"""

import fcntl
import os
import resource
import sys
import termios
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import TextIOWrapper
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from core.operations import launch

FORKS = get_context("forkserver")
PRELOAD = [
    "pipeline.engines.local",
    # What the first frame and the commands load only when they need it.
    "astrid_tui.app",
    "astrid_tui.cli.app",
    "onnx",
    "onnxruntime",
    "psycopg",
    "pynvml",
    "safetensors.numpy",
    "tests.forks",
    "tests.warm",
]
FORKS.set_forkserver_preload(PRELOAD)


def begin(*more: str) -> None:
    """Start the process that all are forked from, if there is none; they hold back the signals it does.

    Parameters
    ----------
    *more : str
        Modules that it loads too; where it has begun before, forks load by themselves what they need of them.
    """
    FORKS.set_forkserver_preload([*PRELOAD, *more])
    forkserver.ensure_running()


class Program:
    """`astrid` with some words in a process of its own; as `subprocess.Popen` as far as tests need it.

    Parameters
    ----------
    *words : object
    env : mapping
        Its environment.
    folder : Path, optional
        Where it works; as a rule where this process does.
    file_size : int, optional
        No file that it writes may become larger, in bytes.
    terminal : int, optional
        The descriptor of its terminal, whose session it leads; without one its output comes by pipes.
    before : str
        Python code that it executes first.
    """

    def __init__(
        self,
        *words: object,
        env: Mapping[str, str],
        folder: Path | None = None,
        file_size: int | None = None,
        terminal: int | None = None,
        before: str = "",
    ) -> None:
        ours, theirs = [], []
        if terminal is None:
            ours, theirs = zip(*(FORKS.Pipe(duplex=False) for _ in range(2)), strict=True)
        else:
            theirs = [Connection(os.dup(terminal))]
        surroundings = (dict(env), folder or Path.cwd(), file_size, before)
        self._process = FORKS.Process(target=_live, args=(theirs, [*map(str, words)], *surroundings))
        self._process.start()
        for each in theirs:
            each.close()
        self.pid = self._process.pid or 0
        self._streams = [_stream(pipe) for pipe in ours]

    @property
    def stdout(self) -> TextIOWrapper:
        return self._streams[0]

    @property
    def stderr(self) -> TextIOWrapper:
        return self._streams[1]

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it goes on"
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it says on both streams until its end."""
        with ThreadPoolExecutor(2) as readers:
            out, said = (readers.submit(stream.read) for stream in self._streams)
            try:
                self.wait(timeout)
            except AssertionError:
                self.kill()
                raise
        return out.result(), said.result()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, if it has not ended."""
        self.kill()
        self._process.join()
        for stream in self._streams:
            stream.close()


@contextmanager
def runs_forked(into: list[Program]) -> Iterator[None]:
    """Let runs that are started within be forked: for what is not about how their processes begin."""

    def forked(words: list[str], *_: object) -> int:
        into.append(Program(*words, env=os.environ))
        return into[-1].pid

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "spawn_astrid", forked)
        yield


def _stream(pipe: Connection) -> TextIOWrapper:
    stream = os.fdopen(os.dup(pipe.fileno()), encoding="utf-8")
    pipe.close()
    return stream


def _live(
    streams: list[Connection],
    words: list[str],
    environment: dict[str, str],
    folder: Path,
    file_size: int | None,
    before: str,
) -> None:
    from astrid_tui.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    descriptors = [each.fileno() for each in streams]
    if len(streams) == 1:
        os.setsid()
        fcntl.ioctl(descriptors[0], termios.TIOCSCTTY, 0)
        os.dup2(descriptors[0], 0)
    os.dup2(descriptors[0], 1)
    os.dup2(descriptors[-1], 2)
    for each in streams:
        each.close()
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    exec(before, {})
    sys.argv = ["astrid", *words]
    main()
