"""The console in a real terminal: what its bytes draw, and what they must never hold."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest
from sqlmodel import select as rows_of

from core.database.tables import Verdict
from tests.builders import add_night, make_store
from tests.core.rows import add_candidate, add_object
from tests.forks import Program
from tests.terminal.quiet import QUIET, ticks

PATIENCE_S = 60.0
COLUMNS, LINES = 80, 24
SLICE_S = 0.02

_NOT_PYTES = re.compile(
    rb"\x1b\[[?>=<](?!7[hl])[0-9;$]*[a-zA-Z]|\x1b\[>[0-9;]*[a-z]|\x1b\[[0-9;]*[tc]|\x1b[P_][^\x1b]*\x1b\\"
)
_CUT = re.compile(rb"\x1b(?:[P_][^\x1b]*\x1b?|\[[0-9;?>=<$]*)?\Z")  # a sequence whose rest is to come


class Terminal:
    """A pseudo-terminal with the console in it, and a screen in memory that its bytes are drawn on."""

    def __init__(self, descriptor: int, process: Program) -> None:
        self.process = process
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.sent = b""
        self._stream = pyte.ByteStream(self.screen)
        self._descriptor = descriptor
        self.answers = True  # to CSI 6n and 5n, as terminals do
        self.tells = True  # where its cursor is, and so answers CSI 6n
        self.bytes_s: int | None = None  # of the line; none: as fast as can be
        self.questions: list[str] = []  # where the cursor is, as it was asked for, answered or not
        self.unanswered: list[str] = []
        self.is_open = True
        self.replies: dict[str, str] = {}  # to other questions
        self._answered: dict[str, int] = {}
        self._rest = b""
        self._held: list[str] | None = None  # answers that wait until what is being sent is whole
        self.screen.write_process_input = self._answer  # type: ignore[method-assign]

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def _answer(self, answer: str) -> None:
        if answer.endswith("R"):
            self.questions.append(answer)
            if not self.tells:
                return
        if self._held is not None:
            self._held.append(answer)
        elif self.answers:
            self.press(answer)
        else:
            self.unanswered.append(answer)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Something is sent in pieces: as from a real terminal, no answer comes between them."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for answer in held if self.answers else []:
                self.press(answer)

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """As a terminal window is made larger or smaller."""
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def close(self) -> None:
        """As a terminal window is closed: its programs are hung up on."""
        if self.is_open:
            self.is_open = False
            os.close(self._descriptor)

    def until(self, words: str) -> None:
        """Read until some words are on the screen."""
        self.wait(lambda: words in self.text, words)

    def wait(self, happened: Callable[[], bool], what: str = "it") -> None:
        """Read until something has happened."""
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            if not self.read(0.2) and time.monotonic() > deadline:
                pytest.fail(f"{what!r} never came; the screen says:\n{self.text}")

    def settle(self) -> None:
        """Read until nothing has come for a while in which the program did nothing either."""
        quiet, used = 0, ticks(self.process.pid)
        while quiet < QUIET:
            came, before, used = self.read(0.03), used, ticks(self.process.pid)
            quiet = quiet + 1 if not came and used == before else 0

    def pause(self, seconds: float) -> None:
        """Read until nothing has come for so long."""
        while self.read(seconds):
            pass

    def read(self, seconds: float) -> bool:
        """Read what has come; false when nothing did."""
        if not select.select([self._descriptor] if self.is_open else [], [], [], seconds)[0]:
            return False
        if self.bytes_s is not None:
            time.sleep(SLICE_S)
        try:
            data = os.read(self._descriptor, 65536 if self.bytes_s is None else int(self.bytes_s * SLICE_S))
        except OSError:  # the other end is closed; whoever waits leaves the processor to the program
            time.sleep(min(seconds, 0.05))
            return False
        self.sent += data
        for question, reply in self.replies.items():
            if self.sent.count(question.encode()) > self._answered.get(question, 0):
                self._answered[question] = self._answered.get(question, 0) + 1
                self.press(reply)
        # pyte knows neither pictures nor the queries with which Textual asks what a terminal can do
        known = _NOT_PYTES.sub(b"", self._rest + data)
        cut = _CUT.search(known)
        self._rest = cut.group() if cut else b""
        self._stream.feed(known.removesuffix(self._rest))
        return True


@contextmanager
def console(
    folder: Path, url: str, *, before: str = "", exit_code: int = 0, deaf: bool = False,
    tells: bool = True, bytes_s: int | None = None, **environment: str,
) -> Iterator[Terminal]:  # fmt: skip
    """The real program on a store, after some code of the test's in the same process.

    A ``deaf`` terminal says neither where its cursor is nor that it has drawn what came; one that does not
    `tell` says the second alone.
    """
    settings = folder / "config.toml"
    settings.write_text(f'home = "{folder}"\n[store]\nurl = "{url}"\n[review]\nreviewer = "vera"\n')
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    env = {**kept, "TERM": "xterm-256color", **environment}
    process = Program("--config", settings, env=env, terminal=follower, before=before)
    os.close(follower)
    terminal = Terminal(leader, process)
    terminal.answers, terminal.tells = not deaf, tells
    terminal.bytes_s = bytes_s
    try:
        yield terminal
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            terminal.read(0.1)  # a terminal that is not read blocks its program
        assert process.returncode == exit_code, terminal.text
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.close()
        terminal.close()


def test_a_sitting_in_a_real_terminal(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=3)
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 3")
        terminal.until("difference")
        terminal.settle()
        terminal.press("r")
        terminal.until("2 of 3")
        terminal.until("takes it back")
        terminal.settle()
        terminal.press("x")
        terminal.until("3 of 3")
        terminal.press("u")
        terminal.until("taken back")
        terminal.press("q")
    with store.read() as db:
        labels = [row.label for row in db.exec(rows_of(Verdict).order_by(Verdict.id))]
    assert labels == ["real", "artefact", None]
    store.close()


def test_hostile_names_never_reach_the_terminal(tmp_path):
    store, url = make_store(tmp_path)
    bomb = "[/x]\x1b]52;c;Ym9tYg==\x07\x1b]0;owned\x07\x9b5m\u202eM31"
    add_night(store, objects=2, object=bomb, frame=bomb, filter=bomb, field=bomb)
    with console(tmp_path, url) as terminal:
        terminal.until("1 of 2")
        terminal.until("[/x]")
        terminal.press("o")
        terminal.until("degrees")
        terminal.press("G")
        terminal.until("Verdicts and notes")
        terminal.press("q")
        terminal.until("1 of 2")
        terminal.press("q")
    for payload in (b"\x1b]52", b"\x1b]0;", b"Ym9tYg==\x07", "\x9b5m".encode(), "\u202e".encode()):
        assert payload not in terminal.sent
    store.close()


def test_without_colours_the_images_are_ascii_and_nothing_is_coloured(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=2)
    with console(tmp_path, url, NO_COLOR="1") as terminal:
        terminal.until("hides faint")
        terminal.settle()
        terminal.press(",")
        terminal.until("no Kitty, Sixel, half blocks, greys: no colours here")
        terminal.press("d")
        terminal.until("braille, else ASCII")
        terminal.press("d")
        terminal.until("ASCII, else braille")
        terminal.press("m")
        terminal.until("colours: no colours here")
        terminal.press("\x1b")
        terminal.settle()
        terminal.press("q")
    coded = re.findall(rb"\x1b\[([0-9;]*)m", terminal.sent)
    numbers = {int(number) for code in coded for number in code.split(b";") if number}
    assert numbers <= {0, 1, 2, 7, 22, 27, 39, 49}  # attributes, their ends, and the terminal's own colours
    store.close()


def test_a_note_on_the_desktop_says_a_hostile_name_in_safe_text(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=1)
    name = "A\x1b]52;c;Ym9tYg==\x07;\x1b\\\x9b5m\u202eZ"
    with console(tmp_path, url, ASTRID_REVIEW__NOTIFY="desktop") as terminal:
        terminal.until("1 of 1")
        terminal.pause(1.5)  # it has seen what was there before
        add_candidate(store, add_object(store, name=name), score=1.0)
        terminal.wait(lambda: b"\x1b]9;" in terminal.sent, "the note")
        terminal.settle()
        terminal.press("q")
    (note,) = re.findall(rb"\x1b\]9;(.*?)(?:\x07|\x1b\\)", terminal.sent, re.DOTALL)
    assert note.decode().startswith("AstrID: A")
    assert note.decode().endswith("to look at, score 1.00")
    assert note.decode().isprintable()
    assert b";" not in note
    for payload in (b"\x1b]52", "\x9b5m".encode(), "\u202e".encode()):
        assert payload not in terminal.sent
    store.close()


BREAKDOWN = """
from screens.review import screen
def body(self, width, height):
    if self.host.headline is None or self.count is None:
        return whole(self, width, height)
    raise RuntimeError("[/x] \x1b]52;c;Ym9tYg==\x07 \u202e " + "boom " * 200)
whole, screen.ReviewScreen.body = screen.ReviewScreen.body, body
"""


def test_what_nobody_foresaw_ends_in_one_sentence_and_a_log(tmp_path):
    store, url = make_store(tmp_path)
    add_night(store, objects=9)
    with console(tmp_path, url, before=BREAKDOWN, exit_code=1) as terminal:
        terminal.until("1 of 9")
        terminal.settle()
        terminal.press("8j")
        terminal.until("broke down")
    assert "Traceback" not in terminal.text
    assert "Verdictsgivenbeforeareinthestore" in "".join(terminal.text.split())
    for payload in (b"\x1b]52", "\u202e".encode()):
        assert payload not in terminal.sent
    (log,) = (tmp_path / "logs").glob("console-*.log")
    assert "RuntimeError" in log.read_text()
    assert "\x1b" not in log.read_text()
    store.close()
