"""Keys at the review screen: no verdict falls on a card that was not drawn, and none is lost on the way."""

import pytest

from screens.frame import stray
from screens.frame.stray import PAUSE_S, StrayWord
from screens.review.guard import RepeatGuard
from tests.stories.desk import console, verdicts


async def test_a_held_key_gives_one_verdict(night, tmp_path):
    store, url, _ = night
    clock = [0.0]
    async with console(url, tmp_path, guard=RepeatGuard(lambda: clock[0])) as vera:
        for _ in range(30):
            await vera.press("x")
            clock[0] += 0.04
        assert "2 of 5" in vera.text
        assert vera.lines[-2].endswith("u takes it back  x held: ignored")
    assert len(verdicts(store)) == 1


async def test_keys_typed_ahead_fall_on_no_card_that_was_not_drawn(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        drawn = vera.screen.card.candidate_id
        for key in "rxdct":
            vera.app.simulate_key(key)
        await vera.settled()
        await vera.ready()
        judged = [row.candidate_id for row in verdicts(store)]
    assert judged == [drawn]


async def test_who_stopped_the_terminal_and_lets_it_go_on_does_not_leave(night, tmp_path):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "ctrl+s", "ctrl+q")
        assert "q quits" in vera.lines[-2]
        await vera.press("j")
        assert "3 of 5" in vera.lines[1]


async def test_marks_typed_ahead_are_none_of_cards_that_were_not_drawn(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        for key in ["space"] * 3:
            vera.app.simulate_key(key)
        await vera.until(lambda: "mark: the card is not drawn yet" in vera.text)
        await vera.ready()
        assert "2 of 5" in vera.lines[1]
        assert [*vera.screen.queue.marks] == [ids[0]]
        await vera.press("space")
        assert [*vera.screen.queue.marks] == ids[:2]
    assert not verdicts(store)


async def test_a_verdict_falls_on_the_card_before_which_its_key_came_though_others_came_with_it(
    night, tmp_path
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        for key in "xjj":  # a slow line brings them together
            vera.app.simulate_key(key)
        await vera.until(lambda: len(verdicts(store)) == 1)
        await vera.settled()
        assert "3 of 5" in vera.lines[1]
    assert [(row.label, row.sky_object_id) for row in verdicts(store)] == [("artefact", ids[0])]


@pytest.mark.parametrize(
    ("keys", "on_top", "place"),
    [
        ("o q q", "ReviewScreen", "1 of 5"),  # the second comes too late to close anything
        ("o 2", "PipelineScreen", ""),
        ("o x", "Sheet", ""),
        ("question_mark j escape j", "ReviewScreen", "1 of 5"),
        ("2 x 3 x", "ReviewScreen", "1 of 5"),
    ],
)
async def test_keys_that_come_with_the_one_that_opens_a_page_are_for_that_page(
    night, tmp_path, keys, on_top, place
):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        for key in keys.split():
            vera.app.simulate_key(key)
        await vera.until(lambda: type(vera.app.screen).__name__ == on_top)
        await vera.settled()
        assert type(vera.app.screen).__name__ == on_top
        assert place in vera.lines[1]
    assert verdicts(store) == []


async def test_pasted_text_is_never_keys(night, tmp_path):
    from textual.events import Paste

    store, url, _ = night
    async with console(url, tmp_path) as vera:
        vera.app.post_message(Paste("rrxx\nq"))
        vera.screen.post_message(Paste("rrxx\nq"))
        await vera.settled()
        await vera.press("slash")
        vera.screen.post_message(Paste("score>1\x1b]52;c;AAAA\x07\u202e\nq"))
        await vera.settled()
        assert vera.screen.prompt.value == "score>1␛]52;c;AAAA␇<U+202E>"
    assert verdicts(store) == []


async def test_a_verdict_that_cannot_be_written_leaves_the_card_and_says_so(night, tmp_path, monkeypatch):
    from core.database.store_errors import StoreUnreachable

    store, url, _ = night
    async with console(url, tmp_path) as vera:

        def fail(*_):
            raise StoreUnreachable("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(vera.screen._desk, "decide", fail)
            await vera.press("r")
        assert "NOT written: the disk is full" in vera.text
        assert "1 of 5" in vera.text
        await vera.press("s")
        assert [row.label for row in verdicts(store)] == ["supernova"]


@pytest.mark.parametrize("fails", [False, True])
async def test_leaving_waits_for_what_is_being_written_and_stays_where_it_fails(
    night, tmp_path, monkeypatch, fails
):
    from threading import Event

    from core.database.store_errors import StoreUnreachable

    store, url, _ = night
    is_free = Event()
    async with console(url, tmp_path) as vera:
        decide = vera.screen.desk.decide

        def slowly(*args):
            is_free.wait(20)
            if fails:
                raise StoreUnreachable("the disk is full")
            return decide(*args)

        monkeypatch.setattr(vera.screen.desk, "decide", slowly)
        await vera.pilot.press("r", "q", "q")
        await vera.until(lambda: "leaving as soon as it is written" in vera.text)
        assert vera.app.is_running
        is_free.set()
        if fails:
            await vera.until(lambda: "NOT written: the disk is full" in vera.text)
        else:
            await vera.until(lambda: not vera.app.is_running)
    assert [row.label for row in verdicts(store)] == ([] if fails else ["real"])


async def test_keys_while_a_slow_verdict_is_written_pass_over_no_card_and_the_waiting_is_said(
    night, tmp_path, monkeypatch
):
    from threading import Event

    monkeypatch.setattr("screens.review.deciding.WAIT_S", 0.05)
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        is_free, decide = Event(), vera.screen.desk.decide

        def slowly(*args):
            is_free.wait(20)
            return decide(*args)

        monkeypatch.setattr(vera.screen.desk, "decide", slowly)
        await vera.pilot.press("x", "j")
        await vera.until(lambda: "not written yet after" in vera.lines[-2])
        await vera.until(lambda: "2 of 5" in vera.lines[1])
        is_free.set()
        await vera.until(lambda: len(verdicts(store)) == 1)
        await vera.ready()
        assert "2 of 5" in vera.lines[1]  # not 3: the second card has no verdict
        assert "artefact" in vera.lines[-2]
        await vera.press("d")
    assert [(row.label, row.sky_object_id) for row in verdicts(store)] == [
        ("artefact", ids[0]),
        ("dipole", ids[1]),
    ]


@pytest.mark.parametrize("typed", ["Bartefact", "Bsurely a c", "B\b"])
async def test_a_word_for_many_cards_where_none_is_marked_is_no_keys_of_the_card(
    night, tmp_path, monkeypatch, typed
):
    store, url, _ = night
    monkeypatch.setattr(stray, "PAUSE_S", 600.0)
    async with console(url, tmp_path) as vera:
        await vera.press("x")
        named = {" ": "space", "\b": "backspace"}
        await vera.pilot.press(*(named.get(key, key) for key in typed), "enter")
        await vera.settled()
        assert "bulk: mark cards with space first" in vera.text
        assert "2 of 5" in vera.lines[1]
        assert [row.label for row in verdicts(store)] == ["artefact"]
        await vera.press("d")  # after enter keys are keys again
        assert [row.label for row in verdicts(store)] == ["artefact", "dipole"]


async def test_a_note_where_there_is_no_card_is_no_keys(night, tmp_path, monkeypatch):
    store, url, _ = night
    monkeypatch.setattr(stray, "PAUSE_S", 600.0)
    async with console(url, tmp_path) as vera:
        await vera.press("x", "G", "j")
        await vera.press("w", *"unsure", "escape")
        assert "note: there is no card" in vera.text
        assert "The end of the queue" in vera.text
        await vera.press("u")
    assert [row.label for row in verdicts(store)] == ["artefact", None]


def test_a_stray_word_ends_with_a_pause_or_a_key_without_a_letter():
    word = StrayWord()
    assert not word.takes("x", "x", 0.0)
    for ends in ("enter", "escape"):
        word.begin(0.0)
        assert word.takes("x", "x", PAUSE_S)
        assert word.takes("slash", "/", PAUSE_S)
        assert word.takes(ends, None, PAUSE_S)
        assert not word.takes("x", "x", PAUSE_S)
    for key, character in (("down", None), ("slash", "/"), ("enter", "\r")):
        word.begin(0.0)
        assert word.takes(key, character, 0.1) == (key == "enter")
        assert not word.takes("x", "x", 0.2)
    word.begin(0.0)
    assert word.takes("a", "a", 0.9 * PAUSE_S)
    assert word.takes("r", "r", 1.8 * PAUSE_S)
    assert not word.takes("u", "u", 3.0 * PAUSE_S)
