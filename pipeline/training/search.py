"""The search for more of a rare kind: a forest on the labels so far, with a little of how odd each is.

Unlabelled detectors of outliers do not find what a person looks for; a forest that learns from each answer
does, and a few examples are enough to begin with (compare Lochner & Bassett 2021, whose regression it is
in the plainest form).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.classify import Classifier
from pipeline.classify.networks import CandidateNetwork
from pipeline.classify.scorers import Inputs

if TYPE_CHECKING:
    from pipeline.classify.triplets import Triplets

Array = NDArray[np.float64]

TREES = 100
ODDNESS_SHARE = 0.05  # of the order: decides where the forest has nothing to say
UNKNOWN, OTHER, WANTED = -1, 0, 1


def compared_by(triplets: Triplets, classifier: Classifier) -> Array:
    """Numbers by which candidates are told apart, (n, F), 0 where there is none.

    What is measured of their cutouts and, where the real-bogus network in use tells it, what that sees of
    them in its last layer but one: it knows shapes that nobody thought of measuring.
    """
    inputs = Inputs(triplets)
    found: list[NDArray[np.floating]] = [inputs.features]
    for each in classifier.scorers:
        if isinstance(each, CandidateNetwork) and (seen := each.embedding(inputs)) is not None:
            found.append(seen)
    return np.nan_to_num(np.hstack(found).astype(np.float64), nan=0.0)


def ranked(
    features: NDArray[np.floating], labels: NDArray[np.integer], oddness: Array, seed: int = 1
) -> tuple[NDArray[np.intp], Array]:
    """What to look at next, the likeliest first, without what has a label; and how like it is.

    Parameters
    ----------
    features : (n, F) float
    labels : (n,) int
        `WANTED`, `OTHER` or `UNKNOWN`.
    oddness : (n,) float64
        From 0 to 1: all there is to go by without an example.
    seed : int

    Returns
    -------
    left : (m,) intp
    likeness : (m,) float64
        The share of the forest's trees that take it for an example, with a little of its oddness: it
        orders, and is no probability.
    """
    from sklearn.ensemble import RandomForestClassifier

    known = labels != UNKNOWN
    score = ODDNESS_SHARE * np.asarray(oddness, dtype=np.float64)
    wanted = labels == WANTED
    if wanted.any():
        teach, says = features[known], wanted[known]
        if not (labels == OTHER).any():  # nothing is known to be something else: most of the rest is
            random = np.random.default_rng(seed)
            rest = np.flatnonzero(~known)
            some = random.choice(rest, min(len(rest), 20 * int(wanted.sum())), replace=False)
            teach = np.concatenate([teach, features[some]])
            says = np.concatenate([says, np.zeros(len(some), bool)])
        if says.any() and not says.all():
            grown = RandomForestClassifier(
                n_estimators=TREES, class_weight="balanced", min_samples_leaf=1, random_state=seed, n_jobs=1
            ).fit(teach, says)
            score = score + grown.predict_proba(features)[:, 1]
    found = np.argsort(-score, kind="stable")
    left: NDArray[np.intp] = found[~known[found]]
    return left, score[left]
