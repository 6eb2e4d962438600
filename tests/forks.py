"""Processes forked from one that has loaded the program already: they begin in milliseconds, not seconds.

Each has its own id, signals, streams and end, as any process; only Python is not started anew.
"""

import os
import resource
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pipeline.engines.local",
        # What the first frame and the commands load only when they need it.
        "astrid_tui.cli.app",
        "onnx",
        "onnxruntime",
        "psycopg",
        "pynvml",
        "safetensors.numpy",
        "tests.forks",
    ]
)


class Program:
    """`astrid` with some words in a process of its own; as `subprocess.Popen` as far as tests need it.

    Parameters
    ----------
    *words : object
    env : mapping, optional
        Set beside this process's environment.
    folder : Path, optional
        Where it works; as a rule where this process does.
    file_size : int, optional
        No file that it writes may become larger, in bytes.
    """

    def __init__(
        self,
        *words: object,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        file_size: int | None = None,
    ) -> None:
        out, their_out = FORKS.Pipe(duplex=False)
        err, their_err = FORKS.Pipe(duplex=False)
        surroundings = (os.environ | (env or {}), folder or Path.cwd(), file_size)
        self._process = FORKS.Process(
            target=_live, args=([*map(str, words)], *surroundings, their_out, their_err)
        )
        self._process.start()
        for each in (their_out, their_err):
            each.close()
        self.pid = self._process.pid or 0
        self.stdout, self.stderr = _stream(out), _stream(err)

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
            said = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except AssertionError:
                self.kill()
                raise
        return said[0].result(), said[1].result()

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
        self.stdout.close()
        self.stderr.close()


def _stream(pipe: Connection) -> TextIOWrapper:
    stream = os.fdopen(os.dup(pipe.fileno()), encoding="utf-8")
    pipe.close()
    return stream


def _live(
    words: list[str],
    environment: dict[str, str],
    folder: Path,
    file_size: int | None,
    out: Connection,
    err: Connection,
) -> None:
    from astrid_tui.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    for number, pipe in ((1, out), (2, err)):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.argv = ["astrid", *words]
    main()
