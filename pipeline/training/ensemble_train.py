"""Weighing the members of the ensemble, on examples that none of them was trained on."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from core.errors import AstridError
from pipeline.classify.ensemble import SIGNIFICANCE
from pipeline.classify.model_file import Arrays
from pipeline.training.calibration import even_odds

Array = NDArray[np.float64]

RIDGE = 1e-3
LEAST_OF_A_KIND = 30


def weigh(
    table: Array,
    label: NDArray[np.integer],
    members: tuple[str, ...],
    objects: NDArray[np.str_] | None = None,
) -> Arrays:
    """Weights for every set of members that holds at least one model.

    What is labelled weighs as much as what is simulated, however many there are of either; but it weighs
    nothing in sets for which it is of fewer than `LEAST_OF_A_KIND` real or bogus objects.

    Parameters
    ----------
    table : (n, members) float64
        What the members say of the examples (`pipeline.classify.ensemble.member_table`); NaN where one
        did not speak: such rows count only for the sets without it.
    label : (n,) int
        1 real, 0 bogus.
    members : tuple of str
    objects : (n,) str, optional
        Of what is labelled, by name; empty of what is simulated.

    Raises
    ------
    AstridError
        There are too few of either kind.
    """
    present, weights, bias = [], [], []
    of_object = np.full(len(label), "") if objects is None else objects
    for chosen in product((True, False), repeat=len(members)):
        has_model = any(here for name, here in zip(members, chosen, strict=True) if name != SIGNIFICANCE)
        columns = np.array(chosen)
        rows = np.isfinite(table[:, columns]).all(axis=1) if has_model else np.zeros(len(table), bool)
        if not has_model or not _both_kinds(label[rows & (of_object == "")]):
            continue
        if not are_many(of_object[rows], label[rows]):
            rows &= of_object == ""
        weight = at_even_odds(label[rows], of_object[rows] != "")
        fitted = _logistic(table[rows][:, columns], label[rows], weight)
        full = np.zeros(len(members))
        full[columns] = fitted[1:]
        present.append(columns)
        weights.append(full)
        bias.append(fitted[0])
    if not present:
        raise AstridError(
            f"{LEAST_OF_A_KIND} real and as many bogus examples are needed to weigh models: "
            "give more --fields"
        )
    return {
        "present": np.array(present, dtype=np.uint8),
        "weights": np.array(weights),
        "bias": np.array(bias),
    }


def at_even_odds(label: NDArray[np.integer], is_labelled: NDArray[np.bool_]) -> Array:
    """Weights, 1 on average, by which the real count as much as the bogus, and of either those that are
    labelled as much as those that are simulated: (n,).
    """
    weight = even_odds(label)
    for kind in (0, 1):
        parts = [(label == kind) & which for which in (is_labelled, ~is_labelled)]
        counts = [int(np.count_nonzero(part)) for part in parts]
        if all(counts):
            for part, count in zip(parts, counts, strict=True):
                weight[part] *= sum(counts) / (2 * count)
    return weight


def _logistic(values: Array, label: NDArray[np.integer], weight: Array) -> Array:
    """A bias and weights that are not negative, by weighted maximum likelihood, with a small ridge."""
    real = (label == 1).astype(np.float64)

    def cost(given: Array) -> tuple[float, Array]:
        z = given[0] + values @ given[1:]
        loss = float(np.mean(weight * (np.logaddexp(0.0, z) - real * z))) + RIDGE * float(
            given[1:] @ given[1:]
        )
        error = weight * (1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0))) - real)
        slope = values.T @ error / len(values) + 2.0 * RIDGE * given[1:]
        return loss, np.concatenate([[error.mean()], slope])

    start = np.concatenate([[0.0], np.full(values.shape[1], 0.5)])
    bounds = [(None, None), *[(0.0, None)] * values.shape[1]]
    found: Array = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found


def _both_kinds(label: NDArray[np.integer]) -> bool:
    return bool(min(np.count_nonzero(label == 1), np.count_nonzero(label == 0)) >= LEAST_OF_A_KIND)


def are_many(objects: NDArray[np.str_], label: NDArray[np.integer]) -> bool:
    """Whether what is labelled is of enough objects of each kind to weigh by.

    Parameters
    ----------
    objects : (n,) str
        By name; empty of what is simulated.
    label : (n,) int
    """
    counts = [len(np.unique(objects[(objects != "") & (label == kind)])) for kind in (0, 1)]
    return min(counts) >= LEAST_OF_A_KIND
