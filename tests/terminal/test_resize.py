"""A terminal of another size, a page over the card, another screen: what is left is as if drawn afresh."""

import shlex
import shutil
import subprocess
import sys

import pytest

from tests.builders import add_night, make_store
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
