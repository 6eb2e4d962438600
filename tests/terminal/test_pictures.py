"""Pictures in a real terminal: what it is asked, what it is sent, and that nothing of it stays behind."""

import os
import signal

import numpy as np
import pytest
from sqlmodel import select

from core.cells import Look, draw_triplet
from core.database.tables import Verdict
from core.review.candidates import card_of
from core.review.waiting import queue_page
from screens.frame.base import MARGINS
from screens.review.layout import Layout, arrange
from screens.tty.probe import ATTRIBUTES_QUERY, CELL_QUERY, KITTY_QUERY
from screens.tty.replies import SPLIT_S
from tests.builders import add_night, make_store
from tests.chaos.processes import is_stopped
from tests.core.pictures import Shown
from tests.terminal.pictures import PictureScreen, commands
from tests.terminal.test_console import Terminal, console

KITTY = {KITTY_QUERY: "\x1b_Gi=31;OK\x1b\\", CELL_QUERY: "\x1b[6;20;10t", ATTRIBUTES_QUERY: "\x1b[?62;22c"}
SIXEL = {KITTY_QUERY: "", CELL_QUERY: "\x1b[6;20;10t", ATTRIBUTES_QUERY: "\x1b[?62;4;22c"}
LAYOUT = arrange(80, 24 - MARGINS)
TOP, ROWS, COLUMNS = 2, LAYOUT.panel_rows, LAYOUT.panel_columns
NEW, REFERENCE, DIFFERENCE = range(3)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    store, url = make_store(tmp_path_factory.mktemp("night"))
    add_night(store, objects=4)
    yield store, url
    store.close()


def images(store, place: int, drawing: str) -> list[np.ndarray]:
    """What is to be seen of a card of the queue."""
    entry = queue_page(store).rows[place]
    cutouts = card_of(store, entry.candidate_id).cutouts
    assert cutouts is not None
    panels = draw_triplet(cutouts.new, cutouts.ref, cutouts.diff, ROWS, COLUMNS, Look(drawing=drawing))
    found = []
    for panel in panels:
        indices = np.frombuffer(panel.image.pixels, np.uint8).reshape(panel.image.height, panel.image.width)
        colours = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in panel.image.colours])
        found.append(colours[indices])
    return found


def lie(shown: list[Shown], wanted: list[np.ndarray], layout: Layout = LAYOUT) -> bool:
    """Whether these pictures lie side by side, and nothing else."""
    shown = sorted(shown, key=lambda each: each[:4])
    rows, columns = layout.panel_rows, layout.panel_columns
    places = [(TOP, place * (columns + 1), rows, columns) for place in range(len(wanted))]
    return [each[:4] for each in shown] == places and all(
        np.array_equal(each.pixels, pixels) for each, pixels in zip(shown, wanted, strict=True)
    )


def go(terminal: Terminal, keys: str, until: str) -> bytes:
    """Press keys; what was sent until nothing came any more."""
    before = len(terminal.sent)
    terminal.press(keys)
    terminal.until(until)
    terminal.settle()
    return terminal.sent[before:]


def count_verdicts(store) -> int:
    with store.read() as db:
        return len(db.exec(select(Verdict)).all())


def test_cards_under_kittys_protocol(night, tmp_path):
    store, url = night
    screen = PictureScreen()
    with console(tmp_path, url) as terminal:
        terminal.replies = KITTY

        def shown() -> list[Shown]:
            return [*screen.read(terminal.sent).kitty.shown.values()]

        def until(words: str, wanted: list[np.ndarray], layout: Layout = LAYOUT) -> None:
            terminal.until(words)
            terminal.wait(lambda: lie(shown(), wanted, layout), f"the pictures beside {words!r}")

        first, second = images(store, 0, "kitty"), images(store, 1, "kitty")
        until("1 of 4", first)
        until("difference", first)
        assert "▀" not in terminal.text
        assert "━" in terminal.text  # the bar lies over the picture, as text

        terminal.settle()
        sent = go(terminal, "j", "2 of 4")
        assert lie(shown(), second)
        assert len(sent) < 13_000
        assert sent.rindex(b"\x1b[6n") > sent.rindex(b"\x1b_G")  # seen is what was drawn with its pictures
        sent = go(terminal, "k", "1 of 4")
        assert lie(shown(), first)
        assert not [each for each in commands(sent) if each.startswith("a=t")]  # the terminal still has them

        terminal.press("b")
        terminal.until("reference ")
        terminal.wait(lambda: terminal.text.count("reference") == 2, "the reference in place of new")
        until("1 of 4", [first[REFERENCE], first[REFERENCE], first[DIFFERENCE]])
        terminal.press("b")
        until("new", first)
        for keys, words, wanted in (
            ("?", "Help: every key", []),
            ("\x1b", "1 of 4", first),
            ("1", "ingest", []),
            ("3", "1 of 4", first),
            (",", "Kitty, else half blocks", first),
            ("d", "half blocks, else Kitty", []),
            ("0", "Kitty, else half blocks", first),
        ):
            terminal.press(keys)
            until(words, wanted)
        terminal.press("\x1b")
        terminal.settle()

        for columns, lines, words in ((120, 30, "1 of 4"), (36, 9, "too small"), (80, 24, "1 of 4")):
            terminal.resize(columns, lines)
            layout = arrange(columns, lines - MARGINS)
            until(words, first if words == "1 of 4" else [], layout)

        os.kill(terminal.process.pid, signal.SIGTSTP)
        terminal.wait(lambda: is_stopped(terminal.process.pid), "the stop")
        until("1 of 4", [])
        assert screen.kitty.images == {}
        left = len(terminal.sent)
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait(lambda: b"1 of 4" in terminal.sent[left:], "the page, drawn anew")
        until("1 of 4", first)
        terminal.settle()
        terminal.press("q")
    assert shown() == []
    assert screen.kitty.images == {}
    assert terminal.sent.count(KITTY_QUERY.encode()) == 1
    assert count_verdicts(store) == 0


def test_cards_by_sixel(night, tmp_path):
    store, url = night
    screen = PictureScreen()
    with console(tmp_path, url) as terminal:
        terminal.replies = SIXEL
        terminal.until("1 of 4")
        terminal.until("difference")
        terminal.settle()

        def shown() -> list[Shown]:
            return sorted(screen.read(terminal.sent).sixels)

        def lie_whole(place: int) -> bool:
            found, wanted = shown(), images(store, place, "sixel")
            assert [each[:4] for each in found] == [(TOP, 27 * each, ROWS, COLUMNS) for each in range(3)]
            for each, pixels in zip(found, wanted, strict=True):
                rows = (2 * np.arange(260) + 1) * len(pixels) // 520
                assert np.abs(each.pixels - pixels[np.ix_(rows, rows)]).max() <= 1.3
                holes = screen.holes(each)
                assert 4 <= len(holes) < 25
                assert all(screen.text[cell] != " " for cell in holes)  # marks alone, and all of them
            return True

        assert lie_whole(0)
        go(terminal, "j", "2 of 4")
        assert lie_whole(1)
        go(terminal, "?", "Help: every key")
        assert shown() == []
        go(terminal, "\x1b", "2 of 4")
        assert lie_whole(1)
        go(terminal, ",dd", "greys, else Sixel")
        assert shown() == []
        terminal.press("\x1b")
        terminal.settle()
        terminal.press("q")
    assert b"\x1b_Ga=t" not in terminal.sent
    assert count_verdicts(store) == 0


def test_a_terminal_that_says_nothing_then_garbage_then_too_much(night, tmp_path):
    store, url = night
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 4")
        terminal.until("difference")
        terminal.settle()
        assert KITTY_QUERY.encode() in terminal.sent
        go(terminal, ",", "does not answer")
        terminal.press("\x1b")
        for garbage in ("\x1b_Gi=31;rxdct\x1b\\", "\x1b[6;0;0t", "\x1b_Gi=99;OK\x1b\\", "\x1b[?1;x"):
            terminal.press(garbage)
            terminal.pause(0.1)
        terminal.press("\x1b[?62;")
        terminal.pause(SPLIT_S + 0.3)
        terminal.press("4c")  # the rest, when nobody waits for it any more
        terminal.settle()
        assert "▀" in terminal.text
        assert count_verdicts(store) == 0
        # An answer that comes late is still one.
        for reply in KITTY.values():
            terminal.press(reply[:3])
            terminal.pause(0.15)
            terminal.press(reply[3:])
        terminal.settle()
        assert lie([*PictureScreen().read(terminal.sent).kitty.shown.values()], images(store, 0, "kitty"))
        assert "1 of 4" in terminal.text
        terminal.press("q")
    assert count_verdicts(store) == 0
