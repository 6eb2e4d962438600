"""What goes to the terminal: by a thread of its own, and of late pictures only the last.

While the terminal takes its time, what is to be shown moves on in memory; what is sent next is what then
differs. So nothing waits for a slow line but the line itself, and what goes to a slow one goes in portions
(`screens.tty.portions`), of which those that are late are never sent.
"""

import os
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Condition, Thread

from core.charset import UTF_8
from screens.tty.cells import Cells, Pass
from screens.tty.charset import encoded
from screens.tty.graphics import Graphics, Placed
from screens.tty.portions import QUESTION, Portions

SYNC = ("\x1b[?2026h", "\x1b[?2026l")
_WHERE = "\x1b[6n"  # the cursor is; to be asked only after a drawing
_AT = re.compile(r"\x1b\[([0-9]+);([0-9]+)H\x1b\[6n\Z")  # the same, with where it was put before
_LEAVE_S = 1.0  # so long may an answer keep the console from leaving the terminal to others


class Output:
    """A thread that writes to a file descriptor.

    Parameters
    ----------
    descriptor : int
        Of the terminal. Once it is gone, everything is thrown away.
    charset : str
        Of the terminal.
    portions : Portions, optional
        What is known of the line already.
    """

    def __init__(self, descriptor: int, charset: str = UTF_8, portions: Portions | None = None) -> None:
        self._descriptor = descriptor
        self._charset = charset
        self._cells = Cells()
        self._graphics = Graphics()
        self._waiting: deque[Pass | None] = deque()  # none: a picture, which is made when its turn comes
        self._portions = portions or Portions()
        self._changed = Condition()
        self._is_open = True
        self._asked_row: int | None = None
        self._tells = False  # the terminal has said where its cursor is
        self._is_synced = False  # the terminal shows what stands between two marks at once
        self._thread = Thread(target=self._run, name="terminal-output", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, data: str, pictures: Sequence[Placed] | None = None) -> None:
        """Take what Textual writes, and which pictures belong to it; none: as before."""
        with self._changed:
            self._is_synced = self._is_synced or data.startswith(SYNC[0])
            if pictures is not None:
                within = [each for each in pictures if self._cells.hold(*each[:4])]
                if self._graphics.want(within):
                    self._draw()
            for each in self._cells.feed(data):
                if each is not None:
                    self._waiting.append(each)
                else:
                    self._draw()
            self._changed.notify_all()

    @property
    def is_slow(self) -> bool:
        """Whether drawings go in portions, so that what is late is left out whenever it comes."""
        return self._portions.is_slow

    def answered(self) -> tuple[int, int] | None:
        """The terminal has drawn all before a question for its status.

        Returns
        -------
        tuple of int or None
            Row and column of the cursor, where the terminal was asked for them just before.
        """
        with self._changed:
            place = self._portions.answered()
            self._changed.notify_all()
        return place

    def told(self, row: int) -> None:
        """The terminal says where its cursor is, and need not be asked for its status beside that."""
        with self._changed:
            self._tells = self._tells or row == self._asked_row  # a key may look like another row

    def take_down(self) -> None:
        """Leave no picture behind, nor an answer that others would read; of late drawings nothing is sent."""
        with self._changed:
            self._graphics.want(())
            if self._portions.is_slow:
                left = [each for each in self._waiting if each and not each.text.endswith(_WHERE)]
                self._waiting = deque(left)
            self._waiting.append(Pass("", True))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._descriptor < 0 or not self._portions.is_answer_due, _LEAVE_S)

    def forget(self, size: tuple[int, int] | None = None) -> None:
        """The terminal does not show any more what was sent; with another size nothing is wanted either."""
        with self._changed:
            self._waiting.append(Pass("", True))
            if size is not None:
                self._graphics.want(())
                self._cells.clear(*size)
            else:
                self._cells.forget()
                self._waiting.append(None)
            self._changed.notify_all()

    def stop(self) -> None:
        """Write what there is, and end."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        with suppress(RuntimeError):  # it was never started
            self._thread.join()

    def _draw(self) -> None:
        """Have the picture made when its turn comes, of late ones only the last."""
        if not self._waiting or self._waiting[-1] is not None:
            self._waiting.append(None)

    def _run(self) -> None:
        while (data := self._next()) is not None:
            self._send(encoded(data, self._charset))

    def _next(self) -> str | None:
        """What to send now; none at the end."""
        with self._changed:
            while not self._waiting or self._wait_s > 0:
                if not self._waiting and not self._is_open:
                    return None
                self._changed.wait(self._wait_s if self._waiting else None)
            out: list[str] = []
            while self._waiting and self._wait_s <= 0:
                each = self._waiting.popleft()
                if each is None:
                    out.append(self._portion())
                    continue
                out.append(each.text + self._beside(each.text))
                if each.forgets:
                    self._cells.forget()
                    out.append(self._graphics.forget())
            return "".join(out)

    def _beside(self, text: str) -> str:
        """What is asked after the question where the cursor is, as long as no terminal has answered that.

        There are some that never do and yet say that they work: which tells as much, in the order of both.
        """
        place = _AT.search(text)
        if place is None or self._tells or not self._is_open:
            return ""
        self._asked_row = int(place[1])
        self._portions.asked_beside((self._asked_row, int(place[2])))
        return QUESTION

    @property
    def _wait_s(self) -> float:
        """How long what comes next has to wait: drawings for the portion before them, at the end nothing."""
        return self._portions.wait_s if self._is_open and self._waiting[0] is None else 0.0

    def _portion(self) -> str:
        """What of the drawing is sent at once; what is left of it takes its turn again."""
        begins, ends = SYNC if self._is_synced else ("", "")
        room = self._portions.room if self._is_open else None
        words_first = 0 if room is not None and not self._cells.is_shown else room
        shown = self._graphics.difference(self._cells, words_first)
        shown += self._cells.difference(ends + begins, None if room is None else room - len(shown))
        if not (self._cells.is_shown and self._graphics.is_shown):
            self._waiting.appendleft(None)
        if not shown:
            return ""
        asks = QUESTION if self._is_open and self._portions.asked(len(shown.encode(errors="replace"))) else ""
        return f"{asks}{begins}{shown}{ends}{asks}"

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._descriptor >= 0:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                os.set_blocking(self._descriptor, True)
            except OSError:  # it was closed: whoever reads from it is told
                self._descriptor = -1
