"""The console in tmux: a failed frame is retried and done; a run outlives its terminal and is cancelled."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.database.store import open_store
from core.database.tables import Run
from core.frames.queue import counts_by_state
from core.operations import runs
from core.operations.processes import is_alive
from tests.chaos.nights import make_night
from tests.chaos.processes import stop

PATIENCE_S = 90.0
ROOT = Path(__file__).parents[2]


class Tmux:
    """A tmux server of one's own; its session is a terminal that can be closed and opened again."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._socket = ""
        self._size = size

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def open(self, command: str) -> None:
        # A socket of its own each time: kill-server returns while the server still shuts its socket,
        # and a client that comes then is told that the server exited.
        self._socket = f"astrid-test-{uuid.uuid4().hex[:8]}"
        columns, lines = map(str, self._size)
        self("new-session", "-d", "-x", columns, "-y", lines, command, ";",
             "set-option", "remain-on-exit", "on")  # fmt: skip

    def close(self) -> None:
        self("kill-server")

    def press(self, *keys: str) -> None:
        self("send-keys", *keys)

    @property
    def text(self) -> str:
        return self("capture-pane", "-p")

    def until(self, words: str) -> None:
        self.wait(lambda: words in self.text, words)

    def wait(self, happened: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            if time.monotonic() > deadline:
                pytest.fail(f"{what!r} never came; the screen says:\n{self.text}")
            time.sleep(0.05)


@pytest.fixture(params=[(80, 24), (140, 40)], ids=str)
def tmux(request) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not on the PATH")
    terminal = Tmux(request.param)
    yield terminal
    subprocess.run(["tmux", "-L", terminal._socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return make_night(tmp_path_factory.mktemp("night"), frames=4, size=200)


def console_of(home: Path, url: str, **more: object) -> str:
    """The command that opens a console, on a store of its own."""
    settings = {"ASTRID_HOME": home, "ASTRID_STORE__URL": url, "ASTRID_POWER__ENABLED": "false",
                "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT, **more}  # fmt: skip
    set_to = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())
    return f"env {set_to} {shlex.quote(sys.executable)} -m astrid_tui"


def test_a_frame_fails_is_understood_retried_and_done(night, tmux, tmp_path):
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    moved = tmp_path / "reference.fits"
    shutil.copy(night.reference.path, moved)
    replace(night, frames=night.frames[-1:], reference=replace(night.reference, path=str(moved))).fill(url)
    away = tmp_path / "unplugged"
    shutil.move(moved, away)
    tmux.open(console_of(tmp_path, url, ASTRID_QUEUE__ATTEMPTS=1))
    with closing(open_store(url)) as store:
        tmux.until("1 queued")
        tmux.press(":", *"run engine=local", "Enter")
        tmux.wait(lambda: counts_by_state(store).get("quarantined", 0) == 1, "a frame that failed")
        tmux.press("1")
        tmux.until("quarantined 1")
        tmux.press("Enter")
        tmux.until("It failed where it should not have")
        tmux.until("reference 1: the reference")

        shutil.move(away, moved)
        tmux.press("R")
        tmux.until("type retry to do it")
        tmux.press(*"retry", "Enter")
        tmux.until("1 frame queued again")
        assert counts_by_state(store).get("queued", 0) == 1
        tmux.press(":", *"run engine=local", "Enter")
        tmux.wait(lambda: counts_by_state(store).get("done", 0) == 1, "a frame that is done")
        tmux.until("candidates: c reviews them")
        tmux.press("c")
        tmux.until('frame:"science_004.fits"')
        tmux.press("q")


def test_a_run_outlives_its_terminal_and_is_cancelled_from_another(night, tmux, tmp_path):
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    night.fill(url)
    command = console_of(tmp_path, url)
    with closing(open_store(url)) as store:

        def run() -> Run:
            return runs.read(store, 1)

        tmux.open(command)
        tmux.until("4 queued")
        tmux.press(":", *"run engine=local", "Enter")
        tmux.until("run 1")
        tmux.wait(lambda: counts_by_state(store).get("running", 0) == 1, "a frame in hand")
        # It must not end before the second console is there: a machine may be fast.
        with store.write() as session:
            session.connection()  # it is stopped outside a transaction, which would bar who cancels it
            stop(run().pid)
        try:
            tmux.close()
            assert run().state == "running"
            assert is_alive(run().pid, run().process)

            tmux.open(command)
            tmux.until("run 1")
            tmux.press("2")
            tmux.until("pipeline")
            tmux.press(":", *"cancel", "Enter")
            tmux.until("run 1 was asked to stop")
            tmux.until("run 1 stopping")
        finally:
            os.kill(run().pid, signal.SIGCONT)
        tmux.wait(lambda: run().state == "interrupted", "the end of the run")
        tmux.wait(lambda: "run 1 stopping" not in tmux.text, "a header without a run")
        tmux.press("q")
        counts = counts_by_state(store)
        assert counts.get("running", 0) == 0
        assert counts.get("queued", 0) + counts.get("done", 0) == 4
