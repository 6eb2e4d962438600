"""The thresholds and the calibration of a U-Net, from fields that it was not trained on.

The thresholds keep what only the network sees within a budget of false alarms; the calibration makes a
probability of the log-odds at a candidate's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaincinv

from pipeline.classify.model_file import Calibration
from pipeline.classify.unet import UNet
from pipeline.classify.unet_input import frame_input
from pipeline.detection.detect import detect
from pipeline.detection.joined import join, opinion
from pipeline.frame import Detection, FrameRefused
from pipeline.training.events import Event
from pipeline.training.fields import TrainingField, from_line, nature

Array = NDArray[np.float64]

FRAME_PX = 2048**2  # budgets are told for so many pixels
PATCH_PX = 256**2
STREAKS_PER_PATCH = 0.003  # in fields without any
ENOUGH_PATCHES = 1000.0
SURE = 0.975  # how sure it is that there are no more: the upper end of a 95 % interval
LOWEST = 0.0  # log-odds from which objects are looked at
LOWEST_STREAK = 5.0  # the same of the evidence of streaks
MARGIN = 1e-3
STEPS = 50  # of Newton's method


@dataclass(frozen=True, slots=True)
class Seen:
    """One candidate of a field whose truth is known.

    ``origin`` is ``peak`` (of the score), ``unet`` (seen by the network alone) or ``streak``; ``rank`` is
    what the threshold of its origin is held against. ``streak_free`` says that its field has no streak.
    """

    origin: str
    log_odds: float
    rank: float
    snr: float
    kind: str
    real: bool
    streak_free: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """All candidates of some fields; how many pixels were unmasked in all, and in those without streaks."""

    seen: tuple[Seen, ...]
    pixels: int
    streak_free_pixels: int


def examine(network: UNet, fields: Iterable[TrainingField]) -> Examined:
    """What detection and network find in some fields, at the lowest thresholds."""
    seen: list[Seen] = []
    pixels = streak_free = 0
    low = network.with_thresholds(LOWEST, LOWEST_STREAK)
    for made in fields:
        difference = made.difference
        try:
            peaks, dropped = detect(difference, made.new, made.reference, made.settings)
        except FrameRefused:
            continue
        maps = network.log_odds(frame_input(difference, made.new, made.reference))
        found = join(
            peaks, dropped, maps, low, difference, made.new, made.reference, made.settings
        ).detections
        places = {(each.x, each.y) for each in peaks}
        fwhm = max(difference.psf.fwhm, 1.5)
        x, y = np.array([each.x for each in found]), np.array([each.y for each in found])
        odds = opinion(maps, x, y, fwhm) if found else np.zeros(0)
        seen += [_seen(made, each, places, float(odd)) for each, odd in zip(found, odds, strict=True)]
        unmasked = int(np.count_nonzero(difference.mask == 0))
        pixels += unmasked
        streak_free += unmasked if _streak_free(made) else 0
    return Examined(tuple(seen), pixels, streak_free)


def point_threshold(examined: Examined, false_alarms: float) -> float:
    """Log-odds from which point sources of the network are candidates.

    Parameters
    ----------
    examined : Examined
    false_alarms : float
        Point sources that only the network sees and that are none, allowed per `FRAME_PX`.
    """
    points = [each.rank for each in examined.seen if each.origin == "unet" and not each.real]
    return _above(points, int(false_alarms * examined.pixels / FRAME_PX), LOWEST)


def streak_threshold(examined: Examined) -> float:
    """Evidence from which streaks of the network are candidates.

    `STREAKS_PER_PATCH` false ones are allowed in fields without any. With less than `ENOUGH_PATCHES` no rate
    that low can be shown: then none at all is allowed, and what can be said is `streak_rate`.
    """
    patches = examined.streak_free_pixels / PATCH_PX
    allowed = int(STREAKS_PER_PATCH * patches) if patches >= ENOUGH_PATCHES else 0
    return _above(_false_streaks(examined), allowed, LOWEST_STREAK)


def streak_rate(examined: Examined, threshold: float) -> tuple[float, float, float]:
    """Patches of `PATCH_PX` without streaks; false streaks in one; the upper end of that rate's interval."""
    patches = examined.streak_free_pixels / PATCH_PX
    false = sum(rank > threshold for rank in _false_streaks(examined))
    return patches, false / max(patches, 1e-9), min(most(false) / max(patches, 1e-9), 1e9)


def most(count: int) -> float:
    """The upper end of the 95 % interval of what a Poisson count is expected to be (Garwood 1936)."""
    return float(gammaincinv(count + 1, SURE))


def _false_streaks(examined: Examined) -> list[float]:
    return [
        each.rank for each in examined.seen if each.origin == "streak" and not each.real and each.streak_free
    ]


def calibration(examined: Examined) -> Calibration:
    """A logistic fit of being real on the log-odds, by Newton's method with a weak prior on the slope."""
    odds = np.array([each.log_odds for each in examined.seen])
    real = np.array([each.real for each in examined.seen], dtype=np.float64)
    if len(odds) < 10 or real.min() == real.max():
        return Calibration()
    design = np.column_stack([odds, np.ones_like(odds)])
    prior, towards = np.array([1.0, 1e-3]), np.array([1.0, 0.0])

    def loss(values: Array) -> float:
        chance = design @ values
        likelihood = np.sum(np.logaddexp(0.0, chance) - real * chance)
        return float(likelihood + 0.5 * np.sum(prior * (values - towards) ** 2))

    found = towards.copy()
    for _ in range(STEPS):
        sure = expit(design @ found)
        slope = design.T @ (sure - real) + prior * (found - towards)
        curve = (design * (sure * (1.0 - sure))[:, None]).T @ design + np.diag(prior)
        step = np.linalg.solve(curve, slope)
        while loss(found - step) > loss(found) and np.abs(step).max() > 1e-9:
            step = step / 2.0
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    share = float(np.clip(real.mean(), 1e-6, 1.0 - 1e-6))
    return Calibration(slope=float(np.clip(found[0], 1e-3, 1e3)), offset=float(found[1]), prevalence=share)


def fields_of(
    make: Callable[[int, int], TrainingField],
    seeds: Sequence[int],
    size: int,
    on_field: Callable[[int], None] | None = None,
) -> Iterable[TrainingField]:
    """The fields of some seeds, one after the other, without those that are refused."""
    for done, seed in enumerate(seeds, start=1):
        try:
            yield make(seed, size)
        except FrameRefused:
            continue
        finally:
            if on_field is not None:
                on_field(done)


def _seen(made: TrainingField, found: Detection, peaks: set[tuple[float, float]], odds: float) -> Seen:
    kind, event = nature(made, found.x, found.y)
    if "streak_length" in found.features:
        rank = found.features["streak_evidence"]
        trails = [event for event in made.events if event.is_streak]
        real = (event is not None and event.is_streak) or along_a_trail(made, found, trails)
        return Seen("streak", odds, rank, abs(found.snr), kind, real, _streak_free(made))
    origin = "peak" if (found.x, found.y) in peaks else "unet"
    real = event is not None and (event.is_streak or event.snr * found.snr > 0)
    return Seen(origin, odds, odds, abs(found.snr), kind, real, _streak_free(made))


def _streak_free(made: TrainingField) -> bool:
    return not any(event.is_streak for event in made.events)


def along_a_trail(made: TrainingField, found: Detection, trails: Sequence[Event]) -> bool:
    """Whether most of a streak lies on one of some trails."""
    half, angle = found.features["streak_length"] / 2.0, np.radians(found.features["streak_angle"])
    steps = np.linspace(-0.8, 0.8, 17) * half
    x, y = found.x + steps * np.cos(angle), found.y + steps * np.sin(angle)
    near = 1.5 * max(made.difference.psf.fwhm, 2.0)
    return any(
        np.mean([from_line(event, *at) < near for at in zip(x, y, strict=True)]) > 0.5 for event in trails
    )


def _above(false: list[float], allowed: int, lowest: float) -> float:
    """What no more than so many exceed."""
    ordered = sorted(false, reverse=True)
    return lowest if allowed >= len(ordered) else max(lowest, ordered[allowed] + MARGIN)
