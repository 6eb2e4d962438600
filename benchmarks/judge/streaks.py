"""What is found of streaks, and how many there are where none is.

As models are compared at one rate of false alarms, what is found is told at `FALSE_PER_PATCH` too, with the
threshold that gives this rate here; and with the threshold that the product has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judge.table import ROUNDS, Line, estimated
from pipeline.training.resample import draws

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

GOAL_FOUND = 0.90
FALSE_PER_PATCH = 0.003
SNR_BINS = {
    "all": (0.0, np.inf),
    "SNR 1.5 to 4 a FWHM of length": (1.5, 4.0),
    "SNR 4 to 20 a FWHM of length": (4.0, 20.0),
}


@dataclass(frozen=True)
class Tally:
    """Streaks and false ones of nights, which are what is drawn anew; weights are one a night.

    ``night_of_streak, found, evidence`` and ``snr`` have a row a streak, ``false`` and ``patches`` one a
    night, ``night_of_false`` and ``false_evidence`` one a line that is no streak, the surest first.
    """

    nights: NDArray[np.str_]
    night_of_streak: NDArray[np.int64]
    found: Flags
    evidence: Array
    snr: Array
    false: Array
    patches: Array
    night_of_false: NDArray[np.int64]
    false_evidence: Array

    def false_rate(self, weights: Array) -> float:
        """False streaks a streak-free patch, with the product's threshold."""
        patches = float(weights @ self.patches)
        return float(weights @ self.false) / patches if patches > 0 else float("nan")

    def share(self, weights: Array, counted: Flags, found: Flags) -> float:
        """How much is found of the streaks that count."""
        each = weights[self.night_of_streak] * counted
        return float(each @ found) / float(each.sum()) if each.sum() > 0 else float("nan")

    def found_at(self, weights: Array) -> Flags:
        """Which streaks are found with the threshold that lets `FALSE_PER_PATCH` through, no more."""
        let_through = np.cumsum(weights[self.night_of_false])
        too_many = np.flatnonzero(let_through > FALSE_PER_PATCH * float(weights @ self.patches))
        least = self.false_evidence[too_many[0]] if len(too_many) else -np.inf
        return self.evidence > least


def streaks(columns: Mapping[str, NDArray[Any]]) -> list[Line]:
    """The numbers of streaks of an example set; none where it holds no streak."""
    if len(columns["streak_field"]) == 0:
        return []
    tally = tally_of(columns)
    weights = draws(tally.nights, ROUNDS, 2)
    lines = []
    for name, (low, high) in SNR_BINS.items():
        counted = (tally.snr >= low) & (tally.snr < high)
        goal = GOAL_FOUND if name == "all" else None

        def found(w: Array, c: Flags = counted) -> float:
            return tally.share(w, c, tally.found)

        def found_at(w: Array, c: Flags = counted) -> float:
            return tally.share(w, c, tally.found_at(w))

        for what, measure in (
            ("streaks found", found),
            (f"streaks found at {FALSE_PER_PATCH:g} false a patch", found_at),
        ):
            estimate = estimated(measure, weights, int(counted.sum()))
            lines.append(Line(f"{what}, {name}", estimate, goal, at_most=False))
    rate = estimated(tally.false_rate, weights, int(tally.patches.sum()))
    lines.append(Line("false streaks a streak-free patch of 256 x 256", rate, FALSE_PER_PATCH))
    return lines


def tally_of(columns: Mapping[str, NDArray[Any]]) -> Tally:
    """The streaks of an example set by night."""
    nights, night_of_frame = np.unique(columns["frame_night"], return_inverse=True)
    night_of = dict(zip(columns["frame"].tolist(), night_of_frame.tolist(), strict=True))
    surest = np.argsort(-columns["false_streak_evidence"])

    def nights_of(fields: NDArray[np.str_]) -> NDArray[np.int64]:
        return np.array([night_of[field] for field in fields.tolist()], dtype=np.int64)

    return Tally(
        nights=nights,
        night_of_streak=nights_of(columns["streak_field"]),
        found=columns["streak_found"],
        evidence=columns["streak_evidence"],
        snr=columns["streak_snr"],
        false=np.bincount(night_of_frame, columns["frame_false_streaks"], len(nights)),
        patches=np.bincount(night_of_frame, columns["frame_free_patches"], len(nights)),
        night_of_false=nights_of(columns["false_streak_field"][surest]),
        false_evidence=columns["false_streak_evidence"][surest],
    )
