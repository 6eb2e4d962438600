"""Which of the lines that may be streaks are such, by the light along them and by the network together.

A streak in the sky is as wide as the PSF, positive, lit along its length, on dark ground and in the new frame
alone. A bleed, a bad or smeared column, a ghost's rim, a star's spikes and the residuals of a crowd lack one
or the other of these. Neither the network nor any one of them tells alone; a logistic regression weighs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.classify.unet import LogOdds
from pipeline.detection.streak_light import Light, Scene
from pipeline.detection.streak_lines import lit_lines
from pipeline.detection.unet_objects import StreakObject, proposed_streaks
from pipeline.frame import Aligned, Difference, PreparedReference

ALONG_DEG = 1.2  # lines so nearly along a row or column of the detector may be its own: smear, bad lines
MASKED = 0.3  # a larger share that is masked tells no more
SAME_FWHM = 2.0  # of a streak whose middle lies so near another, only the surer is kept

# Of a logistic regression of being a streak on `terms`, by lines of 517 fields of the training's kind, 232
# of them with a streak in each. The constant is such that the shipped network's `streak_threshold` is the
# evidence beyond which there were .003 false ones in 256 x 256 pixels: `python -m benchmarks.streak_weights`.
WEIGHTS = {
    "streak": 0.838,
    "point": -0.123,
    "significance": 1.554,
    "length": 1.530,
    "wide": -3.169,
    "narrow": -2.518,
    "lobes": 2.684,
    "lit_before": -4.322,
    "ground": -3.550,
    "angle": 7.415,
    "masked": -12.743,
    "spike": -7.087,
}
CONSTANT = -8.223


def streak_objects(
    maps: LogOdds, difference: Difference, new: Aligned, reference: PreparedReference, threshold: float
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

    Returns
    -------
    list of StreakObject
        The longest first.
    """
    scene = Scene(maps, difference, new, reference)
    streaks: list[StreakObject] = []
    for each in proposed(scene):
        # One streak is proposed many times, and to measure a line is what takes long.
        if any(_on(each, other, scene.fwhm) for other in streaks):
            continue
        seen = scene.light(each)
        if seen is not None and (sure := evidence(seen[1])) > threshold:
            streaks.append(replace(seen[0], evidence=sure))
    return sorted(distinct(streaks, scene.fwhm), key=lambda each: -each.length)


def proposed(scene: Scene) -> list[StreakObject]:
    """What may be streaks: lines that the network sees, and lines along which the light adds up."""
    score, masked, fwhm = scene.difference.score, scene.masked, scene.fwhm
    return lit_lines(score, masked, fwhm) + proposed_streaks(scene.maps, score, masked, fwhm)


def evidence(light: Light) -> float:
    """The log-odds that a line is a streak, up to a constant."""
    return CONSTANT + sum(WEIGHTS[name] * value for name, value in terms(light).items())


def terms(light: Light) -> dict[str, float]:
    """What of a line counts, limited to where it tells."""
    return {
        "streak": float(np.clip(light.streak, -5.0, 6.0)),
        "point": float(np.clip(light.point, -5.0, 2.0)),
        "significance": float(np.log(max(light.significance, 1.0))),
        "length": float(np.clip(np.log(light.length), 0.0, 4.0)),
        "wide": max(float(np.log(light.width)), 0.0),
        "narrow": max(-float(np.log(light.width)), 0.0),
        "lobes": float(np.clip(light.lobes, -1.0, 0.0)),
        "lit_before": light.lit_before,
        "ground": float(np.log1p(np.clip(light.ground, 0.0, 5.0))),
        "angle": min(light.angle_deg, ALONG_DEG) / ALONG_DEG,
        "masked": min(light.masked, MASKED),
        "spike": light.spike,
    }


def distinct(streaks: Sequence[StreakObject], fwhm: float) -> list[StreakObject]:
    """The surest of those that are one: whose middle lies on another, or the other's on it."""
    kept: list[StreakObject] = []
    for each in sorted(streaks, key=lambda streak: -streak.evidence):
        if not any(_on(each, other, fwhm) or _on(other, each, fwhm) for other in kept):
            kept.append(each)
    return kept


def _on(streak: StreakObject, other: StreakObject, fwhm: float) -> bool:
    """Whether the middle and the quarters of one lie on another."""
    share = np.array([0.25, 0.5, 0.75])
    x = streak.x_begin + share * (streak.x_end - streak.x_begin)
    y = streak.y_begin + share * (streak.y_end - streak.y_begin)
    return bool(np.median(other.distance(x, y)) < SAME_FWHM * fwhm)
