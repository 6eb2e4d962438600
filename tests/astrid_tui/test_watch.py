"""`astrid watch` as a service: one line a file, a clean end, no quarrel between two."""

import json
import os
import select
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import update

from core.database.store import Store
from core.database.tables import WatchedFolder
from core.frames import queue
from core.frames.queue import counts_by_state
from core.frames.watched_folders import folders
from core.health.check import Check
from core.health.watch import look
from core.operations import runs
from core.settings import Settings
from core.settings_sections import StoreSettings
from tests.astrid_tui.command import Command
from tests.chaos.processes import eventually, stop
from tests.core.test_queue import gone_pid
from tests.forks import Program, runs_forked
from tests.pipeline.test_watch import exposure

PATIENCE_S = 60
SAY_TO_FULL_DISK = "import os; full = os.open('/dev/full', os.O_WRONLY); os.dup2(full, 1); os.dup2(full, 2)"

COUNT_LOOKS = """
from core.database.store import Store
def counted(self, told=Store.told):
    with open({looks!r}, "a") as file:
        file.write(".")
    return told(self)
Store.told = counted
"""

on_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")


@pytest.fixture
def night(tmp_path: Path) -> Path:
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "a.fits").write_bytes(exposure())
    return folder


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"ASTRID_HOME": str(tmp_path / "home"), "ASTRID_STORE__URL": f"sqlite:///{tmp_path / 'astrid.db'}"}


@pytest.fixture
def astrid(env, tmp_path, monkeypatch, capsys) -> Command:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def forked() -> Iterator[None]:
    """Runs are forked: for what is not about how the process of one begins."""
    programs: list[Program] = []
    with runs_forked(programs):
        yield
    for program in programs:
        program.close()


def line(process: Program) -> dict:
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    assert ready, "the watcher says nothing"
    return json.loads(process.stdout.readline())


def test_once_takes_what_is_there_and_ends(astrid: Command, sqlite_store: Store, night: Path) -> None:
    (told,) = map(json.loads, astrid("watch", night, "--once", "--interval", "0.1", "--json").splitlines())
    assert told["file"] == str(night / "a.fits")
    (frame,) = told["frames"]
    assert (frame["frame"], frame["state"], frame["new"]) == ("a.fits", "queued", True)
    assert astrid("watch", night, "--once", "--interval", "0.1", "--json") == ""
    assert not folders(sqlite_store)[0].watched


@pytest.mark.usefixtures("sqlite_store")
def test_a_line_tells_what_became_of_a_file_and_why(astrid: Command, night: Path) -> None:
    (night / "b.fits").write_bytes((night / "a.fits").read_bytes())
    (night / "c.fits").write_text("no FITS file at all")
    assert astrid("watch", night, "--once", "--interval", "0.1").splitlines() == [
        "a.fits queued",
        "b.fits rejected, known already: the same content as a.fits, which is registered already",
        "c.fits rejected: it is not a FITS file (it does not begin with SIMPLE)",
    ]


def test_what_is_said_of_each_frame_of_a_night_is_told_with_the_first(
    astrid: Command, sqlite_store: Store, night: Path
) -> None:
    (night / "a.fits").unlink()
    for seed, name in enumerate("xyz"):
        sky = np.random.default_rng(seed).normal(1000.0, 20.0, (40, 50)).astype(np.float32)
        header = fits.Header({"DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 10.0, "WHEEL2": "r"})
        fits.writeto(night / f"{name}.fits", sky, header)
    told = astrid("watch", night, "--once", "--interval", "0.1").splitlines()
    assert "x.fits queued: its header names no filter by a known word" in told[0]
    assert [line.partition(" (one")[0] for line in told[1:]] == [
        f"{name}.fits queued: what was said of x.fits" for name in "yz"
    ]


def test_a_folder_that_is_not_there_is_a_usage_error(astrid: Command, tmp_path: Path) -> None:
    astrid("watch", tmp_path / "none", "--once", code=2)
    assert "none" in astrid.said


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_service_takes_files_and_ends_when_told(
    env: dict[str, str], astrid: Command, sqlite_store: Store, night: Path, ending: signal.Signals
) -> None:
    with Program("watch", night, "--interval", "0.1", "--json", env=os.environ | env) as service:
        assert line(service)["frames"][0]["frame"] == "a.fits"
        (night / "b.fits").write_bytes(exposure(1))
        assert line(service)["frames"][0]["frame"] == "b.fits"
        (seen,) = folders(sqlite_store)
        assert (seen.watched, seen.pid, seen.files) == (True, service.pid, 2)
        (night / "c.fits").write_bytes(exposure(2))
        assert astrid("watch", night, "--once", "--interval", "0.1", "--json") == ""
        assert f"process {service.pid}" in astrid.said
        assert line(service)["frames"][0]["frame"] == "c.fits"
        service.send_signal(ending)
        assert service.wait(PATIENCE_S) == 0
    assert not folders(sqlite_store)[0].watched


def test_frames_that_arrive_are_processed_by_a_run_of_its_own(
    astrid: Command, sqlite_store: Store, night: Path
) -> None:
    words = ("watch", night, "--once", "--interval", "0.1", "--process")
    assert "a.fits queued" in astrid(*words)
    assert "run 1 started" in astrid.said
    assert eventually(lambda: runs.read(sqlite_store, 1).state == "done"), runs.read(sqlite_store, 1)
    assert counts_by_state(sqlite_store) == {"waiting": 1}  # for a reference
    astrid(*words)
    assert "started" not in astrid.said  # nothing is due


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("how", ["its run was killed", "its lease ran out"])
def test_a_frame_of_who_is_gone_is_processed_though_no_other_comes(
    astrid: Command, sqlite_store: Store, night: Path, how: str
) -> None:
    astrid("watch", night, "--once", "--interval", "0.1")
    if how == "its run was killed":
        killed = runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe").id or 0
        runs.hand_over(sqlite_store, killed, gone_pid())
        assert queue.claim(sqlite_store, runs.owner(killed), 600.0) is not None
    else:
        assert queue.claim(sqlite_store, "run-999/0", 0.0) is not None
    astrid("watch", night, "--once", "--interval", "0.1", "--process")
    run = runs.newest(sqlite_store)[0].id or 0
    assert f"run {run} started" in astrid.said
    assert eventually(lambda: runs.read(sqlite_store, run).state == "done"), runs.read(sqlite_store, run)
    assert counts_by_state(sqlite_store) == {"waiting": 1}


def test_a_run_that_cannot_be_started_ends_no_watch(
    env: dict[str, str], sqlite_store: Store, night: Path, tmp_path: Path
) -> None:
    """As where the disk of the logs is full: the frames go on being taken, and a later start does them."""
    (tmp_path / "home" / "logs" / "run-1.log").mkdir(parents=True)  # no log can be written there
    soon = "import core.operations.starter as s; s.FIRST_PAUSE_S = 0.1"
    words = ("watch", night, "--interval", "0.1", "--json", "--process")
    with Program(*words, env=os.environ | env, before=soon) as service:
        assert line(service)["frames"][0]["frame"] == "a.fits"
        assert eventually(lambda: counts_by_state(sqlite_store) == {"waiting": 1})
        assert eventually(lambda: not runs.newest(sqlite_store, running=True))
        (night / "b.fits").write_bytes(exposure(1))
        assert line(service)["frames"][0]["frame"] == "b.fits"
    first = runs.read(sqlite_store, 1)
    assert (first.state, "could not be started" in (first.reason or "")) == ("failed", True)


def test_a_store_that_cannot_be_used_for_long_is_told_once_and_that_it_is_back(
    env: dict[str, str], sqlite_store: Store, night: Path, tmp_path: Path
) -> None:
    """The log of a night holds more than that."""
    looks = tmp_path / "looks"
    counting = COUNT_LOOKS.format(looks=str(looks))
    with (
        closing(sqlite3.connect(tmp_path / "astrid.db", isolation_level=None)) as raw,
        Program(
            "watch", night, "--interval", "0.1", "--json", env=os.environ | env, before=counting
        ) as service,
    ):
        assert line(service)["frames"][0]["frame"] == "a.fits"
        raw.execute("ALTER TABLE watched_folder RENAME TO away")
        said = service.stderr.readline()
        looked = looks.stat().st_size
        assert eventually(lambda: looks.stat().st_size > looked + 5)
        raw.execute("ALTER TABLE away RENAME TO watched_folder")
        assert "no such table: watched_folder" in said
        assert said.endswith("; trying again every 0.1 s\n")
        assert service.stderr.readline() == "It works again.\n"


@on_full_disk
def test_what_a_full_disk_refuses_to_be_said_ends_no_watch(
    env: dict[str, str], sqlite_store: Store, night: Path
) -> None:
    words = ("watch", night, "--interval", "0.1", "--json", "--process")
    with Program(*words, env=os.environ | env, before=SAY_TO_FULL_DISK) as service:
        assert eventually(lambda: counts_by_state(sqlite_store) == {"waiting": 1})
        (night / "b.fits").write_bytes(exposure(1))
        assert eventually(lambda: counts_by_state(sqlite_store) == {"waiting": 2})
        assert service.poll() is None


@on_full_disk
def test_a_run_whose_log_is_on_a_full_disk_does_its_frames(
    env: dict[str, str], astrid: Command, sqlite_store: Store, night: Path
) -> None:
    astrid("watch", night, "--once", "--interval", "0.1")
    run = runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe").id or 0
    with Program("run", "--as-run", run, env=os.environ | env, before=SAY_TO_FULL_DISK):
        assert eventually(lambda: runs.read(sqlite_store, run).state != "running")
    assert (runs.read(sqlite_store, run).state, counts_by_state(sqlite_store)) == ("done", {"waiting": 1})


def test_a_service_whose_terminal_hangs_up_goes_on_where_it_was_told_to_be_deaf_to_that(
    env: dict[str, str], sqlite_store: Store, night: Path
) -> None:
    nohup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    words = ("watch", night, "--interval", "0.1", "--json")
    with Program(*words, env=os.environ | env, before=nohup) as service:
        assert line(service)["frames"][0]["frame"] == "a.fits"
        service.send_signal(signal.SIGHUP)
        (night / "b.fits").write_bytes(exposure(1))
        assert line(service)["frames"][0]["frame"] == "b.fits"
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_S) == 0
    assert not folders(sqlite_store)[0].watched


def test_a_service_that_is_told_twice_to_end_is_not_missed(
    env: dict[str, str], sqlite_store: Store, night: Path
) -> None:
    """As `timeout` tells a program, and then the group that it is in."""
    with Program("watch", night, "--interval", "0.1", "--json", env=os.environ | env) as service:
        line(service)
        stop(service.pid)
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            service.send_signal(ending)
        assert service.wait(PATIENCE_S) != 0
    with sqlite_store.write() as session:
        session.execute(update(WatchedFolder).values(heartbeat_at=1.0))  # a long while later
    assert [each.state for each in watch_checks(sqlite_store)] == ["ok"]


def watch_checks(store: Store) -> list[Check]:
    settings = Settings.model_construct(store=StoreSettings(url=f"sqlite:///{store.url}"))
    return [each for each in look(settings, store, over_network=False) if each.name == "watch"]


def test_a_folder_that_is_gone_is_forgotten_and_health_misses_it_no_more(
    astrid: Command, sqlite_store: Store, night: Path
) -> None:
    astrid("watch", night, "--once", "--interval", "0.1")
    with sqlite_store.write() as session:  # its watcher was killed, and its disk is gone
        session.execute(update(WatchedFolder).values(watcher="gone", pid=gone_pid(), heartbeat_at=1.0))
    rmtree(night)
    (failed,) = watch_checks(sqlite_store)
    assert failed.state == "failed"
    assert f"astrid watch --forget {socket.gethostname()}:{night}" in failed.message
    told = json.loads(astrid("watch", "--forget", night, "--json"))
    assert told == {"forgotten": str(night), "host": socket.gethostname(), "files": 1}
    assert [each.state for each in watch_checks(sqlite_store)] == ["ok"]
    assert counts_by_state(sqlite_store) == {"queued": 1}  # its frame stays
    astrid("watch", "--forget", night, code=1)
    assert f"{night} was never watched; these were: none" in astrid.said


def test_what_is_to_be_forgotten_is_named_as_health_names_it(
    astrid: Command, sqlite_store: Store, night: Path
) -> None:
    astrid("watch", night, "--once", "--interval", "0.1")
    with sqlite_store.write() as session:
        session.execute(update(WatchedFolder).values(host="dome-2"))
    astrid("watch", "--forget", night, code=1)  # another machine's
    assert f"these were: dome-2:{night}" in astrid.said
    assert "is forgotten" in astrid("watch", "--forget", f"dome-2:{night}")


def test_a_folder_that_is_watched_is_not_forgotten(
    env: dict[str, str], astrid: Command, sqlite_store: Store, night: Path
) -> None:
    with Program("watch", night, "--interval", "0.1", "--json", env=os.environ | env) as service:
        line(service)
        astrid("watch", "--forget", night, code=1)
        assert f"{night} is watched by process {service.pid}" in astrid.said
        assert folders(sqlite_store)[0].watched


@pytest.mark.parametrize("words", [(), ("here", "--forget", "there")])
def test_what_a_watch_is_about_must_be_said(astrid: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "here").mkdir()
    astrid("watch", *words, code=2)
    assert "--forget" in astrid.said


def test_a_watcher_that_was_killed_is_replaced_at_once(
    env: dict[str, str], astrid: Command, sqlite_store: Store, night: Path
) -> None:
    with Program("watch", night, "--interval", "0.1", "--json", env=os.environ | env) as service:
        line(service)
        service.kill()
    (night / "b.fits").write_bytes(exposure(1))
    (told,) = map(json.loads, astrid("watch", night, "--once", "--interval", "0.1", "--json").splitlines())
    assert told["frames"][0]["frame"] == "b.fits"
