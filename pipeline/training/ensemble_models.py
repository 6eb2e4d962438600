"""From fields that no model was trained on to an ensemble in its folder, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from pipeline.classify.ensemble import ARCHITECTURE, MEMBERS, Ensemble, member_table
from pipeline.classify.model_file import Description, ModelFile, write
from pipeline.classify.scorers import Inputs, Scorer, probabilities
from pipeline.training.calibration import is_held_out
from pipeline.training.candidate_models import Trained, metrics_of
from pipeline.training.ensemble_train import weigh
from pipeline.training.ensemble_zones import LOST, WRONG, strata_of, zones
from pipeline.training.examples import Examples
from pipeline.training.remembered import seen
from pipeline.training.scorecard_summary import of_held_out
from pipeline.training.scored_fields import Scored

Array = NDArray[np.float64]

HELD_OUT = 3  # one field in so many judges


def train_ensemble(scored: Scored, scorers: Sequence[Scorer], unet: str | None, folder: Path) -> Trained:
    """Weigh the models on some fields, judge the sum on others, and write it.

    The zones are set on all fields, each scored by weights that it had no part in, of what the cuts let
    through: the rest never comes before a person.

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

    Raises
    ------
    AstridError
        There are too few examples.
    """
    examples = scored.examples
    inputs = Inputs(examples.triplets, examples.snr.astype(np.float64))
    if scored.unet is not None:
        inputs.log_odds["unet"] = scored.unet
    for scorer in scorers:
        if scorer.name in MEMBERS:
            inputs.log_odds[scorer.name] = scorer.logits(inputs)
    members = tuple(name for name in MEMBERS if name == "snr" or name in inputs.log_odds)
    table = member_table(inputs, members)
    held = is_held_out(examples.field, HELD_OUT)
    judges = held & examples.is_shown
    if len(np.unique(examples.label[judges])) != 2:
        raise AstridError("the fields that are held out show nothing real, or nothing bogus: more are needed")
    arrays = weigh(table[~held], examples.label[~held], members)
    description = _description(members)
    said = Ensemble(ModelFile(description, "", arrays)).logits(inputs)
    judged = examples[judges]
    metrics = metrics_of(said[judges], judged)
    metrics |= _each_alone(inputs.log_odds, judges, examples.snr, judged.label)
    beside = _unseen(inputs, examples, table, members)
    shown = examples.is_shown & np.isfinite(beside)
    found = zones(
        probabilities(beside)[shown], examples.label[shown], examples.field[shown], strata_of(examples[shown])
    )
    trained = {
        "members": {each.name: each.digest for each in scorers if each.name in MEMBERS}
        | ({"unet": unet} if unet else {}),
        "examples": int(np.count_nonzero(~held)),
        "examples_sha256": examples.digest,
        "metrics": metrics,
        "judged_by": "what is shown of fields that neither the members nor the weights were trained on",
        "zones": {
            "reject_below": found.reject_below,
            "fast_above": found.fast_above,
            "lost": LOST,
            "wrong": WRONG,
            "examples": int(np.count_nonzero(shown)),
            "fields": len(np.unique(examples.field[shown])),
            "set_by": "the unfavourable end of the interval over fields, in the worst kind of them",
        },
    }
    whole = description.model_copy(
        update={
            "trained": trained,
            "config": {"reject_below": found.reject_below, "fast_above": found.fast_above},
        }
    )
    card = of_held_out("ensemble", said[judges], judged)
    return Trained(folder, write(folder, whole, {**arrays, **seen(examples)}), metrics, scorecard=card)


def _description(members: Sequence[str]) -> Description:
    return Description(kind="ensemble", architecture=ARCHITECTURE, inputs="scores", features=list(members))


def _unseen(inputs: Inputs, examples: Examples, table: Array, members: tuple[str, ...]) -> Array:
    """Log-odds of every example by weights of the fields that are not held out with it."""
    said = np.full(len(examples), np.nan)
    for part in range(HELD_OUT):
        out = is_held_out(examples.field, HELD_OUT, part)
        ensemble = Ensemble(
            ModelFile(_description(members), "", weigh(table[~out], examples.label[~out], members))
        )
        said[out] = ensemble.logits(inputs)[out]
    return said


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
