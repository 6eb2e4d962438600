"""Boosted trees as plain arrays, seen to be sound before they are walked.

The nodes of all trees lie one after the other; a node's children come after it, so that no walk can go
round in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.classify import cutout_features
from pipeline.classify.model_file import Arrays, ModelFile, ModelRefused
from pipeline.classify.scorers import Inputs, calibrated

Array = NDArray[np.float64]

ARCHITECTURE = "boosted_trees"
MOST_TREES = 5_000
MOST_NODES = 1_000_000
MOST_DEPTH = 64
ROWS = 256  # that are walked at a time
LEAF = -1  # the feature of a node that asks nothing
COLUMNS = ("start", "feature", "threshold", "left", "right", "missing_left", "value", "baseline")


@dataclass(frozen=True, slots=True)
class Trees:
    """The sum of many trees.

    Attributes
    ----------
    start : (T + 1,) int64
        Where the nodes of each tree begin, and where the last ends.
    feature : (N,) int64
        Which a node asks for; `LEAF` where it asks nothing.
    threshold : (N,) float64
        Up to which one goes left.
    left, right : (N,) int64
        The next nodes, counted over all trees; a leaf's are itself.
    missing_left : (N,) bool
        Whether one goes left without the feature.
    value : (N,) float64
        What a leaf adds.
    baseline : float
    depth : int
        Of the deepest.
    """

    start: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Array
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: Array
    baseline: float
    depth: int

    def sums(self, features: NDArray[np.floating]) -> Array:
        """The baseline and what every tree adds, (n,), for features (n, F); NaN is missing."""
        rows = np.ascontiguousarray(features, dtype=np.float64)
        found = np.empty(len(rows))
        asked = np.maximum(self.feature, 0)
        children = np.column_stack([self.left, self.right]).ravel()
        for first in range(0, len(rows), ROWS):
            part = rows[first : first + ROWS]
            values, incomplete = part.ravel(), bool(np.isnan(part).any())
            begins = np.arange(len(part))[:, None] * part.shape[1]
            node = np.broadcast_to(self.start[:-1], (len(part), len(self.start) - 1))
            for _ in range(self.depth):
                value = values.take(begins + asked.take(node))
                goes_right = value > self.threshold.take(node)
                if incomplete:
                    goes_right |= np.isnan(value) & ~self.missing_left.take(node)
                node = children.take(2 * node + goes_right)
            found[first : first + ROWS] = self.baseline + self.value.take(node).sum(axis=1)
        return found


class BoostedTrees:
    """Trees that were read, verified and made ready: see `pipeline.classify.scorers.Scorer`.

    Raises
    ------
    ModelRefused
        They are not sound, or ask for other features than are measured here.
    """

    def __init__(self, model: ModelFile) -> None:
        said = model.description
        self.name: str = said.kind
        self.digest = model.digest
        self._calibration = said.calibration
        if said.inputs != "features" or tuple(said.features) != cutout_features.NAMES:
            raise ModelRefused(f"{self.name}: it takes other features than are measured here")
        self._trees = sound(self.name, model.arrays, len(said.features))

    def logits(self, inputs: Inputs) -> Array:
        """Calibrated log-odds, (n,)."""
        return calibrated(self._trees.sums(inputs.features), self._calibration)


def sound(name: str, arrays: Arrays, n_features: int) -> Trees:
    """Trees of a model's arrays.

    Parameters
    ----------
    name : str
        For messages.
    arrays : mapping of str to array
        `COLUMNS`, children counted within their own tree.
    n_features : int

    Raises
    ------
    ModelRefused
        An array is absent or of another shape; a node asks for a feature that is none, or has a child
        that lies before it or outside its tree; they are too many or too deep.
    """
    lacking = [column for column in COLUMNS if column not in arrays]
    if lacking:
        raise ModelRefused(f"{name}: the trees lack {', '.join(lacking)}")
    for column in ("start", "feature", "left", "right"):
        if arrays[column].dtype.kind not in "iu":
            raise ModelRefused(f"{name}: the array {column} holds no whole numbers")
    start = arrays["start"].astype(np.int64)
    nodes = len(arrays["feature"]) if arrays["feature"].ndim == 1 else 0
    if start.ndim != 1 or not 2 <= len(start) <= MOST_TREES + 1 or not 1 <= nodes <= MOST_NODES:
        raise ModelRefused(f"{name}: there are no trees, or too many")
    for column in ("threshold", "left", "right", "missing_left", "value"):
        if arrays[column].shape != (nodes,):
            raise ModelRefused(f"{name}: the array {column} has another shape than the nodes")
    if start[0] != 0 or start[-1] != nodes or np.any(start[1:] <= start[:-1]) or arrays["baseline"].size != 1:
        raise ModelRefused(f"{name}: the trees do not lie one after the other")
    feature = arrays["feature"].astype(np.int64)
    if np.any((feature < LEAF) | (feature >= n_features)):
        raise ModelRefused(f"{name}: a node asks for a feature that there is not")
    place = np.arange(nodes)
    tree = np.searchsorted(start, place, side="right") - 1
    leaf = feature == LEAF
    children = []
    for side in ("left", "right"):
        child = np.where(leaf, place, arrays[side].astype(np.int64) + start[tree])
        if np.any(~leaf & ((child <= place) | (child >= start[tree + 1]))):
            raise ModelRefused(f"{name}: a node's {side} child lies before it or outside its tree")
        children.append(child)
    return Trees(
        start=start,
        feature=feature,
        threshold=arrays["threshold"].astype(np.float64),
        left=children[0],
        right=children[1],
        missing_left=arrays["missing_left"].astype(bool),
        value=np.where(leaf, arrays["value"], 0.0).astype(np.float64),
        baseline=float(arrays["baseline"].ravel()[0]),
        depth=_depth(name, start, leaf, children),
    )


def _depth(
    name: str, start: NDArray[np.int64], leaf: NDArray[np.bool_], children: list[NDArray[np.int64]]
) -> int:
    """How many steps lead from the roots to the farthest leaf."""
    here = start[:-1]
    for depth in range(MOST_DEPTH + 1):
        here = here[~leaf[here]]
        if len(here) == 0:
            return depth
        here = np.unique(np.concatenate([child[here] for child in children]))
    raise ModelRefused(f"{name}: a tree is deeper than {MOST_DEPTH}")
