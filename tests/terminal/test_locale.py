"""The console on a terminal whose locale is C: nothing but ASCII comes, and signs have names."""

import shlex
import shutil
import subprocess
import sys

import pytest

from tests.builders import add_night, make_store
from tests.terminal.test_tmux import ROOT, Tmux


def test_the_c_locale_is_sent_ascii_alone(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not on the PATH")
    store, url = make_store(tmp_path)
    add_night(store, objects=3)
    store.close()
    settings = {"ASTRID_HOME": tmp_path, "ASTRID_STORE__URL": url, "PYTHONPATH": ROOT, "LC_ALL": "C",
                "COLORTERM": "truecolor"}  # fmt: skip
    set_to = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())
    tmux = Tmux((80, 24))
    try:
        tmux.open(f"env {set_to} {shlex.quote(sys.executable)} -m astrid_tui")
        tmux.wait(lambda: all(words in tmux.text for words in ("1 of 3", "difference", "sigma")), "a card")
        for key, words in (("o", "degrees"), ("Escape", "1 of 3"), ("?", "every key")):
            tmux.press(key)
            tmux.until(words)
            assert tmux.text.isascii()
    finally:
        subprocess.run(["tmux", "-L", tmux._socket, "kill-server"], capture_output=True, check=False)
