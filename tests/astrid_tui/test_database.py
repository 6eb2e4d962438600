"""`astrid db`: what is kept, a copy of the store, and the way back."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database.migrations import downgrade
from core.database.store import HEAD, Store
from core.database.tables import Cutout
from core.review.cutouts import pack
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.builders import cutouts
from tests.core.rows import add_candidate, add_difference


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
    assert "Verdicts, retractions and notes: 1, in 1 chain\n" in said
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
    assert astrid.json("db", "upgrade") == {"before": "0011", "after": HEAD, "problems": []}
    assert astrid("db", "upgrade") == "The store is up to date.\n"
    assert [each["id"] for each in astrid.json("candidates", "list")] == [candidate]


def test_a_store_that_was_changed_by_hand_is_not_called_up_to_date(
    astrid: Command, sqlite_store: Store
) -> None:
    with sqlite_store.write() as db:
        db.execute(text("DROP INDEX ix_candidate_cone"))
    assert astrid("db", "upgrade") == f"The store is of version {HEAD} already.\n"
    assert "the table candidate has no index ix_candidate_cone" in astrid.said
    problems = ["the table candidate has no index ix_candidate_cone"]
    assert astrid.json("db", "upgrade") == {"before": HEAD, "after": HEAD, "problems": problems}


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


def test_images_of_what_was_superseded_are_told_and_then_removed(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    old, judged, new, size = superseded(sqlite_store)
    told = {"what": "cutouts", "bytes": size, "count": 1, "in_store": True}
    assert astrid.json("db", "prune") == {"images": [told], "free_in_file": 0, "removed": False}
    astrid("db", "prune", code=2)  # nobody can be asked
    assert re.search(
        rf"nobody judged: 1 cutout of {size / 1024:.1f} KiB\. Standard .*: --yes goes", astrid.said
    )
    assert "No images" not in astrid("show", old, "--drawing", "ascii")

    said = astrid("db", "prune", "--yes")
    assert f"Removed: 1 cutout of {size / 1024:.1f} KiB." in said
    assert f"`sqlite3 {tmp_path}/astrid.db VACUUM` makes it smaller" in said
    kept = {each["what"]: each for each in astrid.json("db", "check")["kept"]}
    assert kept["cutouts"]["count"] == 2
    assert kept["free inside the store's file"]["bytes"] >= 8192
    assert "There is nothing to remove." in astrid("db", "prune", "--yes")
    again = astrid.json("db", "prune", "--yes")
    assert (again["images"], again["removed"]) == ([], True)

    why = "The images were removed as superseded: with the settings of then and reference 1, `astrid"
    assert why in astrid("show", old)
    assert "removed" not in astrid("show", judged, "--drawing", "ascii")
    assert "removed" not in astrid("show", new, "--drawing", "ascii")
    assert astrid.json("candidates", "show", old)["id"] == old


def superseded(store: Store) -> tuple[int, int, int, int]:
    """A superseded candidate, one that was judged, a current one; how large the cutouts of each are."""
    observation, difference = add_difference(store, is_current=False)
    of_frame = {"observation_id": observation, "difference_id": difference}
    old, judged = (add_candidate(store, is_current=False, **of_frame) for _ in range(2))
    new = add_candidate(store)
    decide(store, session="s", reviewer="vera", candidate_id=judged, label=Label.ARTEFACT, shown={})
    pixels = pack(cutouts())
    with store.write() as db:
        db.add_all([Cutout(candidate_id=key, pixels=pixels) for key in (old, judged, new)])
    return old, judged, new, len(pixels)
