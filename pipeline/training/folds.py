"""Folds of examples: what judges in one is learnt of in all others, and tells nothing of them.

Rows that share an object, a night, a field or their pixels, turned or mirrored, are in one fold. Examples of
so few nights and fields that too little were left to learn of are dealt by object and pixels alone, which is
told: such a fold is judged by a network that knows the night. Nor is it claimed that nights are apart where
some row does not say which night and field it is of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.training.checkpoint import TrainingError
from pipeline.training.examples import REAL, Examples
from pipeline.training.splits import PLANES, SHARED, content, named, together

MOST_HELD = 2 / 3  # of the objects of a label in one fold: what learns for it knows a third of them at least


@dataclass(frozen=True, slots=True)
class Folds:
    """How examples were dealt.

    Attributes
    ----------
    of : (n,) int
        The fold of each example, from 0.
    unit : (n,) int
        What is dealt together, as it tells of each other.
    count : int
    are_nights_apart : bool
        Whether it is known that no night and no field is in two folds; of objects none is in any case.
    """

    of: NDArray[np.intp]
    unit: NDArray[np.intp]
    count: int
    are_nights_apart: bool


def deal(examples: Examples, most: int, seed: int) -> Folds:
    """Deal examples of known label into folds.

    Parameters
    ----------
    examples : Examples
    most : int
        Folds; there are fewer where fewer belong together.
    seed : int

    Raises
    ------
    TrainingError
        Most of a label are the same pixels.
    """
    columns = named({name: getattr(examples, name) for name in SHARED})
    columns["pixels"] = np.array(content({name: getattr(examples, name) for name in PLANES}))
    names, first, group = np.unique(columns["group"], return_index=True, return_inverse=True)
    real = np.isin(names, columns["group"][examples.label == REAL])
    for shared in ((*SHARED, "pixels"), ("group", "pixels")):
        unit = together(columns, shared)[first]
        dealt, held = _dealt(unit, real, most, seed)
        if held <= MOST_HELD:
            break
    else:
        raise TrainingError(
            "most of the real or of the bogus examples have the same pixels, as they are, turned or "
            "mirrored: too few are left to learn of"
        )
    _, fold = np.unique(dealt, return_inverse=True)  # one may have got nothing
    are_told = bool(np.all((examples.night != "") & (examples.field != "")))
    return Folds(fold[group], unit[group], int(fold.max()) + 1, are_told and "night" in shared)


def _dealt(
    unit: NDArray[np.intp], real: NDArray[np.bool_], most: int, seed: int
) -> tuple[NDArray[np.intp], float]:
    """The fold of each object, the largest units first, and the largest share of a label that one holds.

    Each unit comes to the fold that has least of what it holds.
    """
    _, unit = np.unique(unit, return_inverse=True)
    share = np.stack([np.bincount(unit, kind) / kind.sum() for kind in (real, ~real)], axis=1)
    order = np.random.default_rng(seed).permutation(len(share))
    held = np.zeros((most, 2))
    fold = np.zeros(len(share), dtype=np.intp)
    for at in order[np.argsort(-share[order].max(axis=1), kind="stable")].tolist():
        fold[at] = np.argmin(held @ share[at])
        held[fold[at]] += share[at]
    return fold[unit], float(held.max())
