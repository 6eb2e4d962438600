"""What reviewers type at the command line: exports, reports, filters, verdicts and experts."""

import json
from pathlib import Path

import pytest

from core.database.store import Store
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.core.rows import add_candidate


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
