"""The console at rest, and with a long queue: bytes to the terminal and CPU, in a real pseudo-terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.database.migrations import upgrade
from core.database.store import Store, open_store
from core.database.tables import Observation, PowerDevice, PowerSample

COLUMNS, LINES = 80, 24
IDLE_S = 20.0
SETTLE_S = 4.0
TICKS = os.sysconf("SC_CLK_TCK")


class Terminal:
    """A console in a pseudo-terminal that is read as fast as it writes."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor

    def read(self, seconds: float, until: bytes = b"") -> bytes:
        """What comes within some seconds, or until some words came."""
        found, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and (not until or until not in found):
            if select.select([self._descriptor], [], [], 0.05)[0]:
                found += os.read(self._descriptor, 65536)
        return found

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._descriptor, keys.encode())

    @property
    def cpu_s(self) -> float:
        """Spent so far; not that of a process that looks only at its own time."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")")[-1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def terminal(folder: Path, clock: str) -> Iterator[Terminal]:
    """The real program on the store of a folder, once it has settled."""
    settings = folder / f"{clock}.toml"
    settings.write_text(f'home = "{folder}"\n[console]\nclock = "{clock}"\nresume = false\n')
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "astrid_tui", "--config", str(settings)],
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(follower)
    try:
        shown = Terminal(process, leader)
        shown.read(60, until=b"await")
        shown.read(SETTLE_S)
        yield shown
    finally:
        process.terminate()
        process.wait()
        os.close(leader)


def idle(store: Store, folder: Path, clock: str, key: str, *, power: bool = False) -> None:
    """Print what the console sends and spends while nothing happens, or only power is measured."""
    stop = threading.Event()
    sampler = threading.Thread(target=_sample, args=(store, stop))
    with terminal(folder, clock) as shown:
        shown.press(key)
        if power:
            sampler.start()
        shown.read(SETTLE_S)
        before = shown.cpu_s
        sent = len(shown.read(IDLE_S))
        spent = shown.cpu_s - before
    if power:
        stop.set()
        sampler.join()
    what = f"screen {key}, clock {clock}" + (", power at 1 Hz" if power else "")
    print(f"{what:38} {sent / IDLE_S:6.0f} B/s  {100 * spent / IDLE_S:4.1f} % of a core")


def _sample(store: Store, stop: threading.Event) -> None:
    watts = 100.0
    while not stop.wait(1.0):
        watts += 3.7
        with store.write() as session:
            session.add(PowerSample(at=time.time(), device="here/gpu0", watts=watts))


def listing(frames: int) -> float:
    """CPU seconds from the key of the ingest screen until its list is drawn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _store(folder, frames), terminal(folder, "off") as shown:
            before = shown.cpu_s
            shown.press("1")
            shown.read(20, until=b".fits")
            shown.read(1.0)
            return shown.cpu_s - before


@contextmanager
def _store(folder: Path, frames: int) -> Iterator[Store]:
    url = f"sqlite:///{folder / 'astrid.db'}"
    upgrade(url)
    store = open_store(url)
    with store.write() as session:
        session.add(PowerDevice(device="here/gpu0", host="here", kind="gpu", name="GPU", seen_at=0.0))
        session.add_all(
            Observation(content=str(number), frame=f"f{number:05d}.fits", path=f"f{number}.fits",
                        field="M31", filter="r", mjd=60000.0, created_at=1.0, state="queued")
            for number in range(frames)
        )  # fmt: skip
    try:
        yield store
    finally:
        store.close()


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _store(folder, 50) as store:
            for key in "123456":
                idle(store, folder, "off", key)
            idle(store, folder, "seconds", "3")
            idle(store, folder, "seconds", "3", power=True)
            print("  goals: 0 B/s, with clock and power 300 B/s, 1 %")
    few, many = (min(listing(frames) for _ in range(3)) for frames in (10, 10_000))
    print(
        f"10 queued frames listed in {few:.2f} s CPU, 10,000 in {many:.2f}: ratio {many / few:.2f} (goal 1)"
    )


if __name__ == "__main__":
    main()
