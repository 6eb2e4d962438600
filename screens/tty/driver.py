"""Textual's driver, with replies taken out of what comes in, and sending only what differs."""

import os
import selectors
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from typing import Any

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from core.charset import ASCII, UTF_8, charset_of
from screens.tty.graphics import Placed
from screens.tty.output import SYNC, Output
from screens.tty.portions import ANSWERS, Portions
from screens.tty.replies import ReplyFilter

_CHUNK = 4096
_LOOK_S = 0.05


class TerminalReply(Message, bubble=False):
    """A whole reply of the terminal that is neither key nor mouse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class TerminalClosed(Message, bubble=False):
    """Nothing will come from the terminal any more, and nothing that is sent to it be seen."""


class ReplyDriver(LinuxDriver):
    """Reads the terminal through `screens.tty.replies`, and writes to it through `screens.tty.output`.

    Attributes
    ----------
    pictures : callable
        Which pictures belong to what is on the screen; none: those that are there.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._output: Output | None = None
        self._portions = Portions()  # what was learnt of the line stays when others had the terminal
        self._has_left = False
        self._is_begun = False  # Textual will say the size, as after every begin: all is drawn then anyhow
        self.pictures: Callable[[], Sequence[Placed] | None] = lambda: None

    def start_application_mode(self) -> None:
        """Take the terminal over, at the start and after it was left to others."""
        if self._file is None:
            raise RuntimeError("there is no standard error, and so no console")
        self._output = Output(self._file.fileno(), charset_of(self._file), self._portions)
        self._output.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._has_left, self._is_begun = False, True

    def write(self, data: str) -> None:
        """Send something to the terminal, with the pictures that belong to it."""
        if self._output is not None:
            self._output.write(data, None if data in SYNC or self._has_left else self.pictures())

    def stop_application_mode(self) -> None:
        """Leave the terminal to others, for a while or at the end."""
        self._has_left = True
        if self._output is not None:
            self._output.take_down()
        super().stop_application_mode()

    def forget(self, size: tuple[int, int] | None = None) -> None:
        """The terminal does not show any more what was sent to it; its size in columns and lines, if new."""
        if size is None and (self._has_left or self._is_begun):
            self._is_begun = False
        elif self._output is not None:
            self._output.forget(size)

    @property
    def is_slow(self) -> bool:
        """Whether the line is slow, and drawings that are late are left out whenever they come."""
        return self._output is not None and self._output.is_slow

    def close(self) -> None:
        """Send what there is, and end."""
        if self._output is not None:
            self._output.stop()
        super().close()

    def _sigtstp_application(self, *_: object) -> None:
        """Leave the terminal between two events: within one, this thread may hold what the output needs."""
        self._loop.call_soon_threadsafe(super()._sigtstp_application)

    def _sigcont_application(self, *_: object) -> None:
        """Take it over again, likewise."""
        self._loop.call_soon_threadsafe(super()._sigcont_application)

    def run_input_thread(self) -> None:
        """Read until the console closes."""
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        parser = XTermParser()
        charset = charset_of(self._file) if self._file else UTF_8
        decode = getincrementaldecoder(UTF_8 if charset == ASCII else charset)(errors="replace").decode
        replies = ReplyFilter()
        came = time.monotonic()
        try:
            while not self.exit_event.is_set():
                if selector.select(_LOOK_S):
                    data = self._read()
                    if not data:
                        self.process_message(TerminalClosed())
                        break
                    came = time.monotonic()
                    self._pass_on(parser, replies, decode(data))
                elif replies.pending and time.monotonic() - came >= replies.patience_s and replies.give_up():
                    self.process_message(events.Key("escape", "\x1b"))
                for message in parser.tick():
                    self.process_message(message)
        finally:
            selector.close()
            try:
                for _ in parser.feed(""):
                    pass
            except (EOFError, ParseError):
                pass

    def _read(self) -> bytes:
        """What came; nothing where the terminal is gone."""
        try:
            return os.read(self.fileno, _CHUNK)
        except OSError:
            return b""

    def _pass_on(self, parser: XTermParser, replies: ReplyFilter, text: str) -> None:
        if passed := replies.feed(text):
            for message in parser.feed(passed):
                if isinstance(message, events.CursorPosition) and self._output is not None:
                    self._output.told(message.y + 1)
                self.process_message(message)
        while replies.replies:
            reply = replies.replies.pop(0)
            place = self._output.answered() if reply in ANSWERS and self._output is not None else None
            self.process_message(TerminalReply(reply))
            if place is not None:
                row, column = place
                self.process_message(events.CursorPosition(column - 1, row - 1))
