"""What all stories share: a console is waited for as briefly as it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database.store import Store
from tests.builders import add_night, make_store


@pytest.fixture(autouse=True)
def soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each key Textual waits twice until the process is idle: let it look every 5 ms, not every 20.

    What counts as idle, less than a millisecond of work between two looks, stays.
    """
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.005)


@pytest.fixture
def soon_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a console sees by itself: it looks at the store and at logs ten times a second."""
    monkeypatch.setattr("astrid_tui.watching.LOOK_S", 0.1)
    monkeypatch.setattr("screens.health.screen.LOG_S", 0.1)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[tuple[Store, str, list[int]]]:
    """A store with five objects that await a verdict, its URL, and their ids."""
    store, url = make_store(tmp_path)
    ids = add_night(store)
    yield store, url, ids
    store.close()
