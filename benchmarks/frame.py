"""The whole way of one simulated 2048 x 2048 frame beside the textbook way of the same frame.

Each runs in a process of its own, with one thread, and takes its CPU time after everything is loaded
and the reference is ready. The textbook way gets the calibrated frame and both PSFs for nothing. By the
clock, AstrID's is also taken with two threads, in turn with one; the quickest of each counts.

    python -m benchmarks.frame
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.usage import Usage, measure

SIZE = 2048
TURNS = 3
SPEED_AIM, MEMORY_AIM_MIB = 5.0, 1.2 * 1000**3 / 2**20
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        _child("night", name)
        ours, textbook, tried = (_child(role, name) for role in ("ours", "textbook", "tried"))
        turns = [[_child(role, name) for role in ("ours", "two")] for _ in range(TURNS)]
    mine, theirs = json.loads(ours.output), json.loads(textbook.output)
    total, wall = mine["seconds"], sum(mine["stages"].values())
    print(f"AstrID, the whole way     {total:6.2f} s of CPU   peak {ours.peak_mib:5.0f} MiB")
    print("  " + ", ".join(f"{stage} {seconds / wall:.0%}" for stage, seconds in mine["stages"].items()))
    print(f"textbook, align to detect {theirs['seconds']:6.2f} s of CPU   peak {textbook.peak_mib:5.0f} MiB")
    print(f"{theirs['seconds'] / total:.2f} times as fast (aim {SPEED_AIM:g}), ", end="")
    print(f"{ours.peak_mib / MEMORY_AIM_MIB:.2f} of the memory aimed at")
    more = json.loads(tried.output)["seconds"]
    print(f"with injected sources     {more:6.2f} s of CPU   peak {tried.peak_mib:5.0f} MiB: ", end="")
    print(f"{more / total:.2f} times the whole way")
    one, two = (
        min(turn, key=lambda each: json.loads(each.output)["wall"]) for turn in zip(*turns, strict=True)
    )
    waits = [json.loads(each.output)["wall"] for each in (one, two)]
    print(f"by the clock              {waits[0]:6.2f} s with one thread, {waits[1]:.2f} s with two: ", end="")
    print(f"{waits[0] / waits[1]:.2f} times as quick   peak {two.peak_mib:5.0f} MiB")


def _child(role: str, folder: str) -> Usage:
    return measure([sys.executable, "-m", "benchmarks.frame", role, folder], ONE_THREAD)


def night(folder: Path) -> None:
    """Simulate a night with its store and reference."""
    from astrid_tui.demo import run_demo

    run_demo(folder, frames=2, size=SIZE, seed=1)


def ours(folder: Path, *, tried: bool = False, threads: int = 1) -> None:
    """Process the first frame, which makes the reference ready; then time the second."""
    from core.frames.drawn import Draw
    from core.operations.freed_memory import keep_freed_memory
    from core.operations.threads import with_threads
    from core.settings_sections import FakesSettings
    from pipeline.process import process

    keep_freed_memory()  # as a worker does
    settings, reference, masters, (first, second) = _ready(folder)
    settings = with_threads(settings, threads)
    process(first, 0, reference, masters, [], settings)
    draw = Draw("frame", is_fresh=True) if tried else None
    settings = settings.model_copy(update={"fakes": FakesSettings(share=0.05 if tried else 0.0)})
    began, at = time.process_time(), time.perf_counter()
    outcome = process(second, 0, reference, masters, [], settings, draw=draw)
    seconds, wall = time.process_time() - began, time.perf_counter() - at
    if outcome.state != "done":
        raise SystemExit(f"{outcome.state}: {outcome.reason}")
    stages = {each.stage: each.seconds for each in outcome.stages}
    print(json.dumps({"seconds": seconds, "wall": wall, "stages": stages}))


def tried(folder: Path) -> None:
    """The same with sources injected into a copy."""
    ours(folder, tried=True)


def two(folder: Path) -> None:
    """The same with two threads."""
    ours(folder, threads=2)


def textbook(folder: Path) -> None:
    """Align, subtract and segment the calibrated second frame the plain way."""
    import numpy as np

    from benchmarks.textbook import difference
    from pipeline.calibration.calibrate import calibrate
    from pipeline.files.fits_files import read_frame
    from pipeline.stellar.psf import estimate_psf
    from pipeline.stellar.stars import find_stars

    settings, reference, masters, (_, second) = _ready(folder)
    frame = calibrate(read_frame(second), masters, settings)
    psf = estimate_psf(frame, find_stars(frame), 0).at(SIZE / 2, SIZE / 2)
    psf_ref = reference.psf.at(SIZE / 2, SIZE / 2)
    sides = [
        (np.asarray(image.signal, np.float64), image.wcs, stamp, np.asarray(image.variance, np.float64))
        for image, stamp in ((frame, psf), (reference.frame, psf_ref))
    ]
    began = time.process_time()
    difference(*sides[0], *sides[1], rms_px=0.05)
    print(json.dumps({"seconds": time.process_time() - began}))


def _ready(folder: Path):  # noqa: ANN202
    """Settings, the prepared reference, the masters, and the paths of the science frames."""
    from astrid_tui.demo import demo_settings
    from core.database.store import open_store
    from core.frames.references import newest_first
    from pipeline.calibration.calibrators import masters_of
    from pipeline.files.fits_files import read_frame
    from pipeline.reference.prepare import prepare
    from pipeline.simulate import simulate_night

    settings = demo_settings(folder)
    store = open_store(settings.store_url)
    science = simulate_night(folder / "night", frames=2, size=SIZE, seed=1).science
    raw = read_frame(science[0])
    masters = masters_of(store, settings)(raw.exposure, raw.data.shape)
    return settings, prepare(newest_first(store)[0], settings), masters, science


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        {"night": night, "ours": ours, "textbook": textbook, "tried": tried, "two": two}[sys.argv[1]](
            Path(sys.argv[2])
        )
