"""What happens while more like a card is looked for: the search comes late, or to somebody who went on."""

import asyncio
import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from core.database.tables import SkyObject
from screens.action import Where
from screens.frame.host import Target
from screens.widgets.sheet import Sheet
from tests.builders import add_night, make_store
from tests.stories.desk import Held, console, verdicts
from tests.stories.likest import Searches


@pytest.fixture
def crowd(tmp_path):
    """A store with twenty objects that await a verdict."""
    store, url = make_store(tmp_path)
    ids = add_night(store, objects=20, epochs=1)
    yield store, url, ids
    store.close()


@pytest.fixture
def searches(crowd, monkeypatch):
    """Searches that find the last object first, and end when they are let go."""
    found = Searches(monkeypatch, crowd[0])
    found.hold()
    return found


def met(vera):
    return [entry.object_id for entry in vera.screen.queue.entries[vera.screen.queue.place :]]


async def begun(vera, searches, key="L", count=1):
    """Look for more; the search is under way."""
    await vera.ready()
    await vera.pilot.press(key)
    await vera.until(lambda: len(searches.asked) == count)
    await vera.pilot.pause()


async def ended(vera, searches):
    """Let what is under way end."""
    searches.let_go()
    await vera.settled()
    await vera.ready()


async def test_whoever_goes_on_judging_stays_where_that_led(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        assert "1 of 20  more like" in vera.lines[1]
        assert "esc gives up" in vera.lines[1]
        await vera.press("x", "j", "d")
        assert "more like" in vera.lines[1]
        assert met(vera)[0] == ids[3]
        await ended(vera, searches)
        assert met(vera)[:3] == [ids[3], ids[19], ids[18]]
        assert not {ids[0], ids[2]} & {*met(vera)}  # they were judged meanwhile
        await vera.press("v", "s")
    assert [row.sky_object_id for row in verdicts(store)] == [ids[0], ids[2], ids[3], ids[19]]


async def test_it_can_be_given_up(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await vera.press("escape")
        assert "is given up" in vera.text
        assert "more like" not in vera.lines[1]
        await ended(vera, searches)
        assert met(vera) == ids
        assert not vera.screen.reading.is_ranked


async def test_what_is_looked_for_at_the_end_is_given_up_before_one_goes_back(
    crowd, searches, tmp_path, monkeypatch
):
    monkeypatch.setattr("screens.review.liking.LOOKS", 5)
    _, url, _ = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("O")
        await vera.ready()
        await begun(vera, searches)
        assert "brightness" not in vera.lines[1]
        await ended(vera, searches)
        searches.hold()
        await vera.press(*"jjjjj")
        await begun(vera, searches, count=2)
        assert "The end of the 5" in vera.text
        assert "esc gives up" in vera.text
        assert "goes back" not in vera.text
        await vera.pilot.press("escape")
        await ended(vera, searches)
        assert "The end of the 5" in vera.text
        assert "esc goes back to the queue as it was" in vera.text
        await vera.press("escape")
        assert "1 of 20 by brightness" in vera.lines[1]


async def test_another_search_takes_over(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await vera.press("j")
        await begun(vera, searches, count=2)
        await ended(vera, searches)
        with store.read() as db:
            second = db.get_one(SkyObject, ids[1])
            assert searches.given("like") == [str(second.best_candidate_id)]
            assert f"like {second.name}" in vera.lines[1]
        assert met(vera)[:2] == [ids[1], ids[19]]


@pytest.mark.parametrize("comes_first", ["search", "filter"])
async def test_where_another_filter_is_set_it_is_looked_for_in_that_one(
    crowd, searches, tmp_path, monkeypatch, comes_first
):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        pages = Held(monkeypatch, vera.screen.desk, "page")
        await vera.pilot.press("slash")
        await vera.typed("snr>5")
        await vera.until(lambda: pages.is_begun)
        if comes_first == "search":
            searches.let_go()
            await vera.until(lambda: bool(vera.screen.choosing._then))  # it waits for the filter
            searches.hold()
        pages.let_go()
        await vera.until(lambda: len(searches.asked) == 2)
        await vera.until(lambda: "snr>5" in vera.lines[1] and "esc gives up" in vera.lines[1])
        assert "esc clears" not in vera.lines[1]  # it gives up first
        assert not vera.screen.reading.is_ranked  # what was found is of the filter before
        await ended(vera, searches)
        assert searches.given("filter") == ["snr>5"]
        assert vera.screen.reading.is_ranked
        assert met(vera) == [ids[0], *ids[:0:-1]]
        await vera.press("escape")
        assert met(vera) == ids
        assert "snr>5" in vera.lines[1]


async def test_a_filter_that_is_not_understood_gives_nothing_up(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await vera.pilot.press("slash")
        await vera.typed("scorn>5")
        await vera.until(lambda: "no 'scorn'" in vera.text and not vera.screen.choosing.is_restarting)
        await vera.pilot.press("escape")
        await ended(vera, searches)
        assert len(searches.asked) == 1
        assert met(vera)[:2] == [ids[0], ids[19]]


async def test_another_order_gives_it_up(crowd, searches, tmp_path):
    _, url, _ = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await vera.press("O")
        await ended(vera, searches)
        assert "1 of 20 by brightness" in vera.lines[1]
        assert not vera.screen.reading.is_ranked


async def test_a_jump_from_elsewhere_gives_it_up(crowd, searches, tmp_path):
    _, url, ids = crowd
    searches.let_go()
    async with console(url, tmp_path) as vera:
        await vera.press("L")
        await vera.settled()
        await vera.pilot.press("1")
        await vera.until(lambda: vera.app.here.WHERE is Where.INGEST)
        vera.app.jump(Where.REVIEW, Target(filter="snr>5"))
        await vera.settled()
        assert "snr>5  esc back  1 of 20" in vera.lines[1]
        assert "like" not in vera.lines[1]
        assert met(vera) == ids
        assert len(searches.asked) == 1


async def test_whoever_is_on_another_screen_finds_it_when_he_comes_back(crowd, searches, tmp_path):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await vera.pilot.press("1")
        await vera.until(lambda: vera.app.here.WHERE is Where.INGEST)
        searches.let_go()
        await vera.settled()
        assert "ingest" in vera.lines[0]
        await vera.pilot.press("3")
        await vera.ready()
        assert met(vera)[:2] == [ids[0], ids[19]]
        assert "like " in vera.lines[1]


async def test_whoever_reads_a_sheet_or_types_a_note_goes_on_with_it(crowd, searches, tmp_path):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.press("j")
        await begun(vera, searches)
        await vera.pilot.press("question_mark")
        await vera.until(lambda: isinstance(vera.app.screen, Sheet))
        await vera.pilot.press("escape")
        await vera.ready()
        await vera.pilot.press("w", *"near a ")
        searches.let_go()
        await vera.until(lambda: vera.screen.reading.is_ranked)
        await vera.typed("star")
        await vera.settled()
        assert met(vera)[:2] == [ids[1], ids[19]]
    assert [(row.sky_object_id, row.note) for row in verdicts(store)] == [(ids[1], "near a star")]


async def test_a_verdict_that_is_still_written_when_one_goes_back_falls_where_it_was_given(
    crowd, searches, tmp_path, monkeypatch
):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await ended(vera, searches)
        await vera.press("j")
        writes = Held(monkeypatch, vera.screen.desk, "decide")
        await vera.pilot.press("d")
        await vera.until(lambda: writes.is_begun)
        await vera.pilot.press("escape")
        await vera.pilot.pause()
        assert met(vera)[0] == ids[0]
        writes.let_go()
        await vera.settled()
        await vera.ready()
        assert met(vera)[0] == ids[0]
        assert vera.screen.queue.entries[-1].label == "dipole"
    assert [row.sky_object_id for row in verdicts(store)] == [ids[19]]


async def test_a_verdict_that_is_still_written_when_it_is_found_falls_where_it_was_given(
    crowd, searches, tmp_path, monkeypatch
):
    store, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        writes = Held(monkeypatch, vera.screen.desk, "decide")
        await vera.pilot.press("d")
        await vera.until(lambda: writes.is_begun)
        searches.let_go()
        await vera.until(lambda: vera.screen.reading.is_ranked)
        writes.let_go()
        await vera.settled()
        await vera.ready()
        assert met(vera)[0] == ids[19]
        assert "2 of 20" in vera.lines[1]
    assert [row.sky_object_id for row in verdicts(store)] == [ids[0]]


async def test_where_the_store_is_slow_the_search_waits_and_keys_do_not(
    crowd, searches, tmp_path, monkeypatch
):
    _, url, ids = crowd
    async with console(url, tmp_path) as vera:
        await vera.ready()
        asked = Held(monkeypatch, vera.screen.desk, "taught")
        await vera.pilot.press("L")
        await vera.until(lambda: asked.is_begun)
        await vera.press("j", "x")
        assert "more like" in vera.lines[1]
        asked.let_go()
        await ended(vera, searches)
        assert met(vera)[:2] == [ids[2], ids[0]]  # the example still awaits a verdict


async def test_how_far_the_measuring_is_is_told_once_a_second_at_most(crowd, searches, tmp_path, monkeypatch):
    _, url, _ = crowd
    seconds = [100.0]
    monkeypatch.setattr("screens.review.liking.monotonic", lambda: seconds[0])
    searches.measured = (3000, 20000)
    async with console(url, tmp_path) as vera:
        await begun(vera, searches)
        await vera.until(lambda: ": 3000 of 20000  esc gives up" in vera.lines[1])
        sought = vera.screen.liking.sought
        vera.screen.liking._tell(sought, 4000, 20000)
        assert ": 3000 of 20000" in vera.lines[1]
        seconds[0] += 1.0
        vera.screen.liking._tell(sought, 5000, 20000)
        assert ": 5000 of 20000" in vera.lines[1]
        await ended(vera, searches)


async def test_what_fails_is_said_and_all_stays(crowd, searches, tmp_path):
    _, url, ids = crowd
    searches.let_go()
    async with console(url, tmp_path) as vera:
        searches.fails = "the realbogus network cannot be run"
        await vera.press("j", "L")
        await vera.settled()
        assert "the realbogus network cannot be run" in vera.text
        assert met(vera) == ids[1:]
        searches.fails = ""
        await vera.press("L")
        await vera.settled()
        order = met(vera)
        searches.fails = "the store does not answer"
        await vera.press(*"dddddddddd")
        await vera.settled()
        assert "the store does not answer" in vera.text
        assert met(vera) == order[10:]
        assert "like " in vera.lines[1]


async def test_an_order_that_is_made_anew_once_one_went_back_changes_nothing(crowd, searches, tmp_path):
    _, url, ids = crowd
    searches.let_go()
    async with console(url, tmp_path) as vera:
        await vera.press("L")
        await vera.settled()
        searches.hold()
        await vera.press(*"dddddddddd")
        await vera.until(lambda: len(searches.asked) == 2)
        assert "more like" not in vera.lines[1]  # nothing to wait for: the next cards are there
        await vera.press("escape")
        await ended(vera, searches)
        assert not vera.screen.reading.is_ranked
        assert [entry.label for entry in vera.screen.queue.entries] == [
            *["dipole"],
            *[None] * 10,
            *["dipole"] * 9,
        ]
        assert met(vera)[0] == ids[1]


def children():
    """Ids of processes that this one began and that still live."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            state, parent = (each / "stat").read_text().rpartition(")")[2].split()[:2]
            is_search = b"search" in (each / "cmdline").read_bytes().split(b"\0")
            if int(parent) == os.getpid() and state != "Z" and is_search:
                found.append(int(each.name))
    return found


@contextmanager
def slain():
    """Nothing is left behind by a test that fails, and no thread waits for it."""
    try:
        yield
    finally:
        for each in children():
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


@pytest.mark.parametrize("way", ["escape", "quit", "killed"])
async def test_the_process_ends_with_what_it_is_for(crowd, tmp_path, way):
    _, url, ids = crowd
    with slain():
        async with console(url, tmp_path) as vera:
            await vera.ready()
            await vera.pilot.press("L")
            await vera.until(lambda: bool(children()))
            (process,) = children()
            os.kill(process, signal.SIGSTOP)  # so that it does not end by itself
            if way == "escape":
                await vera.pilot.press("escape")
                await vera.settled()
                assert "is given up" in vera.text
            elif way == "killed":
                os.kill(process, signal.SIGKILL)
                await vera.settled()
                assert "the search was killed" in vera.text
                assert met(vera) == ids
        until = monotonic() + 5  # whoever reads what it tells has still to see its end
        while children() and monotonic() < until:
            await asyncio.sleep(0.02)
        assert children() == []
