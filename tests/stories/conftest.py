"""What all stories share: a console is waited for as briefly as it takes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual._wait import wait_for_idle
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from core.database.store import Store
from tests.builders import make_night, stores_copied


@pytest.fixture(autouse=True)
def soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each key Textual waits twice until the process is idle, for animations that there are none of.

    Let it wait once, when all that the key asks for has been heard, and look every 5 ms, not every 20. What
    counts as idle, less than a millisecond of work between two looks, stays.
    """

    async def go_on(_: float) -> None:
        await asyncio.sleep(0)

    async def press(pilot: Pilot[None], *keys: str) -> None:
        for key in keys:
            await textual_press(pilot, key)
            await wait_for_idle(0)

    textual_press = Pilot.press
    monkeypatch.setattr("textual.app.wait_for_idle", go_on)
    monkeypatch.setattr(Pilot, "press", press)
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.005)


@pytest.fixture(scope="session", autouse=True)
def _styles_parsed_once() -> Iterator[None]:
    """Every console, and each of its screens, would parse the same style sheets anew."""
    parsed: dict[object, list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_once(sheet: Stylesheet, css: str, **more: object) -> list[RuleSet]:
        key = (frozenset(sheet._variables.items()), css, *more.items())
        if key not in parsed:
            parsed[key] = parse(sheet, css, **more)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_once)
        yield


@pytest.fixture(autouse=True)
def _stores_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """How stores are made is tested elsewhere."""
    stores_copied(monkeypatch)


@pytest.fixture
def soon_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what a console sees by itself: it looks at the store and at logs ten times a second."""
    monkeypatch.setattr("astrid_tui.watching.LOOK_S", 0.1)
    monkeypatch.setattr("screens.health.screen.LOG_S", 0.1)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[tuple[Store, str, list[int]]]:
    """A store with five objects that await a verdict, its URL, and their ids."""
    store, url, ids = make_night(tmp_path)
    yield store, url, ids
    store.close()
