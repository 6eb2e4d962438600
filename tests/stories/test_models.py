"""An observer asks which model scores the candidates."""

import pytest

from astrid_tui.app import Console
from core.database.store import Store
from core.models.registry import own_database
from core.settings import load
from screens.terminal import Terminal
from tests.astrid_tui.command import Command
from tests.core.test_registry_file import a_model, fill
from tests.stories.test_health import until


@pytest.fixture
def home(sqlite_store: Store, tmp_path, monkeypatch):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_models_are_looked_into(home) -> None:
    fill(own_database(load()), *a_model("forest", versions=0), *a_model("realbogus"))
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, "> forest", "it has none yet")
        await pilot.press("j")
        await until(pilot, "> realbogus", "version 1 in use", "Versions of realbogus", "champion auc 0.97")
        await pilot.press("enter", "j", "enter")
        await until(pilot, "realbogus, version 1", "sha256  ab", "run         run1")
        await pilot.press("escape", "escape")
        await until(pilot, "> realbogus")


async def test_before_the_first_model_the_screen_says_what_is_true(home) -> None:
    async with Console(terminal=Terminal()).run_test(size=(40, 10)) as pilot:
        await pilot.press("4")
        await until(pilot, "No model is registered")
        await pilot.press("j", "enter")
        await until(pilot, "no model is registered")


def test_scripts_list_what_others_registered(home, monkeypatch, capsys) -> None:
    astrid = Command(monkeypatch, capsys.readouterr)
    assert astrid.json("models", "list")["registered"] == []
    assert "those that AstrID came with are in use" in astrid("models", "list")
    fill(own_database(load()), *a_model())
    (model,) = astrid.json("models", "list")["registered"]
    assert (model["name"], model["champion"], len(model["versions"])) == ("realbogus", 1, 2)
    fill(own_database(load()), "DROP TABLE latest_metrics")
    assert "latest_metrics" in astrid.json("models", "list")["trouble"]
