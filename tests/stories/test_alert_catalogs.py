"""Alerts beside catalogues: what is not asked at ingest is said, and nothing stops for a damaged one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.astrid_tui.command import Command
from tests.pipeline.packets import JD, write_avro, ztf

LINE = (
    "99999   18.0   0.15 K2055  10.00000    0.00000   20.00000    5.00000  0.0100000  0.23000000"
    "   2.6000000  0 MPO000000   100  10 2000-2026 0.40"
).ljust(166) + "(99999) Here".ljust(28)


@pytest.fixture
def astrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path / 'astrid.db'}")
    monkeypatch.chdir(tmp_path)
    command = Command(monkeypatch, capsys.readouterr)
    command("init")
    return command


def packets_of_days(path: Path, days: int, first: int = 1) -> Path:
    packets = [ztf(first + day, jd=JD + day, ra=150.0 + day) for day in range(days)]
    return write_avro(path, packets)


def test_alerts_of_many_days_are_taken_and_it_is_said_that_orbits_were_not_asked(
    astrid: Command, tmp_path: Path
) -> None:
    (tmp_path / "MPCORB.DAT").write_text(LINE + "\n")
    astrid("catalog", "add", "MPCORB.DAT")
    two = astrid.json("ingest", packets_of_days(tmp_path / "two.avro", 2))[0]
    assert (two["alerts"]["new"], two["alerts"]["unmatched"], two["unmatched_reason"]) == (2, 0, None)
    file = packets_of_days(tmp_path / "three.avro", 3, first=10)
    three = astrid.json("ingest", file)[0]
    assert (three["state"], three["alerts"]["new"], three["alerts"]["unmatched"]) == ("done", 3, 3)
    assert "3 days" in three["unmatched_reason"]
    assert astrid.json("ingest", file)[0]["alerts"]["unmatched"] == 0  # nothing of it is new
    said = astrid("ingest", packets_of_days(tmp_path / "four.avro", 4, first=20))
    assert "not asked of catalogues: 4 of the new ones (those of 4 days came at once" in said
    assert "`astrid catalog match` does it" in said
    assert astrid.json("candidates", "show", 3)["known"] is None
    astrid("catalog", "match")
    assert astrid.json("candidates", "show", 3)["known"]["solar_system"]["status"] in {"none", "unknown"}


def test_without_orbits_days_do_not_matter(astrid: Command, tmp_path: Path) -> None:
    taken = astrid.json("ingest", packets_of_days(tmp_path / "many.avro", 5))[0]
    assert (taken["alerts"]["new"], taken["alerts"]["unmatched"]) == (5, 0)


@pytest.mark.parametrize("damage", ["facts", "table"])
def test_alerts_are_taken_beside_a_damaged_library(astrid: Command, tmp_path: Path, damage: str) -> None:
    (tmp_path / "stars.csv").write_text("source_id,ra,dec,phot_g_mean_mag\n7,150.0,2.0,15.5\n")
    astrid("catalog", "add", "stars.csv", "--kind", "stars")
    (folder,) = (tmp_path / "home").glob("catalogs/*-stars")
    if damage == "facts":
        (folder / "catalog.json").write_text("{")
    else:
        for table in folder.rglob("*.npy"):
            table.write_bytes(b"not an array")
    (taken,) = astrid.json("ingest", packets_of_days(tmp_path / "one.avro", 1))
    assert (taken["state"], taken["alerts"]["new"]) == ("done", 1)
    known = astrid.json("candidates", "show", 1)["known"]
    if damage == "facts":
        assert taken["alerts"]["unmatched"] == 1
        assert "catalog.json" in taken["unmatched_reason"] or "stars" in taken["unmatched_reason"]
        assert known is None
    else:
        assert known["star"]["status"] == "unknown"
        assert "cannot be read" in known["star"]["reason"]


def test_an_object_is_shown_in_words(astrid: Command, tmp_path: Path) -> None:
    (tmp_path / "stars.csv").write_text("source_id,ra,dec,phot_g_mean_mag\n7,150.0,2.0,15.5\n")
    astrid("catalog", "add", "stars.csv", "--kind", "stars")
    astrid("ingest", write_avro(tmp_path / "one.avro", [ztf(1), ztf(2, jd=JD + 1.0, objectId="ZTF20test1")]))
    astrid("candidates", "label", 1, "supernova", "--note", "rising", "--reviewer", "ann")
    said = astrid("objects", "show", "ZTF20test1").splitlines()
    assert said[0] == "ZTF20test1"
    facts = {line.split()[0]: " ".join(line.split()[1:]) for line in said if line.startswith("  ")}
    assert facts["number"] == "1"
    assert facts["position"] == "150.000000 +2.000000"
    assert facts["called"] == "ZTF20test1 (ztf)"
    assert facts["state"] == "real, supernova"
    assert "7" in facts["star"]
    assert "Known sky, at candidate 1:" in said
    assert "Light curve, by source and band:" in said
    assert "Candidates, newest first:" in said
    (verdict,) = [line for line in said if " by ann" in line]
    assert verdict.endswith(" UTC, supernova by ann on candidate 1: rising")
    assert "no object" in (astrid("objects", "show", "ZTF99nobody", code=1) + astrid.said)
