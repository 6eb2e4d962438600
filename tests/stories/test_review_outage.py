"""The queue while the store takes its time, does not answer, and answers again: as seen at the console."""

import json
import re
from contextlib import contextmanager
from threading import Event

import pytest

from core.database.store import Store
from core.database.store_errors import StoreUnreachable
from screens.action import Where
from screens.frame.host import Target
from screens.frame.memory import file_of
from tests.stories.desk import console

pytestmark = pytest.mark.usefixtures("soon_seen")


class Server:
    """The server of the store, which may be away, or hang until its answers come."""

    def __init__(self) -> None:
        self.is_away = False
        self.answers = Event()
        self.answers.set()

    @contextmanager
    def told(self, before):
        assert self.answers.wait(60)
        if self.is_away:
            raise StoreUnreachable("the server is gone")
        with before:
            yield


@pytest.fixture
def server(monkeypatch):
    found, told = Server(), Store.told
    monkeypatch.setattr(Store, "told", lambda store: found.told(told(store)))
    return found


def slow(monkeypatch, name):
    """Let a question to the store wait until the event that is given is set."""
    from screens.review.desk import Desk

    ask, answers = getattr(Desk, name), Event()

    def waiting(*given, **named):
        assert answers.wait(60)
        return ask(*given, **named)

    monkeypatch.setattr(Desk, name, waiting)
    return answers


async def test_a_queue_that_is_not_read_yet_is_not_called_empty(night, tmp_path, monkeypatch):
    answers = slow(monkeypatch, "page")
    try:
        async with console(night[1], tmp_path, ready=False) as vera:
            await vera.until(lambda: "5 await" in vera.lines[0] and vera.screen.reading is not None)
            assert "reading the queue" in vera.text
            assert "Nothing awaits" not in vera.text
            answers.set()
            await vera.ready()
            assert "1 of 5" in vera.lines[1]
    finally:
        answers.set()


async def test_a_card_that_was_not_answered_for_is_read_once_the_store_is_back(night, tmp_path, server):
    async with console(night[1], tmp_path) as vera:
        await vera.settled()
        server.is_away = True
        vera.screen.move_to(None)
        await vera.until(lambda: "The card is read as soon as the store answers." in vera.text)
        assert "the server is gone" in vera.text
        server.is_away = False
        await vera.ready()
        assert vera.screen.card is not None
        assert "5 of 5" in vera.lines[1]
        assert "as soon as" not in vera.text


async def test_and_so_it_is_where_another_screen_was_open_meanwhile(night, tmp_path, server):
    async with console(night[1], tmp_path) as vera:
        await vera.settled()
        server.is_away = True
        vera.screen.move_to(None)
        await vera.until(lambda: "as soon as the store answers" in vera.text)
        await vera.pilot.press("2")
        await vera.until(lambda: "STORE DOWN" in vera.lines[0])
        server.is_away = False
        await vera.until(lambda: "STORE DOWN" not in vera.lines[0])
        await vera.pilot.press("3")
        await vera.until(lambda: vera.screen.card is not None)
        assert "5 of 5" in vera.lines[1]


async def test_a_queue_that_was_not_answered_for_is_read_once_the_store_is_back(
    night, tmp_path, server, monkeypatch
):
    answers = slow(monkeypatch, "page")
    try:
        async with console(night[1], tmp_path, ready=False) as vera:
            await vera.until(lambda: "5 await" in vera.lines[0] and vera.screen.reading is not None)
            server.is_away = True
            answers.set()
            await vera.until(lambda: "The queue is read as soon as the store answers." in vera.text)
            server.is_away = False
            await vera.ready()
            assert "1 of 5" in vera.lines[1]
            await vera.until(lambda: "the store answers again" in vera.lines[-2])
    finally:
        answers.set()


async def test_a_filter_that_a_jump_brought_is_read_once_the_store_is_back(night, tmp_path, server):
    async with console(night[1], tmp_path) as vera:
        await vera.pilot.press("2")
        await vera.settled()
        server.is_away = True
        vera.app.jump(Where.REVIEW, Target(filter="score>22.2"))
        await vera.until(lambda: vera.screen.choosing.is_owed)
        server.is_away = False
        await vera.until(lambda: "score>22.2  esc back" in vera.text)


async def test_another_filter_than_that_of_the_last_sitting_is_read_once_the_store_is_back(
    night, tmp_path, server, monkeypatch
):
    answers = slow(monkeypatch, "page")
    (tmp_path / file_of("vera")).write_text('{"screens": {"review": {"filter": "score>22.8"}}}')
    try:
        async with console(night[1], tmp_path, ready=False) as vera:
            await vera.until(lambda: vera.screen.reading is not None and vera.screen.choosing.is_restarting)
            server.is_away = True
            answers.set()
            await vera.until(lambda: "the server is gone" in vera.text)
            vera.screen.choose("score>22.2")
            await vera.until(lambda: not vera.screen.choosing.is_restarting)
            assert vera.screen.filter_to_come == "score>22.2"
            server.is_away = False
            await vera.until(lambda: "score>22.2  esc clears" in vera.text)
    finally:
        answers.set()


async def test_a_typed_filter_that_the_store_did_not_answer_for_is_typed_on(night, tmp_path, server):
    async with console(night[1], tmp_path) as vera:
        await vera.settled()
        await vera.pilot.press("slash")
        server.is_away = True
        await vera.typed("score>22.2")
        await vera.until(lambda: vera.screen.choosing.is_owed)
        server.is_away = False
        await vera.until(lambda: "the store answers again" in vera.text)
        assert vera.screen.prompt.value == "score>22.2"
        assert not vera.screen.filter
        await vera.pilot.press("enter")
        await vera.until(lambda: "score>22.2  esc clears" in vera.text)


async def test_a_store_that_lets_one_wait_is_told_of_and_keeps_no_thread_for_each_look(
    night, tmp_path, monkeypatch
):
    from core.health import watch

    monkeypatch.setattr("astrid_tui.watching.SILENT_S", 0.2)
    answers, checks = Event(), []

    def check(*_given, **_named):
        checks.append(True)
        assert answers.wait(60)

    monkeypatch.setattr(watch, "look", check)
    try:
        async with console(night[1], tmp_path) as vera:
            pulse = vera.app._watching._pulse
            look = pulse.look
            pulse.look = lambda: answers.wait(60) and look()
            await vera.until(lambda: "STORE SILENT" in vera.lines[0])
            for _ in range(3):
                vera.app._watching._check_health()
            await vera.until(lambda: bool(checks))
            answers.set()
            await vera.until(lambda: "STORE" not in vera.lines[0])
            assert len(checks) == 1
    finally:
        answers.set()


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (140, 40)])
async def test_each_screen_says_that_it_waits_for_a_store_that_hangs_and_since_when(
    night, tmp_path, server, monkeypatch, size
):
    monkeypatch.setattr("screens.frame.asker.WAIT_S", 0.05)
    waits = r"has not answered since \d\d:\d\d:\d\d UTC: this page is read as soon as it does"
    try:
        async with console(night[1], tmp_path, size) as vera:
            for key in "12456":
                server.answers.clear()
                await vera.pilot.press(key)
                await vera.until(lambda: re.search(waits, " ".join(vera.text.split())) is not None)
                assert all(len(line) <= size[0] for line in vera.lines)
                server.answers.set()
                await vera.until(lambda: vera.app.here.data is not None)
                await vera.settled()
                assert "has not answered" not in vera.text
    finally:
        server.answers.set()


async def test_what_was_not_written_is_said_rather_than_what_was_not_read(
    night, tmp_path, server, monkeypatch
):
    async with console(night[1], tmp_path) as vera:
        await vera.settled()
        answers = slow(monkeypatch, "card")
        try:
            vera.screen.move_by(1)  # the last card is on its way ...
            await vera.ready()
            server.is_away = True
            await vera.pilot.press("r")
            await vera.until(lambda: "NOT written: the server is gone" in vera.text)
            answers.set()  # ... and does not come either
            await vera.settled()
            assert "NOT written: the server is gone" in vera.text
        finally:
            answers.set()


async def test_a_page_that_was_not_answered_for_is_read_once_the_store_is_back(night, tmp_path, monkeypatch):
    from screens.pipeline import reading

    read, is_away = reading.read, Event()

    def read_or_not(*given):
        if is_away.is_set():
            raise StoreUnreachable("the server is gone")
        return read(*given)

    monkeypatch.setattr(reading, "read", read_or_not)
    async with console(night[1], tmp_path) as vera:
        is_away.set()  # for so short a time that nobody else asks
        await vera.pilot.press("2")
        await vera.until(lambda: "the server is gone" in vera.lines[-2])
        is_away.clear()
        await vera.until(lambda: "No run yet" in vera.text)
        await vera.until(lambda: "the store answers again" in vera.lines[-2])


async def test_a_remembered_filter_that_is_none_any_more_hides_no_queue(night, tmp_path):
    memory = {"screens": {"review": {"filter": "@gone"}}}
    (tmp_path / file_of("vera")).write_text(json.dumps(memory))
    async with console(night[1], tmp_path) as vera:
        assert "1 of 5" in vera.lines[1]
        await vera.until(lambda: "gone" in vera.lines[-2])
