"""A verdict falls only on what the terminal says it has drawn; nothing but a key is a key."""

import re
import time

import pytest
from sqlmodel import select

from core.database.tables import Verdict
from screens.tty.sight import ANSWER_S, ASK_AGAIN_S, DELAY_S, LOST_S, PATIENCE_S, Sight
from tests.builders import add_night, make_store
from tests.terminal.test_console import console

ASKS = re.compile(rb"\x1b\[24;[0-9]+H\x1b\[6n")
BESIDE = re.compile(rb"\x1b\[24;[0-9]+H\x1b\[6n\x1b\[5n")


@pytest.fixture
def night(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=6)
    yield store, url
    store.close()


def labels(store) -> list[str | None]:
    with store.read() as db:
        return [row.label for row in db.exec(select(Verdict).order_by(Verdict.id))]


def test_no_verdict_before_the_terminal_answers_and_none_is_lost_after(night, tmp_path):
    store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        terminal.answers = False
        asked = len(terminal.questions)
        terminal.press("r")
        terminal.until("2 of 6")
        terminal.settle()
        assert len(terminal.questions) == asked + 1
        bells = terminal.sent.count(b"\x07")
        terminal.press("x")
        terminal.settle()
        assert labels(store) == ["real"]
        assert terminal.sent.count(b"\x07") == bells + 1
        # In one write: the key was pressed before the answer, and so before the card was drawn.
        terminal.press("d" + terminal.questions[-1])
        terminal.settle()
        assert labels(store) == ["real"]
        terminal.press("c")
        terminal.until("3 of 6")
        # And the other way round: the answer comes first.
        terminal.settle()
        terminal.press(terminal.questions[-1] + "t")
        terminal.until("4 of 6")
        assert labels(store) == ["real", "cosmic-ray", "trail"]
        terminal.press(terminal.questions[-1] + "q")


def test_an_answer_to_another_question_counts_for_nothing(night, tmp_path):
    store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        terminal.answers = False
        terminal.press("r")
        terminal.until("2 of 6")
        terminal.settle()
        terminal.press("\x1b[1;2R\x1b[24;77R" + terminal.questions[0] + "x")
        terminal.settle()
        assert labels(store) == ["real"]
        terminal.press(terminal.questions[-1] + "q")


def test_one_question_is_open_and_late_pictures_are_left_out(night, tmp_path):
    _store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        terminal.answers = False
        asked, sent = len(terminal.questions), len(terminal.sent)
        for _ in range(5):
            terminal.press("j")
            terminal.pause(0.15)
        assert len(terminal.questions) == asked + 1
        assert "2 of 6" in terminal.text  # the rest was not sent
        terminal.answers = True
        terminal.press(terminal.questions[-1])
        terminal.until("6 of 6")
        terminal.settle()
        drawn = terminal.sent[sent:]
        assert len(ASKS.findall(drawn)) == 2
        assert b"3 of 6" not in drawn
        assert drawn.rindex(b"\x1b[6n") > drawn.rindex("▀".encode())  # asked after the picture
        terminal.press("q")


def test_where_the_terminal_never_answers_a_short_delay_guards(night, tmp_path):
    store, url = night
    with console(tmp_path, url, deaf=True) as terminal:
        terminal.until("1 of 6")
        terminal.until("difference")
        terminal.press("r")
        terminal.settle()
        assert labels(store) == []
        time.sleep(ANSWER_S)
        terminal.press("s")
        terminal.until("2 of 6")
        time.sleep(2 * DELAY_S)
        terminal.press("x")
        terminal.until("3 of 6")
        assert labels(store) == ["supernova", "artefact"]
        terminal.press("q")


def test_where_the_terminal_says_only_that_it_works_this_answers_for_the_picture(night, tmp_path):
    store, url = night
    with console(tmp_path, url, tells=False) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        terminal.answers = False
        terminal.press("r")
        terminal.until("2 of 6")
        terminal.settle()
        terminal.press("x")  # not before the terminal has drawn it
        terminal.settle()
        assert labels(store) == ["real"]
        for _ in terminal.unanswered:
            terminal.press("d\x1b[0n")  # pressed before the answer
            terminal.settle()
        assert labels(store) == ["real"]
        terminal.answers = True
        terminal.press("s")
        terminal.until("3 of 6")
        assert labels(store) == ["real", "supernova"]
        terminal.settle()
        terminal.press("q")


def test_a_terminal_that_tells_is_not_asked_beside(night, tmp_path):
    _store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        sent = len(terminal.sent)
        terminal.press("j")
        terminal.until("2 of 6")
        terminal.settle()
        assert ASKS.search(terminal.sent, sent)
        assert not BESIDE.search(terminal.sent, sent)
        assert BESIDE.search(terminal.sent)
        terminal.press("q")


def test_a_terminal_that_says_that_it_works_is_waited_for_however_long_the_picture_takes():
    now = [0.0]
    sight = Sight(lambda: now[0])
    assert sight.drew("card") == 1
    now[0] += 0.9 * ANSWER_S
    sight.is_at_work()
    for _ in range(5):
        now[0] += 0.9 * PATIENCE_S
        sight.is_at_work()
        assert not sight.has_seen("card")
        assert sight.drew("card") is None
    now[0] += 2 * PATIENCE_S
    assert not sight.has_seen("card")
    assert sight.answered(1)
    assert sight.has_seen("card")


def test_a_lost_answer_is_asked_for_again_by_a_terminal_that_says_all_the_while_that_it_works():
    now = [0.0]
    sight = Sight(lambda: now[0])
    sight.answered(sight.drew("first"))
    lost, again = sight.drew("second"), None
    while again is None and now[0] < 600:
        now[0] += 1.0  # a clock of seconds, on a slow line: the terminal says after each that it works
        sight.is_at_work()
        assert sight.left_s > 0 or not sight.is_waiting
        again = sight.drew("second")
    assert LOST_S < now[0] <= LOST_S + PATIENCE_S
    assert again not in (None, lost)
    assert not sight.has_seen("second")
    assert sight.answered(again)
    assert sight.has_seen("second")


def test_on_a_line_that_stands_still_nothing_is_seen_until_the_terminal_answers():
    now = [0.0]
    sight = Sight(lambda: now[0])
    sight.answered(sight.drew("first"))
    asked = [sight.drew("second")]
    for _ in range(6):
        now[0] += PATIENCE_S
        assert not sight.has_seen("second")
        asked.append(sight.drew("second"))
    assert None not in asked
    assert sight.answered(asked[1])  # late, and true all the same
    assert sight.has_seen("second")
    asked.append(sight.drew("third"))
    assert sight.drew("third") is None
    assert sight.drew("fourth") == asked[-1] + 1
    assert not any(sight.answered(each) for each in asked)  # of other pictures
    assert sight.answered(asked[-1] + 1)
    assert sight.has_seen("fourth")


def test_a_picture_that_another_took_the_place_of_is_to_be_seen_anew():
    sight = Sight(lambda: 0.0)
    sight.answered(sight.drew("first"))
    second, first, again = (sight.drew(each) for each in ("second", "first", "second"))
    assert not sight.answered(second)  # it may have drawn the first before
    assert not sight.answered(first)
    assert not sight.has_seen("second")
    assert sight.answered(again)
    assert sight.has_seen("second")
    assert not sight.has_seen("first")


def test_a_picture_that_something_lay_over_is_to_be_seen_anew():
    sight = Sight(lambda: 0.0)
    before = sight.drew("card")
    sight.lose()
    assert sight.may_draw("card")
    again = sight.drew("card")
    assert not sight.answered(before)
    assert not sight.has_seen("card")
    assert sight.answered(again)
    assert sight.has_seen("card")


def test_a_terminal_that_never_answers_holds_up_one_picture():
    now = [0.0]
    sight = Sight(lambda: now[0])
    assert sight.drew("first") == 1
    assert not sight.may_draw("second")
    now[0] += ANSWER_S
    for number in range(2, 5):
        assert sight.may_draw(number)
        sight.drew(number)
        assert not sight.has_seen(number)
        now[0] += 2 * DELAY_S
        assert sight.has_seen(number)
        now[0] += ASK_AGAIN_S
    sight.is_at_work()  # it does after all
    assert not sight.has_seen(4)


REPLIES = [
    "\x1b[?62;4c", "\x1b[>0;276;0c", "\x1b[0n", "\x1b[?2026;2$y", "\x1b[?1u", "\x1b[6;20;10t",
    "\x1b[?2;0;800;600S", "\x1b_Gi=31;OK\x1b\\", "\x1bP>|XTerm(390)\x1b\\",
    "\x1b]11;rgb:0000/0000/0000\x07", "\x1b]52;c;cnhkY3Q=\x1b\\", "\x1b_Gi=31;" + "rxdct" * 40 + "\x1b\\",
]  # fmt: skip


def test_terminal_replies_and_pasted_text_are_never_keys(night, tmp_path):
    store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        for reply in REPLIES:
            terminal.press(reply)
            terminal.pause(0.15)
            half = len(reply) // 2
            with terminal.sending():
                terminal.press(reply[:half])
                terminal.pause(0.2)  # longer than the escape key waits
                terminal.press(reply[half:])
            terminal.pause(0.15)
        for paste in ("rxdct", "r\x1b" + "x" * 60, "\x1b[?62;4c\x1b", "\x1bOr\rc\n"):
            terminal.press(f"\x1b[200~{paste}\x1b[201~")
            terminal.pause(0.2)
        assert labels(store) == []
        assert "1 of 6" in terminal.text
        terminal.press("\x1bOB")  # while what is a key still is one: down
        terminal.until("2 of 6")
        terminal.press("?")
        terminal.until("Help")
        terminal.press("\x1b")
        terminal.until("2 of 6")
        terminal.press("q")


def test_a_key_that_is_held_gives_one_verdict(night, tmp_path):
    store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 6")
        terminal.settle()
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            terminal.press("x")
            terminal.read(0.04)
        terminal.settle()
        assert labels(store) == ["artefact"]
        terminal.press("q")
