"""On a slow line a key waits for one portion of a picture, and of what is late nothing is sent.

Counted in bytes: the line itself says how long they take.
"""

import os
import pty
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlmodel import select

from core.database.tables import Verdict
from screens.tty.output import Output
from screens.tty.portions import PORTION_S, QUESTION
from tests.builders import add_night, make_store
from tests.terminal.test_console import console

PATIENCE_S = 60.0
BYTES_S = 1000
ROWS = 14


def page(number: int) -> str:
    """Words, and a picture of some 12 kB, on a page that is another in every cell."""
    rows = (
        "".join(
            f"\x1b[38;5;{232 + (k + row + number) % 24};48;5;{255 - (k * row + 2 * number) % 24}m▀\x1b[0m"
            for k in range(40)
        )
        for row in range(ROWS)
    )
    picture = "".join(f"\x1b[{row};1H{each}" for row, each in enumerate(rows, 2))
    return f"\x1b[1;1Hcard {number}{picture}"


class Line:
    """What comes over a slow line, at whose end a terminal answers for what it has drawn."""

    def __init__(self, descriptor: int, bytes_s: int, *, answers: bool = True) -> None:
        self.came = b""
        self.output: Output
        self._descriptor = descriptor
        self._answers = answers
        self._slice = bytes_s // 100
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait until all has come: the other end is closed."""
        self._thread.join(PATIENCE_S)

    def _carry(self) -> None:
        asked = 0
        while True:
            time.sleep(0.01)
            try:
                data = os.read(self._descriptor, self._slice)
            except OSError:
                return
            if not data:
                return
            self.came += data
            for _ in range(self.came.count(QUESTION.encode()) - asked):
                asked += 1
                if self._answers:
                    self.output.answered()

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, self.came[-300:]
            time.sleep(0.005)


@contextmanager
def line(bytes_s: int = BYTES_S, *, answers: bool = True) -> Iterator[Line]:
    reader, writer = pty.openpty()
    tty.setraw(writer)
    carried = Line(reader, bytes_s, answers=answers)
    carried.output = Output(writer)
    carried.output.start()
    carried.start()
    try:
        yield carried
    finally:
        carried.output.stop()
        os.close(writer)
        carried.join()
        os.close(reader)


def test_what_comes_meanwhile_waits_for_one_portion_and_the_rest_of_what_is_late_is_never_sent():
    with line() as slow:
        slow.output.write(page(0))
        slow.until(lambda: slow.output.is_slow)
        for number in range(1, 4):
            before = len(slow.came)
            slow.output.write(page(number))
            words = f"\x1b[1;6H{number}".encode()
            slow.until(lambda words=words: words in slow.came)
            assert slow.came.index(words) - before <= 1.5 * BYTES_S * PORTION_S
            at = len(slow.came)
            slow.until(lambda at=at: len(slow.came) > at + 1000)
        before = len(slow.came)
        slow.output.take_down()
        slow.output.write("\x1b[?1049l")
        slow.until(lambda: b"\x1b[?1049l" in slow.came)
        assert len(slow.came) - before <= 1.5 * BYTES_S * PORTION_S
        slow.until(lambda: slow.came.endswith(b"\x1b[?1049l"))
        # Every question was answered before the terminal was left, so no answer is for whoever has it next.
        assert slow.came.rindex(QUESTION.encode()) < slow.came.index(b"\x1b[?1049l")
        assert slow.came.count(QUESTION.encode()) % 2 == 0


def test_whoever_does_not_answer_gets_everything_at_once():
    with line(100 * BYTES_S, answers=False) as deaf:
        deaf.output.write(page(0))
        deaf.output.write("\x07")
        deaf.until(lambda: b"\x07" in deaf.came)
        assert deaf.came.count(QUESTION.encode()) == 2
        deaf.output.write(page(1) + "\x07")
        deaf.until(lambda: deaf.came.count(b"\x07") == 2)
        assert deaf.came.count(QUESTION.encode()) == 2


def test_a_key_pressed_while_a_card_is_drawn(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=6)
    with console(tmp_path, url, bytes_s=2 * BYTES_S) as terminal:
        terminal.until("difference")
        picture = terminal.sent.count("▀".encode())
        terminal.wait(lambda: terminal.sent.count("▀".encode()) > picture + 100)
        for number in (2, 3):
            before = len(terminal.sent)
            terminal.press("j")
            terminal.until(f"{number} of 6")
            # A card has 12 kB. A busy machine is at the key for a while, and the line goes on meanwhile.
            assert len(terminal.sent) - before < 6000
            terminal.press("r")  # on a card that is not drawn yet
            drawn = terminal.sent.count("▀".encode())
            terminal.wait(lambda drawn=drawn: terminal.sent.count("▀".encode()) > drawn + 50)
        with store.read() as db:
            assert not db.exec(select(Verdict)).all()
        terminal.wait(lambda: len(terminal.questions) >= 2, "the question whether the last card was drawn")
        terminal.settle()
        terminal.press("r")
        terminal.until("takes it back")
        terminal.press("q")
    with store.read() as db:
        assert [row.label for row in db.exec(select(Verdict))] == ["real"]
    store.close()
