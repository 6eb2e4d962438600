"""The same verdicts without a screen: by a screen reader, and by commands."""

import json
import os
import subprocess
import sys

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from astrid_tui.cli.app import app
from core.database.store import open_store
from core.database.tables import SkyObject, Verdict
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.astrid_tui.command import Command
from tests.builders import add_night
from tests.core.rows import reference_of_the_night


@pytest.fixture
def night(store_url):
    """A store with five objects that await a verdict, on each database."""
    store = open_store(store_url)
    yield store, store_url, add_night(store)
    store.close()


def own(url, folder):
    return {"ASTRID_HOME": str(folder), "ASTRID_STORE__URL": url, "ASTRID_REVIEW__REVIEWER": "vera"}


def within(url, folder, *words, typed="", code=0):
    """A command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner(env=own(url, folder)).invoke(app, [str(word) for word in words], input=typed)
    assert done.exit_code == code, done.output
    return done.stdout


def astrid(url, folder, *words, typed="", code=0):
    """A process on SQLite; what that adds does not depend on the database, so on PostgreSQL there is none."""
    if not url.startswith("sqlite"):
        return within(url, folder, *words, typed=typed, code=code)
    done = subprocess.run(
        [sys.executable, "-m", "astrid_tui", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        env=own(url, folder) | {"OMP_NUM_THREADS": "1", "PATH": os.defpath},
        cwd=folder,
        input=typed,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def rows(store):
    with store.read() as db:
        return list(db.exec(select(Verdict).order_by(Verdict.id)))


def test_a_queue_is_judged_by_questions_and_answers_line_by_line(night, tmp_path):
    store, url, _ = night
    answers = "r\nnote near the core #host\nundo\nrepeat\nredo\nwhat\ndipole\nskip\ndetails\nquit\n"
    said = astrid(url, tmp_path, "review", "--linear", typed=answers)
    assert "\x1b" not in said
    assert "5 objects awaiting a verdict" in said
    assert said.count("Verdict?") == 10
    assert said.count("Card 1 of 5.") == 2  # what was taken back comes back, until it is given again
    assert said.count("Card 2 of 5.") == 2
    assert "what is no verdict. help lists the answers." in said
    assert "negative_fraction" in said
    assert said.rstrip().endswith("2 decided.")
    written = rows(store)
    assert [row.label for row in written] == ["real", None, None, "real", "dipole"]
    assert (written[1].note, written[1].tags) == ("near the core #host", ["host"])
    assert {row.shown["by"] for row in written if row.label} == {"linear"}


def test_of_what_is_judged_real_it_is_told_which_reference_holds_its_light(night, tmp_path):
    store, url, _ = night
    number = reference_of_the_night(store)
    said = within(url, tmp_path, "review", "--linear", typed="dipole\nsupernova\nquit\n")
    assert said.count(f"Reference {number} is of frames that may hold its light") == 1


def test_answers_that_end_end_the_sitting_and_read_only_writes_nothing(night, tmp_path):
    store, url, _ = night
    said = astrid(url, tmp_path, "--read-only", "review", "--linear", typed="r\nskip\n")
    assert "nothing is written" in said
    assert "Card 2 of 5." in said
    assert rows(store) == []
    said = within(url, tmp_path, "review", "--linear", "--filter", "score>1000", typed="r\n")
    assert "Nothing awaits a verdict here." in said
    within(url, tmp_path, "review", "--filter", "snr>7", code=2)


def test_what_reviewers_did_is_told_and_exported_by_commands(night, tmp_path, monkeypatch, capsys):
    store, url, ids = night
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", url)
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    command = Command(monkeypatch, capsys.readouterr)  # one process: a start for each would take a minute
    with store.read() as db:
        best = {row.id: row.best_candidate_id for row in db.exec(select(SkyObject))}
    for who, label in (("bob", Label.DIPOLE), ("vera", Label.SUPERNOVA)):
        decide(store, session=who, reviewer=who, candidate_id=best[ids[0]], label=label, shown={})
    decide(store, session="bob", reviewer="bob", candidate_id=best[ids[1]], label=Label.ASK_EXPERT, shown={})

    told = json.loads(command("candidates", "stats", "--json"))
    assert [each["reviewer"] for each in told["reviewers"]] == ["bob", "vera"]
    assert told["reviewers"][0]["mean_s"] is None  # too few gaps
    assert (told["disputed"], told["agreement"][0]["n"], told["agreement"][0]["kappa"]) == (1, 1, None)
    assert "1 disputed" in command("candidates", "stats")
    (disputed,) = json.loads(command("candidates", "disagreements", "--json"))
    assert disputed["votes"] == {"vera": "supernova", "bob": "dipole"}
    command("candidates", "assign", ids[1], "vera")
    (asked,) = json.loads(command("candidates", "experts", "--json"))
    assert (asked["object_id"], asked["expert"], asked["asked_by"]) == (ids[1], "vera", "bob")

    command("candidates", "filters", "--save", "strong", "score>22.8")
    listed = json.loads(command("candidates", "list", "--filter", "@strong", "--json"))
    assert len(listed) == 2
    for form in ("parquet", "votable", "ecsv", "regions", "fits"):
        file = tmp_path / f"out.{form}"
        command("candidates", "export", "--format", form, "-o", file)
        assert file.stat().st_size > 0
    command("candidates", "export", "--format", "fits", code=2)
    refused = command("candidates", "tns", "-o", tmp_path / "report.json", "--json", code=1)
    assert any("not set" in problem for problem in json.loads(refused)[0]["problems"])
    assert not (tmp_path / "report.json").exists()
