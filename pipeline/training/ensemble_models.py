"""From fields and labels that no model was trained on to an ensemble in its folder, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from pipeline.classify.ensemble import ARCHITECTURE, MEMBERS, Ensemble, member_table
from pipeline.classify.model_file import Description, ModelFile, write
from pipeline.classify.scorers import Inputs, Scorer, probabilities
from pipeline.classify.triplets import Triplets
from pipeline.training.calibration import is_held_out
from pipeline.training.candidate_models import Trained, metrics_of
from pipeline.training.ensemble_train import are_many, weigh
from pipeline.training.ensemble_zones import LOST, WRONG, Zones, strata_of, zones
from pipeline.training.examples import LABELLED, Examples, join
from pipeline.training.holding_out import held_out, units
from pipeline.training.member_scores import Weighable
from pipeline.training.remembered import seen
from pipeline.training.scorecard_summary import of_held_out
from pipeline.training.scored_fields import Scored

Array = NDArray[np.float64]

HELD_OUT = 3  # one field in so many judges, and so much of the labels


def train_ensemble(
    scored: Scored, scorers: Sequence[Scorer], unet: str | None, folder: Path, labels: Weighable | None = None
) -> Trained:
    """Weigh the models on some fields and labels, judge the sum on others, and write it.

    The zones are set on all fields, each scored by weights that it had no part in, of what the cuts let
    through: the rest never comes before a person. Labels can only narrow them.

    Parameters
    ----------
    scored : Scored
        Of fields that none of the models was trained on.
    scorers : sequence of Scorer
        Those of candidates: the members besides the U-Net.
    unet : str or None
        Digest of the U-Net that scored the fields; none where none took part.
    folder : Path
        It must not exist.
    labels : Weighable, optional
        What reviewers agree on and none of the models was trained on.

    Raises
    ------
    AstridError
        There are too few examples.
    """
    examples, log_odds = scored.examples, _said(scored, scorers)
    if labels is not None and len(labels.examples):
        none = np.full(len(labels.examples), np.nan)
        log_odds = {
            name: np.concatenate([said, labels.log_odds.get(name, none)]) for name, said in log_odds.items()
        }
        examples = join([examples, labels.examples])
    blank = np.empty((len(examples), 0, 0), dtype=np.float32)  # all that is asked of images is said by now
    inputs = Inputs(Triplets(blank, blank, blank), examples.snr.astype(np.float64), log_odds)
    is_labelled = examples.source == LABELLED
    objects = np.where(is_labelled, examples.group, "")
    members = tuple(name for name in MEMBERS if name == "snr" or name in log_odds)
    table = member_table(inputs, members)
    held = held_out(examples, HELD_OUT)
    judges = held & examples.is_shown & ~is_labelled
    if len(np.unique(examples.label[judges])) != 2:
        raise AstridError("the fields that are held out show nothing real, or nothing bogus: more are needed")
    arrays = weigh(table[~held], examples.label[~held], members, objects[~held])
    description = _description(members)
    said = Ensemble(ModelFile(description, "", arrays)).logits(inputs)
    judged = examples[judges]
    metrics = metrics_of(said[judges], judged)
    metrics |= _each_alone(log_odds, judges, examples.snr, judged.label)
    metrics |= _of_labels(said, held & is_labelled, examples)
    beside = _unseen(inputs, examples, table, members, objects)
    shown = examples.is_shown & np.isfinite(beside)
    found = _zones(probabilities(beside), examples, shown)
    trained: dict[str, Any] = {
        "members": {each.name: each.digest for each in scorers if each.name in MEMBERS}
        | ({"unet": unet} if unet else {}),
        "examples": int(np.count_nonzero(~held)),
        "labelled": int(np.count_nonzero(~held & is_labelled)),
        "examples_sha256": examples.digest,
        "metrics": metrics,
        "judged_by": "what is shown of fields that neither the members nor the weights were trained on",
        "zones": {
            "reject_below": found.reject_below,
            "fast_above": found.fast_above,
            "lost": LOST,
            "wrong": WRONG,
            "examples": int(np.count_nonzero(shown & ~is_labelled)),
            "fields": len(np.unique(examples.field[shown & ~is_labelled])),
            "labelled": int(np.count_nonzero(shown & is_labelled)),
            "set_by": "the unfavourable end of the interval over fields, in the worst kind of them",
        },
    }
    if labels is not None:
        is_too_few = not are_many(objects[~held], examples.label[~held])
        trained["labels"] = labels.told | {"is_too_few": is_too_few}
    whole = description.model_copy(
        update={
            "trained": trained,
            "config": {"reject_below": found.reject_below, "fast_above": found.fast_above},
        }
    )
    card = of_held_out("ensemble", said[judges], judged)
    return Trained(folder, write(folder, whole, {**arrays, **seen(examples)}), metrics, scorecard=card)


def _said(scored: Scored, scorers: Sequence[Scorer]) -> dict[str, Array]:
    """What each member says of the candidates of fields."""
    inputs = Inputs(scored.examples.triplets, scored.examples.snr.astype(np.float64))
    if scored.unet is not None:
        inputs.log_odds["unet"] = scored.unet
    for scorer in scorers:
        if scorer.name in MEMBERS:
            inputs.log_odds[scorer.name] = scorer.logits(inputs)
    return inputs.log_odds


def _description(members: Sequence[str]) -> Description:
    return Description(kind="ensemble", architecture=ARCHITECTURE, inputs="scores", features=list(members))


def _unseen(
    inputs: Inputs, examples: Examples, table: Array, members: tuple[str, ...], objects: NDArray[np.str_]
) -> Array:
    """Log-odds of every example by weights of what is not held out with it."""
    said = np.full(len(examples), np.nan)
    names = units(examples)
    for part in range(HELD_OUT):
        out = is_held_out(names, HELD_OUT, part)
        weighed = weigh(table[~out], examples.label[~out], members, objects[~out])
        said[out] = Ensemble(ModelFile(_description(members), "", weighed)).logits(inputs)[out]
    return said


def _zones(probability: Array, examples: Examples, shown: NDArray[np.bool_]) -> Zones:
    """Those of fields, narrowed where the budgets do not hold in what is labelled."""
    is_labelled = examples.source == LABELLED
    ours, theirs = examples[shown & ~is_labelled], examples[shown & is_labelled]
    beside = (probability[shown & is_labelled], theirs.label, units(theirs)) if len(theirs) else None
    return zones(probability[shown & ~is_labelled], ours.label, ours.field, strata_of(ours), beside)


def _of_labels(said: Array, which: NDArray[np.bool_], examples: Examples) -> dict[str, float]:
    """What is told of labels that the weights were not chosen by, where they are of both kinds."""
    which = which & np.isfinite(said)
    found = metrics_of(said[which], examples[which]) if which.any() else {}
    names = ("fnr_at_10_percent_fpr", "calibration_error", "prevalence", "held_out_examples")
    return {f"labels_{name}": found[name] for name in names if name in found}


def _each_alone(
    log_odds: Mapping[str, Array],
    held: NDArray[np.bool_],
    snr: NDArray[np.floating],
    label: NDArray[np.integer],
) -> dict[str, float]:
    """What each member misses by itself at one false positive in a hundred."""
    alone = {**log_odds, "snr": np.abs(snr).astype(np.float64)}
    found = {}
    for name, said in alone.items():
        values = np.nan_to_num(said[held], nan=-np.inf)
        threshold = np.quantile(values[label == 0], 0.99)
        found[f"{name}_alone_fnr_at_1_percent_fpr"] = float(np.mean(values[label == 1] <= threshold))
    return found
