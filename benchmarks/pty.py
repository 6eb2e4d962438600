"""A program in a pseudo-terminal that answers as terminals do, and may hang on a thin line."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_ASKS = re.compile(rb"\x1b\[(\d+);(\d+)H\x1b\[6n|\x1b\[5n")
_SLICE_S = 0.01


class Terminal:
    """What a program writes, with the time at which each piece came over the line.

    Parameters
    ----------
    bytes_s : float, optional
        How much the line takes a second; what waits for it waits in a buffer without end, as it does in
        a connection over SSH.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int, bytes_s: float | None) -> None:
        self.process = process
        self._descriptor = descriptor
        self._bytes_s = bytes_s
        self._changed = threading.Condition()
        self.came: list[tuple[float, int]] = []
        self.text = b""
        self._tail = b""
        self._line: deque[bytes] = deque()
        self._is_open = True
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        if bytes_s is not None:
            self._threads.append(threading.Thread(target=self._carry, daemon=True))
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        while self._is_open:
            if not select.select([self._descriptor], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:
                return
            if self._bytes_s is None:
                self._arrive(data)
            else:
                with self._changed:
                    self._line.append(data)

    def _carry(self) -> None:
        assert self._bytes_s is not None
        at_once = max(int(self._bytes_s * _SLICE_S), 1)
        due = time.perf_counter()
        while self._is_open:
            due = max(due + _SLICE_S, time.perf_counter() - _SLICE_S)
            time.sleep(max(due - time.perf_counter(), 0))
            with self._changed:
                data = b"".join(self._line)
                self._line.clear()
                if data[at_once:]:
                    self._line.append(data[at_once:])
            if data:
                self._arrive(data[:at_once])

    def _arrive(self, data: bytes) -> None:
        tail = self._tail + data
        for row, column in _ASKS.findall(tail):
            os.write(self._descriptor, b"\x1b[%b;%bR" % (row, column) if row else b"\x1b[0n")
        last = [match.end() for match in _ASKS.finditer(tail)]
        self._tail = tail[last[-1] if last else 0 :][-32:]
        with self._changed:
            self.came.append((time.perf_counter(), len(data)))
            self.text += data
            self._changed.notify_all()

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._descriptor, keys.encode())

    def until(self, words: bytes, seconds: float = 120.0) -> None:
        """Wait until some words came.

        Raises
        ------
        TimeoutError
        """
        end = time.perf_counter() + seconds
        with self._changed:
            while words not in self.text:
                if not self._changed.wait(0.2) and time.perf_counter() > end:
                    raise TimeoutError(f"{words!r} never came: {self.text[-2000:]!r}")

    def settle(self, quiet_s: float = 0.5) -> None:
        """Wait until nothing has come for a while."""
        while True:
            with self._changed:
                if not self._line and (not self.came or time.perf_counter() - self.came[-1][0] > quiet_s):
                    return
            time.sleep(quiet_s / 10)

    def key(self, keys: str, quiet_s: float = 0.25) -> tuple[float, int]:
        """Press a key and wait: seconds until the last byte, and how many bytes."""
        began, count = time.perf_counter(), len(self.came)
        self.press(keys)
        time.sleep(quiet_s)
        self.settle(quiet_s)
        new = self.came[count:]
        return (new[-1][0] - began if new else float("nan")), sum(size for _, size in new)

    @property
    def cpu_s(self) -> float:
        """CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")")[-1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def resident_mib(self) -> float:
        """Memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def close(self) -> None:
        """End the program."""
        self.process.terminate()
        self.process.wait()
        self._is_open = False
        for thread in self._threads:
            thread.join()
        os.close(self._descriptor)


@contextmanager
def terminal(
    command: Sequence[str],
    size: tuple[int, int] = (80, 24),
    *,
    bytes_s: float | None = None,
    **environment: str,
) -> Iterator[Terminal]:
    """A Python program, by its arguments."""
    leader, follower = pty.openpty()
    columns, lines = size
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, *command], stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(follower)
    shown = Terminal(process, leader, bytes_s)
    try:
        yield shown
    finally:
        shown.close()
