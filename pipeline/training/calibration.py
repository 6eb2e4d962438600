"""What a model's logits are worth on examples it never saw, and what makes probabilities of them.

Probabilities are stated at even odds, as if half of all candidates were real: then the log-odds are what the
candidate itself tells, whatever share of real a model was calibrated on. Where another share is real, its own
log-odds are to be added.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from core.errors import AstridError
from pipeline.classify.model_file import Calibration

Array = NDArray[np.float64]
Labels = NDArray[np.integer]

HELD_OUT = 5  # one field in so many
EVEN_ODDS = 0.5
RIDGE = 1e-4  # keeps the slope finite where a model makes no mistake


def is_held_out(fields: NDArray[np.str_], share: int = HELD_OUT, part: int = 0) -> NDArray[np.bool_]:
    """Which rows belong to fields that are held out: by the field's name alone, one in `share`.

    Each `part` below `share` holds out other fields.
    """
    import zlib

    names, inverse = np.unique(fields, return_inverse=True)
    chosen = np.array([zlib.crc32(str(name).encode()) % share == part for name in names], dtype=bool)
    held: NDArray[np.bool_] = chosen[inverse]
    return held


def fnr_at_fpr(logits: Array, labels: Labels, fpr: float) -> float:
    """The share of the real that is missed where so large a share of the bogus is let through."""
    real, bogus = logits[labels == 1], np.sort(logits[labels == 0])[::-1]
    let_through = int(fpr * len(bogus))
    return float(np.mean(real <= bogus[min(let_through, len(bogus) - 1)]))


def platt(logits: Array, labels: Labels) -> Calibration:
    """The slope and offset that make probabilities of logits (Platt 1999): the likeliest at even odds.

    Parameters
    ----------
    logits : (n,) float64
        Of examples that the model was not trained on.
    labels : (n,) int
        1 real, 0 bogus.

    Raises
    ------
    AstridError
        There are not both kinds.
    """
    real = labels == 1
    if not 0 < np.count_nonzero(real) < len(labels):
        raise AstridError("real and bogus examples are both needed to calibrate a model")

    weight = even_odds(labels)

    def cost(given: Array) -> tuple[float, Array]:
        slope, offset = np.exp(given[0]), given[1]
        z = slope * logits + offset
        loss = np.mean(weight * (np.logaddexp(0.0, z) - real * z))
        error = weight * (1.0 / (1.0 + np.exp(-np.clip(z, -500, 500))) - real)
        gradient = np.array([np.mean(error * logits) * slope + 2 * RIDGE * given[0], np.mean(error)])
        return float(loss + RIDGE * given[0] ** 2), gradient

    found = minimize(cost, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-6.0, 6.0), (-500.0, 500.0)]).x
    return Calibration(slope=float(np.exp(found[0])), offset=float(found[1]), prevalence=EVEN_ODDS)


def even_odds(labels: Labels) -> Array:
    """Weights, 1 on average, by which the real count as much as the bogus: (n,)."""
    share = np.mean(labels == 1)
    return np.asarray(np.where(labels == 1, EVEN_ODDS / share, EVEN_ODDS / (1.0 - share)))


def at_share(log_odds: Array, share: float) -> Array:
    """Log-odds that were stated at even odds, where so large a share is real."""
    return np.asarray(log_odds + np.log(share / (1.0 - share)))


def calibration_error(log_odds: Array, labels: Labels, bins: int = 15) -> float:
    """The mean distance of stated probability and true share over bins of equal count (ECE)."""
    order = np.argsort(log_odds)
    stated = 1.0 / (1.0 + np.exp(-np.clip(log_odds[order], -500, 500)))
    true = labels[order] == 1
    parts = np.array_split(np.arange(len(order)), bins)
    return float(sum(len(p) * abs(stated[p].mean() - true[p].mean()) for p in parts if len(p)) / len(order))
