"""The search for more of a rare kind: a Gaussian process on the answers so far.

Unlabelled detectors of outliers do not find what a person looks for; what learns from each answer does, and a
few examples are enough to begin with (Lochner & Bassett 2021, Astronomy and Computing 36, 100481). As in
Lochner & Rudnick (2025, AJ 169, 121) it is a Gaussian process along the principal axes of what networks see;
here of what is measured too. What comes first is looked at first: with a hundred answers to give there is
little to gain by looking elsewhere (Garnett et al. 2012, ICML, 843).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.classify import Classifier
from pipeline.classify.kinds import numbers_of, shipped
from pipeline.classify.networks import CandidateNetwork
from pipeline.classify.rings import rings
from pipeline.classify.scorers import Inputs

if TYPE_CHECKING:
    from pipeline.classify.triplets import Triplets

Array = NDArray[np.float64]
Table = NDArray[np.float32]

AXES = 64
TEACHING = 10_000  # candidates that tell scales and axes
CLIPPED = 6.0  # standard deviations beyond which a number says nothing more
NARROWNESS = 0.5  # of the kernel: two candidates that differ as any two do share exp(-2 * this)
NOISE = 0.3  # variance of an answer: the kind's edge is no line
TOLD = 2000  # examples that are learnt from, and others: half a second, 100 MB
REST, REST_WEIGHT = 300, 0.2  # unlabelled candidates that stand for all else, and what each counts
ROWS = 4096
LEAST = 1e-9
UNKNOWN, OTHER, WANTED = -1, 0, 1


def compared_by(triplets: Triplets, classifier: Classifier) -> tuple[Table, ...]:
    """Tables of numbers by which candidates are told apart, each (n, F), 0 where there is none.

    What is measured of their cutouts, the light in rings, how likely each is of each kind that a network was
    taught and, where the real-bogus network in use tells it, what that sees of them in its last layers but
    one and but two. The last but one sums up what tells real from bogus; the one before still knows shapes
    for which that made no difference.

    Of what is likely the root is taken: so distances are Hellinger's, and what is likelier than anything else
    differs from what is hardly so. By logarithms kinds count that neither is of.

    Raises
    ------
    ModelRefused
        The network that tells kinds is not what came with AstrID, or another fails.
    """
    inputs = Inputs(triplets)
    light = rings(triplets)
    likely = shipped().probabilities(numbers_of(inputs.features, light))
    found: list[Table] = [inputs.features, light, np.sqrt(likely)]
    for each in networks(classifier):
        found += each.last_layers(inputs)
    return tuple(np.nan_to_num(table.astype(np.float32), nan=0.0) for table in found)


def networks(classifier: Classifier) -> list[CandidateNetwork]:
    """Those in use that may tell what they see of a candidate."""
    return [each for each in classifier.scorers if isinstance(each, CandidateNetwork)]


def together(tables: Sequence[NDArray[np.floating]], seed: int = 1) -> Table:
    """Tables along the principal axes of all, each of which counts alike, however wide it is.

    Parameters
    ----------
    tables : sequence of (n, F) float
        What `compared_by` gives, of all candidates.
    seed : int

    Returns
    -------
    (n, k) float32
        Of a mean square of 1.
    """
    count = len(tables[0])
    some: slice | NDArray[np.intp] = slice(None)
    if count > TEACHING:
        some = np.random.default_rng(seed).choice(count, TEACHING, replace=False)
    scales = [_Scale.of(table[some]) for table in tables]
    taught = np.hstack([scale.applied(table[some]) for scale, table in zip(scales, tables, strict=True)])
    power, axes = np.linalg.eigh(taught.T @ taught)
    axes = axes[:, np.argsort(-power)[:AXES]]
    found = np.empty((count, axes.shape[1]), dtype=np.float32)
    for first in range(0, count, ROWS):  # all of a hundred thousand in all columns were half a gigabyte
        part = slice(first, first + ROWS)
        scaled = [scale.applied(table[part]) for scale, table in zip(scales, tables, strict=True)]
        found[part] = np.hstack(scaled) @ axes
    size = float(np.square(found).sum(dtype=np.float64)) / max(found.size, 1)
    found /= np.float32(np.sqrt(max(size, LEAST)))
    return found


@dataclass(frozen=True, slots=True)
class _Scale:
    """What brings each column of a table to a mean of 0, and the mean square of a whole row to 1."""

    mean: Array
    spread: Array  # infinite of a column that is the same for all
    size: float = 1.0

    @classmethod
    def of(cls, table: NDArray[np.floating]) -> _Scale:
        spread = table.std(axis=0, dtype=np.float64)
        spread[spread <= LEAST] = np.inf
        plain = cls(table.mean(axis=0, dtype=np.float64), spread)
        size = float(np.square(plain.applied(table)).sum(dtype=np.float64)) / max(len(table), 1)
        return replace(plain, size=float(np.sqrt(max(size, LEAST))))

    def applied(self, table: NDArray[np.floating]) -> Table:
        """To some rows."""
        scaled = np.clip((table - self.mean) / self.spread, -CLIPPED, CLIPPED) / self.size
        return scaled.astype(np.float32)


def ranked(
    table: NDArray[np.floating], labels: NDArray[np.integer], oddness: Array, seed: int = 1
) -> tuple[NDArray[np.intp], Array]:
    """What to look at next, the likeliest first, without what has a label; and how like it is.

    Parameters
    ----------
    table : (n, k) float
        What `together` gives.
    labels : (n,) int
        `WANTED`, `OTHER` or `UNKNOWN`.
    oddness : (n,) float64
        From 0 to 1: all there is to go by without an example.
    seed : int

    Returns
    -------
    left : (m,) intp
    likeness : (m,) float64
        About 1 for what is as the examples are, 0 for what is like nothing that was answered: it orders,
        and is no probability. 0 for all without an example.
    """
    known = labels != UNKNOWN
    wanted = labels == WANTED
    likeness, order = np.zeros(len(labels)), np.asarray(oddness, dtype=np.float64)
    if wanted.any():
        likeness = order = _likeness(table.astype(np.float32, copy=False), known, wanted, seed)
    found = np.argsort(-order, kind="stable")
    left: NDArray[np.intp] = found[~known[found]]
    return left, likeness[left]


def _likeness(table: Table, known: NDArray[np.bool_], wanted: NDArray[np.bool_], seed: int) -> Array:
    """The mean of a Gaussian process (Rasmussen & Williams 2006, eq. 2.25) that is 1 at examples, else 0.

    Some of what has no answer counts a little as something else, which nearly all of it is (compare Elkan &
    Noto 2008, KDD, 213): the few answers all lie where examples do, and say nothing of the rest.
    """
    told, rest = np.flatnonzero(known), np.flatnonzero(~known)
    random = np.random.default_rng(seed + len(told))
    told = np.concatenate([_some(told[wanted[told]], random), _some(told[~wanted[told]], random)])
    some = random.choice(rest, min(len(rest), REST), replace=False)
    taught = np.concatenate([told, some])
    weight = np.concatenate([np.ones(len(told)), np.full(len(some), REST_WEIGHT)])
    among = _kernel(table[taught], table[taught]).astype(np.float64)
    share = np.linalg.solve(among + NOISE * np.diag(1.0 / weight), wanted[taught].astype(np.float64))
    found = np.empty(len(table))
    for first in range(0, len(table), ROWS):
        part = table[first : first + ROWS]
        found[first : first + ROWS] = _kernel(part, table[taught]) @ share.astype(np.float32)
    return found


def _some(places: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
    """As many as can be learnt from at once, in their order: the memory grows by their square."""
    return places if len(places) <= TOLD else np.sort(random.choice(places, TOLD, replace=False))


def _kernel(left: Table, right: Table) -> Table:
    """How alike rows are, from 0 to 1."""
    square = (left * left).sum(axis=1)[:, None] + (right * right).sum(axis=1) - 2.0 * (left @ right.T)
    found: Table = np.exp(np.maximum(square, 0.0) * np.float32(-NARROWNESS / max(left.shape[1], 1)))
    return found
