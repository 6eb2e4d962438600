"""Which of the lines that may be streaks are such, by the light along them and by the network together.

A streak in the sky is as wide as the PSF, positive, lit along its length, on dark ground and in the new frame
alone. A bleed, a bad or smeared column, a ghost's rim, a star's spikes and the residuals of a crowd lack one
or the other of these. Neither the network nor any one of them tells alone; a logistic regression weighs them.
A small network that looked along each line told the training's streaks better, and others worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np

from pipeline.classify.unet import LogOdds
from pipeline.detection.streak_course import Course, course
from pipeline.detection.streak_light import Light, Scene
from pipeline.detection.streak_lines import lit_lines
from pipeline.detection.unet_objects import StreakObject, proposed_streaks
from pipeline.frame import Aligned, Difference, PreparedReference

# Lines so nearly along a row or column of the detector may be its own, smear or bad lines; but none of these
# leaves its row, and where a line's ends lie is known to a third of a FWHM.
ALONG_DEG, ALONG_FWHM = 1.2, 0.75
MASKED = 0.3  # a larger share that is masked tells no more
SAME_FWHM = 2.0  # of a streak whose middle lies so near another, only the surer is kept

# Of a logistic regression of being a streak on `terms` and the products of some, by lines of 1,159 fields of
# the training's kind, 1,031 streaks in them, and of 1,309 fields without any. The constant is such that
# evidence of `LIMIT` is that beyond which there were .003 false ones in 256 x 256 pixels of the latter, each
# judged by weights that it had no part in: `python -m benchmarks.streak_weights`.
LIMIT = 7.0
WEIGHTS = {
    "streak": 0.691,
    "point": -0.412,
    "significance": 2.428,
    "length": -0.300,
    "wide": -3.716,
    "narrow": -6.267,
    "lobes": 0.830,
    "lit_before": -1.912,
    "ground": 0.043,
    "angle": 5.968,
    "masked": -10.108,
    "spike": -2.806,
    "lit": 1.621,
    "evenness": 1.860,
    "ridge": 0.852,
    "unrest": 0.492,
    "median": 0.340,
    "streak streak": 0.034,
    "streak significance": 0.171,
    "streak length": -0.074,
    "streak ridge": -0.010,
    "significance significance": -0.103,
    "significance length": -0.151,
    "significance ridge": -0.008,
    "length length": 0.419,
    "length ridge": -0.277,
    "ridge ridge": -0.014,
}
CONSTANT = -10.687
# How much one of these tells depends on the others: what a long line shows a short one cannot.
MULTIPLIED = ("streak", "significance", "length", "ridge")


def streak_objects(
    maps: LogOdds,
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    threshold: float,
    lit: Sequence[StreakObject] | None = None,
) -> list[StreakObject]:
    """The streaks of a frame.

    Parameters
    ----------
    maps : LogOdds
    difference : Difference
    new : Aligned
    reference : PreparedReference
    threshold : float
        The least evidence.
    lit : sequence of StreakObject, optional
        What `lit_lines` gives, where it was asked already.

    Returns
    -------
    list of StreakObject
        The longest first.
    """
    scene = Scene(maps, difference, new, reference)
    streaks: list[StreakObject] = []
    for each in proposed(scene, lit):
        # One streak is proposed many times, and to measure a line is what takes long.
        if any(_on(each, other, scene.fwhm) for other in streaks):
            continue
        seen = scene.light(each)
        if seen is None:
            continue
        line, light = seen
        if (sure := evidence(light, course(scene, line))) > threshold:
            streaks.append(replace(line, evidence=sure))
    return sorted(distinct(streaks, scene.fwhm), key=lambda each: -each.length)


def proposed(scene: Scene, lit: Sequence[StreakObject] | None = None) -> list[StreakObject]:
    """What may be streaks: lines that the network sees, and lines along which the light adds up."""
    score, masked, fwhm = scene.difference.score, scene.masked, scene.fwhm
    lit = lit_lines(score, masked, fwhm) if lit is None else lit
    return [*lit, *proposed_streaks(scene.maps, score, masked, fwhm)]


def evidence(light: Light, along: Course) -> float:
    """The log-odds that a line is a streak, up to a constant."""
    return CONSTANT + sum(WEIGHTS[name] * value for name, value in terms(light, along).items())


def terms(light: Light, along: Course) -> dict[str, float]:
    """What of a line counts, limited to where it tells; products are named by both their factors."""
    single = {
        "streak": float(np.clip(light.streak, -5.0, 6.0)),
        "point": float(np.clip(light.point, -5.0, 2.0)),
        "significance": float(np.log(max(light.significance, 1.0))),
        "length": float(np.clip(np.log(light.length), 0.0, 4.0)),
        "wide": max(float(np.log(light.width)), 0.0),
        "narrow": max(-float(np.log(light.width)), 0.0),
        "lobes": float(np.clip(light.lobes, -1.0, 0.0)),
        "lit_before": light.lit_before,
        "ground": float(np.log1p(np.clip(light.ground, 0.0, 5.0))),
        "angle": min(max(light.angle_deg / ALONG_DEG, light.leaves / ALONG_FWHM), 1.0),
        "masked": min(light.masked, MASKED),
        "spike": light.spike,
        "lit": along.lit,
        "evenness": float(np.clip(along.evenness, -2.0, 1.0)),
        "ridge": float(np.clip(np.arcsinh(along.ridge_sigma), -3.0, 6.0)),
        "unrest": float(np.log1p(along.unrest)),
        "median": float(np.clip(np.log(max(along.median_sigma, 1.0)), 0.0, 4.0)),
    }
    pairs = combinations_with_replacement(MULTIPLIED, 2)
    return single | {f"{one} {other}": single[one] * single[other] for one, other in pairs}


def distinct(streaks: Sequence[StreakObject], fwhm: float) -> list[StreakObject]:
    """The surest of those that are one: whose middle lies on another, or the other's on it."""
    kept: list[StreakObject] = []
    for each in sorted(streaks, key=lambda streak: -streak.evidence):
        if not any(_on(each, other, fwhm) or _on(other, each, fwhm) for other in kept):
            kept.append(each)
    return kept


def _on(streak: StreakObject, other: StreakObject, fwhm: float) -> bool:
    """Whether the middle of one lies on another, and its quarters on that or straight beyond its ends.

    One that only crosses the end of another has its middle there too, but not its quarters.
    """
    share = np.array([0.25, 0.5, 0.75])
    x = streak.x_begin + share * (streak.x_end - streak.x_begin)
    y = streak.y_begin + share * (streak.y_end - streak.y_begin)
    middle = float(np.median(other.distance(x, y)))
    quarters = float(np.max(other.longer(streak.length).distance(x, y)))
    return max(middle, quarters) < SAME_FWHM * fwhm
