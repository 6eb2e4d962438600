"""Fine-tuning of the real-bogus network: from weights that are there to ones that know a few own examples.

What it is worth is told by examples that it did not see: they are dealt into folds, and each fold is
judged by a network that was fine-tuned on the others, and calibrated by them. The network that is kept has
seen all of them, and so has its calibration. What the network before was trained on, an object, a night or a
field, judges neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.models.learnable import LEAST_OBJECTS
from pipeline.classify.model_file import Calibration, ModelFile
from pipeline.classify.networks import ARCHITECTURE
from pipeline.classify.triplets import SPREAD
from pipeline.training import measures, realbogus_train, remembered, resample
from pipeline.training.calibration import at_share, platt
from pipeline.training.checkpoint import Device, TrainingError
from pipeline.training.examples import BOGUS, REAL, Examples
from pipeline.training.folds import Folds, deal
from pipeline.training.realbogus_network import CutoutNetwork
from pipeline.training.realbogus_train import Start, TrainOptions
from pipeline.training.remembered import weights_of
from pipeline.training.splits import group_digest

Array = NDArray[np.float64]

FEW = 500  # objects of the rarer class below which only the last layer learns
LEAST_TO_CALIBRATE = 100  # examples of each class; with fewer the calibration that was there is kept
RATES = {"head": 3e-3, "all": 3e-4}  # the last layer alone learns fast, all of it is to keep what it knows
EPOCHS = 10
LEAST_STEPS = 100
BATCH = 64
FOLDS = 5
MOST_KEPT = 20_000  # names of objects in a model's description

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class FineTuneOptions:
    """What a fine-tuning does.

    Attributes
    ----------
    layers : str
        ``head``, the last layer alone; ``all``; ``auto``, all where there are `FEW` objects of each class.
    steps : int, optional
        Default: `EPOCHS` times through the examples, and `LEAST_STEPS` at least.
    folds, seed, threads : int
    device : str
        ``cpu`` or ``cuda``.
    """

    layers: str = "auto"
    steps: int | None = None
    folds: int = FOLDS
    seed: int = 1
    threads: int = 1
    device: Device = "cpu"


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A network that was fine-tuned, and what is known of it.

    Attributes
    ----------
    network : CutoutNetwork
        It has learnt of all examples.
    calibration : Calibration
        Of examples that the network had not seen, or the one that was there before.
    log_odds, before : (n,) float64
        Of each example by a network that learnt of other folds alone, calibrated by these, and by the one
        before.
    judged : (n,) bool
        Those whose object, night and field the network before was not trained on either, as far as it says.
    unit : (n,) int
        What was dealt together, which intervals draw together.
    record : dict
        What is kept of it in the model's description.
    """

    network: CutoutNetwork
    calibration: Calibration
    log_odds: Array
    before: Array
    judged: NDArray[np.bool_]
    unit: NDArray[np.intp]
    record: dict[str, Any] = field(default_factory=dict)


def fine_tune(
    model: ModelFile,
    examples: Examples,
    options: FineTuneOptions,
    work: Path,
    report: Report,
    stopped: Callable[[], bool] = lambda: False,
) -> FineTuned | None:
    """Fine-tune a network on examples of known label; None where it was stopped.

    Parameters
    ----------
    model : ModelFile
        The network to begin with, one of AstrID's own architecture.
    examples : Examples
        Those of unknown label are left out.
    options : FineTuneOptions
    work : Path
        A folder for what is kept meanwhile.

    Raises
    ------
    TrainingError
        The model is of another architecture, or there are too few examples.
    """
    if model.description.architecture != ARCHITECTURE:
        raise TrainingError("only networks that AstrID trained can be fine-tuned, not what was imported")
    examples = examples[examples.label >= 0]
    objects = _objects(examples)
    fewest = min(len(objects[REAL]), len(objects[BOGUS]))
    if fewest < LEAST_OBJECTS:
        raise TrainingError(
            f"there are {len(objects[REAL])} real and {len(objects[BOGUS])} bogus objects to learn from; "
            f"at least {LEAST_OBJECTS} of each are needed"
        )
    layers = ("head" if fewest < FEW else "all") if options.layers == "auto" else options.layers
    start = Start(model.digest, weights_of(model.arrays), head_only=layers == "head")
    training = _options(model, len(examples), options, RATES[layers])
    folds = deal(examples, min(options.folds, fewest), options.seed)

    def train(learnt: Examples, name: str) -> CutoutNetwork | None:
        state = realbogus_train.train(
            learnt, examples[:0], training, work / name, stopped=stopped, start=start
        )
        return state.averaged if state.finished else None

    raw = _unseen(examples, folds, train, report)
    if raw is None:
        return None
    report(folds.count, folds.count + 1, "all examples")
    network = train(examples, "all")
    if network is None:
        return None
    known = set(_learnt(model))
    judged = np.array([group_digest(str(each)) not in known for each in examples.group], dtype=bool)
    columns = {"group": examples.group, "night": examples.night, "field": examples.field}
    trained_on = remembered.known(model.arrays, columns)
    if trained_on is not None:
        judged &= ~trained_on
    is_told = trained_on is not None and _tuned(model).get("is_start_told") is not False
    was = model.description.calibration
    calibration = _calibration(raw[judged], examples.label[judged], was)
    log_odds = raw * was.slope + was.offset
    if calibration != was:
        log_odds = _cross_calibrated(raw, examples.label, judged, folds, was)
    shown = judged & examples.is_shown
    before = was.slope * _before(model, examples) + was.offset
    record = {
        "start": model.digest,
        "layers": layers,
        "steps": training.steps,
        "real": len(objects[REAL]),
        "bogus": len(objects[BOGUS]),
        "folds": folds.count,
        "are_nights_apart": folds.are_nights_apart,
        "is_start_told": is_told,  # all that the network before was trained on
        "is_recalibrated": calibration != was,
        "objects": sorted({*known, *(group_digest(str(each)) for each in examples.group)})[:MOST_KEPT],
        "judged": compared(examples[shown], before[shown], log_odds[shown], folds.unit[shown]),
    }
    return FineTuned(network, calibration, log_odds, before, judged, folds.unit, record)


def _unseen(
    examples: Examples,
    folds: Folds,
    train: Callable[[Examples, str], CutoutNetwork | None],
    report: Report,
) -> Array | None:
    """What a network that was trained on the other folds says of each example; none where it was stopped."""
    raw = np.full(len(examples), np.nan)
    for number in range(folds.count):
        report(number, folds.count + 1, f"fold {number + 1} of {folds.count}")
        held = folds.of == number
        network = train(examples[~held], f"fold-{number}")
        if network is None:
            return None
        raw[held] = realbogus_train.scores(network, examples[held])
    return raw


def compared(
    examples: Examples,
    before: Array,
    after: Array,
    unit: NDArray[np.generic],
    stated_at: float | None = None,
) -> dict[str, Any]:
    """Area under the ROC curve and Brier score of both, and what they differ by, with 95 % intervals.

    Intervals are by bootstrap over units, and those of the differences from the same draws.

    Parameters
    ----------
    examples : Examples
    before, after : (n,) float64
        Log-odds at even odds.
    unit : (n,) array
        What is drawn together, as it was dealt into folds.
    stated_at : float, optional
        The share of real that the probabilities are told for; by default that of the examples.
    """
    real = examples.label == REAL
    n = len(real)
    told: dict[str, Any] = {"real": int(real.sum()), "bogus": int(n - real.sum())}
    if not 0 < told["real"] < n:
        return told
    weights = resample.draws(unit, resample.ROUNDS, 0)
    groups = min(resample.count(unit, which) for which in (real, ~real))
    share = float(real.mean()) if stated_at is None else stated_at
    ranks = {name: measures.ranking(real, score) for name, score in (("before", before), ("after", after))}

    def area(name: str) -> resample.Measure:
        return lambda w: measures.auc(ranks[name], w)

    def brier(score: Array) -> resample.Measure:
        return lambda w: measures.brier(real, at_share(score, share), w)

    for what, first, second in (
        ("auc", area("before"), area("after")),
        ("brier", brier(before), brier(after)),
    ):
        told[what] = {
            "before": asdict(resample.estimate(first, weights, n, groups=groups)),
            "after": asdict(resample.estimate(second, weights, n, groups=groups)),
            "difference": asdict(resample.difference(first, second, weights, n, groups=groups)),
        }
    return told


def _options(model: ModelFile, count: int, options: FineTuneOptions, rate: float) -> TrainOptions:
    batch = min(BATCH, max(8, count // 2))
    steps = options.steps or max(LEAST_STEPS, EPOCHS * count // batch)
    return TrainOptions(
        steps=steps,
        width=int(model.description.config["width"]),
        batch=batch,
        rate=rate,
        average=0.98,
        seed=options.seed,
        threads=options.threads,
        device=options.device,
        epoch_steps=steps,
        scale=_scale(model),
    )


def _scale(model: ModelFile) -> str:
    """In what units the network takes new and reference; few examples do not teach it others."""
    return str(model.description.config.get("scale", SPREAD))


def _objects(examples: Examples) -> dict[int, list[str]]:
    """The names of objects by label; one with a real detection is real."""
    real = set(examples.group[examples.label == REAL].tolist())
    return {REAL: sorted(real), BOGUS: sorted(set(examples.group.tolist()) - real)}


def _before(model: ModelFile, examples: Examples) -> Array:
    config = model.description.config
    network = CutoutNetwork(int(config["width"]), _scale(model))
    network.take(weights_of(model.arrays))
    return realbogus_train.scores(network, examples, turned=config.get("turns", 1) != 1)


def _calibration(raw: Array, label: NDArray[np.int8], was: Calibration) -> Calibration:
    real = int(np.count_nonzero(label == REAL))
    return platt(raw, label) if min(real, len(label) - real) >= LEAST_TO_CALIBRATE else was


def _cross_calibrated(
    raw: Array, label: NDArray[np.int8], judged: NDArray[np.bool_], folds: Folds, was: Calibration
) -> Array:
    """Log-odds of each fold, calibrated by the others; as before where these lack a kind."""
    found = np.empty(len(raw))
    for number in range(folds.count):
        held = folds.of == number
        others = judged & ~held
        fitted = platt(raw[others], label[others]) if len(np.unique(label[others])) > 1 else was
        found[held] = fitted.slope * raw[held] + fitted.offset
    return found


def _learnt(model: ModelFile) -> Iterator[str]:
    """Digests of the objects that earlier fine-tunings learnt of."""
    yield from (str(each) for each in _tuned(model).get("objects") or ())


def _tuned(model: ModelFile) -> dict[str, Any]:
    """The record of the fine-tuning that a network comes from; empty where it comes from none."""
    said = model.description.trained.get("fine_tuned")
    return said if isinstance(said, dict) else {}
