"""Judge models by a set of examples, always beside the baselines that they have to beat."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.models.names import ODD_BY
from core.models.weighed import OF_FRAMES
from pipeline.classify import scorers
from pipeline.classify.ensemble import Ensemble
from pipeline.classify.model_file import ModelFile, ModelRefused, read
from pipeline.classify.proven import see_that_it_ran
from pipeline.classify.scorers import Inputs, Scorer
from pipeline.training import remembered
from pipeline.training.examples import Examples
from pipeline.training.resample import Estimate
from pipeline.training.scorecard import Scorecard, paired, scorecard
from pipeline.training.splits import By, LeakingSplit, check, check_groups, group_digest

Array = NDArray[np.float64]

SIGNIFICANCE = "S_corr"  # the baseline that needs no model
ENSEMBLE = "ensemble"
ORDER = ("tree", "realbogus", "unet", ENSEMBLE)  # the last needs what the others say
NO_PROBABILITY = (SIGNIFICANCE, *ODD_BY)  # they rank, and tell no probability
CHUNK = 1024
BY: tuple[By, ...] = ("group", "night", "field")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be judged: ready, or why it is not."""

    name: str
    scorer: Scorer | None
    model: ModelFile | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all scorers are worth on one set.

    Attributes
    ----------
    cards : tuple of Scorecard
        `SIGNIFICANCE` first.
    absent : dict
        Models that could not be judged, and why.
    better : dict
        By name: what it misses minus what the tree does (minus what `SIGNIFICANCE` does, without a tree),
        paired, at the working threshold.
    than : str
        The baseline of ``better``.
    left_out : int
        Examples whose label is unknown.
    """

    cards: tuple[Scorecard, ...]
    absent: dict[str, str]
    better: dict[str, Estimate]
    than: str
    left_out: int = 0


def ready(folders: Mapping[str, tuple[Path, str | None]], names: Sequence[str]) -> list[Candidate]:
    """Read models; one that is refused is told of and does not stop the others."""
    out = []
    for name in names:
        if name in OF_FRAMES or name not in folders:
            why = (
                "it sees whole frames, and these are cutouts; `astrid models card unet` tells its worth"
                if name in OF_FRAMES
                else "there is no version of it"
            )
            out.append(Candidate(name, None, None, why))
            continue
        try:
            see_that_it_ran(*folders[name])
            model = read(*folders[name])
            out.append(Candidate(name, scorers.load(model), model))
        except ModelRefused as refusal:
            out.append(Candidate(name, None, None, str(refusal)))
    return out


def with_members(candidates: Sequence[Candidate], silent: Sequence[str] = ()) -> list[Candidate]:
    """The candidates, the ensemble without its scorer where a model that it weighs is not ready.

    It would fall back to the weights of fewer members, which is not what it is where it is in use.

    Parameters
    ----------
    candidates : sequence
        A member that sees whole frames is ready by its model alone.
    silent : sequence of str
        Members that cannot see these examples at all, as the U-Net cannot see cutouts.
    """
    there = {each.name: each for each in candidates if each.model is not None}
    why = {each.name: each.why_not for each in candidates}
    found = list(candidates)
    for place, each in enumerate(found):
        needed = each.scorer.members if isinstance(each.scorer, Ensemble) else ()
        lacking = [name for name in needed if name in ORDER and name not in there and name not in silent]
        if lacking:
            told = why.get(lacking[0], "it was not read")
            found[place] = Candidate(each.name, None, None, f"it weighs {lacking[0]}, but {told}")
    return found


def scores(
    candidates: Sequence[Candidate],
    examples: Examples,
    on_chunk: Callable[[int], None] | None = None,
    given: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Calibrated log-odds of every model that is ready, by name.

    Parameters
    ----------
    candidates : sequence
        In `ORDER`: a later one may use what the former say.
    on_chunk : callable
        Called with the number of examples that are done.
    given : mapping of str to (n,) float64
        Log-odds that are known already, of models that see whole frames.
    """
    out: dict[str, list[Array]] = {each.name: [] for each in candidates if each.scorer is not None}
    for first in range(0, len(examples), CHUNK):
        part = examples[slice(first, first + CHUNK)]
        inputs = Inputs(part.triplets, part.snr.astype(np.float64))
        for name, values in (given or {}).items():
            inputs.log_odds[name] = values[first : first + CHUNK]
        for each in candidates:
            if each.scorer is not None:
                found = np.asarray(each.scorer.logits(inputs), dtype=np.float64)
                inputs.log_odds[each.name] = found
                out[each.name].append(found)
        if on_chunk is not None:
            on_chunk(first + len(part))
    return {name: np.concatenate(parts) for name, parts in out.items() if parts}


def evaluate(
    examples: Examples,
    log_odds: Mapping[str, Array],
    *,
    digests: Mapping[str, str] | None = None,
    absent: Mapping[str, str] | None = None,
    extra: Mapping[str, NDArray[Any]] | None = None,
    drawn_by: str = "group",
    prevalences: tuple[float, ...] = (),
    stated_at: float | None = None,
    rounds: int = 400,
) -> Evaluation:
    """Scorecards of the baselines and of every model.

    Parameters
    ----------
    examples : Examples
        Those of unknown label are left out.
    log_odds : mapping of str to (n,) float64
        As `scores` gives them. A model with a NaN is left out, and told of.
    digests, absent : mapping
        Of the models; why others are not judged.
    extra : mapping
        Further columns, such as ``mag``.
    drawn_by : str
        What the bootstrap draws: "group", "night" or "field".
    stated_at : float, optional
        The share of real that probabilities are told for; by default that of the examples.

    Raises
    ------
    ValueError
        Nothing is real, or nothing is bogus.
    """
    known = np.asarray(examples.label) >= 0
    columns = columns_of(examples[known], {name: column[known] for name, column in (extra or {}).items()})
    missing = dict(absent or {})
    usable = {SIGNIFICANCE: np.abs(examples.snr[known].astype(np.float64))}
    for name in sorted(log_odds, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        values = log_odds[name][known]
        if np.isnan(values).any():
            missing[name] = f"it gives no score for {np.count_nonzero(np.isnan(values))} of the examples"
        else:
            usable[name] = values
    if not np.isfinite(usable[SIGNIFICANCE]).all():
        usable[SIGNIFICANCE] = np.nan_to_num(usable[SIGNIFICANCE], nan=0.0, posinf=1e30)
    cards = tuple(
        scorecard(
            name,
            columns,
            values,
            digest=(digests or {}).get(name, ""),
            is_probability=name not in NO_PROBABILITY,
            drawn_by=drawn_by,
            prevalences=prevalences,
            stated_at=stated_at,
            rounds=rounds,
        )
        for name, values in usable.items()
    )
    than = "tree" if "tree" in usable else SIGNIFICANCE
    better = {
        name: paired(columns, usable[than], values, drawn_by=drawn_by, rounds=rounds)
        for name, values in usable.items()
        if name != than
    }
    return Evaluation(cards, missing, better, than, int(np.count_nonzero(~known)))


def columns_of(examples: Examples, extra: Mapping[str, NDArray[Any]] | None = None) -> dict[str, Any]:
    """The columns of a set without its images."""
    found = {
        each.name: getattr(examples, each.name)
        for each in dataclasses.fields(examples)
        if each.name not in ("new", "ref", "diff")
    }
    return found | dict(extra or {})


def refuse_leaks(
    examples: Examples, candidates: Sequence[Candidate], trained_on: Sequence[Examples] = ()
) -> None:
    """Refuse to judge models by what they were trained on.

    A model records what it was trained on: digests of example sets, and of objects and nights.

    Parameters
    ----------
    examples : Examples
        What is to judge.
    candidates : sequence of Candidate
    trained_on : sequence of Examples
        Sets that are known to have been trained on.

    Raises
    ------
    LeakingSplit
    """
    for other in trained_on:
        check(_all_columns(other), _all_columns(examples), "night")
    judged = columns_of(examples)
    digest = examples.digest
    for each in candidates:
        if each.model is None:
            continue
        trained = each.model.description.trained
        said = set(_strings(trained))
        if digest in said:
            raise LeakingSplit(f"row 0 of what judges, and every other, is what {each.name} was trained on")
        named = frozenset(group_digest(word) for word in said) | frozenset(said)
        for column in BY:
            check_groups(named, judged, each.name, column)
        remembered.refuse(each.model.arrays, judged, each.name)


def _all_columns(examples: Examples) -> dict[str, Any]:
    return {each.name: getattr(examples, each.name) for each in dataclasses.fields(examples)}


def _strings(value: Any) -> list[str]:
    """Every text in nested lists and mappings."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [word for each in value.values() for word in _strings(each)]
    if isinstance(value, list | tuple):
        return [word for each in value for word in _strings(each)]
    return []


def gaps(here: Evaluation, own: Evaluation) -> dict[str, dict[str, float | None]]:
    """What each scorer misses on these examples and on those of the kind that it was trained on."""
    out: dict[str, dict[str, float | None]] = {}
    owns = {card.name: card for card in own.cards}
    for card in here.cards:
        if card.name in owns:
            fnr, same = (each.fnr_at_fpr[0.01].value for each in (card, owns[card.name]))
            gap = None if fnr is None or same is None else fnr - same
            out[card.name] = {"here": fnr, "own_kind": same, "gap": gap}
    return out


def plain(value: Any) -> Any:
    """A scorecard as JSON takes it: no tuple keys, no NaN, no infinity."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {
            f"{key:g}" if isinstance(key, float) else str(key): plain(each) for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value
