"""What pictures the terminal can show: it is asked once, and nothing waits for what it says.

Three questions go out together: Kitty's own, the size of a cell in pixels, and the terminal's attributes, of
which 4 is Sixel. Every terminal answers the last one, so what was not answered before it never will be. One
that says nothing within `PATIENCE_S` is taken for one that shows none.
"""

import fcntl
import re
import struct
import termios
import time
from collections.abc import Callable

PATIENCE_S = 10.0
KITTY_QUERY = "\x1b_Gi=31,a=q,s=1,v=1,t=d,f=24;AAAA\x1b\\"
CELL_QUERY = "\x1b[16t"
ATTRIBUTES_QUERY = "\x1b[c"

_KITTY_CAN = "\x1b_Gi=31;OK\x1b\\"
_CELL = re.compile(r"\x1b\[6;([0-9]{1,3});([0-9]{1,3})t")
_ATTRIBUTES = re.compile(r"\x1b\[\?[0-9]+((?:;[0-9]+)*)c")
_SIXEL = "4"
_LEAST, _MOST = 3, 200  # pixels; anything else is no size of a cell


class Probe:
    """The answers, for as long as the console is open.

    Attributes
    ----------
    was_asked, is_answered : bool
        Until both are true nothing is known.
    kitty, sixel : bool
        What it can show.
    cell : (int, int) or None
        The height and width of a cell in pixels.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked_at = float("-inf")
        self._kitty = False
        self.was_asked = self.is_answered = False
        self.kitty = self.sixel = False
        self.cell: tuple[int, int] | None = None

    def questions(self) -> str:
        """What to ask; nothing the second time."""
        if self.was_asked:
            return ""
        self.was_asked, self._asked_at = True, self._clock()
        return KITTY_QUERY + CELL_QUERY + ATTRIBUTES_QUERY

    def take(self, reply: str) -> bool:
        """Take a reply of the terminal; whether something else is known after it."""
        if size := _CELL.fullmatch(reply):
            return self._take_cell(int(size[1]), int(size[2]))
        if not self.was_asked or self.is_answered or self._clock() - self._asked_at > PATIENCE_S:
            return False
        if reply == _KITTY_CAN:
            self._kitty = True
        elif attributes := _ATTRIBUTES.fullmatch(reply):
            self.is_answered = True
            self.kitty, self.sixel = self._kitty, _SIXEL in attributes[1].split(";")
            return True
        return False

    def measure(self, descriptor: int) -> None:
        """Take the size of a cell from the system, which knows it of some terminals."""
        try:
            size = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            return
        lines, columns, width, height = struct.unpack("HHHH", size)
        if lines and columns:
            self._take_cell(height // lines, width // columns)

    def _take_cell(self, height: int, width: int) -> bool:
        before = self.cell
        if _LEAST <= width <= height <= _MOST:
            self.cell = height, width
        return self.cell != before
