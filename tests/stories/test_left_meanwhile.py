"""What was asked for comes when whoever asked has gone on: it is not told in the wrong place."""

import json
from contextlib import closing

import pytest

from core.database.store_errors import StoreUnreachable
from core.database.tables import Observation
from screens.action import Where
from screens.frame.host import Target
from screens.frame.memory import file_of
from screens.frame.pulse import Pulse
from screens.ingest import reading as ingest_reading
from screens.review.desk import Desk
from screens.widgets.rows import Rows
from tests.builders import make_store
from tests.stories.desk import Held, console
from tests.stories.test_meanwhile import bulk_being_counted
from tests.stories.trouble import troubled_night


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


async def test_nobody_is_told_of_a_filter_that_was_given_up_for_another(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("1")
        await vera.settled()
        read = Held(monkeypatch, ingest_reading, "read")
        await vera.pilot.press("slash")
        await vera.typed("statte:done")
        await vera.until(lambda: read.is_begun)
        await vera.pilot.press("escape", "slash")
        await vera.typed("kind:science")
        read.let_go()
        await vera.settled()
        assert vera.app.here.filter == "kind:science"
        assert "statte" not in vera.text


async def test_the_screen_that_is_open_is_told_that_the_store_changed(night, tmp_path, monkeypatch):
    store, url, _ = night
    monkeypatch.setattr("astrid_tui.watching.LOOK_S", 3600.0)  # it looks when it is told to
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("1")
        await vera.settled()
        before = vera.app.here.data
        await vera.pilot.press("3")
        await vera.settled()
        look = Held(monkeypatch, Pulse, "look")
        vera.app.look()
        await vera.until(lambda: look.is_begun)
        await vera.pilot.press("1")
        await vera.until(lambda: vera.app.here.data is not before and not vera.app.here.is_asking)
        with store.write() as db:
            db.get_one(Observation, 1).state = "rejected"
        look.let_go()
        await vera.until(lambda: "rejected 1" in vera.text)


async def test_a_console_that_is_left_before_its_queue_was_read_keeps_where_one_was(
    night, tmp_path, monkeypatch
):
    _, url, ids = night
    was = {"filter": "score>22.2", "object": ids[1], "order": "age"}
    own = {"filter": "kind:alerts", "state": ""}
    kept = tmp_path / file_of("vera")
    kept.write_text(json.dumps({"screen": "review", "screens": {"review": was, "ingest": own}}))
    pages, lists = Held(monkeypatch, Desk, "page"), Held(monkeypatch, ingest_reading, "read")
    async with console(url, tmp_path, ready=False) as vera:
        await vera.until(lambda: pages.is_begun)
        await vera.pilot.press("1")
        await vera.until(lambda: lists.is_begun)
        vera.app.save()
        pages.let_go()
        lists.let_go()
    found = json.loads(kept.read_text())["screens"]
    assert found == {"review": was, "ingest": own}


@pytest.mark.parametrize("is_left_at_once", [True, False])
async def test_a_jump_to_a_queue_that_was_never_read_leads_back_to_that_of_the_last_sitting(
    night, tmp_path, is_left_at_once
):
    _, url, _ = night
    kept = {"screen": "ingest", "screens": {"review": {"filter": "score>22.2"}}}
    (tmp_path / file_of("vera")).write_text(json.dumps(kept))
    async with console(url, tmp_path, ready=False) as vera:
        await vera.until(lambda: vera.app.here.WHERE is Where.INGEST and vera.app.here.data is not None)
        vera.app.jump(Where.REVIEW, Target(filter="score>22.8"))
        if not is_left_at_once:
            await vera.until(lambda: "score>22.8  esc back" in vera.text)
        assert not vera.app.here.back()
        assert vera.app.step_out()
        await vera.settled()
        await vera.pilot.press("3")
        await vera.until(lambda: "score>22.2  esc clears" in vera.text)


@pytest.mark.parametrize(("where", "filters"), [("1", "kind:science"), ("3", "score>22.2")])
async def test_the_way_back_is_counted_from_the_filter_that_is_being_read(night, tmp_path, where, filters):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press(where)
        await vera.settled()
        here = vera.app.here
        here.choose(filters)
        assert here.back()  # before anything can be read
        await vera.settled()
        assert not here.filter
        here.choose(filters)
        await vera.until(lambda: here.filter == filters)
        assert here.back()
        assert not here.back()  # it is cleared already, though it still passes what is shown
        await vera.settled()
        assert not here.filter


async def test_that_no_card_is_there_is_not_told_of_a_bulk_verdict_that_was_not_given(
    night, tmp_path, monkeypatch
):
    _, url, _ = night
    async with bulk_being_counted(url, tmp_path, monkeypatch, "score>99") as (vera, passing):
        await vera.pilot.press("escape")
        await vera.until(lambda: "not done" in vera.text)
        passing.let_go()
        await vera.settled()
        assert "not done" in vera.text


@pytest.mark.parametrize("key", ["R", "D"])
async def test_leaving_waits_for_what_is_written_of_frames(tmp_path, monkeypatch, key):
    store, url = make_store(tmp_path)
    troubled_night(store)
    with closing(store):
        async with console(url, tmp_path) as vera:
            await vera.pilot.press("1")
            await vera.settled()
            name = {"R": "retry", "D": "drop"}[key]
            written = Held(monkeypatch, ingest_reading, name)
            await vera.pilot.press("a", key)
            await vera.typed(name)
            await vera.until(lambda: written.is_begun)
            await vera.pilot.press("q")
            await vera.pilot.pause()
            assert vera.app.is_running
            assert "leaving as soon as it is written" in vera.text
            written.let_go()
            await vera.until(lambda: not vera.app.is_running)


async def test_a_list_that_was_wanted_while_the_store_was_away_is_read_once_it_is_back(
    night, tmp_path, monkeypatch
):
    _, url, _ = night
    own = {"screens": {"ingest": {"filter": "kind:science"}}}
    (tmp_path / file_of("vera")).write_text(json.dumps(own))
    async with console(url, tmp_path) as vera:
        with monkeypatch.context() as patch:
            patch.setattr(ingest_reading, "read", away)
            await vera.pilot.press("1")
            await vera.until(lambda: "is away" in vera.text)
        vera.app.here.catch_up()
        await vera.until(lambda: "kind:science  esc clears" in vera.text)
        with monkeypatch.context() as patch:
            patch.setattr(ingest_reading, "read", away)
            await vera.pilot.press("2")
            vera.app.jump(Where.INGEST, Target(filter="kind:alerts"))
            await vera.until(lambda: "is away" in vera.text)
        vera.app.here.catch_up()
        await vera.until(lambda: "kind:alerts  esc back" in vera.text)


def away(*_given):
    raise StoreUnreachable("the store is away")


async def test_a_tag_that_was_written_while_values_were_read_is_offered_to_the_next_filter(
    night, tmp_path, monkeypatch
):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        values = Held(monkeypatch, vera.screen.desk, "offered", is_read=True)
        await vera.pilot.press("slash")
        await vera.until(lambda: values.is_begun)
        await vera.pilot.press("escape", "w")
        await vera.typed("#halo")
        await vera.until(lambda: "note kept" in vera.text)
        values.let_go()
        await vera.settled()
        await vera.pilot.press("slash", *"tag:h")
        await vera.until(lambda: "halo" in vera.screen.query_one("#page", Rows).lines[-1][-1].text)
