"""A simulated night, in a store with its reference, ready to be run."""

from __future__ import annotations

import pytest

import pipeline.engines.processes
import pipeline.engines.worker
from core.database.store import Store
from core.frames import references
from core.frames.observations import register
from core.settings import Settings
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.forks import FORKS, begin
from tests.pipeline.local_engine.night import FRAMES, Night
from tests.pipeline.processed import Kept, processed_once


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    settings = Settings.model_construct(home=folder / "home")
    paths = simulate_night(folder / "frames", frames=FRAMES, size=256, seed=3, references=2)
    facts, *_ = from_frames(paths.reference, settings)
    frames = [each for path in paths.science for each in examine(path, settings)]
    return Night(settings.home, frames, facts)


@pytest.fixture
def settings(night: Night, store: Store, store_url: str) -> Settings:
    """A store with four frames in the queue and their reference."""
    register(store, night.frames)
    references.add(store, night.reference)
    return night.settings(store_url)


@pytest.fixture
def on_sqlite(night: Night, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Store]:
    """The same on SQLite alone, for tests of processes, which are forked here: to spawn one takes seconds."""
    begin()  # not by the run, which holds signals back as it starts workers
    monkeypatch.setattr(pipeline.engines.processes, "get_context", lambda _: FORKS)
    register(sqlite_store, night.frames)
    references.add(sqlite_store, night.reference)
    return night.settings(f"sqlite:///{sqlite_store.url}"), sqlite_store


@pytest.fixture(scope="session")
def _processed() -> Kept:
    return {}


@pytest.fixture
def known_outcomes(_processed: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each frame be processed once for all tests that ask for this."""
    monkeypatch.setattr(pipeline.engines.worker, "process", processed_once(_processed))
