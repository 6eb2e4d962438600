"""What it costs to start: `astrid --help`, and the console's first frame beside an empty Textual app's."""

import sys

from benchmarks.usage import best_of

RUNS = 7
EMPTY = """
from textual.app import App
class Empty(App):
    def on_mount(self):
        self.call_after_refresh(self.exit)
Empty().run(headless=True)
"""
CONSOLE = """
from astrid_tui.app import Console
app = Console(None, read_only=True)
app.call_after_refresh(app.exit)
app.run(headless=True)
"""


def main() -> None:
    """Print the figures."""
    bare = best_of(RUNS, [sys.executable, "-c", "pass"])
    help_ = best_of(RUNS, [sys.executable, "-m", "astrid_tui", "--help"])
    print(f"astrid --help           {help_.cpu_s * 1000:6.0f} ms CPU, {help_.peak_mib:.0f} MiB", end="")
    print(f"   (python -c pass: {bare.cpu_s * 1000:.0f} ms; goal 150 ms)")
    empty = best_of(RUNS, [sys.executable, "-c", EMPTY])
    console = best_of(RUNS, [sys.executable, "-c", CONSOLE])
    print(f"empty Textual app       {empty.cpu_s * 1000:6.0f} ms CPU, {empty.peak_mib:.0f} MiB")
    print(f"console's first frame   {console.cpu_s * 1000:6.0f} ms CPU, {console.peak_mib:.0f} MiB", end="")
    print(f"   ratio {console.cpu_s / empty.cpu_s:.2f} (goal 1.8)")


if __name__ == "__main__":
    main()
