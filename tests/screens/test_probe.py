"""What a terminal says that it can show, and what is drawn by then."""

import re

import pytest

from core.cells import DRAWINGS, GRAPHICS
from core.text import SafeText
from screens.clipboard import osc52
from screens.lines import plain
from screens.review.drawings import NAMES, in_cells, questions, refusals, suited, told
from screens.terminal import Terminal, probe
from screens.tty.probe import ATTRIBUTES_QUERY, CELL_QUERY, KITTY_QUERY, PATIENCE_S, Probe

KITTY, SIXEL = "\x1b_Gi=31;OK\x1b\\", "\x1b[?62;4;22c"
NEITHER, CELL = "\x1b[?62;22c", "\x1b[6;20;10t"
HERE = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def asked(*replies: str, after_s: float = 0.1) -> Probe:
    now = [0.0]
    found = Probe(lambda: now[0])
    found.questions()
    now[0] = after_s
    for reply in replies:
        found.take(reply)
    return found


def test_the_question_that_everybody_answers_is_the_last_and_all_are_asked_once():
    found = Probe()
    assert found.questions() == KITTY_QUERY + CELL_QUERY + ATTRIBUTES_QUERY
    assert found.questions() == ""


def test_what_was_answered_counts():
    kitty = asked(KITTY, CELL, SIXEL)
    assert (kitty.kitty, kitty.sixel, kitty.cell) == (True, True, (20, 10))
    assert asked(CELL, "\x1b[?1;2;4c").sixel
    assert not asked(CELL, "\x1b[?4;6c").sixel  # the first number is the kind of terminal
    assert not asked(KITTY).kitty  # it has not said all yet
    assert not asked(SIXEL, KITTY).kitty  # and what comes behind the last answer is somebody else's


@pytest.mark.parametrize("reply", [KITTY, SIXEL, NEITHER])
def test_an_answer_that_was_not_asked_for_or_comes_too_late_counts_for_nothing(reply):
    assert not Probe().take(reply)
    assert not asked(KITTY, SIXEL, after_s=PATIENCE_S + 1).is_answered


@pytest.mark.parametrize(
    "reply",
    ["\x1b_Gi=31;EINVAL:no\x1b\\", "\x1b_Gi=32;OK\x1b\\", "\x1b[6;0;0t", "\x1b[6;999;999t", "\x1b[>4c", "OK"],
)
def test_garbage_says_nothing(reply):
    found = asked(reply, NEITHER)
    assert (found.kitty, found.sixel, found.cell, found.is_answered) == (False, False, None, True)


def test_a_browser_gets_half_blocks_whatever_terminal_its_server_runs_in():
    server = {"TERM": "screen", "TMUX": "x", "SSH_CONNECTION": "x", "TERM_PROGRAM": "textual"}
    page = {**server, "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}
    browser = probe(page, charset="ascii")
    assert (browser.in_browser, browser.is_remote, browser.in_tmux, browser.is_utf8) == (
        True,
        False,
        False,
        True,
    )
    for setting in ("auto", *GRAPHICS, "half"):
        assert suited(setting, browser, Probe()) == "half"
    assert suited("braille", browser, Probe()) == "braille"
    assert questions("auto", browser, Probe()) == ""
    assert suited("auto", probe({**page, "NO_COLOR": "1"}), Probe()) == "ascii"
    assert not probe(server).in_browser


def test_every_way_to_draw_has_a_name():
    assert set(NAMES) == {*DRAWINGS, *GRAPHICS}


class TestDrawings:
    @pytest.mark.parametrize(
        ("replies", "remote", "drawing"),
        [
            ((KITTY, CELL, SIXEL), False, "kitty"),
            ((KITTY, NEITHER), True, "kitty"),
            ((CELL, SIXEL), False, "sixel"),
            ((CELL, SIXEL), True, "grey"),  # ten times the bytes
            ((SIXEL,), False, "half"),  # how large would it be?
            ((NEITHER,), False, "half"),
            ((), False, "half"),
            ((KITTY, CELL), False, "half"),
        ],
    )
    def test_the_best_there_is(self, replies, remote, drawing):
        assert suited("auto", Terminal(1 << 24, is_remote=remote), asked(*replies)) == drawing

    @pytest.mark.parametrize("setting", NAMES)
    def test_the_settings_win_but_where_nothing_can_be_coloured(self, setting):
        for known in (asked(KITTY, SIXEL), asked(NEITHER), Probe()):
            assert suited(setting, Terminal(1 << 24, shows_no_pictures="inside tmux"), known) == setting
            plain_one = suited(setting, probe({**HERE, "NO_COLOR": "1"}), known)
            assert plain_one == (setting if setting in ("braille", "ascii") else "ascii")

    @pytest.mark.parametrize(
        "environment",
        [
            {"TMUX": "/tmp/t,1,0"},
            {"STY": "1.pts-0.host"},
            {"TERM": "screen-256color"},
            {"TERM": "tmux-256color"},
            {"TERM": "linux", "COLORTERM": ""},
            {"NO_COLOR": "1"},
            {"TERM_PROGRAM": "Apple_Terminal"},
        ],
    )
    def test_a_terminal_that_cannot_is_not_asked(self, environment):
        terminal, found = probe(HERE | environment), Probe()
        assert questions("auto", terminal, found) == ""
        assert not found.was_asked
        assert suited("auto", terminal, found) == terminal.drawing
        assert set(GRAPHICS) <= set(refusals("auto", terminal, found))

    def test_what_the_settings_name_is_not_asked_for(self):
        found = Probe()
        assert [questions(name, probe(HERE), found) for name in ("kitty", *DRAWINGS)] == [""] * 5
        assert questions("sixel", probe(HERE), found) == CELL_QUERY
        assert questions("auto", probe(HERE), found) == KITTY_QUERY + CELL_QUERY + ATTRIBUTES_QUERY

    def test_what_cannot_be_drawn_is_told_with_the_reason(self):
        def said(environment: dict[str, str], found: Probe) -> str:
            terminal = probe(HERE | environment)
            return plain(told(suited("auto", terminal, found), refusals("auto", terminal, found)))

        assert said({}, asked(KITTY, NEITHER)) == (
            "Kitty, else half blocks, greys, braille, ASCII; no Sixel: not in this terminal"
        )
        assert said({"TMUX": "x"}, Probe()) == (
            "half blocks, else greys, braille, ASCII; no Kitty, Sixel: inside tmux or screen"
        )
        assert said({"NO_COLOR": "1"}, Probe()) == (
            "ASCII, else braille; no Kitty, Sixel, half blocks, greys: no colours here"
        )
        assert "no Kitty, Sixel: it does not answer" in said({}, asked())

    def test_characters_are_drawn_where_there_is_no_room_for_pixels(self):
        terminal = Terminal(1 << 24)
        assert [in_cells(name, terminal) for name in ("auto", "kitty", "sixel", "ascii")] == [
            "half", "half", "half", "ascii",
        ]  # fmt: skip


def test_gnu_screen_is_known():
    assert probe(HERE | {"STY": "1.pts-0.host"}).in_screen
    assert not probe(HERE | {"STY": "1.pts-0.host", "TMUX": "x"}).in_screen


def test_gnu_screen_passes_long_sequences_on_in_pieces():
    text = osc52(SafeText("x" * 3000))
    wrapped = Terminal(in_screen=True).wrapped(text)
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", wrapped, re.DOTALL)
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == wrapped
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 768
    assert Terminal().wrapped(text) == text
