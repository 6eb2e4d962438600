"""The whole task of `tests.stories.whole_task` in tmux, with the command that exports."""

import csv
import io
import os
import shlex
import shutil
import subprocess
import sys
import time

import pytest

from tests.builders import make_store
from tests.stories.whole_task import FILTER, KEYS, NOTE, PASS, UNDONE, begin, check_the_end, written
from tests.terminal.test_tmux import ROOT, Tmux


@pytest.fixture
def tmux():
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not on the PATH")
    terminal = Tmux((80, 24))
    yield terminal
    subprocess.run(["tmux", "-L", terminal._socket, "kill-server"], capture_output=True, check=False)


def test_open_filter_decide_undo_note_quit_come_back_export(tmux, tmp_path):
    store, url = make_store(tmp_path)
    begin(store)
    settings = {"ASTRID_HOME": str(tmp_path), "ASTRID_STORE__URL": url, "PYTHONPATH": str(ROOT),
                "ASTRID_REVIEW__REVIEWER": "vera"}  # fmt: skip
    set_to = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    command = f"env {set_to} {shlex.quote(sys.executable)} -m astrid_tui"

    def press(key: str, rows: int) -> None:
        """Press a key that writes, again where it came before the card was drawn."""
        while len(written(store)) < rows:
            tmux.press(key)
            end = time.monotonic() + 3.0
            while len(written(store)) < rows and time.monotonic() < end:
                time.sleep(0.05)

    tmux.open(command)
    tmux.until("1 of 30")
    tmux.press("/")
    tmux.press(*FILTER, "Enter")
    tmux.until(f"1 of {PASS}")
    for place, key in enumerate(KEYS):
        tmux.until(f" {place + 1} of {PASS}")
        press(key, place + 1)
    tmux.until(f"{len(KEYS) + 1} of {PASS}")
    for time_ in range(UNDONE):
        press("u", len(KEYS) + time_ + 1)
        tmux.until(f" {len(KEYS) - time_} of {PASS}")
    while "#words are tags" not in tmux.text:
        tmux.press("w")
        end = time.monotonic() + 3.0
        while "#words are tags" not in tmux.text and time.monotonic() < end:
            time.sleep(0.05)
    tmux.press("-l", NOTE)
    tmux.press("Enter")
    tmux.until("note kept")
    tmux.press("q")
    tmux.wait(lambda: tmux("list-panes", "-F", "#{pane_dead}").strip() == "1", "the end of the console")
    tmux.close()
    tmux.open(command)
    tmux.until(f"1 of {PASS - len(KEYS) + UNDONE}")
    tmux.until(NOTE)
    tmux.press("q")
    check_the_end(store)
    store.close()
    done = subprocess.run(
        [sys.executable, "-m", "astrid_tui", "candidates", "export", "--filter", "verdict:any"],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ, **settings},
    )  # fmt: skip
    exported = list(csv.DictReader(io.StringIO(done.stdout)))
    assert exported
    assert all(row["verdict"] for row in exported)
