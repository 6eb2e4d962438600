"""From examples to outlier detectors in their folders, and what they are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.models.names import EMBEDDING_OF, ODD_BY
from pipeline.classify import cutout_features, outlier_inputs, outliers, trees
from pipeline.classify.model_file import Arrays, Description, write
from pipeline.classify.scorers import Inputs
from pipeline.training import outlier_axes, outliers_train
from pipeline.training.candidate_models import Trained, split
from pipeline.training.examples import AT_ONCE, LABELLED, REAL, Examples
from pipeline.training.outlier_scorecard import of_held_out
from pipeline.training.outliers_train import OutlierOptions
from pipeline.training.remembered import seen

_ARCHITECTURES = {"isolation_forest": outliers.FOREST, "one_class_svm": outliers.MACHINE}


def train_outliers(kind: str, examples: Examples, options: OutlierOptions, folder: Path) -> Trained:
    """Fit one detector on the real among some examples, and write it.

    It knows what is measured of cutouts and what the network that came with AstrID sees of them, this along
    axes of `pipeline.training.outlier_axes`, to which the bogus are needed too.

    Its metric is the share of bogus among the oddest tenth of what is shown of the held-out, beside the share
    of the real in all of that (``prevalence``): it says how much an unlimited search for the odd would be one
    for artefacts.

    Parameters
    ----------
    kind : {"isolation_forest", "one_class_svm"}
    examples : Examples
    options : OutlierOptions
    folder : Path
        It must not exist.

    Raises
    ------
    AstridError
        There are too few real ones.
    """
    if kind not in ODD_BY:
        raise AstridError(f"{kind} is no outlier detector; there are {', '.join(ODD_BY)}")
    ours, held = split(examples)
    real = ours.label == REAL
    axes = outlier_axes.axes_of(_seen(ours), real, options.axes) if options.axes and real.any() else {}
    usual, others = (_table(some, axes) for some in (ours[real], held))
    if kind == "isolation_forest":
        arrays = outliers_train.forest(usual, options)
        odd = outliers.forest_oddness(trees.sound(kind, arrays, usual.shape[1]), others)
    else:
        arrays = outliers_train.machine(usual, options)
        odd = outliers.machine_oddness(arrays, others)
    metrics = {}
    if held.is_shown.any():
        label = held.label[held.is_shown]
        metrics = {
            "bogus_among_the_oddest": _bogus_share(odd[held.is_shown], label),
            "prevalence": float(label.mean()),
        }
    description = Description(
        kind=kind,
        architecture=_ARCHITECTURES[kind],
        config={EMBEDDING_OF: outlier_inputs.network_digest()} if axes else {},
        inputs="features",
        features=list(cutout_features.NAMES),
        trained={
            "options": options.record(),
            "examples": len(usual),
            "labelled": int(np.count_nonzero(ours.source[real] == LABELLED)),
            "examples_sha256": examples.digest,
            "metrics": metrics,
            "fitted_on": "real examples alone: what is said is a rank among them",
        },
    )
    digest = write(folder, description, {**arrays, **axes, **seen(examples)})
    return Trained(folder, digest, metrics, scorecard=of_held_out(odd, held))


def _table(examples: Examples, axes: Arrays) -> NDArray[np.float32]:
    """What a detector takes of some examples."""
    if not axes:
        return examples.features
    along = outlier_inputs.sound_sight("axes", axes).along(_seen(examples))
    return np.hstack([examples.features, along])


def _seen(examples: Examples) -> NDArray[np.float32]:
    """What the network that came with AstrID sees of some examples, at least one."""
    parts = [examples[slice(first, first + AT_ONCE)] for first in range(0, len(examples), AT_ONCE)]
    return np.concatenate([outlier_inputs.embedding_of(Inputs(part.triplets)) for part in parts])


def _bogus_share(odd: NDArray[np.float64], label: NDArray[np.integer]) -> float:
    top = np.argsort(-odd)[: max(1, len(odd) // 10)]
    return float(np.mean(label[top] == 0))
