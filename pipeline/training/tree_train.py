"""The training of the boosted trees: scikit-learn grows them, and what is kept are plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import AstridError
from pipeline.classify.model_file import Arrays
from pipeline.classify.trees import LEAF
from pipeline.training.examples import Examples
from pipeline.training.feature_bins import Bins

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """How the trees are grown.

    Attributes
    ----------
    trees : int
    leaves : int
        Of one tree, at most.
    rate : float
        The share of its correction that a tree adds.
    least_in_leaf : int
        Examples.
    seed : int
    """

    trees: int = 400
    leaves: int = 31
    rate: float = 0.06
    least_in_leaf: int = 20
    seed: int = 1


def train(examples: Examples, options: TreeOptions) -> tuple[Arrays, Bins, HistGradientBoostingClassifier]:
    """Grow trees on the features of examples.

    Returns
    -------
    arrays : mapping of str to array
        As `pipeline.classify.trees.sound` takes them.
    Bins, HistGradientBoostingClassifier
        What they were taken from: trees that ask for the bins of features.

    Raises
    ------
    AstridError
        There are not both real and bogus examples.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    known = examples[examples.label >= 0]
    if len(np.unique(known.label)) != 2:
        raise AstridError("real and bogus examples are both needed to grow trees")
    features = known.features
    bins = Bins.of(features)
    grown = HistGradientBoostingClassifier(
        max_iter=options.trees,
        learning_rate=options.rate,
        max_leaf_nodes=options.leaves,
        min_samples_leaf=options.least_in_leaf,
        l2_regularization=1.0,
        early_stopping=False,
        class_weight="balanced",
        random_state=options.seed,
    ).fit(bins.numbers(features), known.label)
    return arrays_of(grown, bins), bins, grown


def arrays_of(grown: HistGradientBoostingClassifier, bins: Bins) -> Arrays:
    """The nodes of grown trees as plain arrays; categories are never asked for here."""
    nodes: list[Any] = [tree.nodes for (tree,) in grown._predictors]
    every = np.concatenate(nodes)
    leaf = every["is_leaf"].astype(bool)
    threshold = bins.threshold(every["feature_idx"], every["num_threshold"])
    return {
        "start": np.concatenate([[0], np.cumsum([len(each) for each in nodes])]).astype(np.int64),
        "feature": np.where(leaf, LEAF, every["feature_idx"]).astype(np.int16),
        "threshold": np.where(leaf, 0.0, np.clip(threshold, -1e300, 1e300)),
        "left": np.where(leaf, 0, every["left"]).astype(np.int32),
        "right": np.where(leaf, 0, every["right"]).astype(np.int32),
        "missing_left": every["missing_go_to_left"].astype(np.uint8),
        "value": np.where(leaf, every["value"], 0.0).astype(np.float64),
        "baseline": np.asarray(grown._baseline_prediction, dtype=np.float64).reshape(1),
    }
