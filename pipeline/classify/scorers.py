"""What every model that scores candidates has in common, and the closed table of those that can be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.model_file import Calibration, ModelFile, ModelRefused, read
from pipeline.classify.triplets import Triplets

Array = NDArray[np.float64]

BATCH = 256  # candidates that are scored at a time


@dataclass
class Inputs:
    """What models score n candidates by.

    Attributes
    ----------
    triplets : Triplets
    snr : (n,) float64, optional
        Signed.
    log_odds : dict of str to (n,) float64
        Calibrated, of the models that scored them before, by name; NaN where one gave none.
    embeddings : dict of str to (n, E) float32
        What networks saw of them in passing, by their digests.
    """

    triplets: Triplets
    snr: Array | None = None
    log_odds: dict[str, Array] = field(default_factory=dict)
    embeddings: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.triplets)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(n, F), in the order of `pipeline.classify.cutout_features.NAMES`; measured once."""
        from pipeline.classify import cutout_features

        return cutout_features.measure(self.triplets)


class Scorer(Protocol):
    """A model that says of each candidate how likely it is real."""

    @property
    def name(self) -> str:
        """Under which its scores are kept."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its description, in hexadecimal, and so of all its files."""
        ...

    def logits(self, inputs: Inputs) -> Array:
        """Calibrated log-odds, (n,) float64."""
        ...


def load(source: Path | ModelFile, digest: str | None = None, threads: int = 1) -> Scorer:
    """Make a model ready.

    Parameters
    ----------
    source : Path or ModelFile
        A model's folder, or what was read from it.
    digest : str, optional
        The one it must have.
    threads : int
        Of a network.

    Raises
    ------
    ModelRefused
        Its files are not what they should be, or of no architecture that is known here.
    """
    model = read(source, digest) if isinstance(source, Path) else source
    said = model.description
    make = MAKERS.get((said.kind, said.architecture))
    if make is None:
        raise ModelRefused(f"{said.kind}: the architecture {said.architecture!r} is not known")
    return make(model, threads)


def probabilities(log_odds: Array) -> Array:
    """Probabilities of log-odds, without overflow."""
    from scipy.special import expit

    found: Array = expit(log_odds)
    return found


def calibrated(raw: NDArray[np.floating], calibration: Calibration) -> Array:
    """Calibrated log-odds of a model's own."""
    return calibration.slope * raw.astype(np.float64) + calibration.offset


def _tree(model: ModelFile, threads: int) -> Scorer:  # noqa: ARG001 trees use one
    from pipeline.classify.trees import BoostedTrees

    return BoostedTrees(model)


def _network(model: ModelFile, threads: int) -> Scorer:
    from pipeline.classify.networks import CandidateNetwork

    return CandidateNetwork(model, threads)


def _forest(model: ModelFile, threads: int) -> Scorer:  # noqa: ARG001 it uses one
    from pipeline.classify.outliers import IsolationForest

    return IsolationForest(model)


def _machine(model: ModelFile, threads: int) -> Scorer:  # noqa: ARG001 it uses one
    from pipeline.classify.outliers import OneClassMachine

    return OneClassMachine(model)


def _ensemble(model: ModelFile, threads: int) -> Scorer:  # noqa: ARG001 it uses one
    from pipeline.classify.ensemble import Ensemble

    return Ensemble(model)


MAKERS: dict[tuple[str, str], Callable[[ModelFile, int], Scorer]] = {
    ("tree", "boosted_trees"): _tree,
    ("realbogus", "cutout_cnn"): _network,
    ("realbogus", "imported"): _network,
    ("isolation_forest", "isolation_trees"): _forest,
    ("one_class_svm", "rbf_vectors"): _machine,
    ("ensemble", "logistic_stacking"): _ensemble,
    ("tree", "imported"): _network,
}
