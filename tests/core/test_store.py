"""A store is opened only when this program understands it, and says in one sentence why not."""

import math
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from core.database import migrations
from core.database.engine import make_engine, parse_url, shown_url
from core.database.store import Store, open_store
from core.database.store_errors import (
    StoreCannotHold,
    StoreError,
    StoreMissing,
    StoreReadOnly,
    StoreUnreachable,
)
from core.database.tables import Run, SavedFilter


def a_filter(name: str = "bright") -> SavedFilter:
    return SavedFilter(reviewer="ada", name=name, expression="score>9", created_at=1.0)


CAME = "a\0b\ud800\udcff\x1b[31m"
KEPT = "a\N{REPLACEMENT CHARACTER}b??\x1b[31m"


def test_whatever_a_store_is_given_it_can_hold_and_finds_again(store: Store) -> None:
    with store.write() as session:
        session.add(
            SavedFilter(reviewer=CAME, name=CAME, expression=CAME * 100_000, created_at=np.float32(1))
        )
        run = Run(engine="local", host="h", pid=1, workers=1, state="done", config_hash="")
        run.started_at, run.heartbeat_at = np.int64(2), 2.0
        run.config = {CAME: [CAME, math.nan, np.float32(0.5)], "n": -math.inf}
        session.add(run)
    with store.write() as session:
        # Several rows by one statement, the same values as conditions, and SQL of one's own.
        columns = {"reviewer": CAME, "expression": "", "created_at": 1.0}
        session.connection().execute(insert(SavedFilter), [columns | {"name": CAME + each} for each in "xy"])
        session.execute(
            text("UPDATE saved_filter SET expression = :to WHERE name = :name"),
            {"to": CAME, "name": f"{CAME}x"},
        )
    with store.read() as session:
        found = session.exec(select(SavedFilter).where(SavedFilter.reviewer == CAME).order_by(SavedFilter.id))
        kept = [(KEPT, KEPT * 100_000), (f"{KEPT}x", KEPT), (f"{KEPT}y", "")]
        assert [(row.name, row.expression) for row in found] == kept
        assert session.exec(select(Run.config)).one() == {KEPT: [KEPT, None, 0.5], "n": None}
        assert session.exec(select(Run.started_at)).one() == 2.0


def test_a_text_that_no_index_holds_is_the_text_s_fault_not_the_server_s(store: Store) -> None:
    """A run waits for a server that is away; this one would answer the same for ever."""
    name = "".join(map(chr, np.random.default_rng(1).integers(0x4E00, 0x9FFF, 3000)))
    refused = pytest.raises(StoreError, match="cannot hold so long a text")
    with refused if store.is_postgresql else nullcontext() as told, store.write() as session:
        session.add(a_filter(name))
    assert told is None or told.type is StoreCannotHold  # none of those that a run waits out


def test_an_empty_database_is_no_store_until_it_is_created(empty_url: str) -> None:
    with pytest.raises(StoreMissing, match="astrid init"):
        open_store(empty_url)
    open_store(empty_url, create=True).close()
    open_store(empty_url).close()
    assert migrations.check(empty_url) == []


def test_opening_a_missing_file_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        open_store(f"sqlite:///{tmp_path / 'none' / 'astrid.db'}")
    assert list(tmp_path.iterdir()) == []


def test_who_opens_a_store_that_is_being_made_waits(tmp_path: Path, monkeypatch) -> None:
    """The first to write has not yet let the file keep a log ahead, and SQLite refuses that to others."""
    path, waits = tmp_path / "astrid.db", []
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("CREATE TABLE being_made (id INTEGER)")
        first.execute("BEGIN IMMEDIATE")

        def waited(seconds: float) -> None:
            waits.append(seconds)
            first.execute("COMMIT")

        monkeypatch.setattr(time, "sleep", waited)
        open_store(f"sqlite:///{path}", create=True).close()
    assert len(waits) == 1


def test_two_that_create_at_once_make_one_store(empty_url: str) -> None:
    failures: list[Exception] = []

    def create() -> None:
        try:
            open_store(empty_url, create=True).close()
        except Exception as error:  # noqa: BLE001 a thread hands its failure over
            failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert migrations.check(empty_url) == []


def test_an_exception_within_a_write_leaves_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.write() as session:
            session.add(a_filter())
            session.flush()
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        write_and_fail()
    with store.read() as session:
        assert session.exec(select(SavedFilter)).all() == []


def test_what_was_written_can_be_read_after_the_session(store: Store) -> None:
    with store.write(durable=True) as session:
        session.add(a_filter())
    with store.read() as session:
        row = session.exec(select(SavedFilter)).one()
    assert (row.reviewer, row.name) == ("ada", "bright")


def test_a_read_only_store_reads_and_never_writes(store: Store, store_url: str) -> None:
    with store.write() as session:
        session.add(a_filter())
    viewer = open_store(store_url, read_only=True)
    with viewer.read() as session:
        assert session.exec(select(SavedFilter.name)).all() == ["bright"]
    with pytest.raises(StoreReadOnly), viewer.write():
        pass
    insert = text("INSERT INTO saved_filter VALUES (7, 'eve', 'sly', '', 0)")
    with pytest.raises((StoreUnreachable, DBAPIError), match=r"readonly|read-only"), viewer.read() as session:
        session.connection().execute(insert)
    viewer.close()


def test_readers_see_the_store_while_one_writes(store: Store) -> None:
    with store.write() as writing:
        writing.add(a_filter())
        writing.flush()
        with store.read() as session:
            assert session.exec(select(SavedFilter)).all() == []


def test_writers_that_read_first_never_fail_on_one_another(store: Store) -> None:
    with store.write() as session:
        session.add(a_filter("0"))

    def count_up() -> None:
        for _ in range(10):
            with store.write() as session:
                # On PostgreSQL the row lock does what BEGIN IMMEDIATE does on SQLite.
                row = session.exec(select(SavedFilter).with_for_update()).one()
                row.name = str(int(row.name) + 1)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as session:
        assert session.exec(select(SavedFilter.name)).one() == "40"


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_a_verdict_waits_for_the_disk_and_other_writes_do_not(
    sqlite_store: Store, durable: bool, level: int
) -> None:
    for _ in range(2):  # also on a connection that the pool has lent before
        with sqlite_store.write(durable=durable) as session:
            assert session.connection().exec_driver_sql("PRAGMA synchronous").scalar() == level
            assert session.connection().exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert session.connection().exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        with sqlite_store.write(durable=not durable):
            pass


def test_the_clocks_of_database_and_machine_tell_unix_seconds(store: Store) -> None:
    with store.read() as session:
        now = session.exec(select(store.clock())).one()
    assert isinstance(now, float)
    assert now == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2@127.0.0.1:1/astrid",
        "postgresql://ada@127.0.0.1:1/astrid?password=hunter2&connect_timeout=2",
        "mysql://ada:hunter2@db/astrid",
        "hunter2",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_what_cannot_be_reached_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(StoreUnreachable) as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_line_that_is_cut_in_silence_is_known_to_be_within_a_minute(store_url: str) -> None:
    def line(url: str) -> dict[str, str]:
        engine = make_engine(parse_url(url))
        with engine.connect() as connection:
            found = connection.connection.dbapi_connection.info.get_parameters()
        engine.dispose()
        return found

    kept = line(store_url)
    idle, interval, count = (int(kept[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
    assert idle + interval * count <= 60
    assert int(kept["tcp_user_timeout"]) <= 60_000
    assert line(f"{store_url}&keepalives_idle=7")["keepalives_idle"] == "7"  # what the URL says counts


def test_a_shown_url_names_the_place_alone() -> None:
    assert (
        shown_url("postgres://ada:hunter2@db.example:5433/night?x=1") == "postgresql://db.example:5433/night"
    )
    assert shown_url("sqlite:////data/astrid.db") == "/data/astrid.db"


@pytest.mark.parametrize(
    ("folder", "said"),
    [("night?", "cannot hold a question mark"), ("a?b=c", "a question mark"), ("caf\udce9", "valid UTF-8")],
)
def test_a_store_is_where_its_path_says_or_nowhere(tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(StoreUnreachable, match=said):
        open_store(f"sqlite:///{tmp_path / folder / 'astrid.db'}", create=True)
    assert [path.name for path in tmp_path.rglob("*")] == [folder]


def test_opening_a_store_imports_no_alembic(sqlite_store: Store) -> None:
    code = (
        "import sys\nfrom core.database.store import open_store\n"
        f"open_store('sqlite:///{sqlite_store.url}')\n"
        "heavy = {'alembic', 'scipy', 'astropy', 'textual'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
