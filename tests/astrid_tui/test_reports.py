"""What `astrid candidates tns` and `mpc` say: what a report would hold, and that nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.core.test_ades_report import SITE as MPC_SITE
from tests.core.test_ades_report import judge
from tests.core.test_tns_report import SITE, discovery
from tests.core.test_tracklets import linked_mover


@pytest.fixture
def astrid(tmp_path, sqlite_store, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setenv("ASTRID_REVIEW__EXPERTS", '["eve"]')
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def site(monkeypatch) -> None:
    for name in ("reporter", "reporting_group_id", "data_source_group_id", "instrument_id", "filters"):
        value = getattr(SITE, name)
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"ASTRID_TNS__{name.upper()}", text)


def test_settings_that_are_missing_are_told_once_in_one_sentence(astrid, sqlite_store):
    discovery(sqlite_store, "one")
    discovery(sqlite_store, "two", ra=20.0)
    said = "required: [tns] reporter, reporting_group_id, data_source_group_id, instrument_id are not set"
    told = astrid("candidates", "tns", code=1)
    assert told.count("are not set") == told.count(f"problem: {said}\n") == 1
    assert [each["problems"][0] for each in astrid.json("candidates", "tns", code=1)] == [said, said]


def test_of_an_alert_it_is_said_first_and_alone_that_it_cannot_be_reported(astrid, sqlite_store):
    discovery(sqlite_store, "theirs", source="ztf")
    told = astrid("candidates", "tns", code=1)
    assert told.count("problem:") == 1
    assert "problem: it cannot be reported from here: it was measured by ztf alone" in told
    assert "warning:" not in told
    discovery(sqlite_store, "ours", ra=20.0)
    assert "are not set" in astrid("candidates", "tns", code=1)


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--dry-run", "-o", "report.json")])
def test_a_dry_run_says_what_would_be_reported_and_that_nothing_was(
    astrid, site, sqlite_store, tmp_path, words
):
    discovery(sqlite_store, "one")
    discovery(sqlite_store, "two")
    told = astrid("candidates", "tns", *words, code=3)
    assert (
        "discovered on 2023-02-25 12:00:00 UTC at 10.500000 -41.250000, 2 points of photometry, no lim"
        in told
    )
    assert "problem: duplicate: one of this report is within 2 arcsec" in told
    assert told.endswith(
        "Dry run: a report would hold 1 of 2 objects; nothing was written, and nothing was sent.\n"
    )
    assert not (tmp_path / "report.json").exists()


def test_a_report_is_a_file_that_nobody_sent(astrid, site, sqlite_store, tmp_path: Path):
    nothing = "There is no object to report: nothing was written, and nothing was sent.\n"
    assert astrid("candidates", "tns", "-o", "report.json") == nothing
    discovery(sqlite_store, "one", who="ada")  # no expert
    assert astrid("candidates", "tns", "-o", "report.json", code=1).endswith(
        "0 of 1 object pass: report.json was not written, and nothing was sent.\n"
    )
    assert not (tmp_path / "report.json").exists()
    discovery(sqlite_store, "two", ra=20.0)
    told = astrid("candidates", "tns", "-o", "report.json", code=3)
    assert told.endswith("report.json holds 1 of 2 objects; it was not sent.\n")
    assert [*json.loads((tmp_path / "report.json").read_text())["at_report"]] == ["0"]


def test_what_the_site_lacks_for_the_minor_planet_center_is_one_sentence_too(astrid, sqlite_store):
    told = astrid("candidates", "mpc", "--dry-run")
    assert told.count("are not set") == 1
    assert "required: [mpc] station, submitter, observers, " in told
    assert "no tracklet to report" in told


def test_a_body_with_a_label_of_another_kind_is_named_and_reported(astrid, sqlite_store, monkeypatch):
    for name in ("station", "submitter", "design", "detector", "astrometric_catalog"):
        monkeypatch.setenv(f"ASTRID_MPC__{name.upper()}", getattr(MPC_SITE, name))
    for name in ("observers", "measurers"):
        monkeypatch.setenv(f"ASTRID_MPC__{name.upper()}", json.dumps(getattr(MPC_SITE, name)))
    monkeypatch.setenv("ASTRID_MPC__APERTURE_M", "1.0")
    first, _, third, _ = linked_mover(sqlite_store)
    judge(sqlite_store, third, label=Label.REAL)
    judge(sqlite_store, first)
    (told,) = astrid.json("candidates", "mpc")
    said = (
        f"warning: tracklet {told['tracklet']} is labelled moving, but candidate {third} has the label real"
        " by eve, so it is left out: `astrid candidates label` settles that\n"
    )
    assert astrid.said == said
    assert told["contradictions"] == [{"label": "real", "reviewer": "eve", "candidates": [third]}]
    assert "3 detections: to be reported as " in astrid("candidates", "mpc")
    assert astrid.said == said
