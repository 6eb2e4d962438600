"""How unlike all others a candidate is: an isolation forest and a one-class support vector machine.

Neither tells real from bogus, and neither is asked to: what they say is a rank among the sources that they
were fitted on, an axis of its own beside how real a candidate is. Both are kept as plain arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.classify import cutout_features, trees
from pipeline.classify.model_file import Arrays, ModelFile, ModelRefused
from pipeline.classify.outlier_inputs import LEAST_SCALE, Sight, scaled_features, sight_of, table_of
from pipeline.classify.scorers import Inputs

Array = NDArray[np.float64]

FOREST, MACHINE = "isolation_trees", "rbf_vectors"
MOST_VECTORS = 20_000
QUANTILES = 1001
DIGITS = 4
LEAST_RANK = 0.5 / QUANTILES
ROWS = 512


class IsolationForest:
    """Liu, Ting & Zhou (2008): what few random cuts set apart from all others is odd.

    A leaf holds the length of the path to it, with what its examples would add were they set apart too
    (their equation 1); the shorter the mean path, the odder.
    """

    name = "isolation_forest"

    def __init__(self, model: ModelFile) -> None:
        _check_features(model)
        self.digest = model.digest
        self._sight = sight_of(model)
        self._trees = trees.sound(self.name, model.arrays, _columns(self._sight))
        self._quantiles = _quantiles(model)

    def logits(self, inputs: Inputs) -> Array:
        """Log-odds of the rank: 0 is as odd as the median."""
        odd = forest_oddness(self._trees, table_of(self.name, inputs, self._sight))
        return log_odds(rank(odd, self._quantiles))


class OneClassMachine:
    """Schoelkopf et al. (2001), with a radial kernel on scaled features: how far outside of what is usual."""

    name = "one_class_svm"

    def __init__(self, model: ModelFile) -> None:
        _check_features(model)
        self.digest = model.digest
        self._sight = sight_of(model)
        self._arrays = sound_machine(self.name, model.arrays, _columns(self._sight))
        self._quantiles = _quantiles(model)

    def logits(self, inputs: Inputs) -> Array:
        """Log-odds of the rank: 0 is as odd as the median."""
        odd = machine_oddness(self._arrays, table_of(self.name, inputs, self._sight))
        return log_odds(rank(odd, self._quantiles))


def forest_oddness(forest: trees.Trees, features: NDArray[np.floating]) -> Array:
    """The mean path through a forest, negative: higher is odder."""
    found: Array = -forest.sums(features) / (len(forest.start) - 1)
    return found


def machine_oddness(arrays: Arrays, features: NDArray[np.floating]) -> Array:
    """``offset - sum coefficient * exp(-gamma |x - v|^2)``, above 0 outside of what is usual."""
    scaled = scaled_features(features, arrays["centre"], arrays["scale"])
    vectors, gamma = arrays["vectors"].astype(np.float64), float(arrays["gamma"][0])
    squares = np.square(vectors).sum(axis=1)
    found = np.empty(len(scaled))
    for first in range(0, len(scaled), ROWS):
        part = scaled[first : first + ROWS]
        distance = np.square(part).sum(axis=1)[:, None] + squares - 2.0 * (part @ vectors.T)
        kernel = np.exp(-gamma * np.maximum(distance, 0.0))
        found[first : first + ROWS] = float(arrays["offset"][0]) - kernel @ arrays["coefficients"]
    return found


def rank(oddness: Array, quantiles: Array) -> Array:
    """The share of the fitted sources that are less odd, from 0 to 1 and never quite either.

    To as many digits as the quantiles tell, so that it does not hang on how sums were rounded.
    """
    place = np.round(np.interp(oddness, quantiles, np.linspace(0.0, 1.0, len(quantiles))), DIGITS)
    found: Array = np.clip(place, LEAST_RANK, 1.0 - LEAST_RANK)
    return found


def log_odds(share: Array) -> Array:
    """Of a share, its log-odds."""
    found: Array = np.log(share / (1.0 - share))
    return found


def sound_machine(name: str, arrays: Arrays, n_features: int) -> Arrays:
    """The arrays of a machine, seen to fit together.

    Raises
    ------
    ModelRefused
    """
    try:
        count = len(arrays["vectors"])
        shapes = {
            "vectors": (count, n_features),
            "coefficients": (count,),
            "centre": (n_features,),
            "scale": (n_features,),
            "gamma": (1,),
            "offset": (1,),
        }
        wrong = [key for key, shape in shapes.items() if arrays[key].shape != shape]
    except (KeyError, TypeError) as error:
        raise ModelRefused(f"{name}: its vectors are incomplete: {error}") from None
    if wrong or not 0 < count <= MOST_VECTORS:
        raise ModelRefused(f"{name}: its {wrong[0] if wrong else 'vectors'} are of the wrong shape")
    if (arrays["scale"] < LEAST_SCALE).any() or arrays["gamma"][0] <= 0:
        raise ModelRefused(f"{name}: its scales are not above 0")
    return arrays


def _columns(sight: Sight | None) -> int:
    return len(cutout_features.NAMES) + (0 if sight is None else len(sight.axes))


def _quantiles(model: ModelFile) -> Array:
    found = np.asarray(model.arrays.get("quantiles", np.empty(0)), dtype=np.float64)
    if found.ndim != 1 or len(found) < 2 or (np.diff(found) < 0).any():
        raise ModelRefused(f"{model.description.kind}: its quantiles do not rise")
    return found


def _check_features(model: ModelFile) -> None:
    if tuple(model.description.features) != cutout_features.NAMES:
        raise ModelRefused(f"{model.description.kind}: it was fitted on other features than are measured")
