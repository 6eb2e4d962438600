"""The file of a store: damaged, full, held, deleted or replaced, not to be written to, or no store at all."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlmodel import select

from core.database.engine import parse_url
from core.database.store import Store, open_store, version_in
from core.database.store_errors import StoreError, StoreLost, StoreMissing, StoreUnreachable
from core.database.store_file import why_unwritable
from core.database.tables import Run, SavedFilter
from tests.builders import empty_store
from tests.core.test_store import a_filter
from tests.room import files_of_at_most


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to have a header of its own" * 10)
    with pytest.raises(StoreUnreachable, match="not a database"):
        open_store(f"sqlite:///{path}", create=True)


def test_a_database_of_another_program_is_not_taken_for_a_store(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(StoreMissing):
        open_store(f"sqlite:///{path}")


def test_a_damaged_file_is_one_sentence(sqlite_store: Store, tmp_path: Path) -> None:
    with sqlite_store.write() as session:
        session.add_all([a_filter(f"{number}") for number in range(500)])
    sqlite_store.close()
    path = tmp_path / "astrid.db"
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:4096] + b"\xff" * (half - 4096) + content[half:])
    with pytest.raises(StoreUnreachable, match="malformed; `astrid db restore --force` puts it aside"):
        names_of_filters(f"sqlite:///{path}")


def test_of_a_file_that_is_no_database_both_ways_out_are_told(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.close()
    path = tmp_path / "astrid.db"
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])
    with pytest.raises(StoreUnreachable) as told:
        names_of_filters(f"sqlite:///{path}")
    assert str(told.value) == (
        f"cannot reach the store {path}: file is not a database; if it is none of AstrID's, name another as"
        " url of [store], and if it was, `astrid db restore --force` puts it aside for a backup"
    )


def test_a_damaged_index_is_the_same_sentence(sqlite_store: Store, tmp_path: Path) -> None:
    with sqlite_store.write() as session:
        session.add(a_filter("bright"))
        index = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_saved_filter_1'"
        page = session.connection().exec_driver_sql(index).scalar_one()
    sqlite_store.close()
    path = tmp_path / "astrid.db"
    with path.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(bytes([10, 0, 0, 0, 0, 16, 0, 0]))  # a leaf without an entry
    with (
        closing(open_store(f"sqlite:///{path}")) as store,
        pytest.raises(StoreError, match="malformed; `astrid db restore --force` puts it aside"),
        store.write() as session,
    ):
        session.delete(session.exec(select(SavedFilter)).one())


def test_of_a_full_disk_it_is_told_what_to_do(sqlite_store: Store, tmp_path: Path) -> None:
    def fill() -> None:
        with sqlite_store.write() as session:
            session.connection().exec_driver_sql("PRAGMA max_page_count = 1")  # no more than there are
            session.add_all([a_filter(f"{number}") for number in range(5000)])

    with pytest.raises(StoreUnreachable, match="disk is full; make room there"):
        fill()
    sqlite_store.close()
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    with files_of_at_most(1000), pytest.raises(StoreUnreachable, match="on a full disk; make room there"):
        names_of_filters(url)


def names_of_filters(url: str) -> list[str]:
    with closing(open_store(url)) as store, store.read() as session:
        return list(session.exec(select(SavedFilter.name)).all())


def test_a_store_in_a_folder_that_takes_no_files_can_be_read(tmp_path, monkeypatch):
    folder = tmp_path / "archive"
    folder.mkdir()
    url = f"sqlite:///{folder}/astrid.db"
    open_store(url, create=True).close()
    for log in folder.glob("astrid.db-*"):
        log.unlink()
    monkeypatch.setattr("os.access", lambda path, _: path != folder)
    reader = open_store(url, read_only=True)
    with reader.read() as session:
        assert session.exec(select(SavedFilter)).all() == []
    reader.close()
    assert [each.name for each in folder.iterdir()] == ["astrid.db"]  # reading left nothing behind


def test_a_read_only_file_system_is_named_before_anything_is_written(tmp_path, monkeypatch) -> None:
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    open_store(url, create=True).close()
    seen = os.statvfs(tmp_path)
    flags = SimpleNamespace(f_flag=seen.f_flag | os.ST_RDONLY)
    monkeypatch.setattr("core.database.store_file.os.statvfs", lambda _: flags)
    with pytest.raises(StoreUnreachable, match=r"its file system is read-only; `astrid --read-only` shows"):
        open_store(url)
    open_store(url, read_only=True).close()


def test_a_store_that_the_login_may_not_write_to_says_so_before_anything_is_done(sqlite_store, monkeypatch):
    path = Path(sqlite_store.url)
    refused = {path}
    monkeypatch.setattr("core.database.store_file.os.access", lambda place, _: Path(place) not in refused)
    with pytest.raises(StoreUnreachable, match=r"this login may not write to it; `astrid --read-only` shows"):
        open_store(f"sqlite:///{path}")
    open_store(f"sqlite:///{path}", read_only=True).close()
    sqlite_store.close()
    refused = {path.parent}
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    assert why_unwritable(path).startswith("cannot be written: this login may not write to its folder")
    path.with_name(path.name + "-wal").touch()
    assert why_unwritable(path) is None  # SQLite can do with the log that is there
    assert why_unwritable(path.with_name("none.db")) is None


class TestFileThatGoesAway:
    @staticmethod
    def names(store: Store) -> list[str]:
        with store.read() as session:
            return sorted(session.exec(select(SavedFilter.name)))

    @staticmethod
    def write(store: Store, name: str, *, durable: bool = False) -> None:
        with store.write(durable=durable) as session:
            session.add(a_filter(name))

    @pytest.mark.parametrize("durable", [False, True])
    def test_nothing_is_written_into_a_file_that_was_deleted(
        self, sqlite_store: Store, tmp_path: Path, durable: bool
    ) -> None:
        self.write(sqlite_store, "before")
        (tmp_path / "astrid.db").unlink()
        with pytest.raises(
            StoreLost, match=r"astrid\.db was deleted or renamed while it was open, so nothing is written"
        ):
            self.write(sqlite_store, "after", durable=durable)
        assert self.names(sqlite_store) == ["before"]

    def test_nor_into_one_that_was_renamed_over_it_whichever_connection_it_takes(
        self, sqlite_store: Store, tmp_path: Path
    ) -> None:
        path = tmp_path / "astrid.db"
        other = open_store(f"sqlite:///{tmp_path / 'other.db'}", create=True)
        other.close()
        with sqlite_store.read() as session:
            assert session.exec(select(SavedFilter)).all() == []
            (tmp_path / "other.db").rename(path)
            # The connection that is in use is to the former file, so this one is new, and to the other.
            with pytest.raises(StoreLost, match="was replaced by another"):
                self.write(sqlite_store, "stray")
        with closing(open_store(f"sqlite:///{path}")) as found:
            assert self.names(found) == []

    def test_one_that_is_put_back_is_written_to_again(self, sqlite_store: Store, tmp_path: Path) -> None:
        path, away = tmp_path / "astrid.db", tmp_path / "away.db"
        self.write(sqlite_store, "before")
        path.rename(away)
        with pytest.raises(StoreLost):
            self.write(sqlite_store, "lost")
        away.rename(path)
        self.write(sqlite_store, "after")
        assert self.names(sqlite_store) == ["after", "before"]

    def test_a_store_that_was_closed_takes_the_file_that_is_there_then(
        self, sqlite_store: Store, tmp_path: Path
    ) -> None:
        path = tmp_path / "astrid.db"
        self.write(sqlite_store, "before")
        sqlite_store.close()
        content = path.read_bytes()
        (tmp_path / "copy.db").write_bytes(content)
        (tmp_path / "copy.db").rename(path)
        self.write(sqlite_store, "after")
        assert self.names(sqlite_store) == ["after", "before"]

    def test_it_is_found_wherever_the_process_goes(
        self, sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        store = open_store("sqlite:///astrid.db")
        self.write(store, "before")
        monkeypatch.chdir("/")
        self.write(store, "after")
        store.close()


def test_a_file_whose_damage_is_no_text_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "astrid.db"
    path.write_bytes(empty_store().replace(b"CREATE TABLE", b"CREATE \x80ABLE"))
    with pytest.raises(StoreUnreachable, match=r"astrid\.db.*damaged"):
        version_in(parse_url(f"sqlite:///{path}"))


def test_a_store_that_another_process_holds_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.database.engine.BUSY_S", 0.05)
    store = open_store(f"sqlite:///{tmp_path}/astrid.db", create=True)
    with closing(sqlite3.connect(tmp_path / "astrid.db")) as holder:
        holder.execute("BEGIN IMMEDIATE")
        held = pytest.raises(StoreUnreachable, match="is held by another process: try again")
        with held, store.write() as session:
            session.exec(select(Run)).all()
