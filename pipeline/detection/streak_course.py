"""How the light of a line that may be a streak runs along it: the line laid straight, in even parts.

A streak is lit from end to end, in the new frame as well as in the score, and quiet ground is on both sides.
Stars in a row, the rim of a ghost or faint smear over much noise are lit in parts, or in the score alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.detection.streak_light import CORRELATED_FWHM, Scene, at, places, signal_at
from pipeline.detection.unet_objects import StreakObject

Array = NDArray[np.float64]

PARTS = 32  # of a line, each the mean over its length
MOST_TAKEN = 12  # places in one of them
ASIDE_FWHM = np.array([-5.0, -4.5, -4.0, -3.5, -2.0, 0.0, 2.0, 3.5, 4.0, 4.5, 5.0])
MIDDLE, GROUND, BESIDE = 5, [4, 6], [0, 1, 2, 3, 7, 8, 9, 10]
MOST_SCORE, MOST_LIGHT = 30.0, 200.0
LIT_SHARE = 0.4  # of the median along a line: what has less is dark
LEAST_SCORE = 0.05


@dataclass(frozen=True, slots=True)
class Course:
    """How light runs along a line.

    Attributes
    ----------
    lit : float
        The share of it that has `LIT_SHARE` of its median or more.
    evenness : float
        Logarithm of the median score along it over the mean: single stars lift the mean alone.
    median_sigma : float
        Significance of a line that is everywhere as its median.
    ridge_sigma : float
        Of the median of what the new frame has along it above the ground on both sides, 2 FWHM away.
    unrest : float
        The mean of the absolute score beside it.
    """

    lit: float
    evenness: float
    median_sigma: float
    ridge_sigma: float
    unrest: float


def course(scene: Scene, line: StreakObject) -> Course:
    """How light runs along a line; nothing where all of it is masked."""
    score, new, known = _straight(scene, line)
    unrest = float(np.abs(score[:, BESIDE]).mean())
    if not known.any():
        return Course(0.0, 0.0, 0.0, 0.0, unrest)
    along = score[known, MIDDLE]
    median, mean = float(np.median(along)), float(along.mean())
    ridge = float(np.median(new[known, MIDDLE] - new[known][:, GROUND].mean(axis=1)))
    independent = float(np.sqrt(max(line.length / scene.fwhm, 1.0) / CORRELATED_FWHM))
    return Course(
        lit=float(np.mean(along > LIT_SHARE * median)),
        evenness=float(np.log(max(median, LEAST_SCORE) / max(mean, LEAST_SCORE))),
        median_sigma=median * independent,
        ridge_sigma=ridge * independent,
        unrest=unrest,
    )


def _straight(scene: Scene, line: StreakObject) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Score and new frame in sigma, (PARTS, aside), and of which parts of the line most is not masked."""
    taken = int(np.clip(np.ceil(line.length / PARTS), 2, MOST_TAKEN))
    along = line.length * (np.arange(PARTS * taken) + 0.5) / (PARTS * taken)
    x, y = places(line, along, ASIDE_FWHM * scene.fwhm)
    seen = scene.seen(x, y)
    whole = (PARTS, taken, len(ASIDE_FWHM))
    count = seen.reshape(whole).sum(axis=1)

    def mean(light: Array, most: float) -> Array:
        values = np.where(seen, light.clip(-most, most), 0.0).reshape(whole)
        return np.asarray(values.sum(axis=1) / np.maximum(count, 1))

    score = mean(at(scene.difference.score, x, y), MOST_SCORE)
    new = mean(signal_at(scene.now, x, y, scene.noise_now), MOST_LIGHT)
    return score, new, count[:, MIDDLE] > 0.5 * taken
