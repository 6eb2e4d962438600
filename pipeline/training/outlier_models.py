"""From examples to outlier detectors in their folders, and what they are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.models.names import ODD_BY
from pipeline.classify import cutout_features, outliers, trees
from pipeline.classify.model_file import Description, write
from pipeline.training import outliers_train
from pipeline.training.candidate_models import Trained, split
from pipeline.training.examples import Examples
from pipeline.training.outliers_train import OutlierOptions
from pipeline.training.remembered import seen

_ARCHITECTURES = {"isolation_forest": outliers.FOREST, "one_class_svm": outliers.MACHINE}


def train_outliers(kind: str, examples: Examples, options: OutlierOptions, folder: Path) -> Trained:
    """Fit one detector on the real among some examples, and write it.

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
    usual = ours[ours.label == 1].features
    if kind == "isolation_forest":
        arrays = outliers_train.forest(usual, options)
        forest = trees.sound(kind, arrays, usual.shape[1])
        odd = outliers.forest_oddness(forest, held.features)
    else:
        arrays = outliers_train.machine(usual, options)
        odd = outliers.machine_oddness(arrays, held.features)
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
        inputs="features",
        features=list(cutout_features.NAMES),
        trained={
            "options": options.record(),
            "examples": len(usual),
            "examples_sha256": examples.digest,
            "metrics": metrics,
            "fitted_on": "real examples alone: what is said is a rank among them",
        },
    )
    return Trained(folder, write(folder, description, {**arrays, **seen(examples)}), metrics)


def _bogus_share(odd: NDArray[np.float64], label: NDArray[np.integer]) -> float:
    top = np.argsort(-odd)[: max(1, len(odd) // 10)]
    return float(np.mean(label[top] == 0))
