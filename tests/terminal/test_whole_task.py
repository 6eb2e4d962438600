"""The whole task of `tests.stories.whole_task` in a real terminal, with the command that exports."""

import csv
import io
import os
import time

from tests.builders import make_store
from tests.forks import Program
from tests.stories.whole_task import FILTER, KEYS, NOTE, PASS, UNDONE, begin, check_the_end, written
from tests.terminal.test_console import Terminal, console


def press(terminal: Terminal, key: str, happened) -> None:
    """Press a key, again where it came before the card was drawn."""
    while not happened():
        terminal.press(key)
        end = time.monotonic() + 3.0
        while not happened() and time.monotonic() < end:
            terminal.read(0.02)


def test_open_filter_decide_undo_note_quit_come_back_export(tmp_path):
    store, url = make_store(tmp_path)
    begin(store)

    asked = 0

    def write(key: str, rows: int) -> None:
        """Press a key that writes once the terminal has said that the next card is drawn."""
        nonlocal asked
        terminal.wait(lambda: len(terminal.questions) > asked, "the question whether the card is drawn")
        asked = len(terminal.questions)
        press(terminal, key, lambda: len(written(store)) >= rows)

    with console(tmp_path, url) as terminal:
        terminal.until("1 of 30")
        terminal.press("/")
        for word in (*FILTER, "\r"):
            terminal.press(word)
        terminal.until(f"1 of {PASS}")
        terminal.settle()
        for place, key in enumerate(KEYS):
            terminal.until(f" {place + 1} of {PASS}")
            write(key, place + 1)
        terminal.until(f"{len(KEYS) + 1} of {PASS}")
        for time_ in range(UNDONE):
            write("u", len(KEYS) + time_ + 1)
            terminal.until(f" {len(KEYS) - time_} of {PASS}")
        terminal.settle()
        press(terminal, "w", lambda: "#words are tags" in terminal.text)
        terminal.press(f"{NOTE}\r")
        terminal.until("note kept")
        terminal.press("q")
    with console(tmp_path, url) as terminal:
        terminal.until(f"1 of {PASS - len(KEYS) + UNDONE}")
        terminal.until(NOTE)
        terminal.press("q")
    check_the_end(store)
    store.close()
    words = ("--config", tmp_path / "config.toml", "candidates", "export", "--filter", "verdict:any")
    with Program(*words, env=os.environ) as export:
        exported = list(csv.DictReader(io.StringIO(export.communicate(timeout=60)[0])))
    assert export.returncode == 0
    assert exported
    assert all(row["verdict"] for row in exported)
