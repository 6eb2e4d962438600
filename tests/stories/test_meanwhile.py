"""What is asked for while something else is on its way: nothing is given up, nothing falls elsewhere."""

from contextlib import asynccontextmanager

import pytest

from core.database.tables import SkyObject
from core.review.verdicts import decide
from core.vocabulary import Label
from screens.lines import plain
from screens.widgets.confirm import Confirm
from screens.widgets.rows import Rows
from screens.widgets.sheet import Sheet
from tests.stories.desk import Held, console, verdicts


@asynccontextmanager
async def bulk_being_counted(url, folder, monkeypatch, filters="score>22.8"):
    """A console where one verdict on all of a filter was asked for; its cards are still counted."""
    async with console(url, folder) as vera:
        await vera.press("slash")
        await vera.type(filters)
        passing = Held(monkeypatch, vera.screen.desk, "passing")
        await vera.pilot.press("B")
        await vera.typed("artefact")
        await vera.until(lambda: passing.is_begun)
        yield vera, passing


@asynccontextmanager
async def page_being_made(url, folder, monkeypatch, command):
    """A console where a page was asked for by a command; the store is still asked."""
    async with console(url, folder) as vera:
        await vera.settled()
        made = Held(monkeypatch, vera.screen.desk, {"why": "why", "pace": "measured"}[command])
        await vera.pilot.press("colon")
        await vera.typed(command)
        await vera.until(lambda: made.is_begun)
        yield vera, made


async def test_a_note_that_is_typed_while_the_queue_is_read_is_no_verdict_and_falls_on_its_card(
    night, tmp_path, monkeypatch
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        await vera.pilot.press("j")
        await vera.settled()
        pages = Held(monkeypatch, vera.screen.desk, "page")
        await vera.pilot.press("O")
        await vera.until(lambda: pages.is_begun)
        await vera.pilot.press("w", *"next to a ")
        pages.let_go()
        await vera.until(lambda: "1 of 5 by brightness" in vera.lines[1])
        await vera.settled()
        await vera.pilot.press(*"star", "enter")
        await vera.settled()
    (note,) = verdicts(store)
    assert (note.label, note.note, note.sky_object_id) == (None, "next to a star", ids[1])


async def test_another_order_is_not_given_up_by_going_on(night, tmp_path, monkeypatch):
    _, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        pages = Held(monkeypatch, vera.screen.desk, "page")
        await vera.pilot.press("O")
        await vera.until(lambda: pages.is_begun)
        await vera.pilot.press("j")
        pages.let_go()
        await vera.settled()
        assert "1 of 5 by brightness" in vera.lines[1]
        assert vera.screen.reading.order == "brightness"
        assert vera.screen.card.object_id == ids[0]


@pytest.mark.parametrize("is_understood", [True, False])
async def test_a_filter_is_not_given_up_by_a_verdict_that_is_written_meanwhile(
    night, tmp_path, monkeypatch, is_understood
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        writes = Held(monkeypatch, vera.screen.desk, "decide")
        filters = Held(monkeypatch, vera.screen.desk, "expanded")
        await vera.pilot.press("x")
        await vera.until(lambda: writes.is_begun)
        await vera.pilot.press("slash")
        await vera.typed("score>22.8" if is_understood else "scorn>22.8")
        await vera.until(lambda: filters.is_begun)
        writes.let_go()
        await vera.until(lambda: len(verdicts(store)) == 1 and not vera.screen.is_busy)
        filters.let_go()
        await vera.settled()
        assert vera.screen.prompt.is_open != is_understood
        if is_understood:
            assert "score>22.8" in vera.lines[1]
        else:
            assert "there is no 'scorn' to filter by" in vera.text
            assert "2 of 5" in vera.lines[1]
            assert vera.screen.card.object_id == ids[1]


async def test_a_command_that_is_typed_while_a_list_is_read_anew_is_not_cut_off(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.pilot.press("1", "slash")
        await vera.typed("kind:science")
        await vera.until(lambda: "kind:science  esc clears" in vera.text)
        lists = Held(monkeypatch, __import__("screens.ingest.reading", fromlist=["read"]), "read")
        await vera.pilot.press("escape")
        await vera.until(lambda: lists.is_begun)
        await vera.pilot.press("colon", *"state qu")
        lists.let_go()
        await vera.until(lambda: vera.app.here.filter == "")
        await vera.settled()
        assert vera.app.here.prompt.is_open
        assert vera.app.here.prompt.value == "state qu"


async def test_a_card_whose_verdict_is_still_written_is_not_shown_as_undecided_in_another_order(
    night, tmp_path, monkeypatch
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        writes = Held(monkeypatch, vera.screen.desk, "decide")
        await vera.pilot.press("x")
        await vera.until(lambda: writes.is_begun)
        await vera.pilot.press("O")
        await vera.until(lambda: "1 of 5 by brightness" in vera.lines[1])
        assert vera.screen.queue.current.object_id == ids[0]
        writes.let_go()
        await vera.settled()
        assert "2 of 5 by brightness" in vera.lines[1]
        assert [entry.label for entry in vera.screen.queue.entries[:2]] == ["artefact", None]
    assert [row.sky_object_id for row in verdicts(store)] == [ids[0]]


async def test_a_filter_that_was_not_understood_is_still_typed_when_the_queue_is_read_anew(night, tmp_path):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        await vera.pilot.press("slash")
        await vera.typed("scorn>22.8")
        await vera.settled()  # the hint says the same while it is being typed
        assert "there is no 'scorn' to filter by" in vera.text
        vera.screen.choosing.restart_soon(vera.screen.filter)  # as where more came in at the queue's end
        await vera.settled()
        assert vera.screen.prompt.is_open
        assert vera.screen.prompt.value == "scorn>22.8"


async def test_one_verdict_on_all_of_a_filter_is_for_the_filter_that_was_in_force_when_it_was_asked_for(
    night, tmp_path, monkeypatch
):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.8")
        assert "1 of 2" in vera.lines[1]
        filters = Held(monkeypatch, vera.screen.desk, "expanded")
        await vera.pilot.press("slash")
        await vera.typed(" or score<=22.8")
        await vera.until(lambda: filters.is_begun)
        await vera.pilot.press("escape", "B")
        filters.let_go()
        await vera.until(lambda: "1 of 5" in vera.lines[1])
        await vera.settled()
        await vera.typed("artefact")
        await vera.until(lambda: isinstance(vera.app.screen, Confirm))
        await vera.typed("artefact")
        await vera.until(lambda: verdicts(store))
        await vera.settled()
    assert len(verdicts(store)) == 2
    assert {row.shown["filter"] for row in verdicts(store)} == {"score>22.8"}


async def test_keys_that_are_typed_while_a_bulk_verdict_is_counted_are_for_its_word(
    night, tmp_path, monkeypatch
):
    store, url, _ = night
    async with bulk_being_counted(url, tmp_path, monkeypatch) as (vera, passing):
        await vera.typed("artefact")  # its letters are verdicts and more on the card behind
        assert isinstance(vera.app.screen, Confirm)
        assert "esc not to: counting" in vera.text
        passing.let_go()
        await vera.until(lambda: "artefact for 2 objects" in vera.text)
        await vera.settled()
        assert verdicts(store) == []  # what was not told yet was not answered
        assert "1 of 2" in plain(vera.screen.query_one("#page", Rows).lines[0])
        await vera.pilot.press("enter")
        await vera.until(lambda: len(verdicts(store)) == 2)
        await vera.settled()
    assert {row.shown["by"] for row in verdicts(store)} == {"bulk"}


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_bulk_verdict_that_is_not_given_leaves_no_question_behind(
    night, tmp_path, monkeypatch, is_there
):
    store, url, _ = night
    filters = "score>22.8" if is_there else "score>99"
    async with bulk_being_counted(url, tmp_path, monkeypatch, filters) as (vera, passing):
        if is_there:
            await vera.pilot.press("escape")
        passing.let_go()
        said = "not done" if is_there else "no card passes the filter"
        await vera.settled()
        await vera.until(lambda: said in vera.text)
        assert vera.app.screen is vera.screen
    assert verdicts(store) == []


@pytest.mark.parametrize("last", ["enter", "escape"])
async def test_a_word_that_is_being_typed_when_its_question_drops_falls_on_no_card(
    night, tmp_path, monkeypatch, last
):
    store, url, ids = night
    async with bulk_being_counted(url, tmp_path, monkeypatch) as (vera, passing):
        await vera.pilot.press(*"art")
        with store.read() as session:
            shown = [session.get(SkyObject, each).best_candidate_id for each in ids]
        for each in shown:  # at another console
            decide(store, session="a", reviewer="ada", candidate_id=each, label=Label.REAL, shown={})
        passing.let_go()
        await vera.settled()
        assert "nothing is done, enter or esc goes back: bulk: no card passes the filter" in vera.text
        await vera.pilot.press(*"efact", last)  # ask an expert, cosmic ray, trail
        await vera.settled()
        assert vera.app.screen is vera.screen
        assert "no card passes the filter" in vera.text
    assert {row.reviewer for row in verdicts(store)} == {"ada"}


async def test_a_word_that_is_typed_from_habit_after_a_few_were_marked_falls_on_no_card(
    night, tmp_path, monkeypatch
):
    """Of a few, enter alone will do; the letters of the word would ask an expert, and call others real."""
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space", "B")
        looked_up = Held(monkeypatch, vera.screen.desk, "candidates_shown")
        await vera.typed("artefact")
        await vera.until(lambda: looked_up.is_begun)
        await vera.pilot.press(*"arte")
        looked_up.let_go()
        await vera.until(lambda: "enter to do it, esc not to: artefact for 2 objects" in vera.text)
        assert verdicts(store) == []
        await vera.typed("fact")
        await vera.until(lambda: len(verdicts(store)) == 2)
        await vera.settled()
        assert "3 of 5" in vera.lines[1]
    assert {(row.sky_object_id, row.label) for row in verdicts(store)} == {(i, "artefact") for i in ids[:2]}


@pytest.mark.parametrize("command", ["why", "pace"])
async def test_a_page_that_comes_late_waits_until_nothing_is_typed(night, tmp_path, monkeypatch, command):
    _, url, _ = night
    async with page_being_made(url, tmp_path, monkeypatch, command) as (vera, made):
        await vera.pilot.press("slash", *"score")
        made.let_go()
        await vera.settled()
        assert vera.app.screen is vera.screen
        await vera.typed(">22.8")
        await vera.until(lambda: isinstance(vera.app.screen, Sheet))
        await vera.settled()
        assert vera.screen.filter == "score>22.8"
        await vera.pilot.press("escape")
        await vera.settled()
        assert vera.app.screen is vera.screen  # it came once


async def test_a_page_that_comes_late_waits_until_another_is_read(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with page_being_made(url, tmp_path, monkeypatch, "pace") as (vera, made):
        await vera.pilot.press("question_mark")
        await vera.until(lambda: "Help" in vera.text)
        made.let_go()
        await vera.settled()
        assert "Help" in vera.text
        await vera.pilot.press("escape")
        await vera.until(lambda: "Pace and agreement" in vera.text)


@pytest.fixture(params=[("slash", ""), ("colon", "filter ")], ids=["slash", "command"])
def way(request):
    """How a filter is typed: the key for it, and what comes before it."""
    return request.param


@asynccontextmanager
async def filter_being_read(url, folder, monkeypatch, filters, way=("slash", "")):
    """A console whose filter was submitted; the store is still asked for what passes it."""
    async with console(url, folder) as vera:
        await vera.settled()
        read = Held(monkeypatch, vera.screen.desk, "expanded")
        await vera.pilot.press(way[0])
        await vera.typed(way[1] + filters)
        await vera.until(lambda: read.is_begun)
        yield vera, read


async def test_keys_wait_while_a_filter_is_read_and_go_to_the_cards_then(night, tmp_path, monkeypatch, way):
    store, url, _ = night
    async with filter_being_read(url, tmp_path, monkeypatch, "score>22.5", way) as (vera, read):
        await vera.pilot.press("j", "j", "k")
        assert vera.screen.prompt.value == f"{way[1]}score>22.5"
        read.let_go()
        await vera.until(lambda: "2 of 3" in vera.lines[1])
        await vera.settled()
        assert vera.screen.filter == "score>22.5"
        await vera.press("x")
        assert "3 of 3" in vera.lines[1]
    assert [row.label for row in verdicts(store)] == ["artefact"]


async def test_keys_that_waited_for_a_filter_that_was_not_understood_are_none(
    night, tmp_path, monkeypatch, way
):
    store, url, _ = night
    async with filter_being_read(url, tmp_path, monkeypatch, "nonsense=7", way) as (vera, read):
        await vera.pilot.press("j", "x")
        read.let_go()
        await vera.until(lambda: not vera.screen.prompt.is_waiting)
        assert "there is no 'nonsense'" in vera.text
        assert "1 of 5" in vera.lines[1]
        assert vera.screen.prompt.value == f"{way[1]}nonsense=7"
        await vera.pilot.press("ctrl+u")
        await vera.typed(f"{way[1]}score>22.5")
        await vera.until(lambda: "1 of 3" in vera.lines[1])
    assert verdicts(store) == []


async def test_who_does_not_wait_for_a_filter_goes_back_without_the_keys_that_wait(
    night, tmp_path, monkeypatch, way
):
    store, url, _ = night
    async with filter_being_read(url, tmp_path, monkeypatch, "score>22.5", way) as (vera, read):
        await vera.pilot.press("j", "x", "escape")
        assert not vera.screen.prompt.is_open
        read.let_go()
        await vera.settled()
        assert "1 of " in vera.lines[1]
    assert verdicts(store) == []
