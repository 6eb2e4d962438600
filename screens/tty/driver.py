"""Textual's driver, with terminal replies taken out before anything can take them for keys."""

import os
import selectors
import time
from codecs import getincrementaldecoder

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from screens.tty.replies import ReplyFilter

_CHUNK = 4096
_LOOK_S = 0.05


class TerminalReply(Message, bubble=False):
    """A whole reply of the terminal that is neither key nor mouse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ReplyDriver(LinuxDriver):
    """Reads the terminal through `screens.tty.replies`."""

    def run_input_thread(self) -> None:
        """Read until the console closes."""
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        parser = XTermParser()
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        replies = ReplyFilter()
        came = time.monotonic()
        try:
            while not self.exit_event.is_set():
                if selector.select(_LOOK_S):
                    data = os.read(self.fileno, _CHUNK)
                    if not data:
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

    def _pass_on(self, parser: XTermParser, replies: ReplyFilter, text: str) -> None:
        if passed := replies.feed(text):
            for message in parser.feed(passed):
                self.process_message(message)
        while replies.replies:
            self.process_message(TerminalReply(replies.replies.pop(0)))
