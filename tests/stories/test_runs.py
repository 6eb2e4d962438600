"""Runs from the command line: started, left alone, looked at, cancelled; and a terminal that closes."""

import json
import os
import pty
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from astrid_tui.cli.app import app
from core.database.store import Store, open_store
from core.database.tables import Observation, Run
from core.errors import AstridError
from core.frames.queue import counts_by_state, requeue
from core.operations import runs
from core.operations.launch import log_path, start_run
from core.operations.processes import is_alive
from core.settings import load
from tests.chaos.nights import Night, make_night
from tests.chaos.processes import eventually, stop
from tests.forks import Program, runs_forked

FRAMES = 4
ENDS_S = 120.0  # a busy machine's minutes; nothing here waits for that long


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), frames=FRAMES, size=200)


class Astrid:
    """`astrid` in a home of its own, with a night in the queue."""

    def __init__(self, night: Night, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        url = f"sqlite:///{folder / 'astrid.db'}"
        for name, value in {
            "ASTRID_HOME": str(folder / "home"),
            "ASTRID_STORE__URL": url,
            "ASTRID_POWER__ENABLED": "false",
            "ASTRID_DETECT__UNET": "false",
            "OMP_NUM_THREADS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        self.settings = load()
        night.fill(url)
        self.store = open_store(url)
        self.forks: list[Program] = []

    def start(self, **wishes: Any) -> int:
        """As the console starts a run."""
        return start_run(self.store, self.settings, **wishes).run_id

    def fork(self, **wishes: Any) -> int:
        """The same, but forked."""
        with runs_forked(self.forks):
            return self.start(**wishes)

    def frames(self) -> list[Observation]:
        with self.store.read() as session:
            return list(session.exec(select(Observation).where(Observation.kind == "science")))

    def __call__(self, *words: object, code: int = 0) -> str:
        """The command in this process: starting Python anew would be most of a test's time."""
        done = CliRunner().invoke(app, [str(word) for word in words])
        error = done.exception if isinstance(done.exception, AstridError) else None
        self.said = f"{done.stderr}{error or ''}"
        assert (error.exit_code if error else done.exit_code) == code, (done.output, done.exception)
        return done.stdout

    def json(self, *words: object, code: int = 0):
        return json.loads(self(*words, "--json", code=code))

    def counts(self) -> dict[str, int]:
        return counts_by_state(self.store, [Observation.kind == "science"])

    def newest(self) -> Run:
        return runs.newest(self.store, limit=1)[0]

    def until_a_frame_is_in_hand(self) -> None:
        until(lambda: bool(self.counts().get("running")))

    def until_over(self, run: int) -> Run:
        until(lambda: runs.read(self.store, run).state != "running")
        row = runs.read(self.store, run)
        until(lambda: not is_alive(row.pid, row.process))
        return row


@pytest.fixture
def astrid(night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    command_line = Astrid(night, tmp_path, monkeypatch)
    with closing(command_line.store):
        yield command_line
        for row in runs.newest(command_line.store, running=True):
            os.kill(row.pid, signal.SIGKILL)
        for program in command_line.forks:
            program.close()


def frames_of(store: Store) -> list[int]:
    with store.read() as session:
        return [key or 0 for key in session.exec(select(Observation.id))]


def until(condition: Callable[[], bool]) -> None:
    assert eventually(condition, ENDS_S, every_s=0.01), "it did not come true"


def test_a_detached_run_does_its_work_and_tells_of_it(astrid: Astrid) -> None:
    started = astrid.json("run", "--detach", "--limit", 2)
    run = started["run"]
    assert is_alive(started["pid"])
    row = astrid.until_over(run)
    assert (row.state, row.counts, row.pid) == ("done", {"done": 2}, started["pid"])
    assert astrid.counts()["queued"] == FRAMES - 2
    assert Path(started["log"]).is_file()
    log = astrid("runs", "log", run).splitlines()
    assert [line.split()[1] for line in log[:2]] == ["done", "done"]
    assert log[2].startswith("2 done in")
    assert "in 1 earlier frame: `astrid objects forced`" in log[3]  # what the second found is new
    assert astrid.json("runs", "log", run, "--lines", 1) == log[3:]
    shown = astrid.json("runs", "show", run)
    assert (shown["state"], shown["engine"], shown["counts"]) == ("done", "local", {"done": 2})
    assert [each["run"] for each in astrid.json("runs", "list")] == [run]
    assert astrid.json("runs", "list", "--running") == []
    assert "done" in astrid("runs", "list")
    astrid("runs", "cancel", run, code=1)
    assert astrid.said == f"run {run} is done already"


def test_a_cancelled_run_finishes_what_it_has_in_hand(astrid: Astrid) -> None:
    run = astrid.fork()
    astrid.until_a_frame_is_in_hand()
    pid = astrid.newest().pid
    with astrid.store.write() as session:
        session.connection()  # it is stopped outside a transaction, which would bar who cancels it
        stop(pid)  # so that it is not done before it is cancelled
    assert astrid("runs", "cancel", run) == f"run {run} was asked to stop\n"
    (at_work,) = astrid.json("runs", "list", "--running")
    assert at_work["reason"] == "asked to stop"
    before = astrid.counts()
    os.kill(pid, signal.SIGCONT)
    row = astrid.until_over(run)
    assert row.state == "interrupted"
    counts = astrid.counts()
    assert counts["done"] == row.counts["done"] == before.get("done", 0) + before.get("running", 0)
    assert counts["done"] + counts.get("queued", 0) == FRAMES


def test_a_run_that_is_cancelled_at_once_gives_back_what_it_has_in_hand(astrid: Astrid) -> None:
    run = astrid.fork(workers=2)
    astrid.until_a_frame_is_in_hand()
    runs.cancel(astrid.store, run, now=True)
    row = astrid.until_over(run)
    assert row.state == "interrupted"
    counts = astrid.counts()
    assert counts.get("running", 0) == 0
    assert counts["queued"] + counts.get("done", 0) == FRAMES
    assert all(frame.attempts == 0 for frame in astrid.frames() if frame.state == "queued")


def test_a_detached_run_outlives_a_hang_up_that_stops_one_in_the_foreground(astrid: Astrid) -> None:
    run = astrid.start()
    astrid.until_a_frame_is_in_hand()
    os.kill(astrid.newest().pid, signal.SIGHUP)
    assert astrid.until_over(run).state == "done"
    assert astrid.counts() == {"done": FRAMES}


def test_a_run_whose_terminal_closes_finishes_its_frame(astrid: Astrid) -> None:
    for _ in range(10):  # on a busy machine this process may sleep until all frames are done
        terminal, its = pty.openpty()
        with Program("run", env=os.environ, terminal=its) as program:
            os.close(its)
            astrid.until_a_frame_is_in_hand()
            with astrid.store.write() as session:
                session.connection()  # no other frame is begun meanwhile
                in_time = bool(astrid.counts().get("queued"))
                os.close(terminal)  # the kernel hangs up on whoever has it as its terminal
            program.wait(ENDS_S)
        row = astrid.newest()
        assert row.pid == program.pid
        if in_time:
            break
        requeue(astrid.store, frames_of(astrid.store))
    assert row.state == "interrupted"
    counts = astrid.counts()
    assert counts["done"] == row.counts["done"] >= 1
    assert counts["done"] + counts.get("queued", 0) == FRAMES


def test_a_run_that_was_killed_is_found_lost_at_the_next_start(astrid: Astrid) -> None:
    run = astrid.fork()
    astrid.until_a_frame_is_in_hand()
    pid = astrid.newest().pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))
    assert astrid.counts()["running"] == 1
    assert astrid.json("run")["state"] == "done"
    assert astrid.counts() == {"done": FRAMES}
    lost = runs.read(astrid.store, run)
    assert (lost.state, lost.reason) == ("lost", f"process {pid} is gone")


def test_a_detached_run_without_its_service_fails_and_says_why(
    astrid: Astrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    run = astrid.start(engine="prefect")
    row = astrid.until_over(run)
    assert row.state == "failed"
    assert row.reason is not None
    assert row.reason.startswith("the Prefect server at http://127.0.0.1:9/api does not answer")
    assert log_path(astrid.settings, run).read_text().startswith("astrid: the Prefect server")
    astrid("run", "--engine", "prefect", code=4)
    assert astrid.said == row.reason
    assert astrid.counts() == {"queued": FRAMES}
