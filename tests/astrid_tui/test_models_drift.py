"""`astrid models drift`, as a script calls it."""

from __future__ import annotations

from contextlib import closing

import pytest

from core.database.store import open_store
from pipeline.classify.shipped import SHIPPED
from tests.astrid_tui.command import Command
from tests.core.nights import add_nights


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
    assert "score of realbogus" in text
    assert astrid.json("models", "drift", "--nights", 7, "--fail")["state"] == "too little"


def test_a_training_that_is_not_due_is_not_begun(astrid, tmp_path):
    told = astrid.json("models", "retrain")
    assert (told["is_due"], told["training"], told["state"]) == (False, None, "too little")
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_nights(store, 2, decided=30)
    (tmp_path / "config.toml").write_text("[drift]\ndecisions = 60\n")
    assert "due: 60 decisions" in astrid("models", "retrain", "--dry-run")
    astrid("models", "retrain", code=1)  # those have no cutouts
    assert "nothing to learn from" in astrid.said
    assert astrid.json("models", "trainings") == []
