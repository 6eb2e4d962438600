"""What reviewers type at the command line: exports, reports, filters, verdicts and experts."""

import json
from pathlib import Path

import pytest

from core.database.store import Store
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.core.rows import add_candidate, add_object


@pytest.fixture
def astrid(tmp_path, sqlite_store, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


def judge(store: Store, who: str, candidate: int, label: Label, **more) -> None:
    decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={}, **more)


def test_an_export_goes_by_the_name_of_its_file_and_replaces_none(
    astrid: Command, sqlite_store: Store, tmp_path: Path
) -> None:
    candidate = add_candidate(sqlite_store, ra=10.0, dec=20.0)
    there = tmp_path / "x.fits"
    there.write_bytes(b"an image")
    astrid("candidates", "export", "-o", there, code=2)
    assert "x.fits is there already: --force replaces it" in astrid.said
    assert there.read_bytes() == b"an image"
    astrid("candidates", "export", "-o", there, "--force")
    assert there.read_bytes().startswith(b"SIMPLE")
    astrid("candidates", "export", "-o", tmp_path / "x.jsonl")
    assert json.loads((tmp_path / "x.jsonl").read_text())["id"] == candidate
    astrid("candidates", "export", "-o", tmp_path / "x.txt", code=2)
    assert "'x.txt' ends in none of .csv" in astrid.said
    astrid("candidates", "export", "-o", tmp_path / "x.txt", "--format", "regions")
    assert (tmp_path / "x.txt").read_text().startswith("# Region file")


def test_a_report_replaces_no_file_unless_told(astrid: Command, tmp_path: Path) -> None:
    there = tmp_path / "report.json"
    there.write_text("{}")
    astrid("candidates", "tns", "-o", there, code=2)
    assert "--force replaces it" in astrid.said


def test_a_saved_filter_stands_in_any_filter(astrid: Command, sqlite_store: Store) -> None:
    bright = add_candidate(sqlite_store, snr=20.0, mag=17.0)
    add_candidate(sqlite_store, snr=9.0, mag=19.0)
    astrid("candidates", "filters", "--save", "b2", "snr>8")
    astrid("candidates", "filters", "--save", "b3", "@b2 mag<18")
    assert astrid.json("candidates", "filters")[1]["expression"] == "snr>8 mag<18"
    assert [row["id"] for row in astrid.json("candidates", "list", "--filter", "@b3")] == [bright]
    astrid("candidates", "search", "--filter", "@b3", code=1)
    assert "no candidate with cutouts" in astrid.said
    assert astrid.json("candidates", "tns", "--filter", "@b3") == []


def test_a_dispute_is_listed_with_what_settles_it_and_an_expert_is_asked_at_once(
    astrid: Command, sqlite_store: Store
) -> None:
    add_object(sqlite_store)  # so that the two numbers differ
    candidate = add_candidate(sqlite_store)
    judge(sqlite_store, "ada", candidate, Label.REAL)
    judge(sqlite_store, "bob", candidate, Label.DIPOLE)
    (dispute,) = astrid.json("candidates", "disagreements")
    assert dispute["candidate"] == candidate != dispute["object"]
    assert [row["id"] for row in astrid.json("candidates", "list", "--filter", "disputed:yes")] == [candidate]
    astrid("candidates", "assign", dispute["object"], "evve")
    assert "evve is no expert by [review] experts, which names nobody" in astrid.said
    assert astrid.json("candidates", "experts")[0]["expert"] == "evve"
    astrid("candidates", "assign", dispute["object"], "vera")
    assert [row["id"] for row in astrid.json("candidates", "list", "--filter", "expert:me")] == [candidate]
