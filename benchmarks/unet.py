"""What the U-Net is worth: speed against eager torch, and completeness at equal false alarms.

    python -m benchmarks.unet [FIELDS] [--speed]

Speed and memory are of one thread over 2048 x 2048 pixels, ONNX Runtime in tiles as it is served and torch
as it is trained, in processes of their own, one after the other. Completeness is over point sources at
unmasked places of fields of the training's own kind, of seeds that nothing was trained or chosen on; it is
what the methods reach at equal false alarms per 2048 x 2048 pixels, with the lower end of a 95 % bootstrap
over fields. An independent generator is another matter: see `benchmarks.judge` where there is one.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from pipeline.classify import unet
from pipeline.classify.classify import Classifier
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.triplets import of_cutouts
from pipeline.classify.unet import LogOdds, UNet
from pipeline.classify.unet_input import CHANNELS, frame_input
from pipeline.detection.cutting import cut
from pipeline.detection.detect import detect
from pipeline.detection.joined import join, opinion
from pipeline.detection.streak_check import streak_objects
from pipeline.detection.unet_objects import StreakObject, point_objects
from pipeline.frame import Detection, FrameRefused
from pipeline.training.events import Event
from pipeline.training.fields import TrainingField, nature
from pipeline.training.fields import field as make_field
from pipeline.training.unet_run import HELD_OUT

SIZE = 2048
FIELD_PX = 512
FIRST_SEED = HELD_OUT + 5_000
FALSE_ALARMS = (6.4, 2.0)  # per 2048 x 2048 pixels
BINS = ((6.0, 10.0), (10.0, 20.0), (20.0, np.inf))
LOW = -4.0
Row = tuple[float, float, float, float]  # x, y, sign, rank
RESAMPLED = 400
OTHERS = ("tree", "realbogus")  # models of candidates that come with AstrID
METHODS = (
    "score and cuts, by score",
    "score and cuts, by U-Net",
    "U-Net alone",
    "both, by U-Net",
    *(f"score and cuts, by {name}" for name in OTHERS),
    *(f"both, by U-Net and {name}" for name in OTHERS),
)


@dataclass
class Ranked:
    """What one method found in one field: ranks of false alarms, and of each truth (-inf: not found)."""

    false: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)


@dataclass
class FieldResult:
    """One field: what each method found, its truths' significance, its area, and its streaks."""

    ranked: dict[str, Ranked]
    snr: NDArray[np.float64]
    pixels: int
    streaks: list[bool]
    false_streaks: int
    streak_free: bool


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fields", nargs="?", type=int, default=40)
    parser.add_argument("--speed", action="store_true", help="speed alone")
    parser.add_argument("--worker", choices=("idle", "served", "eager"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        _work(arguments.worker)
        return
    _speed()
    if not arguments.speed:
        _completeness(arguments.fields)


def _speed() -> None:
    took, peak = {}, {}
    for worker in ("idle", "served", "eager"):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.unet", "--worker", worker],
            capture_output=True,
            text=True,
            check=True,
        )
        took[worker], peak[worker] = map(float, run.stdout.split())
    print(f"{SIZE} x {SIZE} pixels, one thread, CPU seconds and peak memory of the process")
    for worker in ("served", "eager"):
        print(f"  {worker:8} {took[worker]:6.2f} s {peak[worker] / 1024:6.2f} GiB")
    print(f"  {'idle':8} {'':6}   {peak['idle'] / 1024:6.2f} GiB  (interpreter, libraries, input)")
    print(f"  served is {took['eager'] / took['served']:.2f} times as fast as eager")


def _work(worker: str) -> None:
    planes = np.random.default_rng(1).normal(0.0, 0.4, (CHANNELS, SIZE, SIZE)).astype(np.float32)
    took = 0.0
    if worker == "served":
        network = unet.shipped()
        network.log_odds(planes[:, :512, :512])
        began = time.process_time()
        network.log_odds(planes)
        took = time.process_time() - began
    elif worker == "eager":
        import torch

        from pipeline.classify.model_file import read
        from pipeline.training.unet_network import UNetwork

        torch.set_num_threads(1)
        model = read(SHIPPED["unet"].folder)
        eager = UNetwork(int(model.description.config["width"]))
        eager.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in model.arrays.items()}, strict=False)
        eager.eval()
        with torch.inference_mode():
            eager(torch.from_numpy(planes[np.newaxis, :, :512, :512]))
            began = time.process_time()
            eager(torch.from_numpy(planes[np.newaxis]))
            took = time.process_time() - began
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)


def _completeness(count: int) -> None:
    network = unet.shipped()
    results = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        try:
            results.append(_examined(make_field(seed, FIELD_PX), network))
        except FrameRefused:
            continue
    random = np.random.default_rng(0)
    samples = [random.integers(len(results), size=len(results)) for _ in range(RESAMPLED)]
    every = np.arange(len(results))
    frames = sum(each.pixels for each in results) / SIZE**2
    events = [sum(int(np.sum((r.snr >= low) & (r.snr < high))) for r in results) for low, high in BINS]
    print(
        f"\n{len(results)} fields of {FIELD_PX} x {FIELD_PX}, {frames:.2f} frames; sources in bins: {events}"
    )
    head = "  ".join(f"{low:g} to {high:g}".ljust(11) for low, high in BINS)
    for budget in FALSE_ALARMS:
        print(f"at {budget:g} false alarms a frame{'':9} {head}")
        for method in METHODS:
            now = _at(results, every, method, budget)
            low = np.nanpercentile([_at(results, s, method, budget) for s in samples], 2.5, axis=0)
            print(f"  {method:30} " + "  ".join(f"{a:.3f} >{b:.3f}" for a, b in zip(now, low, strict=True)))
    streaks = [found for each in results for found in each.streaks]
    free = [each for each in results if each.streak_free]
    patches = sum(each.pixels for each in free) / 256**2
    false = sum(each.false_streaks for each in free)
    print(
        f"streaks: {sum(streaks)} of {len(streaks)} found; {false} false in {patches:.0f} patches without any"
    )


def _at(results: list[FieldResult], which: NDArray[np.int_], method: str, budget: float) -> list[float]:
    """Completeness in every bin at a budget of false alarms."""
    chosen = [results[i] for i in which]
    false = np.sort(np.concatenate([each.ranked[method].false for each in chosen]))[::-1]
    allowed = int(budget * sum(each.pixels for each in chosen) / SIZE**2)
    limit = false[allowed] if allowed < len(false) else -np.inf
    rank = np.concatenate([each.ranked[method].true for each in chosen])
    snr = np.concatenate([each.snr for each in chosen])
    return [float(np.mean(rank[(snr >= low) & (snr < high)] > limit)) for low, high in BINS]


def _examined(made: TrainingField, network: UNet) -> FieldResult:
    difference = made.difference
    fwhm, masked = max(difference.psf.fwhm, 1.5), difference.mask != 0
    maps = network.log_odds(frame_input(difference, made.new, made.reference))
    peaks, dropped = detect(difference, made.new, made.reference, made.settings)
    low = network.with_thresholds(LOW, network.streak_threshold)
    both = join(peaks, dropped, maps, low, difference, made.new, made.reference, made.settings).detections
    points = [each for each in both if "streak_length" not in each.features]
    objects = point_objects(maps, masked, LOW)
    found = {
        METHODS[0]: [(each.x, each.y, np.sign(each.snr), abs(each.snr)) for each in peaks],
        METHODS[1]: _by_unet([(each.x, each.y, np.sign(each.snr)) for each in peaks], maps, fwhm),
        METHODS[2]: [(each.x, each.y, each.sign, each.log_odds) for each in objects],
        METHODS[3]: _by_unet([(each.x, each.y, np.sign(each.snr)) for each in points], maps, fwhm),
    }
    found |= _by_others(made, peaks, points, found[METHODS[3]])
    events = [each for each in made.events if not each.is_streak]
    streaks = streak_objects(maps, difference, made.new, made.reference, network.streak_threshold)
    true_streaks = [each for each in made.events if each.is_streak]
    return FieldResult(
        ranked={method: _ranked(made, rows, events) for method, rows in found.items()},
        snr=np.array([abs(each.snr) for each in events]),
        pixels=int(np.count_nonzero(~masked)),
        streaks=[any(_same_line(each, other) for other in streaks) for each in true_streaks],
        false_streaks=len(streaks),
        streak_free=not true_streaks,
    )


def _by_unet(places: list[tuple[float, float, float]], maps: LogOdds, fwhm: float) -> list[Row]:
    if not places:
        return []
    x, y = np.array([each[0] for each in places]), np.array([each[1] for each in places])
    return [(*each, odds) for each, odds in zip(places, opinion(maps, x, y, fwhm), strict=True)]


def _by_others(
    made: TrainingField, peaks: list[Detection], points: list[Detection], by_unet: list[Row]
) -> dict[str, list[Row]]:
    """By the models of candidates alone, and by the sum of their log-odds and the U-Net's calibrated ones."""
    of_peaks, of_points = _scored(made, peaks), _scored(made, points)
    calibration = unet.shipped().calibration
    found: dict[str, list[Row]] = {}
    for name in OTHERS:
        alone, beside = of_peaks.get(name), of_points.get(name)
        found[f"score and cuts, by {name}"] = [
            (each.x, each.y, np.sign(each.snr), rank)
            for each, rank in zip(peaks, [-np.inf] * len(peaks) if alone is None else alone, strict=True)
        ]
        found[f"both, by U-Net and {name}"] = [
            (x, y, sign, calibration.slope * odds + calibration.offset + more)
            for (x, y, sign, odds), more in zip(
                by_unet, [0.0] * len(points) if beside is None else beside, strict=True
            )
        ]
    return found


def _scored(made: TrainingField, detections: list[Detection]) -> dict[str, NDArray[np.float64]]:
    """Log-odds of each model of candidates."""
    if not detections:
        return {}
    size = made.settings.cutout.size_px
    frames = made.new.frame, made.reference.frame, made.difference
    triplets = of_cutouts([cut(*frames, each.x, each.y, size) for each in detections])
    scores = Classifier.of().score(triplets, np.array([each.snr for each in detections]))
    return {name: logit(np.clip(values, 1e-12, 1.0 - 1e-12)) for name, values in scores.by_model.items()}


def _ranked(made: TrainingField, rows: list[Row], events: list[Event]) -> Ranked:
    """False alarms are what lies on no event; a second detection of one event is none."""
    places = {id(event): i for i, event in enumerate(events)}
    result = Ranked(true=[-np.inf] * len(events))
    for x, y, sign, rank in rows:
        _, event = nature(made, x, y)
        if event is None:
            result.false.append(float(rank))
        elif not event.is_streak and sign == np.sign(event.snr):
            i = places[id(event)]
            result.true[i] = max(result.true[i], float(rank))
    return result


def _same_line(event: Event, streak: StreakObject) -> bool:
    """Whether what was found covers most of the trail."""
    steps = np.linspace(0.0, 1.0, 21)
    x = event.x_begin + steps * (event.x_end - event.x_begin)
    y = event.y_begin + steps * (event.y_end - event.y_begin)
    return bool(np.mean(streak.distance(x, y) < 4.0) > 0.5)


if __name__ == "__main__":
    main()
