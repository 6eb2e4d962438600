"""How long one waits for `astrid diff` of two files of 2048 x 2048, beside HOTPANTS alone, by the clock.

`astrid diff` is the whole command, from the start of Python to its JSON, with one thread and with two.
HOTPANTS, where it is installed, gets the images calibrated and aligned, with their masks and noise, for
nothing. All take turns, and the quickest of each counts: a busy machine has few cores to spare for a second
thread, and CPU time tells what it had to do.

    python -m benchmarks.clock [TURNS]
"""

import sys
import tempfile
from pathlib import Path

from astropy.io import fits

from benchmarks.pairs.draw import Pair, draw
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.raw_frame import raw_frame
from benchmarks.subtraction import peers
from benchmarks.subtraction.engines import images_of, way
from benchmarks.usage import Usage, measure

SCENARIO, SEED = "varying", 7
TURNS = 5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main(turns: int = TURNS) -> None:
    """Print a line of each way."""
    pair = draw(SCENARIOS[SCENARIO], SEED)
    images = images_of(way(pair)) if peers.installed("hotpants") else None
    took: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(pair, folder)
        for _ in range(turns):
            for options in (("--no-score",), ()):
                for threads in ("1", "2"):
                    used = _diff(folder, *options, "--threads", threads)
                    named = " ".join(("astrid diff", *options, f"--threads {threads}"))
                    took.setdefault(named, []).append((used.wall_s, used.cpu_s))
            if images is not None:
                _, spent, waited = peers.by_hotpants(images)
                took.setdefault("hotpants", []).append((waited, spent))
    against = min(took["hotpants"])[0] if images is not None else None
    for named, each in took.items():
        wall, cpu = min(each)
        print(f"{named:36} {wall:6.2f} s by the clock, {cpu:6.2f} s of CPU", end="")
        print("" if against is None else f"   {wall / against:5.2f} times HOTPANTS")


def _write(pair: Pair, folder: Path) -> None:
    for name, shot, off_px in (("new", pair.new, 3.0), ("ref", pair.ref, 0.0)):
        raw = raw_frame(shot, name, off_px)
        fits.writeto(folder / f"{name}.fits", raw.data, raw.header)


def _diff(folder: Path, *options: str) -> Usage:
    files = (str(folder / "new.fits"), str(folder / "ref.fits"))
    command = [sys.executable, "-m", "astrid_tui", "diff", *files, "--json", *options]
    return measure(command, {**ONE_THREAD, "ASTRID_HOME": str(folder / "home")})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
