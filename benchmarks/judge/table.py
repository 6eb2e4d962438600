"""The judged table: what the models are worth by the second generator, and whether the goals are met.

Every bound is the unfavourable end of a 95 % bootstrap over fields, at the natural ratio of real to bogus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.review.zones import SHIPPED as ZONES
from pipeline.classify.scorers import probabilities
from pipeline.training.ensemble_zones import LOST, WRONG
from pipeline.training.evaluate import columns_of
from pipeline.training.examples import Examples
from pipeline.training.measures import fnr_at_fpr, ranking
from pipeline.training.resample import Estimate, draws, of_draws
from pipeline.training.scorecard import Scorecard, paired
from pipeline.training.scorecard_text import clear, number, percent

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

FRAME_PIXELS = 2048**2
FALSE_PER_FRAME = 6.4, 2.0
SNR_BINS = (6.0, 10.0), (10.0, 20.0), (20.0, np.inf)
GOAL_FOUND = {6.4: (0.62, 0.90, 0.94), 2.0: (0.50, 0.86, 0.92)}
GOAL_MISSED = 0.03
GOAL_ECE = 0.02
ROUNDS = 400


@dataclass(frozen=True)
class Line:
    """A number, and the goal it is held against, if there is one."""

    what: str
    estimate: Estimate
    goal: float | None = None
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the unfavourable end of the interval is on the right side; None without a goal."""
        if self.goal is None or self.estimate.value is None:
            return None
        end = self.estimate.high if self.at_most else self.estimate.low
        if end is None:
            return None
        return end <= self.goal if self.at_most else end >= self.goal


def detection(columns: Columns, score: Array, skies: tuple[str, ...]) -> list[Line]:
    """What is found of the truths that are not under masked pixels, at fixed false alarms a frame.

    Parameters
    ----------
    columns : mapping
        As `benchmarks.judge.examples` tells.
    score : (n,) float64
        Of the candidates; -inf for those that are not shown.
    skies : tuple of str
        Which fields count.
    """
    frames, night_of = np.asarray(columns["frame"]), np.asarray(columns["frame_night"])
    counted = np.isin(columns["frame_sky"], skies)
    names = np.unique(night_of[counted])
    at = {name: int(np.searchsorted(names, night)) for name, night in
          zip(frames[counted], night_of[counted], strict=True)}  # fmt: skip
    false = (np.asarray(columns["label"]) == 0) & np.isin(columns["field"], frames[counted])
    false_score, false_field = score[false], np.asarray(columns["field"])[false]
    mine = np.asarray(columns["truth_findable"]) & np.isin(columns["truth_field"], frames[counted])
    row = np.asarray(columns["truth_row"])[mine]
    truth_score = np.where(row >= 0, score[row], -np.inf)
    truth_snr, truth_field = np.asarray(columns["truth_snr"])[mine], np.asarray(columns["truth_field"])[mine]
    order = np.argsort(-false_score)
    weights = draws(names, ROUNDS, 1)
    of_false = np.array([at[name] for name in false_field], dtype=int)
    of_truth = np.array([at[name] for name in truth_field], dtype=int)
    area = np.zeros(len(names))
    np.add.at(area, list(at.values()), np.asarray(columns["frame_pixels"], dtype=float)[counted])

    def found(weight: Array, rate: float, inside: NDArray[np.bool_]) -> float:
        allowed = rate * float(weight @ area) / FRAME_PIXELS
        taken = np.cumsum(weight[of_false][order])
        over = int(np.searchsorted(taken, allowed, side="right"))
        threshold = false_score[order][over] if over < len(order) else -np.inf
        kept = (truth_score > threshold) & inside
        total = float(weight[of_truth][inside].sum())
        return float(weight[of_truth][kept].sum()) / total if total > 0 else float("nan")

    lines = []
    for rate in FALSE_PER_FRAME:
        for place, (low, high) in enumerate(SNR_BINS):
            inside = (truth_snr >= low) & (truth_snr < high)
            name = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
            estimate = estimated(lambda w, r=rate, i=inside: found(w, r, i), weights, int(inside.sum()))
            goal = GOAL_FOUND[rate][place] if skies == ("simulated",) else None
            lines.append(Line(f"found at {rate:g} false a frame, SNR {name}", estimate, goal, at_most=False))
    return lines


def real_bogus(card: Scorecard) -> list[Line]:
    """The goals of one model's scorecard."""
    lines = [
        Line(f"{card.name}: missed at 1 % FPR, off stars, SNR 10 and more", clear(card), GOAL_MISSED),
        Line(f"{card.name}: missed at 1 % FPR, all", card.fnr_at_fpr[0.01]),
    ]
    if card.calibration is not None:
        lines.append(Line(f"{card.name}: expected calibration error", card.calibration.ece, GOAL_ECE))
        lines.append(
            Line(
                f"{card.name}: Brier score of the constant less its own",
                card.calibration.better_than_constant,
                0.0,
                at_most=False,
            )
        )
    return lines


def ensemble(examples: Examples, score: Mapping[str, Array]) -> list[Line]:
    """What the ensemble misses less what its best member does, at 1 % FPR: paired, negative is better."""
    columns = columns_of(examples)
    real = np.asarray(examples.label) == 1
    alone = {
        name: fnr_at_fpr(ranking(real, values), 0.01) for name, values in score.items() if name != "ensemble"
    }
    best = min(alone, key=lambda name: alone[name])
    snr = np.nan_to_num(examples.snr_true)
    lines = []
    for low, high in ((3.0, 6.0), *SNR_BINS):
        only = (snr >= low) & (snr < high)
        found = paired(columns, score[best], score["ensemble"], only=only, drawn_by="night")
        name = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
        lines.append(Line(f"ensemble: missed, less what {best} misses, SNR {name}", found))
    return lines


def zones(examples: Examples, log_odds: Array) -> list[Line]:
    """Whether the zones of the ensemble's score keep their budgets here."""
    said, real = probabilities(log_odds), np.asarray(examples.label) == 1
    weights = draws(examples.night, ROUNDS, 3)
    first, lost = said >= ZONES.fast_above, said < ZONES.reject_below
    lines = []
    for what, part, whole, goal in (
        (f"ensemble: bogus of what goes first, {ZONES.fast_above:g} and more", first & ~real, first, WRONG),
        (f"ensemble: rejected of the real, below {ZONES.reject_below:g}", lost & real, real, LOST),
        ("ensemble: first of the real", first & real, real, None),
        ("ensemble: rejected of the bogus", lost & ~real, ~real, None),
    ):

        def share(w: Array, p: NDArray[np.bool_] = part, a: NDArray[np.bool_] = whole) -> float:
            total = float(w[a].sum())
            return float(w[p].sum()) / total if total > 0 else float("nan")

        lines.append(Line(what, estimated(share, weights, int(whole.sum())), goal))
    return lines


def estimated(measure: Callable[[Array], float], weights: Array, n: int) -> Estimate:
    """A measure of weighted rows, with the interval of its drawn weights, (draws, rows)."""
    return of_draws(
        measure(np.ones(weights.shape[1])), np.array([measure(w) for w in weights]), n, what="truths"
    )


def told(lines: list[Line]) -> list[str]:
    """The lines as text, with whether each goal is met."""
    out = []
    for each in lines:
        small = "calibration" in each.what or "Brier" in each.what or each.what.startswith("false streaks")
        value = number(each.estimate, 4) if small else percent(each.estimate)
        goal = ""
        if each.goal is not None:
            sign = "<=" if each.at_most else ">="
            wanted = f"{each.goal:g}" if small else f"{100 * each.goal:g} %"
            met = {True: "met", False: "MISSED", None: "not told"}[each.met]
            goal = f"   goal {sign} {wanted}: {met}"
        out.append(f"  {each.what:<62} {value} of {each.estimate.n}{goal}")
    return out
