"""Along which axes of what a network sees real sources differ, and the bogus do not differ from them more.

A network sees above all how real something is. Along the axes of the largest spread, artefacts would be the
oddest of all. So axes are taken by the ratio of two spreads about the mean of the real, theirs over that of
the bogus: what is odd along these is odd among the real.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.model_file import Arrays
from pipeline.classify.outlier_inputs import AXES, CENTRE, SCALE, scaled_features, sound_sight

LEAST_SPREAD = 1e-3  # of a number of an embedding; one that never differs says nothing
RIDGE = 0.01  # added to the spread along every axis: none is known to be smaller


def axes_of(embedding: NDArray[np.floating], is_real: NDArray[np.bool_], most: int) -> Arrays:
    """The axes, those of the largest ratio first; along each the real have a spread of about 1.

    Where nothing is bogus they are the principal components.

    Parameters
    ----------
    embedding : (n, E) float
    is_real : (n,) bool
        Some are.
    most : int
        How many axes are kept.
    """
    from scipy.linalg import eigh

    real = embedding[is_real].astype(np.float64)
    centre, scale = real.mean(axis=0), np.maximum(real.std(axis=0), LEAST_SPREAD)
    scaled = scaled_features(embedding, centre, scale)
    about = scaled - scaled[is_real].mean(axis=0)
    ours, theirs = (_spread(about[which]) for which in (is_real, ~is_real))
    vectors = eigh(ours, theirs)[1].T[::-1][:most]
    size = np.sqrt(np.einsum("ki,ij,kj->k", vectors, ours, vectors))
    arrays = {CENTRE: centre, SCALE: scale, AXES: vectors / size[:, None]}
    sound_sight("what the network sees", arrays)
    return arrays


def _spread(about: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = about.T @ about / max(len(about), 1) + RIDGE * np.eye(about.shape[1])
    return found
