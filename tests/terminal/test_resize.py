"""A terminal of another size, a page over the card, another screen: what is left is as if drawn afresh."""

import shlex
import shutil
import subprocess
import sys

import pytest

from tests.builders import add_night, make_store
from tests.terminal.test_console import COLUMNS, LINES, console
from tests.terminal.test_tmux import ROOT, Tmux


@pytest.fixture
def open_at(tmp_path):
    """Opens the console in tmux at some size, once its card is drawn."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not on the PATH")
    store, url = make_store(tmp_path)
    add_night(store, objects=3)
    store.close()
    settings = {"ASTRID_HOME": tmp_path, "ASTRID_STORE__URL": url, "ASTRID_CONSOLE__CLOCK": "off",
                "PYTHONPATH": ROOT}  # fmt: skip
    set_to = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())
    opened = []

    def at(columns: int, lines: int) -> Tmux:
        tmux = Tmux((columns, lines))
        opened.append(tmux)
        tmux.open(f"env {set_to} {shlex.quote(sys.executable)} -m astrid_tui")
        tmux.wait(lambda: all(words in tmux.text for words in ("1 of 3", "difference", "3 await")), "a card")
        return tmux

    yield at
    for tmux in opened:
        subprocess.run(["tmux", "-L", tmux._socket, "kill-server"], capture_output=True, check=False)


def picture(tmux: Tmux) -> str:
    """What is shown; half a block may stand for the other half the other way round, a full one for none."""
    return tmux.text.replace("▄", "▀").replace("█", " ")


def test_what_is_shown_after_a_change_is_as_if_drawn_afresh(open_at):
    fresh = picture(open_at(80, 24))
    tmux = open_at(140, 40)
    assert picture(tmux) != fresh
    tmux("resize-window", "-x", "80", "-y", "24")
    tmux.wait(lambda: picture(tmux) == fresh, "the smaller card")
    for away, words, back in (("?", "every key", "Escape"), ("1", "ingest", "3")):
        tmux.press(away)
        tmux.until(words)
        tmux.press(back)
        tmux.wait(lambda: picture(tmux) == fresh, f"the card after {away}")


# Between a terminal's other size and Textual's use of it something is painted, and an answer may take long.
BETWEEN = """
import screens.tty.sight
from astrid_tui.app import Console
screens.tty.sight.PATIENCE_S = 600.0
def resized(self, event):
    sized(self, event)
    if self.opened is not None:
        self.call_later(self.here.paint)
sized, Console.on_resize = Console.on_resize, resized
def check(self):
    self.set_timer(0.3, lambda: checked(self))
checked, Console._check_resize = Console._check_resize, check
"""


def test_what_is_on_its_way_at_a_change_neither_stays_nor_is_waited_for(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=3)
    store.close()
    with console(tmp_path, url, before=BETWEEN, ASTRID_CONSOLE__CLOCK="off") as terminal:
        terminal.until("1 of 3")
        terminal.until("difference")
        terminal.settle()

        def display() -> list[str]:
            return [line.replace("▄", "▀").replace("█", " ") for line in terminal.screen.display]

        def is_asked(lines: int) -> bool:
            return bool(terminal.questions) and terminal.questions[-1].startswith(f"\x1b[{lines};")

        fresh = display()
        terminal.resize(120, 30)
        terminal.wait(lambda: is_asked(30), "the question at the larger size")
        terminal.settle()
        terminal.resize(36, 9)
        terminal.until("too small")
        terminal.settle()
        said = [line.strip() for line in terminal.screen.display]
        assert said == ["36x9 is too small.", "Needs 40x10, better 80x24.", "q quits.", *[""] * 6]
        terminal.resize(120, 30)
        terminal.until("difference")
        terminal.settle()
        terminal.resize(COLUMNS, LINES)
        terminal.wait(lambda: display() == fresh, "the card at its first size")
        # It comes back to the same size at once, or before anybody looked.
        for waits in (True, False):
            terminal.resize(60, 12)
            if waits:
                terminal.pause(0.1)
            terminal.resize(COLUMNS, LINES)
            terminal.wait(lambda: display() == fresh, "the card at its size")
            terminal.settle()
        terminal.answers = False
        terminal.press("j")
        terminal.until("2 of 3")
        terminal.settle()
        terminal.resize(120, 30)
        terminal.wait(lambda: is_asked(30), "the question at the larger size")
        terminal.answers = True
        terminal.press(terminal.questions[-1])
        terminal.press("k")
        terminal.until("1 of 3")
        terminal.settle()
        terminal.press("q")
