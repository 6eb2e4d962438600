"""What several workers gain, and what Prefect costs: the same queue of frames by each engine in turn.

Every run is ``astrid run`` in a process of its own, one thread each. A frame's time is the mean
interval at which frames are done, without the first quarter, while workers begin, and the end, when
some have nothing left; the time until the first is done is stated as start-up. The order of the
engines is turned around from round to round, and the best of each counts: other work on the machine
then favours none.

    python -m benchmarks.engines [FRAMES] [SIZE]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import select

from core.database.store import Store, open_store
from core.database.tables import Observation
from core.frames import queue
from core.operations import prefect_server, runs
from core.settings import Settings, load

FRAMES, SIZE, ROUNDS = 32, 1024, 2
GAIN_AIM, OVERHEAD_AIM = 1.8, 0.05
ENGINES = {
    "one worker": ("--workers", "1"),
    "two workers": ("--workers", "2"),
    "one, Prefect": ("--workers", "1", "--engine", "prefect"),
}


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one run: until its first frame was done, and for each that followed."""

    start_s: float
    frame_s: float


def main(frames: int = FRAMES, size: int = SIZE) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {
            "ASTRID_HOME": f"{name}/home",
            "ASTRID_POWER__ENABLED": "false",
            "OMP_NUM_THREADS": "1",
        }
        settings = load()
        began = time.monotonic()
        prefect_server.ensure(settings, wait_s=prefect_server.WARM_UP_S)
        warm_up = time.monotonic() - began
        try:
            _report(_measured(settings, Path(name), frames, size), frames, size, warm_up)
        finally:
            prefect_server.stop(settings)


def _report(timings: dict[str, list[Timing]], frames: int, size: int, warm_up_s: float) -> None:
    print(f"{frames} frames of {size} x {size}, the best of {ROUNDS} rounds; {os.cpu_count()} cores")
    best = {name: min(each.frame_s for each in runs_) for name, runs_ in timings.items()}
    for name, taken in timings.items():
        starts = ", ".join(f"{each.start_s:.1f}" for each in taken)
        print(f"{name:14} {best[name]:6.3f} s a frame   first after {starts} s")
    gain = best["one worker"] / best["two workers"]
    overhead = best["one, Prefect"] / best["one worker"] - 1
    print(f"two workers do {gain:.2f} times the frames of one (aim {GAIN_AIM})")
    print(f"Prefect costs {overhead:+.1%} (aim {OVERHEAD_AIM:.0%})", end="; ")
    print(f"its server took {warm_up_s:.0f} s to start, once")


def _measured(settings: Settings, folder: Path, frames: int, size: int) -> dict[str, list[Timing]]:
    timings: dict[str, list[Timing]] = {name: [] for name in ENGINES}
    with closing(_filled(settings, folder, frames, size)) as store:
        _run(store, ENGINES["one worker"])  # makes the reference ready for all
        for number in range(ROUNDS):
            for name in list(ENGINES)[:: 1 if number % 2 == 0 else -1]:
                timings[name].append(_run(store, ENGINES[name]))
    return timings


def _filled(settings: Settings, folder: Path, frames: int, size: int) -> Store:
    from core.frames import references
    from core.frames.observations import register
    from pipeline.intake.ingest import examine
    from pipeline.reference.references import from_frames
    from pipeline.simulate import simulate_night

    paths = simulate_night(folder / "night", frames=frames, size=size, seed=1, references=2)
    store = open_store(settings.store_url, create=True)
    register(store, [each for path in paths.science for each in examine(path, settings)])
    references.add(store, from_frames(paths.reference, settings)[0])
    return store


def _run(store: Store, options: tuple[str, ...]) -> Timing:
    with store.read() as session:
        ids = [key for key in session.exec(select(Observation.id)) if key is not None]
    queue.requeue(store, ids)
    began = time.time()
    command = [sys.executable, "-m", "astrid_tui", "run", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    run = runs.newest(store, limit=1)[0]
    if run.counts != {"done": len(ids)}:
        raise SystemExit(f"not all frames were done: {run.counts}")
    with store.read() as session:
        done = sorted(time or 0.0 for time in session.exec(select(Observation.finished_at)))
    first, last = len(done) // 4, len(done) - run.workers
    return Timing(done[0] - began, (done[last] - done[first]) / (last - first))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
