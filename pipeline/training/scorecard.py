"""A scorecard: what a model's scores are worth, by stratum, each number with its interval.

Arrays in, a typed value out. Every share but those of calibration is at a stated working point: where one
in a hundred (or thousand) of the bogus is kept, or so many candidates a night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training import measures, resample
from pipeline.training.calibration import at_share
from pipeline.training.resample import Estimate
from pipeline.training.splits import named
from pipeline.training.strata import Stratum, is_streak, strata_of

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

FPRS = 0.01, 0.001
WORKING_FPR = 0.01
PER_NIGHT = 20, 50, 100
BINS = 15  # of calibration
RANKS = 10, 20, 50


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples of one range of probabilities: what the model said, and how it was."""

    said: float
    real: float
    n: int
    low_logit: float
    high_logit: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """How well probabilities are what they say, at the prevalence of the examples.

    A model states them at even odds: to its log-odds those of the prevalence are added before they are held
    against the true share. The bins tell its own log-odds.
    """

    ece: Estimate
    brier: Estimate
    brier_constant: float  # of always saying the prevalence
    better_than_constant: Estimate  # the constant's Brier score minus the model's
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All of one scorer over one set of examples.

    Attributes
    ----------
    threshold : float
        Score at which `WORKING_FPR` of the bogus is kept; all of ``strata`` is at it.
    fnr_at_fpr, fnr_at_per_night, recall_at_rank : dict
        By share, candidates a night (one threshold for all nights), place in the night.
    precision : dict
        By prevalence, at the working threshold.
    strata : tuple
        Of the real the share that is missed, of the bogus the share that is kept.
    calibration : Calibrated or None
        None for a score that is no probability.
    """

    name: str
    digest: str
    n_real: int
    n_bogus: int
    nights: int
    drawn_by: str
    prevalence: float
    threshold: float
    fnr_at_fpr: dict[float, Estimate]
    fpr_at_fnr: dict[float, Estimate]
    fnr_at_per_night: dict[int, Estimate]
    recall_at_rank: dict[int, Estimate]
    auc: Estimate
    average_precision: Estimate
    mcc: Estimate
    precision: dict[float, Estimate]
    strata: tuple[Stratum, ...]
    calibration: Calibrated | None
    notes: tuple[str, ...] = field(default=())


def scorecard(
    name: str,
    columns: Columns,
    score: Array,
    *,
    digest: str = "",
    is_probability: bool = True,
    drawn_by: str = "group",
    prevalences: tuple[float, ...] = (),
    stated_at: float | None = None,
    rounds: int = resample.ROUNDS,
    seed: int = 0,
) -> Scorecard:
    """Judge one scorer.

    Parameters
    ----------
    name : str
    columns : mapping
        Of an example set, (n,) each: ``label`` (1 real, 0 bogus) and ``group``; what it has of ``night``,
        ``kind``, ``snr_true``, ``snr``, ``mag``, ``host``, ``host_offset``, ``near_bright``, ``filter``,
        ``instrument`` and ``cut`` makes strata.
    score : (n,) float
        Calibrated log-odds, at even odds, if ``is_probability``, else anything that is higher for what is
        likelier real.
    drawn_by : str
        The column whose values the bootstrap draws: "group" (objects), "night" or "field". An empty one says
        nothing: such a row is drawn by itself, and a note tells of it.
    prevalences : tuple of float
        Shares of real among a night's candidates at which the precision is told, besides the examples' own.
    stated_at : float, optional
        The share of real that probabilities are told for; by default that of the examples.

    Raises
    ------
    ValueError
        The arrays do not go together, a score is NaN, or nothing is real or bogus.
    """
    real = np.asarray(columns["label"]) == 1
    score = np.asarray(score, dtype=np.float64)
    columns, alone = _drawn(columns, drawn_by)
    weights = resample.draws(columns[drawn_by], rounds, seed)
    judged = _Judged(real, score, measures.ranking(real, score), weights, columns[drawn_by])
    rank, n_real, n_bogus = judged.rank, judged.n_real, judged.n_bogus
    if n_real == 0 or n_bogus == 0:
        raise ValueError(f"{n_real} real and {n_bogus} bogus examples judge nothing: both are needed")
    night = np.asarray(columns["night"]) if "night" in columns else np.full(len(real), "one")
    nights = len(np.unique(night))
    prevalence = n_real / len(real)
    threshold = measures.threshold_at_fpr(rank, WORKING_FPR)
    thresholds = np.array([measures.threshold_at_fpr(rank, WORKING_FPR, weight) for weight in weights])
    enough = n_bogus >= round(1.0 / WORKING_FPR)
    return Scorecard(
        name=name,
        digest=digest,
        n_real=n_real,
        n_bogus=n_bogus,
        nights=nights,
        drawn_by=drawn_by,
        prevalence=prevalence,
        threshold=threshold,
        fnr_at_fpr={fpr: judged.at_fpr(partial(measures.fnr_at_fpr, rank, fpr), fpr) for fpr in FPRS},
        fpr_at_fnr={0.01: judged.of_both(partial(measures.fpr_at_fnr, rank, 0.01))},
        fnr_at_per_night={count: judged.missed_at(count, nights) for count in PER_NIGHT},
        recall_at_rank=_recall_at_rank(judged, night, resample.draws(night, rounds, seed)),
        auc=judged.of_both(partial(measures.auc, rank)),
        average_precision=judged.estimate(partial(measures.average_precision, rank)),
        mcc=judged.at_fpr(partial(_mcc, rank)),
        precision={p: judged.at_fpr(partial(_precision, rank, p)) for p in (prevalence, *prevalences)},
        strata=strata_of(columns, real, score, threshold, thresholds, weights, drawn_by) if enough else (),
        calibration=judged.calibrated(stated_at) if is_probability else None,
        notes=(
            *_notes(columns, nights),
            *((f"{alone} examples are of no named {drawn_by}: each is drawn by itself",) if alone else ()),
            *(() if enough else (f"no strata: {_too_few(n_bogus, WORKING_FPR)}",)),
        ),
    )


def _drawn(columns: Columns, drawn_by: str) -> tuple[Columns, int]:
    """Columns in which each row has a name to be drawn by, and how many had none."""
    given = np.asarray(columns[drawn_by])
    return {**columns, **named({drawn_by: given})}, int(np.count_nonzero(given == ""))


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is judged, and the draws of the bootstrap, (rounds, n), of groups, (n,)."""

    real: NDArray[np.bool_]
    score: Array
    rank: measures.Ranking
    weights: Array
    group: NDArray[Any]

    @property
    def n_real(self) -> int:
        return int(self.real.sum())

    @property
    def n_bogus(self) -> int:
        return int((~self.real).sum())

    def estimate(self, measure: resample.Measure) -> Estimate:
        """A measure of the real, with its interval."""
        groups = resample.count(self.group, self.real)
        return resample.estimate(measure, self.weights, self.n_real, what="real examples", groups=groups)

    def of_both(self, measure: resample.Measure) -> Estimate:
        """A measure of real and bogus alike: it rests on those of which there are fewer."""
        n = min(self.n_real, self.n_bogus)
        groups = min(resample.count(self.group, which) for which in (self.real, ~self.real))
        return resample.estimate(measure, self.weights, n, what="examples of a kind", groups=groups)

    def at_fpr(self, measure: resample.Measure, fpr: float = WORKING_FPR) -> Estimate:
        """What is told at a rate of bogus, if there are enough of them to tell it."""
        if self.n_bogus < round(1.0 / fpr):
            return Estimate(None, n=self.n_bogus, note=_too_few(self.n_bogus, fpr))
        return self.estimate(measure)

    def calibrated(self, stated_at: float | None) -> Calibrated:
        """How well the score is calibrated as log-odds."""
        groups = resample.count(self.group, np.ones_like(self.real))
        return calibrated(self.real, self.score, self.weights, groups=groups, stated_at=stated_at)

    def missed_at(self, count: int, nights: int) -> Estimate:
        """What is missed where so many candidates a night are looked at."""
        return self.estimate(lambda w: measures.fnr_at_count(self.rank, count * nights * w.mean(), w))


def _recall_at_rank(judged: _Judged, night: NDArray[Any], weights: Array) -> dict[int, Estimate]:
    """The real among the first candidates of each night; nights are drawn, not objects."""
    where = measures.places(judged.real, judged.score, night)
    return {
        place: resample.estimate(
            partial(measures.recall_at_rank, judged.real, where, place),
            weights,
            judged.n_real,
            what="real examples",
            groups=resample.count(night, judged.real),
        )
        for place in RANKS
    }


def calibrated(
    real: NDArray[np.bool_],
    logit: Array,
    weights: Array,
    count: int = BINS,
    stated_at: float | None = None,
    *,
    groups: int | None = None,
) -> Calibrated:
    """How well log-odds are calibrated, in bins of equally many by rising logit.

    Parameters
    ----------
    real : (n,) bool
    logit : (n,) float64
        At even odds, as models state them.
    weights : (rounds, n) float64
    count : int
        Of the bins.
    stated_at : float, optional
        The share of real that the probabilities are told for; by default that of the examples.
    groups : int, optional
        Of how many groups the examples are, where these are drawn.
    """
    bins = measures.calibration_bins(logit, count)
    prevalence = float(real.mean())
    share = prevalence if stated_at is None else stated_at
    moved = at_share(logit, share) if 0.0 < share < 1.0 else logit
    said = measures.probability(moved)
    table = []
    for number in np.unique(bins):
        inside = bins == number
        table.append(
            Bin(
                float(said[inside].mean()),
                float(real[inside].mean()),
                int(inside.sum()),
                float(logit[inside].min()),
                float(logit[inside].max()),
            )
        )
    flat = np.full(len(real), np.log(prevalence / (1.0 - prevalence)) if 0 < prevalence < 1 else 0.0)

    def gain(w: Array) -> float:
        mean = float(np.average(real, weights=w)) if w.sum() > 0 else float("nan")
        return mean * (1.0 - mean) - measures.brier(real, moved, w)

    n = len(real)
    return Calibrated(
        ece=resample.estimate(lambda w: measures.ece(real, moved, bins, w), weights, n, groups=groups),
        brier=resample.estimate(lambda w: measures.brier(real, moved, w), weights, n, groups=groups),
        brier_constant=measures.brier(real, flat),
        better_than_constant=resample.estimate(gain, weights, n, groups=groups, is_share=False),
        bins=tuple(table),
    )


def paired(
    columns: Columns,
    first: Array,
    second: Array,
    *,
    fpr: float = WORKING_FPR,
    only: NDArray[np.bool_] | None = None,
    drawn_by: str = "group",
    rounds: int = resample.ROUNDS,
    seed: int = 0,
) -> Estimate:
    """What the second scorer misses minus what the first does, at one FPR and from the same draws.

    ``only`` says which of the real count; each scorer's threshold is that of all bogus. Negative is better.
    """
    real = np.asarray(columns["label"]) == 1
    wanted = real if only is None else real & only
    group = _drawn(columns, drawn_by)[0][drawn_by]
    weights = resample.draws(group, rounds, seed)

    def missed(score: Array) -> resample.Measure:
        rank = measures.ranking(real, score)

        def measure(w: Array) -> float:
            threshold = measures.threshold_at_fpr(rank, fpr, w)
            total = float(w[wanted].sum())
            return float(w[wanted & (score < threshold)].sum()) / total if total > 0 else float("nan")

        return measure

    n_bogus = int((~real).sum())
    if n_bogus < round(1.0 / fpr):
        return Estimate(None, n=n_bogus, note=_too_few(n_bogus, fpr))
    first, second = (np.asarray(each, dtype=np.float64) for each in (first, second))
    groups = min(resample.count(group, which) for which in (wanted, ~real))
    return resample.difference(missed(first), missed(second), weights, int(wanted.sum()), groups=groups)


def _too_few(n_bogus: int, fpr: float) -> str:
    return f"only {n_bogus} bogus; at least {round(1.0 / fpr)} are needed to tell a rate of {fpr:g}"


def _mcc(rank: measures.Ranking, weight: Array) -> float:
    return measures.mcc(rank, measures.threshold_at_fpr(rank, WORKING_FPR, weight), weight)


def _precision(rank: measures.Ranking, prevalence: float, weight: Array) -> float:
    threshold = measures.threshold_at_fpr(rank, WORKING_FPR, weight)
    tp, fp, p, n = measures.kept_at(rank, threshold, weight)
    if p == 0 or n == 0:
        return float("nan")
    return measures.precision_at(tp / p, fp / n, prevalence)


def _notes(columns: Columns, nights: int) -> tuple[str, ...]:
    notes = []
    if nights == 1:
        notes.append("all is of one night: what is told by night rests on it alone")
    streaks = int(np.count_nonzero(is_streak(columns))) if "kind" in columns else 0
    if streaks:
        notes.append(f"{streaks} examples are streaks, which count as their label says")
    return tuple(notes)
