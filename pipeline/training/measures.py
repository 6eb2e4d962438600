r"""Numbers that say how well scores tell real from bogus.

All take integer or real weights, one an example, so that a bootstrap need not copy anything. A candidate is
kept at a threshold when its score is **at least** the threshold; equal scores are kept or dropped together.
A share of none is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores in falling order, equal ones together; made once for many weights.

    Attributes
    ----------
    thresholds : (k,) float64
        The different scores, highest first.
    order : (n,) int
        Examples from the highest score to the lowest.
    starts : (k,) int
        Where in ``order`` each threshold's examples begin.
    real : (n,) bool
        In the order of ``order``.
    """

    thresholds: Array
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    real: Flags

    def counts(self, weight: Array | None = None) -> tuple[Array, Array]:
        """Weights of the real and of the bogus that are kept at each threshold, (k,) each."""
        w = np.ones(len(self.order)) if weight is None else weight[self.order]
        kept = [
            np.cumsum(np.add.reduceat(np.where(which, w, 0.0), self.starts))
            if len(w)
            else np.zeros(0, np.float64)
            for which in (self.real, ~self.real)
        ]
        return kept[0], kept[1]


def ranking(real: Flags, score: Array) -> Ranking:
    """Rank examples by score.

    Parameters
    ----------
    real : (n,) bool
    score : (n,) float
        The higher, the likelier real.

    Raises
    ------
    ValueError
        A score is no number, or they are not equally many.
    """
    score = np.asarray(score, dtype=np.float64)
    real = np.asarray(real, dtype=bool)
    if score.shape != real.shape or score.ndim != 1:
        raise ValueError(f"{real.shape} labels do not go with {score.shape} scores")
    if np.isnan(score).any():
        raise ValueError(f"{np.count_nonzero(np.isnan(score))} scores are no numbers")
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]])) if len(score) else order
    return Ranking(falling[starts], order, starts, real[order])


def threshold_at_fpr(rank: Ranking, fpr: float, weight: Array | None = None) -> float:
    """The lowest threshold that keeps at most this share of the bogus; infinite if none does."""
    _, bogus = rank.counts(weight)
    if len(bogus) == 0 or bogus[-1] == 0:
        return float("-inf")
    allowed = np.flatnonzero(bogus <= fpr * bogus[-1] * (1.0 + 1e-12))
    return float(rank.thresholds[allowed[-1]]) if len(allowed) else float("inf")


def fnr_at_fpr(rank: Ranking, fpr: float, weight: Array | None = None) -> float:
    """The share of the real that is missed where at most ``fpr`` of the bogus is kept."""
    real, bogus = rank.counts(weight)
    if len(real) == 0 or real[-1] == 0 or bogus[-1] == 0:
        return float("nan")
    allowed = np.flatnonzero(bogus <= fpr * bogus[-1] * (1.0 + 1e-12))
    return float(1.0 - (real[allowed[-1]] / real[-1] if len(allowed) else 0.0))


def fpr_at_fnr(rank: Ranking, fnr: float, weight: Array | None = None) -> float:
    """The share of the bogus that is kept where at most ``fnr`` of the real is missed."""
    real, bogus = rank.counts(weight)
    if len(real) == 0 or real[-1] == 0 or bogus[-1] == 0:
        return float("nan")
    first = int(np.argmax(real >= (1.0 - fnr) * real[-1] * (1.0 - 1e-12)))
    return float(bogus[first] / bogus[-1])


def fnr_at_count(rank: Ranking, count: float, weight: Array | None = None) -> float:
    """The share of the real that is missed where at most ``count`` candidates are kept."""
    real, bogus = rank.counts(weight)
    if len(real) == 0 or real[-1] == 0:
        return float("nan")
    allowed = np.flatnonzero(real + bogus <= count)
    return float(1.0 - (real[allowed[-1]] / real[-1] if len(allowed) else 0.0))


def auc(rank: Ranking, weight: Array | None = None) -> float:
    """The chance that a real one scores above a bogus, ties half: the area under the ROC curve."""
    real, bogus = rank.counts(weight)
    if len(real) == 0 or real[-1] == 0 or bogus[-1] == 0:
        return float("nan")
    before = np.concatenate([[0.0], real[:-1]])
    steps = np.diff(bogus, prepend=0.0)
    return float(np.sum(steps * (before + real) / 2.0) / (real[-1] * bogus[-1]))


def average_precision(rank: Ranking, weight: Array | None = None) -> float:
    """The mean over the real of the precision at each: the area under precision and recall."""
    real, bogus = rank.counts(weight)
    if len(real) == 0 or real[-1] == 0:
        return float("nan")
    kept = real + bogus
    precision = np.divide(real, kept, out=np.ones_like(real), where=kept > 0)
    return float(np.sum(np.diff(real, prepend=0.0) * precision) / real[-1])


def mcc(rank: Ranking, threshold: float, weight: Array | None = None) -> float:
    """Matthews' correlation of label and decision at a threshold: 1 perfect, 0 as good as chance."""
    tp, fp, p, n = kept_at(rank, threshold, weight)
    fn, tn = p - tp, n - fp
    bottom = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return float((tp * tn - fp * fn) / bottom) if bottom > 0 else 0.0


def kept_at(
    rank: Ranking, threshold: float, weight: Array | None = None
) -> tuple[float, float, float, float]:
    """At a threshold: the real and the bogus that are kept, and all real and all bogus."""
    real, bogus = rank.counts(weight)
    if len(real) == 0:
        return 0.0, 0.0, 0.0, 0.0
    kept = int(np.searchsorted(-rank.thresholds, -threshold, side="right"))
    tp, fp = (float(each[kept - 1]) if kept else 0.0 for each in (real, bogus))
    return tp, fp, float(real[-1]), float(bogus[-1])


def precision_at(tpr: float, fpr: float, prevalence: float) -> float:
    """The share of real among what is kept, were the real this share of all candidates (Bayes)."""
    kept = prevalence * tpr + (1.0 - prevalence) * fpr
    return prevalence * tpr / kept if kept > 0 else float("nan")


def places(real: Flags, score: Array, night: NDArray[np.str_]) -> NDArray[np.intp]:
    """The place of each candidate among those of its night, from 0, as a person looks at them."""
    order = np.lexsort((real, -score, night))  # of equal scores the bogus first: nothing is given away
    nights = night[order]
    starts = np.flatnonzero(np.concatenate([[True], nights[1:] != nights[:-1]]))
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return place


def recall_at_rank(real: Flags, place: NDArray[np.intp], rank: int, weight: Array | None = None) -> float:
    """The share of the real that is among the first ``rank`` places of its night.

    ``weight`` counts nights: it must be the same for all candidates of a night.
    """
    w = real if weight is None else np.where(real, weight, 0.0)
    total = float(np.sum(w))
    return float(np.sum(w, where=place < rank) / total) if total > 0 else float("nan")


def probability(logit: Array) -> Array:
    """The probability that log-odds stand for, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logit, dtype=np.float64))))


def calibration_bins(logit: Array, count: int) -> NDArray[np.intp]:
    """The bin of each example: ``count`` bins of equally many by rising logit, equal logits in one bin."""
    order = np.argsort(logit, kind="stable")
    place = np.empty(len(logit), dtype=np.intp)
    place[order] = np.arange(len(logit))
    # All of one value take the place of the first of them.
    values, inverse = np.unique(logit, return_inverse=True)
    first = np.full(len(values), len(logit), dtype=np.intp)
    np.minimum.at(first, inverse, place)
    bins: NDArray[np.intp] = first[inverse] * min(count, max(len(logit), 1)) // max(len(logit), 1)
    return bins


def ece(real: Flags, logit: Array, bins: NDArray[np.intp], weight: Array | None = None) -> float:
    """Expected calibration error: by bin, mean probability against the share of real, weighted by size."""
    w = np.ones(len(logit)) if weight is None else weight
    total = float(w.sum())
    if total <= 0:
        return float("nan")
    off = np.bincount(bins, w * (probability(logit) - real))
    return float(np.sum(np.abs(off)) / total)


def brier(real: Flags, logit: Array, weight: Array | None = None) -> float:
    """Mean squared difference of probability and label."""
    w = np.ones(len(logit)) if weight is None else weight
    total = float(w.sum())
    return float(np.sum(w * (probability(logit) - real) ** 2) / total) if total > 0 else float("nan")
