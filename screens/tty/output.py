"""What goes to the terminal: by a thread of its own, and of late pictures only the last.

While the terminal takes its time, what is to be shown moves on in memory; what is sent next is what then
differs. So nothing waits for a slow line but the line itself.
"""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Condition, Thread

from core.charset import UTF_8
from screens.tty.cells import Cells, Pass
from screens.tty.charset import encoded
from screens.tty.graphics import Graphics, Placed

SYNC = ("\x1b[?2026h", "\x1b[?2026l")


class Output:
    """A thread that writes to a file descriptor.

    Parameters
    ----------
    descriptor : int
        Of the terminal. Once it is gone, everything is thrown away.
    charset : str
        Of the terminal.
    """

    def __init__(self, descriptor: int, charset: str = UTF_8) -> None:
        self._descriptor = descriptor
        self._charset = charset
        self._cells = Cells()
        self._graphics = Graphics()
        self._waiting: deque[Pass | None] = deque()  # none: a picture, which is made when its turn comes
        self._changed = Condition()
        self._is_open = True
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
            self._changed.notify()

    def take_down(self) -> None:
        """Leave no picture behind."""
        with self._changed:
            self._graphics.want(())
            self._waiting.append(Pass("", True))
            self._changed.notify()

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
            self._changed.notify()

    def stop(self) -> None:
        """Write what there is, and end."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
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
            while not self._waiting:
                if not self._is_open:
                    return None
                self._changed.wait()
            out: list[str] = []
            while self._waiting:
                each = self._waiting.popleft()
                if each is None:
                    begins, ends = SYNC if self._is_synced else ("", "")
                    if shown := self._graphics.difference(self._cells) + self._cells.difference(
                        ends + begins
                    ):
                        out.append(f"{begins}{shown}{ends}")
                    continue
                out.append(each.text)
                if each.forgets:
                    self._cells.forget()
                    out.append(self._graphics.forget())
            return "".join(out)

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._descriptor >= 0:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                os.set_blocking(self._descriptor, True)
            except OSError:  # it was closed: whoever reads from it is told
                self._descriptor = -1
