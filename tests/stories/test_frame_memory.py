"""The next console begins where the last one was left, and each reviewer's at an own place."""

import json
import threading

import pytest

from screens.frame import opening, stray
from screens.frame.memory import SHARED, file_of
from screens.frame.opening import open_up
from tests.stories.desk import Held, console, verdicts


async def test_the_console_begins_where_the_last_one_was_left(night, tmp_path):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.2")
        await vera.press("j")
        name = vera.screen.card.name
        vera.app.act("theme:light")
        await vera.pilot.press("5")
        await vera.until(lambda: "power" in vera.lines[0])
        await vera.pilot.press("q")
    async with console(url, tmp_path, ready=False) as vera:
        await vera.until(lambda: "power" in vera.lines[0])
        assert vera.app.theme == "light"
        await vera.press("3")
        await vera.until(lambda: vera.screen.card is not None and vera.screen.card.name == name)
        assert "score>22.2" in vera.lines[1]
        await vera.pilot.press("5")
        await vera.until(lambda: "power" in vera.lines[0])
        await vera.pilot.press("q")
    async with console(url, tmp_path, at_review=True) as vera:  # who asks for the queue is led to it
        assert "review" in vera.lines[0]
        assert "score>22.2" in vera.lines[1]


async def test_a_screen_that_is_asked_for_while_the_store_is_opened_stays(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("5")
        await vera.until(lambda: "power" in vera.lines[0])
        await vera.pilot.press("q")
    may_open = threading.Event()

    def slowly(*arguments, **how):
        assert may_open.wait(30.0)
        return open_up(*arguments, **how)

    monkeypatch.setattr("screens.frame.opening.open_up", slowly)
    async with console(url, tmp_path, ready=False) as vera:
        await vera.pilot.press("2")
        may_open.set()
        await vera.until(lambda: vera.app.opened is not None)
        await vera.settled()
        assert "pipeline" in vera.lines[0]


async def test_a_filter_that_is_typed_before_the_store_is_open_is_no_keys(night, tmp_path, monkeypatch):
    store, url, _ = night
    monkeypatch.setattr(stray, "PAUSE_S", 600.0)
    held = Held(monkeypatch, opening, "open_up")
    async with console(url, tmp_path, ready=False) as vera:
        await vera.pilot.press("slash", "minus", *"sn")
        held.let_go()
        await vera.ready()
        await vera.pilot.press(*"r>5", "enter")
        await vera.settled()
        assert "3 review" in vera.lines[0]
        assert "1 of 5" in vera.lines[1]
        await vera.press("x")
    assert [row.label for row in verdicts(store)] == ["artefact"]


@pytest.mark.parametrize("text", ["{", '{"screen": "nowhere", "theme": "pink", "screens": {"review": 3}}'])
async def test_a_damaged_memory_is_no_memory(night, tmp_path, text):
    _, url, _ = night
    (tmp_path / file_of("vera")).write_text(text)
    async with console(url, tmp_path) as vera:
        assert "1 of 5" in vera.text
        assert vera.app.theme == "dark"
        await vera.pilot.press("q")
    assert json.loads((tmp_path / file_of("vera")).read_text())["screen"] == "review"


async def test_each_reviewer_comes_back_to_an_own_place(night, tmp_path, monkeypatch):
    _, url, _ = night
    (tmp_path / SHARED).write_text('{"screens": {"review": {"filter": "score>22.8"}}}')
    async with console(url, tmp_path) as vera:  # as an earlier AstrID kept it for all
        assert "score>22.8" in vera.lines[1]
        await vera.pilot.press("q")
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "Eve / Löwe")
    async with console(url, tmp_path) as eve:
        assert "score>" not in eve.lines[1]
        await eve.press("slash")
        await eve.type("score>22.2")
        await eve.pilot.press("q")
    async with console(url, tmp_path) as eve:
        assert "score>22.2" in eve.lines[1]
    monkeypatch.delenv("ASTRID_REVIEW__REVIEWER")
    async with console(url, tmp_path) as vera:
        assert "score>22.8" in vera.lines[1]


async def test_read_only_leaves_no_trace(night, tmp_path):
    _, url, _ = night
    async with console(url, tmp_path, read_only=True) as vera:
        await vera.press("j")
        await vera.pilot.press("colon")
        assert "cancel" not in vera.text
        await vera.type("assign eve")
        assert "'assign' is no command of a read-only console" in vera.text
        await vera.pilot.press("q")
    assert not [*tmp_path.glob("console*")]
