"""The CPU and a CUDA device side by side: subtractions and the steps of trainings, in one process.

    python -m benchmarks.devices [--subtraction | --training] [SIZE ...]

Wall time, the CPU on one thread. A subtraction has its reference's transforms kept, as the second frame of a
night has; "tiles" are what is computed on the device, their copies to it and back included, and what differs
between the devices is told beside it. A training learns from simulated fields, and the time of a step counts
from the second epoch on; on the device so many threads as there are processors, eight at most, make what the
next steps learn from. Energy is what NVML counts of the first GPU
over all epochs. Without a CUDA device the CPU stands alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.growth import laid_out
from core.operations.freed_memory import keep_freed_memory
from core.settings import PowerSettings, Settings
from pipeline.energy.meter import EnergyMeter
from pipeline.frame import Difference
from pipeline.subtraction.subtract import subtract
from pipeline.training import field_cache, realbogus_train, unet_train
from pipeline.training.checkpoint import Device
from pipeline.training.examples import Examples, of_seeds

SIZES = (1024, 2048)
TIMES = 5
FIELDS, FIELD_PX = 12, 512
SEED = 90_000_000
STEPS = {"cpu": 12, "cuda": 120}  # an epoch; there are three
MOST_LOADERS = 8


@dataclass(frozen=True)
class Rate:
    """Milliseconds of a step, the last epoch's loss, and joules of a step, NaN where there is no GPU."""

    ms: float
    loss: float
    joules: float


def main() -> None:
    """Print a table of subtractions and one of trainings."""
    parser = argparse.ArgumentParser(prog="benchmarks.devices", description="The CPU and a CUDA device.")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    parser.add_argument("--subtraction", action="store_true", help="this alone")
    parser.add_argument("--training", action="store_true", help="this alone")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    devices: list[Device] = ["cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
        print(f"CUDA device: {torch.cuda.get_device_name()}, torch {torch.__version__}")
    if not wanted.training:
        _subtractions(devices, wanted.sizes)
    if not wanted.subtraction:
        _trainings(devices)


def _subtractions(devices: Sequence[Device], sizes: Sequence[int]) -> None:
    print("\nsubtraction        tiles ms   whole ms   of the CPU's: tiles, whole   score differs by at most")
    with patch("pipeline.subtraction.subtract.match_psf", lambda new, *_: new):
        for size in sizes:
            new, reference = laid_out(size // 1024)
            at: dict[Device, tuple[float, float]] = {}
            first: Difference | None = None
            for device in devices:
                settings = Settings(depth={"enabled": False}, subtract={"device": device})
                kept = replace(reference, caches={})
                found = subtract(new, kept, settings)  # loads what is loaded once, and fills the cache
                first = first or found
                tiles, whole = [], []
                for _ in range(TIMES):
                    begun = time.perf_counter()
                    found = subtract(new, kept, settings)
                    whole.append(time.perf_counter() - begun)
                    tiles.append(found.seconds["kernels"] + found.seconds["transforms"])
                at[device] = min(tiles), min(whole)
                share = [a / b for a, b in zip(at[device], at["cpu"], strict=True)]
                differs = float(np.abs(found.score - first.score).max())
                print(
                    f"{size:5}^2 {device:5}   {1e3 * at[device][0]:11.1f}{1e3 * at[device][1]:11.1f}"
                    f"   {share[0]:16.3f}{share[1]:8.3f}   {differs:23.1e}"
                )


def _trainings(devices: Sequence[Device]) -> None:
    print("\ntraining                     ms a step   of the CPU's   loss    J a step")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        seeds = range(SEED, SEED + FIELDS)
        files = field_cache.make(work / "fields", seeds, FIELD_PX)
        examples = of_seeds(seeds, FIELD_PX)
        for batch in (4, 32):
            _table(f"U-Net, {batch} patches", devices, lambda device, b=batch: _unet(files, b, device, work))
        _table("real-bogus, 128 cutouts", devices, lambda device: _realbogus(examples, device, work))


def _table(what: str, devices: Sequence[Device], rate: Callable[[Device], Rate]) -> None:
    cpu = None
    for device in devices:
        found = rate(device)
        cpu = cpu or found
        print(
            f"{what:25}{device:5}{found.ms:8.1f}   {found.ms / cpu.ms:12.3f}{found.loss:8.3f}"
            f"{found.joules:11.3f}"
        )


def _unet(files: Sequence[Path], batch: int, device: Device, work: Path) -> Rate:
    steps = STEPS[device] if batch < 32 or device != "cpu" else 4
    options = unet_train.TrainOptions(
        steps=3 * steps, batch=batch, epoch_steps=steps, device=device, threads=_threads(device)
    )
    kept = work / f"unet-{batch}-{device}"
    return _rate(steps, lambda epoch: unet_train.train(files, [], options, kept, epoch))


def _realbogus(examples: Examples, device: Device, work: Path) -> Rate:
    steps = STEPS[device]
    options = realbogus_train.TrainOptions(
        steps=3 * steps, epoch_steps=steps, device=device, threads=_threads(device)
    )
    kept = work / f"realbogus-{device}"
    return _rate(steps, lambda epoch: realbogus_train.train(examples, examples[:0], options, kept, epoch))


def _rate(steps: int, train: Callable[[Callable[[int, dict[str, float]], None]], object]) -> Rate:
    """The time of a step in the faster of the second and third epoch."""
    ends: list[float] = []
    losses: list[float] = []

    def epoch(_step: int, metrics: dict[str, float]) -> None:
        ends.append(time.perf_counter())
        losses.append(metrics["loss"])

    spent = EnergyMeter.of_this_machine(PowerSettings(devices=["gpu0"])).begin()
    train(epoch)
    joules = spent()
    per_step = float("nan") if joules is None else joules / (3 * steps)
    return Rate(1e3 * float(np.diff(ends).min()) / steps, losses[-1], per_step)


def _threads(device: Device) -> int:
    return 1 if device == "cpu" else min(MOST_LOADERS, os.cpu_count() or 1)


if __name__ == "__main__":
    main()
