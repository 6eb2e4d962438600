"""Fitting the outlier detectors: scikit-learn does it, what it found is taken out as plain arrays."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from pipeline.classify import outlier_inputs, outliers, trees
from pipeline.classify.model_file import Arrays

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

EULER = 0.5772156649015329
LEAST_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class OutlierOptions:
    """How the detectors are fitted.

    Attributes
    ----------
    trees, sample : int
        Of the forest: how many, each on so many examples.
    vectors_from : int
        Examples that the machine is fitted on, at most: its cost rises with their square.
    outside : float
        The share of them that it may leave outside.
    axes : int
        Of what the network that came with AstrID sees, at most; none: they know features alone.
    seed : int
    """

    trees: int = 100
    sample: int = 128
    vectors_from: int = 4000
    outside: float = 0.05
    axes: int = 16
    seed: int = 1

    def record(self) -> dict[str, Any]:
        """For a model's description."""
        return asdict(self)


def forest(features: NDArray[np.float32], options: OutlierOptions) -> Arrays:
    """The arrays of an isolation forest of the features of usual sources, (n, F).

    Raises
    ------
    AstridError
        There are too few to say what is usual.
    """
    from sklearn.ensemble import IsolationForest

    _enough(features)
    grown = IsolationForest(
        n_estimators=options.trees,
        max_samples=min(options.sample, len(features)),
        random_state=options.seed,
        n_jobs=1,
    ).fit(features)
    arrays = forest_arrays(grown)
    said = outliers.forest_oddness(trees.sound("isolation_forest", arrays, features.shape[1]), features)
    return {**arrays, "quantiles": _quantiles(said)}


def forest_arrays(grown: IsolationForest) -> Arrays:
    """The nodes of a grown forest as `pipeline.classify.trees` walks them, a leaf's value its path."""
    names = ("feature", "threshold", "left", "right", "missing_left", "value")
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    sizes = []
    for each, chosen in zip(grown.estimators_, grown.estimators_features_, strict=True):
        tree = each.tree_
        leaf = tree.children_left < 0
        sizes.append(tree.node_count)
        columns["feature"].append(np.where(leaf, trees.LEAF, chosen[np.maximum(tree.feature, 0)]))
        columns["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        columns["left"].append(np.where(leaf, 0, tree.children_left))
        columns["right"].append(np.where(leaf, 0, tree.children_right))
        columns["missing_left"].append(tree.missing_go_to_left)
        columns["value"].append(np.where(leaf, _depths(tree) + path_left(tree.n_node_samples), 0.0))
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    return {
        "start": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        "feature": table["feature"].astype(np.int16),
        "threshold": table["threshold"].astype(np.float64),
        "left": table["left"].astype(np.int32),
        "right": table["right"].astype(np.int32),
        "missing_left": table["missing_left"].astype(np.uint8),
        "value": table["value"].astype(np.float32),
        "baseline": np.zeros(1),
    }


def path_left(examples: NDArray[np.integer]) -> NDArray[np.float64]:
    """The mean path that would still set apart so many: ``2 H(n - 1) - 2 (n - 1) / n`` (equation 1)."""
    count = np.asarray(examples, dtype=np.float64)
    many = np.maximum(count, 3.0)
    found = 2.0 * (np.log(many - 1.0) + EULER) - 2.0 * (many - 1.0) / many
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, found))


def machine(features: NDArray[np.float32], options: OutlierOptions) -> Arrays:
    """The arrays of a one-class support vector machine of the features of usual sources, (n, F).

    Raises
    ------
    AstridError
        There are too few to say what is usual.
    """
    from sklearn.svm import OneClassSVM

    _enough(features)
    random = np.random.default_rng(options.seed)
    chosen = features
    if len(features) > options.vectors_from:
        chosen = features[random.choice(len(features), options.vectors_from, replace=False)]
    told = np.asarray(~np.isnan(features).all(axis=0))  # a feature that no example has says nothing
    seen = features[:, told]
    centre, low, high = np.zeros(len(told)), np.zeros(len(told)), np.zeros(len(told))
    centre[told] = np.nanmedian(seen, axis=0)
    low[told], high[told] = np.nanpercentile(seen, [25.0, 75.0], axis=0)
    scale = np.maximum((high - low) / 1.349, 1e-3 * np.maximum(np.abs(centre), 1.0))
    scaled = outlier_inputs.scaled_features(chosen, centre, scale)
    fitted = OneClassSVM(kernel="rbf", gamma="scale", nu=options.outside).fit(scaled)
    arrays: dict[str, NDArray[Any]] = {
        "vectors": fitted.support_vectors_.astype(np.float32),
        "coefficients": fitted.dual_coef_.ravel().astype(np.float64),
        "centre": centre,
        "scale": scale.astype(np.float64),
        "gamma": np.array([float(fitted._gamma)]),
        "offset": np.array([-float(fitted.intercept_[0])]),
    }
    return {**arrays, "quantiles": _quantiles(outliers.machine_oddness(arrays, features))}


def _depths(tree: Any) -> NDArray[np.float64]:
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come before their children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1.0
    return depth


def _quantiles(oddness: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.quantile(oddness, np.linspace(0.0, 1.0, outliers.QUANTILES))
    return np.maximum.accumulate(found)


def _enough(features: NDArray[np.float32]) -> None:
    if len(features) < LEAST_EXAMPLES:
        raise AstridError(
            f"{len(features)} real examples do not tell what is usual: {LEAST_EXAMPLES} are needed"
        )
