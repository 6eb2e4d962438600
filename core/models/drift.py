"""Drift: do the newest nights look to the models as those did that they have been in use for since?

Compared are distributions of scores and of what is measured, each instrument and filter for itself, and
what the models said with what people decided since. Probabilities are stated at even odds, and so the real
count as much as the bogus: that there are more of the real now is no fault of a model. That people look at
what scored high first is in the latter: it tells of what was looked at, then and now.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.database.store import Store
from core.epochs import mjd_of
from core.models import drift_rows, versions
from core.models.distributions import Compared, adjusted, compare
from core.models.drift_rows import Judged, Sample
from core.models.learnable import learnable, learnt_at
from core.objects.tracklets import NightSpan, nights
from core.settings_sections import DriftSettings, ReviewSettings

Array = NDArray[np.float64]

RANKED = ("realbogus", "tree", "unet", "ensemble")  # models whose scores are probabilities
LEAST = 50  # candidates of a stratum, or decisions, below which nothing is told
LEAST_OF_EACH = 10  # objects that are real, and that are bogus, among what was decided
LEAST_NIGHTS = 2  # of the reference: with one, nobody knows how much nights differ
ROUNDS = 400
CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Quantity:
    """One distribution, then and now; see `core.models.distributions.Compared`."""

    stratum: str
    name: str
    kind: str  # "score" or "feature"
    n_before: int
    n_now: int
    before: float  # medians
    now: float
    psi: float
    distance: float
    p: float
    p_adjusted: float
    is_drift: bool


@dataclass(frozen=True, slots=True)
class Share:
    """A number with its 95 % interval over objects."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one model said of candidates that people decided on, then and now.

    All of it is at even odds. ``change`` is of the Brier score, now less then, and ``p_adjusted`` the chance
    of one as large, corrected for the number of models and strata; none where too little was decided in one
    of the times.
    """

    model: str
    stratum: str
    n_before: int
    n_now: int
    brier_before: Share | None
    brier_now: Share | None
    ece_now: Share | None
    change: Share | None
    p_adjusted: float | None
    is_drift: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found.

    Attributes
    ----------
    state : str
        ``steady``, ``drift``, or ``too little`` to tell.
    reference, recent : NightSpan, optional
        MJD of the nights that are compared.
    advice : tuple of str
        What follows, in plain words.
    """

    state: str
    reference: NightSpan | None
    recent: NightSpan | None
    reference_nights: int
    recent_nights: int
    quantities: tuple[Quantity, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    advice: tuple[str, ...] = ()
    versions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def drift(store: Store, digests: Mapping[str, str], limits: DriftSettings, review: ReviewSettings) -> Drift:
    """Compare the newest nights with the first ones since the models in use were promoted.

    Parameters
    ----------
    store : Store
    digests : mapping of str to str
        Of the versions in use, by model.
    limits : DriftSettings
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    """
    names = {name: digest for name, digest in digests.items() if name in RANKED}
    used = {name: _used(store, name) for name in names}
    since = max((each["since"] or 0.0 for each in used.values()), default=0.0)
    spans = nights(store, mjd_of(since) if since else None)
    recent = spans[-limits.nights :]
    reference = spans[: max(min(limits.reference_nights, len(spans) - limits.nights), 0)]
    advice = _labels(store, used, limits, review)
    if len(reference) < LEAST_NIGHTS:
        needed = f"{limits.nights + LEAST_NIGHTS} nights with candidates are needed, and there are"
        words = f"{needed} {len(spans)}{' since the last promotion' if since else ''}."
        return Drift("too little", None, None, 0, len(recent), (), (), (words, *advice), used)
    before_span = NightSpan(reference[0].first, reference[-1].last)
    now_span = NightSpan(recent[0].first, recent[-1].last)
    before, now = (drift_rows.sample(store, each, names) for each in (before_span, now_span))
    quantities = compared(before, now, [each.first for each in (*reference, *recent)], limits)
    then, since_then = (drift_rows.judged(store, each, names) for each in (before_span, now_span))
    calibrations = calibrated(then, since_then, list(names), limits)
    drifted = [each for each in quantities if each.is_drift]
    worse = [each for each in calibrations if each.is_drift]
    if not quantities:
        state = "too little"
        words = f"no instrument and filter has {LEAST} candidates in both times: nothing can be compared."
        advice = (words, *advice)
    else:
        state = "drift" if drifted or worse else "steady"
    return Drift(
        state,
        before_span,
        now_span,
        len(reference),
        len(recent),
        quantities,
        calibrations,
        (*_advice(drifted, worse), *advice),
        used,
    )


def compared(
    before: Sample, now: Sample, starts: Sequence[float], limits: DriftSettings
) -> tuple[Quantity, ...]:
    """All distributions of all strata that have enough candidates, then and now.

    Parameters
    ----------
    before, now : Sample
    starts : sequence of float
        When each night begins, MJD.
    limits : DriftSettings
    """
    found: list[tuple[tuple[str, str, str], tuple[int, int], Compared]] = []
    nights_of = [np.searchsorted(starts, each.mjd, "right") for each in (before, now)]
    for stratum in sorted({*before.stratum.tolist()} & {*now.stratum.tolist()}):
        here = [each.stratum == stratum for each in (before, now)]
        for kind in ("score", "feature"):
            columns = [each.scores if kind == "score" else each.features for each in (before, now)]
            for name in sorted(set(columns[0]) & set(columns[1])):
                some = [rows & np.isfinite(each[name]) for each, rows in zip(columns, here, strict=True)]
                first, second = (each[name][rows] for each, rows in zip(columns, some, strict=True))
                if min(len(first), len(second)) < LEAST or np.ptp(np.concatenate([first, second])) == 0:
                    continue
                then, since = (each[rows] for each, rows in zip(nights_of, some, strict=True))
                told = compare(first, second, then, since)
                found.append(((stratum, name, kind), (len(first), len(second)), told))
    corrected = adjusted([told.p for *_, told in found])
    return tuple(
        Quantity(
            *words, *counts, told.before, told.after, told.psi, told.distance, told.p, p,
            is_drift=p < limits.p and told.psi >= limits.psi,
        )
        for (words, counts, told), p in zip(found, corrected, strict=True)
    )  # fmt: skip


def calibrated(
    before: Judged, now: Judged, names: list[str], limits: DriftSettings
) -> tuple[Calibration, ...]:
    """What models said of what was decided since, of all together and of each instrument and filter."""
    found: list[Calibration] = []
    chances: dict[int, float] = {}  # by the place in what was found
    for stratum in ("all", *sorted(set(now.stratum.tolist()))):
        for name in names:
            then, since = (_said(each, name, stratum) for each in (before, now))
            if not _enough(since):
                continue
            seeds = _draws(since[2], 1)
            brier = _share(_brier(*since[:2]), seeds)
            ece = _share(_ece(*since[:2]), seeds)
            was = change = None
            if _enough(then):
                old = _draws(then[2], 2)
                was = _share(_brier(*then[:2]), old)
                change, chances[len(found)] = _change(_brier(*then[:2]), old, _brier(*since[:2]), seeds)
            counts = len(then[0]), len(since[0])
            found.append(Calibration(name, stratum, *counts, was, brier, ece, change, None, is_drift=False))
    for place, p in zip(chances, adjusted(list(chances.values())), strict=True):
        found[place] = replace(found[place], p_adjusted=p, is_drift=p < limits.p)
    return tuple(found)


Said = tuple[Array, NDArray[np.bool_], NDArray[np.int64]]


def _enough(said: Said) -> bool:
    """Whether there are enough decisions, and objects of either kind, to hold probabilities against."""
    _, real, objects = said
    fewest = min(len(np.unique(objects[which])) for which in (real, ~real))
    return len(real) >= LEAST and fewest >= LEAST_OF_EACH


def _said(rows: Judged, name: str, stratum: str) -> Said:
    """Probabilities, decisions and objects of the candidates that a model scored."""
    log_odds = rows.scores.get(name, np.full(len(rows), np.nan))
    some = np.isfinite(log_odds) & ((rows.stratum == stratum) | (stratum == "all"))
    return 1.0 / (1.0 + np.exp(-log_odds[some])), rows.real[some], rows.object[some]


def _draws(objects: NDArray[np.int64], seed: int) -> Array:
    """How often each row is taken in each round of a bootstrap over objects, (rounds, n)."""
    names, inverse = np.unique(objects, return_inverse=True)
    random = np.random.default_rng(seed)
    often = random.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=ROUNDS)
    return np.asarray(often[:, inverse], dtype=np.float64)


Weighted = Callable[[Array], Array]  # a number for each round, of its weights


def _evenly(weights: Array, values: Array, real: NDArray[np.bool_]) -> Array:
    """Sums of values where the real count as much as the bogus, one in all: a row for each round.

    Parameters
    ----------
    weights : (rounds, n) array
    values : (n, sums) array
    """
    of_each = np.stack([real, ~real], axis=1).astype(np.float64)
    totals = weights @ of_each
    totals[(totals <= 0.0).any(axis=1)] = math.nan
    halves = (weights @ (values * half[:, None]) for half in of_each.T)
    return np.asarray(sum(each / total[:, None] for each, total in zip(halves, totals.T, strict=True)) / 2.0)


def _brier(said: Array, real: NDArray[np.bool_]) -> Weighted:
    squares = (said - real) ** 2
    return lambda weights: _evenly(weights, squares[:, None], real)[:, 0]


def _ece(said: Array, real: NDArray[np.bool_]) -> Weighted:
    """The mean distance of stated probability and true share at even odds, over bins of equal count.

    What was said alike is in one bin: else the order of the rows would part the real from the bogus.
    """
    rank = np.searchsorted(np.sort(said), said)
    is_within = rank[:, None] * CALIBRATION_BINS // len(said) == np.arange(CALIBRATION_BINS)
    distances = is_within * (said - real)[:, None]
    return lambda weights: np.asarray(np.abs(_evenly(weights, distances, real)).sum(axis=1))


def _share(measure: Weighted, weights: Array) -> Share:
    found = np.nanpercentile(measure(weights), (2.5, 97.5))
    return Share(_of_all(measure, weights), *(float(each) for each in found))


def _of_all(measure: Weighted, weights: Array) -> float:
    """What is measured when each row counts once."""
    return float(measure(np.ones((1, weights.shape[1])))[0])


def _change(
    first: Weighted, first_weights: Array, second: Weighted, second_weights: Array
) -> tuple[Share, float]:
    """A change with its interval, and the chance of an increase as large by the scatter of the bootstrap."""
    found = second(second_weights) - first(first_weights)
    value = _of_all(second, second_weights) - _of_all(first, first_weights)
    scatter = float(np.nanstd(found))
    # No share of the rounds tells so small a chance as the correction for many comparisons asks for.
    p = 0.5 * math.erfc(value / (math.sqrt(2.0) * scatter)) if scatter > 0.0 else float(value <= 0.0)
    return Share(value, *(float(each) for each in np.nanpercentile(found, (2.5, 97.5)))), p


def _used(store: Store, name: str) -> dict[str, Any]:
    """The version in use, since when, and when what it learnt of was gathered."""
    number = versions.in_use(store, [name])[name].number
    newest = next(iter(versions.promotions(store, name, 1)), None)
    made = versions.version(store, name, number).created_at if number != versions.SHIPPED else None
    return {"number": number, "since": newest.promoted_at if newest else None, "made": made}


def _labels(
    store: Store, used: Mapping[str, Mapping[str, Any]], limits: DriftSettings, review: ReviewSettings
) -> tuple[str, ...]:
    model = used.get("realbogus")
    if model is None:
        return ()
    number = model["number"]
    at = learnt_at(versions.version(store, "realbogus", number)) if number != versions.SHIPPED else 0.0
    there = learnable(store, review)
    new = there.since(at)
    if new < limits.decisions or not there.is_enough:
        return ()
    return (
        f"{new} decisions that reviewers agree on were made and the real-bogus in use did not learn of them: "
        f"astrid models train realbogus --from {number or 'shipped'}",
    )


def _advice(drifted: list[Quantity], worse: list[Calibration]) -> tuple[str, ...]:
    found = []
    by_kind = {
        kind: sorted({each.name for each in drifted if each.kind == kind}) for kind in ("score", "feature")
    }
    if by_kind["feature"] and not by_kind["score"]:
        found.append(
            f"{', '.join(by_kind['feature'])} changed, and no score did: look at what the camera gives first."
        )
    elif by_kind["score"]:
        found.append(
            f"the scores of {', '.join(by_kind['score'])} are distributed otherwise than they were: "
            "decide on some of the newest candidates, then train and judge anew."
        )
    for each in worse:
        if each.stratum == "all":
            found.append(
                f"{each.model} is further from what people decide than it was: train it anew, with labels."
            )
    return tuple(found)
