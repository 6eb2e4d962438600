"""What all stories share: a console is waited for as briefly as it takes."""

import pytest


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
