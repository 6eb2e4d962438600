"""From examples to a model in its folder: split, train, calibrate, check, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from pipeline.classify import cutout_features, trees
from pipeline.classify.model_file import Description, ModelFile, write
from pipeline.classify.networks import ARCHITECTURE
from pipeline.classify.scorers import Inputs, calibrated, load
from pipeline.classify.turns import TURNS
from pipeline.training import member_scores, remembered, tree_train
from pipeline.training.calibration import at_share, calibration_error, fnr_at_fpr, platt
from pipeline.training.examples import LABELLED, SIMULATED, Examples
from pipeline.training.holding_out import held_out
from pipeline.training.remembered import seen, weights_of
from pipeline.training.scorecard_summary import of_held_out
from pipeline.training.tree_train import TreeOptions

if TYPE_CHECKING:
    from pipeline.training.realbogus_network import CutoutNetwork

Array = NDArray[np.float64]

SAME = 1e-4  # logits of the served network and of the trained one
CHECKED = 64  # examples that they are compared on
LEAST_BOGUS = 100  # below which a hundredth of them is none
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that was written.

    Attributes
    ----------
    folder : Path
    digest : str
    metrics : dict of str to float
        On the fields that were held out.
    scorecard : dict, optional
        What `pipeline.training.scorecard_summary` keeps of how it was judged on them.
    finished : bool
        False where the training was stopped before its end; the folder then is not there yet.
    """

    folder: Path
    digest: str
    metrics: dict[str, float]
    finished: bool = True
    scorecard: dict[str, Any] | None = None


def split(examples: Examples) -> tuple[Examples, Examples]:
    """What is trained on, and what is held out; only rows of known label.

    They are held out as `pipeline.training.holding_out` says.

    Raises
    ------
    AstridError
        They are of so few fields that none could be held out, or none be trained on.
    """
    known = examples[examples.label >= 0]
    held = held_out(known)
    if not held.any() or held.all():
        raise AstridError(
            "the examples are of too few fields that share no object or night: "
            "one in five is held out to be judged on, by its name; give more, such as with --fields 20"
        )
    return known[~held], known[held]


def metrics_of(log_odds: Array, examples: Examples) -> dict[str, float]:
    """How good calibrated log-odds are of those examples that are shown, at the share of real among them.

    Nothing where these are not of both kinds.
    """
    log_odds, examples = log_odds[examples.is_shown], examples[examples.is_shown]
    labels = examples.label
    if len(np.unique(labels)) != 2:
        return {}
    share = float(np.mean(labels == 1))
    metrics = {
        "fnr_at_1_percent_fpr": fnr_at_fpr(log_odds, labels, 0.01),
        "fnr_at_10_percent_fpr": fnr_at_fpr(log_odds, labels, 0.10),
        "calibration_error": calibration_error(at_share(log_odds, share), labels),
        "prevalence": share,
        "held_out_examples": float(len(labels)),
    }
    strong = (np.abs(examples.snr) >= 10.0) | (labels == 0)
    if labels[strong].any():
        metrics["fnr_at_1_percent_fpr_snr_10"] = fnr_at_fpr(log_odds[strong], labels[strong], 0.01)
    return metrics


def train_tree(examples: Examples, options: TreeOptions, folder: Path) -> Trained:
    """Grow the trees and write them.

    Parameters
    ----------
    examples : Examples
    options : TreeOptions
    folder : Path
        It must not exist.
    """
    ours, held = split(examples)
    arrays, *_ = tree_train.train(ours, options)
    names = cutout_features.NAMES
    raw = trees.sound("tree", arrays, len(names)).sums(held.features)
    calibration = platt(raw, held.label)
    log_odds = calibration.slope * raw + calibration.offset
    metrics = metrics_of(log_odds, held)
    description = Description(
        kind="tree",
        architecture=trees.ARCHITECTURE,
        inputs="features",
        features=list(names),
        calibration=calibration,
        trained=_trained(asdict(options), examples, ours, metrics),
    )
    card = of_held_out("tree", log_odds, held)
    apart = member_scores.kept_of_split(held, raw)
    digest = write(folder, description, {**arrays, **seen(examples), **apart})
    return Trained(folder, digest, metrics, scorecard=card)


def train_realbogus(
    examples: Examples,
    options: Any,
    folder: Path,
    checkpoint: Path,
    on_epoch: OnEpoch | None = None,
    stopped: Callable[[], bool] = lambda: False,
    start: ModelFile | None = None,
) -> Trained:
    """Train the network, or go on with it, and write it.

    Parameters
    ----------
    examples : Examples
    options : pipeline.training.realbogus_train.TrainOptions
    folder : Path
        It must not exist.
    checkpoint : Path
        Where the training is kept while it lasts.
    on_epoch : callable, optional
        Called with the step and the metrics after every epoch.
    stopped : callable
        Where it answers True, the checkpoint is written and nothing else.
    start : ModelFile, optional
        A network of the same width to begin with instead of chance. All of it learns.

    Raises
    ------
    AstridError
        What is served is not what was trained, or there is nothing to learn from.
    """
    from pipeline.training import realbogus_train
    from pipeline.training.realbogus_network import exported

    ours, held = split(examples)
    begin = None
    if start is not None:
        held = _unknown_to(start, held)
        begin = realbogus_train.Start(start.digest, weights_of(start.arrays), norms_learn=True)
    judging = held[held.is_shown]
    state = realbogus_train.train(ours, judging, options, checkpoint, on_epoch, stopped, begin)
    if not state.finished:
        return Trained(folder, "", state.history[-1] if state.history else {}, finished=False)
    raw = realbogus_train.scores(state.averaged, held)
    calibration = platt(raw, held.label)
    log_odds = calibration.slope * raw + calibration.offset
    metrics = metrics_of(log_odds, held)
    weights = {key: value.numpy() for key, value in state.averaged.state_dict().items()}
    description = Description(
        kind="realbogus",
        architecture=ARCHITECTURE,
        config={"width": options.width, "turns": TURNS, "scale": options.scale},
        inputs="triplet",
        calibration=calibration,
        trained=_trained(asdict(options), examples, ours, metrics)
        | {"steps": state.step, "history": [_untimed(each) for each in state.history]}
        | (
            {}
            if start is None
            else {"begun_from": start.digest, "is_start_told": member_scores.is_told(start)}
        ),
    )
    network = exported(state.averaged)
    _check_served(ModelFile(description, "", {}, network), held, state.averaged)
    card = of_held_out("realbogus", log_odds, held)
    before = None if start is None else start.arrays
    apart = member_scores.kept_of_split(held, raw)
    digest = write(folder, description, {**weights, **seen(examples, before), **apart}, network)
    return Trained(folder, digest, metrics, scorecard=card)


def _untimed(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those of an epoch but its time, by which the same model would be another version each time."""
    return {name: value for name, value in metrics.items() if name != "seconds"}


def _unknown_to(start: ModelFile, held: Examples) -> Examples:
    """What is held out and was no part of a network's training either.

    Simulated fields are held out by their names alone, so it did not learn of them, unless it was fine-tuned.

    Raises
    ------
    AstridError
        It is no network that can be trained on, or nothing is left to judge by.
    """
    trained = start.description.trained
    if start.description.architecture != ARCHITECTURE:
        raise AstridError("only networks that AstrID trained can be begun with, not what was imported")
    if "fine_tuned" in trained:
        raise AstridError(
            "that version was fine-tuned, and may have learnt of what would judge it: take another"
        )
    columns = {"group": held.group, "night": held.night, "field": held.field}
    known = remembered.known(start.arrays, columns)
    unknown = held.source == SIMULATED
    left = held[unknown if known is None else unknown | ~known]
    if len(np.unique(left.label)) != 2:
        raise AstridError("that version learnt of all that would judge it: take another, or more examples")
    return left


def fine_tune_realbogus(
    start: ModelFile,
    examples: Examples,
    options: Any,
    folder: Path,
    report: Callable[[int, int, str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Trained:
    """Fine-tune a network that is there, and write what it became.

    Parameters
    ----------
    start : ModelFile
    examples : Examples
    options : pipeline.training.fine_tune.FineTuneOptions
    folder : Path
        It must not exist.
    report : callable
    stopped : callable
        Where it answers True, nothing is written.

    Raises
    ------
    AstridError
        There are too few examples, the start is of another architecture, or what is served is not what
        was trained.
    """
    from pipeline.training.fine_tune import fine_tune
    from pipeline.training.realbogus_network import exported

    known = examples[examples.label >= 0]
    with tempfile.TemporaryDirectory() as work:
        made = fine_tune(start, known, options, Path(work), report, stopped)
    if made is None:
        return Trained(folder, "", {}, finished=False)
    judges = made.judged & known.is_shown
    judged, log_odds = known[judges], made.log_odds[judges]
    bogus = np.count_nonzero(judged.label == 0)
    both = 0 < bogus < len(judged)
    metrics = metrics_of(log_odds, judged) if both and bogus >= LEAST_BOGUS else {}
    for what in ("auc", "brier"):
        told = made.record["judged"].get(what, {})
        metrics |= {
            f"{what}_{when}": each["value"] for when, each in told.items() if each["value"] is not None
        }
    trained = _trained(asdict(options), examples, known, metrics) | {
        "judged_by": _judged_by(made.record),
        "fine_tuned": made.record,
    }
    description = start.description.model_copy(
        update={
            "config": start.description.config | {"turns": TURNS},
            "calibration": made.calibration,
            "trained": trained,
            "files": {},
        }
    )
    weights = {key: value.numpy() for key, value in made.network.state_dict().items()}
    network = exported(made.network)
    _check_served(ModelFile(description, "", {}, network), known, made.network)
    drawn = replace(judged, group=made.unit[judges].astype(str))  # what was dealt together
    card = of_held_out("realbogus", log_odds, drawn, drawn_by="group") if both else None
    apart = {}
    if made.record["is_start_told"] and made.record["are_nights_apart"]:
        apart = member_scores.kept(known[made.judged], made.log_odds[made.judged])
    digest = write(folder, description, {**weights, **seen(known, start.arrays), **apart}, network)
    return Trained(folder, digest, metrics, scorecard=card)


def _judged_by(record: dict[str, Any]) -> str:
    if record["are_nights_apart"]:
        learnt = "each by a network that did not learn of its object, night or field"
    else:
        learnt = (
            "each by a network that did not learn of its object but may have of its night and field, "
            "which tells too much good of it"
        )
    if record["is_start_told"]:
        return f"those of no object, night or field that the start knew, {learnt}"
    return f"{learnt}; what the start was trained on is unknown"


def _check_served(model: ModelFile, held: Examples, network: CutoutNetwork) -> None:
    """Compare what is served with what was trained, each cutout as it is: which are turned hangs on less."""
    from pipeline.training.realbogus_train import scores

    some = held[slice(0, CHECKED)]
    config = {name: value for name, value in model.description.config.items() if name != "turns"}
    once = replace(model, description=model.description.model_copy(update={"config": config}))
    served = load(once).logits(Inputs(some.triplets))
    apart = float(
        np.abs(served - calibrated(scores(network, some, turned=False), once.description.calibration)).max()
    )
    if apart > SAME * max(1.0, float(np.abs(served).max())):
        raise AstridError(f"the served network differs from the trained one by {apart:.2g} in log-odds")


def _trained(
    options: dict[str, Any], examples: Examples, ours: Examples, metrics: dict[str, float]
) -> dict[str, Any]:
    kinds, counts = np.unique(ours.kind, return_counts=True)
    return {
        "options": options,
        "examples": len(ours),
        "labelled": int(np.count_nonzero(ours.source == LABELLED)),
        "examples_sha256": examples.digest,
        "kinds": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
        "sources": sorted(set(ours.source.tolist())),
        "metrics": metrics,
        "judged_by": "what is shown of held-out fields of the same kind of data",
    }
