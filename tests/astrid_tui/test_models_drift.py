"""`astrid models drift` and `retrain`, as a script calls them."""

from __future__ import annotations

from contextlib import closing

import pytest

from core.database.store import open_store
from core.review.verdicts import decide
from core.vocabulary import Label
from pipeline.classify.shipped import SHIPPED
from pipeline.training import examples as example_sets
from tests.astrid_tui.command import Command
from tests.builders import add_night
from tests.core.nights import add_nights
from tests.pipeline.toy_models import blobs


@pytest.fixture
def astrid(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ASTRID_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    called = Command(monkeypatch, lambda: tuple(capsys.readouterr()))
    called("init")
    return called


def test_a_script_learns_of_drift_by_the_exit_code_if_it_wants_to(astrid, tmp_path):
    assert astrid.json("models", "drift", "--fail")["state"] == "too little"
    by = f"realbogus {SHIPPED['realbogus'].digest[:12]}"
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_nights(store, 5, scored_by=by)
        add_nights(store, 3, first=5, shift=1.5, scored_by=by, decided=20)
    told = astrid.json("models", "drift")
    assert told["state"] == "drift"
    assert {each["name"] for each in told["quantities"]} == {"realbogus", "elongation", "|snr|"}
    text = astrid("models", "drift", "--fail", code=3)
    assert text.startswith("There is drift.")
    newest, first = "2023-03-02 to 2023-03-04", "2023-02-25 to 2023-03-01"
    assert f"The newest 3 nights, {newest}, against the first 5, {first}." in text
    assert "score of realbogus" in text
    assert astrid.json("models", "drift", "--nights", 7, "--fail")["state"] == "too little"


def test_a_training_that_is_not_due_is_not_begun(astrid, tmp_path):
    told = astrid.json("models", "retrain")
    assert (told["is_due"], told["training"], told["state"]) == (False, None, "too little")
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_nights(store, 2, decided=30, cutouts=False)
    (tmp_path / "config.toml").write_text("[drift]\ndecisions = 60\n[review]\nexperts = ['ada']\n")
    for words in (("--dry-run",), ()):
        said = astrid("models", "retrain", *words)
        assert "A training is not due" in said
        assert "0 agreed decisions of 60 needed were made" in said
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_nights(store, 2, first=2, decided=30)
    assert "A training is due" in astrid("models", "retrain", "--dry-run")
    assert astrid.json("models", "trainings") == []


def test_what_people_decided_trains_a_version_that_waits_to_be_promoted(astrid, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    from pipeline.training import fine_tune

    monkeypatch.setattr(fine_tune, "LEAST_STEPS", 2)
    example_sets.write(blobs(60), tmp_path / "examples.npz")
    (tmp_path / "config.toml").write_text("[drift]\ndecisions = 20\n")
    words = ("realbogus", "--examples", tmp_path / "examples.npz", "--steps", 2, "--width", 4)
    first = astrid.json("models", "train", *words, "--no-sync")
    astrid("models", "promote", "realbogus", 1, "--yes", "--no-sync")
    assert not astrid.json("models", "retrain")["is_due"]
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_night(store, objects=16, epochs=1)
        for who in ("ada", "bob"):
            for number in range(1, 17):
                label = Label.REAL if number % 2 else Label.ARTEFACT
                decide(store, session=who, reviewer=who, candidate_id=number, label=label, shown={})

    told = astrid.json("models", "retrain")
    assert (told["is_due"], told["start"], told["decisions"]) == (True, 1, 32)
    made = told["training"]
    assert (made["state"], made["version"], made["parameters"]["start"]) == ("done", 2, first["digest"])
    assert (made["registry_trouble"], made["is_published"]) == (None, True)
    card = astrid.json("models", "card", "realbogus", 2)
    learnt = card["description"]["trained"]["fine_tuned"]
    assert (learnt["real"], learnt["bogus"], learnt["start"]) == (8, 8, first["digest"])
    (listed,) = (each for each in astrid.json("models", "list")["models"] if each["name"] == "realbogus")
    assert listed["in_use"] == 1
    again = astrid.json("models", "retrain")  # it learnt of all that was decided
    assert (again["is_due"], again["decisions"], again["start"]) == (False, 0, 1)
    astrid("models", "promote", "realbogus", 2, "--yes", "--no-sync")
    assert astrid.json("models", "retrain", "--dry-run")["start"] == 2
