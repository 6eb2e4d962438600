"""How the network that tells kinds is taught: by simulated fields, whose every detection is of a known kind.

    python -m pipeline.training.kinds FOLDER --seed 501

makes 400 fields and leaves the network in FOLDER, which must not exist: a quarter of an hour on one core. The
one that comes with AstrID was made as by it. Its fields have more changes than those that other models learn
from, and more stars that vary: most of what is bogus in a field is the same whatever changes in it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from pipeline.classify import unet
from pipeline.classify.kinds import CENTRE, LAYERS, KindNetwork, described, numbers_of, sound
from pipeline.classify.kinds import SCALE as SPREAD
from pipeline.classify.model_file import write
from pipeline.classify.outlier_inputs import scaled_features
from pipeline.classify.rings import rings
from pipeline.classify.scorers import Inputs
from pipeline.classify.unet import UNet
from pipeline.frame import FrameRefused
from pipeline.training.conditions import Conditions
from pipeline.training.detected import Seen, detections_of
from pipeline.training.events import Event
from pipeline.training.examples import of_detections
from pipeline.training.fields import field
from pipeline.training.seeds import of_candidates

FIELD_PX = 512
CHANGES, CROWDED_CHANGES = 2.5, 1.5  # times as many as usual, and in a crowd
VARIABLE_SHARE = 0.25  # of them at least are stars that vary
HELD_OUT = 5  # one field in so many judges
HIDDEN, PASSES, BATCH, RATE, DECAY = 96, 15, 128, 1e-3, 0.1
LEAST_SPREAD = 1e-6

Report = Callable[[int, int], None]  # fields, examples


@dataclass(frozen=True, slots=True)
class Taught:
    """What is learnt from; every array has n rows.

    Attributes
    ----------
    numbers : (n, NUMBERS) float32
        As `pipeline.classify.kinds.numbers_of` gives them.
    kind : (n,) str
    field : (n,) int64
        Its seed.
    """

    numbers: NDArray[np.float32]
    kind: NDArray[np.str_]
    field: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, which: NDArray[np.bool_]) -> Taught:
        return Taught(self.numbers[which], self.kind[which], self.field[which])


def kind_of(nature: str, event: Event | None) -> str:
    """What a detection is taught as.

    Parameters
    ----------
    nature : str
        What `pipeline.training.fields.nature` says of it: of a bogus that is its kind.
    event : Event or None
        What it is; of a change told are its sign and what lies under it. A source that faded without a host
        and is still there is a star that faded.
    """
    if event is None:
        return nature
    if event.is_streak:
        return event.kind
    is_star = event.kind == "variable" or (event.kind == "fading" and event.host == "none")
    return f"{'new' if event.snr > 0 else 'gone'} {'star' if is_star else event.host}"


def with_more_changes(drawn: Conditions) -> Conditions:
    """The conditions of a field as they were drawn, but for how much changes in it."""
    return replace(
        drawn,
        changes=CHANGES if drawn.crowd is None else CROWDED_CHANGES,
        variable_share=max(drawn.variable_share, VARIABLE_SHARE),
    )


def of_seed(seed: int, network: UNet) -> Taught | None:
    """What one field teaches; None where nothing is detected in it, or no draw of it can be subtracted."""
    try:
        found = field(seed, FIELD_PX, changed=with_more_changes)
    except FrameRefused:
        return None
    told = detections_of(found, Seen.by(network, found))
    if not told:
        return None
    triplets = of_detections(found, told).triplets
    return Taught(
        numbers_of(Inputs(triplets).features, rings(triplets)),
        np.array([kind_of(nature, event) for _, nature, event in told]),
        np.full(len(told), seed, dtype=np.int64),
    )


def taught_by(seed: int, fields: int, report: Report) -> Taught:
    """What some fields teach.

    Raises
    ------
    AstridError
        Nothing is detected in any.
    """
    network = unet.shipped()
    parts: list[Taught] = []
    for done, each in enumerate(of_candidates(seed, fields), start=1):
        if (part := of_seed(each, network)) is not None:
            parts.append(part)
        report(done, sum(map(len, parts)))
    if not parts:
        raise AstridError("nothing was detected in any field: give more with --fields")
    return Taught(
        np.concatenate([each.numbers for each in parts]),
        np.concatenate([each.kind for each in parts]),
        np.concatenate([each.field for each in parts]),
    )


def learnt(examples: Taught, seed: int = 1) -> KindNetwork:
    """A network that was taught by some examples, by scikit-learn; what it found is taken out as arrays."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    numbers = np.where(np.isfinite(examples.numbers), examples.numbers, np.nan).astype(np.float64)
    centre, spread = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
    spread = np.where(spread > LEAST_SPREAD, spread, 1.0)
    learner = MLPClassifier(
        (HIDDEN,),
        alpha=DECAY,
        batch_size=min(BATCH, len(examples)),
        learning_rate_init=RATE,
        max_iter=PASSES,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it ends after so many passes
        learner.fit(scaled_features(numbers, centre, spread), examples.kind)
    arrays: dict[str, NDArray[Any]] = {CENTRE: centre, SPREAD: spread}
    for (weight, offset), *layer in zip(LAYERS, learner.coefs_, learner.intercepts_, strict=True):
        arrays |= dict(zip((weight, offset), layer, strict=True))
    return sound(tuple(map(str, learner.classes_)), {name: _single(each) for name, each in arrays.items()})


def metrics_of(network: KindNetwork, held_out: Taught) -> dict[str, float]:
    """How well kinds are told: the share of which the likeliest is right, and, of what is new and of what is
    gone, how well each host is told from the others (the area under the curve).
    """
    from sklearn.metrics import roc_auc_score

    likely = network.probabilities(held_out.numbers).astype(np.float64)
    names = np.array(network.kinds)
    found = {"right": float(np.mean(names[likely.argmax(axis=1)] == held_out.kind))}
    for sign in ("new", "gone"):
        ours = np.char.startswith(names, f"{sign} ")
        rows = np.isin(held_out.kind, names[ours])
        among = likely[rows][:, ours]
        among = among / np.maximum(among.sum(axis=1, keepdims=True), 1e-30)
        for place, name in enumerate(names[ours].tolist()):
            is_it = held_out.kind[rows] == name
            if 0 < np.count_nonzero(is_it) < len(is_it):
                found[f"auc_{name.replace(' ', '_')}"] = float(roc_auc_score(is_it, among[:, place]))
    return found


def train(folder: Path, examples: Taught, options: Mapping[str, int]) -> dict[str, float]:
    """Teach a network what four fifths of the fields show, write it, and say how well it tells the others.

    Parameters
    ----------
    folder : Path
        It must not exist.
    examples : Taught
    options : mapping of str to int
        How they were made, for the description.

    Raises
    ------
    AstridError
        They are of too few fields to learn from and to judge by.
    """
    held = examples.field % HELD_OUT == 0
    if not held.any() or held.all():
        raise AstridError(f"one field in {HELD_OUT} judges: give at least as many with --fields")
    ours = examples[~held]
    network = learnt(ours)
    metrics = metrics_of(network, examples[held])
    kinds, counts = (each.tolist() for each in np.unique(ours.kind, return_counts=True))
    trained = {
        "options": {
            **options,
            "hidden": HIDDEN,
            "passes": PASSES,
            "batch": BATCH,
            "rate": RATE,
            "decay": DECAY,
        },
        "examples": len(ours),
        "kinds": dict(zip(kinds, counts, strict=True)),
        "metrics": metrics,
        "unet": unet.shipped().digest,
    }
    write(folder, described(network.kinds, trained), arrays_of(network))
    return metrics


def arrays_of(network: KindNetwork) -> dict[str, NDArray[np.float32]]:
    """What a network consists of, as it is kept."""
    found = {CENTRE: network.centre, SPREAD: network.scale}
    for pair, layer in zip(LAYERS, network.layers, strict=True):
        found |= dict(zip(pair, layer, strict=True))
    return {name: _single(each) for name, each in found.items()}


def _single(array: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(array, dtype=np.float32)


def main() -> int:
    """Train, and print what it is worth."""
    parser = argparse.ArgumentParser(prog="pipeline.training.kinds", description="Teach a network kinds.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fields", type=int, default=400)
    asked = parser.parse_args()
    if asked.folder.exists():
        parser.error(f"{asked.folder} exists already")
    try:
        examples = taught_by(asked.seed, asked.fields, _tell)
        metrics = train(asked.folder, examples, {"seed": asked.seed, "fields": asked.fields})
    except AstridError as error:
        parser.error(str(error))
    for name, value in metrics.items():
        sys.stdout.write(f"{name:20s} {value:.3f}\n")
    return 0


def _tell(fields: int, examples: int) -> None:
    sys.stderr.write(f"\r{fields} fields, {examples} examples")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
