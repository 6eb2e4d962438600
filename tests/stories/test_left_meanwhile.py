"""What was asked for comes when whoever asked has gone on: it is not told in the wrong place."""

import pytest

from screens.ingest import reading as ingest_reading
from tests.stories.desk import Held, console


async def test_values_for_a_filter_that_come_late_are_no_hint_for_a_note(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        values = Held(monkeypatch, vera.screen.desk, "offered")
        await vera.pilot.press("slash")
        await vera.until(lambda: values.is_begun)
        await vera.pilot.press("escape", "w", *"star")
        values.let_go()
        await vera.settled()
        assert vera.screen.prompt.value == "star"
        assert "to filter by" not in vera.text
        await vera.pilot.press("enter")
        await vera.settled()
        assert "note kept: star" in vera.text


@pytest.mark.parametrize("where", ["1", "3"])
async def test_nobody_is_told_of_a_filter_that_was_given_up(night, tmp_path, monkeypatch, where):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press(where)
        await vera.settled()
        here = vera.app.here
        owner, name = (vera.screen.desk, "expanded") if where == "3" else (ingest_reading, "read")
        read = Held(monkeypatch, owner, name)
        await vera.pilot.press("slash")
        await vera.typed("statte:done")
        await vera.until(lambda: read.is_begun)
        await vera.pilot.press("escape")
        read.let_go()
        await vera.settled()
        assert not here.prompt.is_open
        assert "statte" not in vera.text
        assert not here.filter
        await vera.pilot.press("colon")
        await vera.typed("filter statte:done")  # and of the next one as ever
        await vera.until(lambda: "statte" in vera.text)
