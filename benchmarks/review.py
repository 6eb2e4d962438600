"""The review console beside stock Textual widgets, both in a pseudo-terminal, with a million candidates.

python -m benchmarks.review [CANDIDATES]
"""

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.million import make
from benchmarks.pty import Terminal, terminal
from core.database.migrations import upgrade
from core.database.store import open_store
from core.errors import AstridError
from core.review.waiting import ORDERS, queue_page

KEYS = 30
PRESSES = 20
PATIENCE_S = 120.0
THIN, SLOW = 256_000 / 8, 8_000 / 8
ANSWER = re.compile(rb"\x1b\[2;2H\x1b\[[0-9;]+m2")  # the second card's place in the queue
FILTERS = (
    "score>0.9", "score<0.001", "snr>24.9", "mag<18.001", "mag>20 filter:r", "field:F3", "frame:f77.fits",
    "object:AID77", "near:10,10,30arcmin", "known:star", "known:unknown", "tag:host", "verdict:none",
    "verdict:any", "tracklet:any", "survey:any", "score<0.01", "snr<5.02", "snr<5.5", "ra<0.01",
    "frame:*77.fits", "frame:*x", "object:*x",
)  # fmt: skip

STOCK = """
import sys
import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import DataTable
class Triplet(Widget):
    seed = 0
    def render_line(self, y):
        if y >= 13:
            return Strip.blank(self.size.width)
        grey = np.random.default_rng(self.seed).integers(0, 256, (26, 78))
        pairs = zip(grey[2 * y].tolist(), grey[2 * y + 1].tolist())
        styles = (Style.parse(f"rgb({a},{a},{a}) on rgb({b},{b},{b})") for a, b in pairs)
        return Strip([Segment("\\u2580", style) for style in styles])
class Stock(App):
    def compose(self):
        if sys.argv[1] == "table":
            yield DataTable(cursor_type="row")
        elif sys.argv[1] == "triplet":
            yield Triplet()
    def on_mount(self):
        if sys.argv[1] == "table":
            table = self.query_one(DataTable)
            table.add_columns(*"abcdefgh")
            table.add_rows([[f"{row} {column}" for column in "abcdefgh"] for row in range(2000)])
            table.focus()
        self.call_after_refresh(setattr, self, "title", "usable")
    def on_key(self, event):
        if sys.argv[1] == "triplet":
            triplet = self.query_one(Triplet)
            triplet.seed += 1
            triplet.refresh()
Stock().run()
"""


def settings(folder: Path, drawing: str = "grey") -> list[str]:
    """The console's arguments for a store in a folder."""
    path = folder / f"{drawing.replace(' ', '-')}.toml"
    path.write_text(
        f'home = "{folder}"\n[store]\nurl = "sqlite:///{folder / "astrid.db"}"\n'
        f'[console]\nresume = false\nclock = "off"\n[review]\nreviewer = "bench"\ndrawing = "{drawing}"\n'
    )
    return ["-m", "astrid_tui", "--config", str(path)]


def usable(command: list[str], words: bytes) -> tuple[float, float]:
    """CPU seconds until the first card, or the page that stands for none, and MiB then."""
    best: list[tuple[float, float]] = []
    for _ in range(3):
        with terminal(command) as shown:
            shown.until(words)
            shown.settle()
            best.append((shown.cpu_s, shown.resident_mib))
    return min(best)


def keys(shown: Terminal, key: str, count: int = KEYS) -> str:
    """Press a key again and again: times until the last byte, bytes and CPU of one."""
    shown.key(key)
    before = shown.cpu_s
    found = [shown.key(key) for _ in range(count)]
    spent = (shown.cpu_s - before) / count
    times = sorted(1000 * wait for wait, _ in found)
    size = statistics.median(count for _, count in found)
    p95 = times[round(0.95 * (len(times) - 1))]
    return (
        f"p50 {times[len(times) // 2]:5.1f} ms  p95 {p95:5.1f} ms  {size:7.0f} B  {1000 * spent:5.1f} ms CPU"
    )


def lag(shown: Terminal, key: str) -> float:
    """Seconds from the last of some presses, ten a second, to the last byte on a thin line."""
    pressed = 0.0
    for _ in range(PRESSES):
        pressed = time.perf_counter()
        shown.press(key)
        time.sleep(0.1)
    shown.settle(1.0)
    return shown.came[-1][0] - pressed


def late(shown: Terminal, key: str) -> int:
    """The bytes that come before the answer to a key, which is pressed while the first card is drawn.

    Raises
    ------
    TimeoutError
        No answer comes.
    """
    shown.until("▀".encode() * 2)
    before = len(shown.text)
    shown.press(key)
    end = time.perf_counter() + PATIENCE_S
    while (found := ANSWER.search(shown.text, before)) is None:
        if time.perf_counter() > end:
            raise TimeoutError(f"{key!r} was never answered: {shown.text[-2000:]!r}")
        time.sleep(0.1)
    return found.start() - before


def pages(url: str) -> None:
    """The first page of orders and filters."""
    store = open_store(url)
    try:
        queue_page(store)
        for what, options in [
            *((f"order {name}", {"order": name}) for name in ORDERS),
            *((f"filter {each}", {"filters": each}) for each in FILTERS),
        ]:
            took = _cpu_ms(lambda options=options: queue_page(store, **options))  # type: ignore[misc]
            print(f"  {what:32}{took:7.0f} ms{'' if took <= 100 else '  above the goal'}")
    finally:
        store.close()


def _cpu_ms(work: Callable[[], object]) -> float:
    took = []
    for _ in range(2):
        began = time.process_time()
        try:
            work()
        except AstridError as error:
            print(f"  {error}")
        took.append(1000 * (time.process_time() - began))
    return min(took)


def main(count: int = 1_000_000) -> None:
    """Print the figures."""
    with ExitStack() as stack:
        full, few, empty = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3))
        began = time.perf_counter()
        url = make(full, count)
        print(f"{count} candidates made in {time.perf_counter() - began:.0f} s")
        upgrade(f"sqlite:///{empty / 'astrid.db'}")
        make(few, 50)
        print("first page, CPU (goal 100 ms)")
        pages(url)
        bare = usable(["-c", STOCK, "bare"], b"\x1b[?25l")
        none = usable(settings(empty), b"Nothing awaits")
        some = usable(settings(few), b"difference")
        many = usable(settings(full), b"difference")
        print(f"empty Textual app    {1000 * bare[0]:5.0f} ms CPU {bare[1]:4.0f} MiB")
        print(f"console, empty store {1000 * none[0]:5.0f} ms CPU {none[1]:4.0f} MiB")
        print(f"console, 50 to judge {1000 * some[0]:5.0f} ms CPU {some[1]:4.0f} MiB")
        print(
            f"console, full store  {1000 * many[0]:5.0f} ms CPU {many[1]:4.0f} MiB:"
            f" {1000 * (many[0] - some[0]):+.0f} ms (goal 60), {many[1] - bare[1]:+.0f} MiB (goal 80)"
        )
        with terminal(["-c", STOCK, "table"]) as shown:
            shown.until(b"0 a")
            shown.settle()
            print("stock DataTable, cursor key   ", keys(shown, "\x1b[B", 12))
            shown.press("\x1b[B" * 8)
            shown.settle()
            print("stock DataTable, scrolling key", keys(shown, "\x1b[B", 12))
        with terminal(settings(full)) as shown:
            shown.until(b"difference")
            shown.press("1")
            shown.until(b".fits")
            shown.settle()
            print("ingest list, cursor key       ", keys(shown, "j", 12), " goal 10/25 ms, 500 B")
            print("ingest list, scrolling key    ", keys(shown, "j", 12))
        with terminal(["-c", STOCK, "triplet"]) as shown:
            shown.settle()
            print("stock triplet, next           ", keys(shown, "j"))
        for drawing, goal in (
            ("half", "35 ms, 25 kB"),
            ("grey", "35 ms, 13 kB"),
            ("kitty", "35 ms, 13 kB"),
            ("ascii", "35 ms, 1.8 kB"),
        ):
            colours = "truecolor" if drawing == "half" else ""
            with terminal(settings(full, drawing), COLORTERM=colours) as shown:
                shown.until(b"difference")
                shown.settle()
                print(f"{drawing}, next card".ljust(30), keys(shown, "j"), f" goal {goal}")
        with terminal(["-c", STOCK, "triplet"], bytes_s=THIN) as shown:
            shown.settle()
            print(f"stock triplet on 256 kbit/s: last of {PRESSES} presses {lag(shown, 'j'):.1f} s late")
        for drawing in ("grey", "kitty", "ascii"):
            with terminal(settings(full, drawing), bytes_s=THIN) as shown:
                shown.until(b"difference")
                shown.settle()
                print(f"{drawing} on 256 kbit/s: {lag(shown, 'j'):.2f} s late (goal 1.0)")
        with terminal(settings(full), bytes_s=SLOW) as shown:
            print(f"grey on 8 kbit/s: {late(shown, 'j')} B before a key's answer (goal 1000)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
