"""What lies in the folder that one stands in, as others may write into one of data, is never run."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path

import pytest

import pipeline.engines.processes
from core.operations.launch import spawn_astrid
from core.settings import Settings
from pipeline.classify.trial import survive
from pipeline.engines.prefect import _prepare_prefect
from tests.chaos.processes import eventually
from tests.pipeline.loaded import loaded

MODULES = ("astrid_tui", "core", "pipeline", "multiprocessing", "json")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that any module in the folder one stands in says its name to."""
    folder, told = tmp_path / "data", tmp_path / "told"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write({name!r})\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    return told


def test_a_run_that_is_started_runs_nothing_of_it(told: Path, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    spawn_astrid(["--version"], log)
    eventually(lambda: log.read_text(encoding="utf-8").endswith("\n"))
    assert not told.exists()
    assert log.read_text(encoding="utf-8").startswith("astrid ")


def test_a_worker_runs_nothing_of_it(told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.engines.processes, "_work", loaded)
    worker = pipeline.engines.processes._started(Settings(home=tmp_path), 1, 1)
    worker.process.join()
    assert not told.exists()
    assert worker.process.exitcode == 0


def test_the_trial_of_a_network_runs_nothing_of_it(told: Path) -> None:
    survive("a network", loaded)
    assert not told.exists()


def test_the_processes_of_a_schedule_run_nothing_of_it(told: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    before = dict(os.environ)
    try:
        _prepare_prefect(settings, "http://127.0.0.1:1/api")
        process = get_context("spawn").Process(target=loaded)  # as Prefect begins a run
        process.start()
        process.join()
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert not told.exists()
    assert process.exitcode == 0
