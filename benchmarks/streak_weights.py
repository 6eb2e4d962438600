"""Fit the weights of `pipeline.detection.streak_check` anew, and say what they are worth.

python -m benchmarks.streak_weights [--fields N] [--false PER_PATCH]

Each line that is proposed in new fields of the training's kind is a streak or none; those that lie on a true
one in part are left out. As many fields again have no streaks, and conditions as usual: in them false ones
are counted. Each field is judged by weights that were fitted without it (8 parts). The constant is such that
`LIMIT` allows so many false streaks in 256 x 256 pixels.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pipeline.classify import unet
from pipeline.classify.unet_input import frame_input
from pipeline.detection.streak_check import LIMIT, WEIGHTS, proposed, terms
from pipeline.detection.streak_course import course
from pipeline.detection.streak_light import Scene
from pipeline.detection.unet_objects import StreakObject
from pipeline.frame import FrameRefused
from pipeline.training.conditions import PLAIN
from pipeline.training.events import Event
from pipeline.training.fields import TrainingField, field, from_line

FIRST_SEED, FIRST_FREE = 1_600_000, 1_500_000  # no training draws from there
PATCH_PX = 256**2
PARTS = 8
OF_A_STREAK, LEAST_WEIGHT = 1.5, 0.25  # all lines of one streak together weigh so much, and each at least
PENALTY = 1.0  # C of the regression
FAINTEST = 1.5  # SNR a FWHM of length, of streaks that are counted
SHORTEST_FWHM = 3.0
LEAST_SEEN = 0.3


@dataclass(frozen=True)
class Line:
    """One that was proposed; ``of`` is the number of its streak in the field, -1 where it is of none."""

    seed: int
    of: int
    line: StreakObject
    fwhm: float
    terms: list[float]


def main() -> None:
    """Print weights, constant, and what is found at some rates of false streaks."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.streak_weights", description="Fit the streaks' weights."
    )
    parser.add_argument("--fields", type=int, default=1200)
    parser.add_argument("--false", type=float, default=0.003)
    options = parser.parse_args()
    network = unet.shipped()
    lines: list[Line] = []
    counted: set[tuple[int, int]] = set()
    for made in _fields(field, FIRST_SEED, options.fields):
        lines += _lines(made, network)
        fwhm = max(made.difference.psf.fwhm, 1.5)
        trails = [each for each in made.events if each.is_streak]
        counted |= {(made.seed, i) for i, each in enumerate(trails) if _is_counted(made, each, fwhm)}
    patches = 0.0
    for made in _fields(partial(field, streaks=False, conditions=PLAIN), FIRST_FREE, options.fields):
        lines += _lines(made, network)
        patches += np.count_nonzero(made.difference.mask == 0) / PATCH_PX
    rank, weights, constant = _fitted(lines)
    false = _false(lines, rank)
    print(f"{len(counted)} streaks, {len(lines)} lines, {patches:.0f} patches without streaks")
    for rate in (0.001, options.false, 0.005, 0.01, 0.03):
        limit = _limit(false, rate * patches)
        found = {(each.seed, each.of) for each, own in zip(lines, rank, strict=True) if own > limit}
        print(f"  at {rate:g} false a patch {100 * len(found & counted) / max(len(counted), 1):.1f} % found")
    print({name: round(float(value), 3) for name, value in zip(WEIGHTS, weights, strict=True)})
    print(f"CONSTANT = {constant + LIMIT - _limit(false, options.false * patches):.3f}")


def _fields(make: Callable[[int], TrainingField], first: int, count: int) -> Iterator[TrainingField]:
    for seed in range(first, first + count):
        try:
            yield make(seed)
        except FrameRefused:
            continue


def _lines(made: TrainingField, network: unet.UNet) -> list[Line]:
    maps = network.log_odds(frame_input(made.difference, made.new, made.reference))
    scene = Scene(maps, made.difference, made.new, made.reference)
    trails = [each for each in made.events if each.is_streak]
    out = []
    for each in proposed(scene):
        seen = scene.light(each)
        if seen is None:
            continue
        line, light = seen
        along = [_is_along(line, trail, scene.fwhm) for trail in trails]
        middle = [from_line(trail, *line.middle) / scene.fwhm for trail in trails]
        of = [i for i in range(len(trails)) if along[i] and middle[i] < 2.0]
        if of or not any(here or away < 3.0 for here, away in zip(along, middle, strict=True)):
            told = terms(light, course(scene, line))
            values = [told[name] for name in WEIGHTS]
            out.append(Line(made.seed, of[0] if of else -1, line, scene.fwhm, values))
    return out


def _is_along(line: StreakObject, event: Event, fwhm: float) -> bool:
    share = np.linspace(0.1, 0.9, 17)
    x = line.x_begin + share * (line.x_end - line.x_begin)
    y = line.y_begin + share * (line.y_end - line.y_begin)
    away = [from_line(event, float(a), float(b)) for a, b in zip(x, y, strict=True)]
    return float(np.mean(np.array(away) < 1.5 * max(fwhm, 2.0))) > 0.5


def _is_counted(made: TrainingField, event: Event, fwhm: float) -> bool:
    """Whether a streak is long and bright enough, and not under masked pixels for the most part."""
    length = float(np.hypot(event.x_end - event.x_begin, event.y_end - event.y_begin))
    share = np.linspace(0.0, 1.0, max(3, int(length)))
    ends = ((event.y_begin, event.y_end), (event.x_begin, event.x_end))
    row, column = (
        np.rint(begin + share * (end - begin)).astype(int).clip(0, side - 1)
        for (begin, end), side in zip(ends, made.difference.mask.shape, strict=True)
    )
    seen = float(np.mean(made.difference.mask[row, column] == 0))
    return event.snr >= FAINTEST and length >= SHORTEST_FWHM * fwhm and seen > LEAST_SEEN


def _fitted(lines: list[Line]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The log-odds of each line by weights that others gave; the weights and constant that all give."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.preprocessing import StandardScaler

    values = np.array([each.terms for each in lines])
    real = np.array([each.of >= 0 for each in lines])
    often = Counter((each.seed, each.of) for each in lines)
    counts = [
        1.0 if each.of < 0 else max(OF_A_STREAK / often[each.seed, each.of], LEAST_WEIGHT) for each in lines
    ]
    weight, field_of = np.array(counts), np.array([each.seed for each in lines])

    def fit(which: NDArray[np.intp]) -> tuple[NDArray[np.float64], float]:
        scale = StandardScaler().fit(values[which])
        model = LogisticRegression(C=PENALTY, max_iter=3000)
        model.fit(scale.transform(values[which]), real[which], weight[which])
        found = model.coef_[0] / scale.scale_
        return found, float(model.intercept_[0] - found @ scale.mean_)

    rank = np.zeros(len(lines))
    for others, part in GroupKFold(PARTS).split(values, real, field_of):
        weights, constant = fit(others)
        rank[part] = values[part] @ weights + constant
    return rank, *fit(np.arange(len(lines)))


def _false(lines: list[Line], rank: NDArray[np.float64]) -> list[float]:
    """The log-odds of false streaks in fields without any, each once, the surest first."""
    kept: dict[int, list[StreakObject]] = {}
    out = []
    for i in np.argsort(-rank):
        each = lines[i]
        if each.seed >= FIRST_SEED:
            continue
        here = kept.setdefault(each.seed, [])
        x, y = (np.array([at]) for at in each.line.middle)
        if not any(other.distance(x, y)[0] < 2.0 * each.fwhm for other in here):
            here.append(each.line)
            out.append(float(rank[i]))
    return out


def _limit(false: list[float], allowed: float) -> float:
    return false[int(allowed)] if int(allowed) < len(false) else -np.inf


if __name__ == "__main__":
    main()
