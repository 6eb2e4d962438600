"""`astrid db`: what is kept, a copy of the store, and the way back."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database.migrations import downgrade
from core.database.store import HEAD, Store
from core.database.tables import Cutout
from tests.astrid_tui.command import Command
from tests.core.rows import add_candidate


@pytest.fixture
def astrid(tmp_path, sqlite_store, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


def test_the_check_tells_what_is_kept_by_kind(astrid: Command, sqlite_store: Store, tmp_path: Path) -> None:
    candidate = add_candidate(sqlite_store)
    with sqlite_store.write() as db:
        db.add(Cutout(candidate_id=candidate, pixels=b"x" * 300_000))
    for name, size in (
        ("references/a.fits", 2_000_000),
        ("references/b.fits", 1),
        ("x", 5),
        ("logs/\x1b[31m.log", 7),
    ):
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    told = astrid.json("db", "check")
    assert told["problems"] == []
    kept = {each["what"]: each for each in told["kept"]}
    assert kept["cutouts"] == {"what": "cutouts", "bytes": 300_000, "count": 1, "in_store": True}
    assert (kept["references"]["bytes"], kept["references"]["count"]) == (2_000_001, 2)
    assert (kept["logs"]["bytes"], kept["other files in AstrID's home"]["bytes"]) == (7, 5)
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("astrid.db*"))
    assert sum(each["bytes"] for each in kept.values() if each["in_store"]) == on_disk
    said = astrid("db", "check")
    assert "The store is as it should be." in said
    assert re.search(r"^  cutouts +293 KiB +1$", said, re.MULTILINE)
    assert re.search(r"^Beside it: 1\.9 MiB$", said, re.MULTILINE)


def test_the_check_walks_the_chains(astrid: Command, sqlite_store: Store) -> None:
    astrid("candidates", "label", add_candidate(sqlite_store), "real")
    with sqlite_store.write() as db:
        db.execute(text("UPDATE verdict SET reviewer = 'eve'"))
    assert re.search(
        r"verdicts of cli-vera-\d+ is broken at row 1 \(verdict 1\): its content does not have its hash",
        astrid("db", "check", code=1),
    )


def test_a_backup_goes_to_a_folder_or_a_file_and_replaces_none(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    astrid("candidates", "label", add_candidate(sqlite_store), "real")
    (tmp_path / "copies").mkdir()
    made = astrid.json("--read-only", "db", "backup", tmp_path / "copies")
    (file,) = (tmp_path / "copies").iterdir()
    assert made["path"] == str(file)
    assert re.fullmatch(r"astrid-\d{8}T\d{6}Z\.db", file.name)
    assert made["bytes"] == file.stat().st_size
    assert made["rows"]["verdict"] == 1
    assert [chain["sequence"] for chain in made["chains"]] == [1]
    assert made["broken"] == made["not_in_it"] == []

    said = astrid("db", "backup", tmp_path / "copy.db")
    assert re.search(r"is copied to .*copy\.db: \d+ KiB, \d+ rows, checked", said)
    astrid("db", "backup", tmp_path / "copy.db", code=2)
    assert "--force replaces it" in astrid.said
    astrid("db", "backup", tmp_path / "copy.db", "--force")
    astrid("db", "backup", tmp_path / "astrid.db", "--force", code=2)
    assert "is an input" in astrid.said
    astrid("db", "backup", tmp_path / "none" / "copy.db", code=1)
    assert "there is no folder" in astrid.said
    astrid("db", "backup", tmp_path / "none", code=1)  # and no file of that name is made
    assert "there is no folder" in astrid.said
    assert not (tmp_path / "none").exists()


def test_a_backup_of_a_broken_chain_is_made_and_says_so(
    astrid: Command, sqlite_store: Store, tmp_path
) -> None:
    astrid("candidates", "label", add_candidate(sqlite_store), "real")
    with sqlite_store.write() as db:
        db.execute(text("UPDATE verdict SET reviewer = 'eve'"))
    made = astrid.json("db", "backup", tmp_path / "copy.db", code=3)
    assert [link["sequence"] for link in made["broken"]] == [1]
    assert "is broken at row 1" in astrid("db", "backup", tmp_path / "copy.db", "--force", code=3)


def test_an_older_store_is_copied_and_comes_back(astrid: Command, sqlite_store: Store, tmp_path) -> None:
    candidate = add_candidate(sqlite_store)
    sqlite_store.close()
    downgrade(f"sqlite:///{tmp_path}/astrid.db", "0011")
    astrid("candidates", "list", code=4)
    astrid("db", "backup", tmp_path / "copy.db")
    astrid("db", "restore", tmp_path / "copy.db", code=1)
    assert "--force puts it aside" in astrid.said
    said = astrid("db", "restore", tmp_path / "copy.db", "--force")
    assert "run `astrid db upgrade`" in said
    assert re.search(r"that was there is .*astrid-until-\d+T\d+Z\.db now", said)
    assert astrid.json("db", "upgrade") == {"before": "0011", "after": HEAD}
    assert astrid("db", "upgrade") == "The store is up to date.\n"
    assert [each["id"] for each in astrid.json("candidates", "list")] == [candidate]


def test_a_store_is_restored_where_there_is_none(
    astrid: Command, sqlite_store: Store, tmp_path, monkeypatch
) -> None:
    candidate = add_candidate(sqlite_store)
    astrid("db", "backup", tmp_path / "copy.db")
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/new/astrid.db")
    told = astrid.json("db", "restore", tmp_path / "copy.db")
    assert told["aside"] is None
    assert [each["id"] for each in json.loads(astrid("candidates", "list", "--json"))] == [candidate]


def test_without_a_store_there_is_nothing_to_copy(astrid: Command, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/none.db")
    astrid("db", "backup", tmp_path / "copy.db", code=4)
    assert "run `astrid init`" in astrid.said
    assert not (tmp_path / "copy.db").exists()
