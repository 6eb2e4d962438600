"""What of a scorecard is kept with a version of a model, for its card: few numbers, as JSON has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.examples import Examples
from pipeline.training.scorecard import Scorecard, scorecard

ROUNDS = 200  # of the bootstrap: a training waits for it
COLUMNS = (
    "label", "group", "field", "night", "kind", "snr", "snr_true", "host", "host_offset",
    "near_bright", "cut",
)  # fmt: skip
SIGNIFICANCE = "SNR"  # the strata that make the completeness


def of_held_out(
    name: str, log_odds: NDArray[np.float64], held: Examples, drawn_by: str = "field"
) -> dict[str, Any] | None:
    """The summary of calibrated log-odds over those held-out examples that are shown; none where they judge
    nothing.
    """
    log_odds, held = log_odds[held.is_shown], held[held.is_shown]
    if len(np.unique(held.label)) != 2:
        return None
    columns = {each: getattr(held, each) for each in COLUMNS}
    return summary(scorecard(name, columns, log_odds, drawn_by=drawn_by, rounds=ROUNDS))


def summary(card: Scorecard) -> dict[str, Any]:
    """What is missed in each stratum where 1 % of the bogus is kept, calibration, and completeness.

    Returns
    -------
    dict
        ``strata``: of each ``name, n, value, low, high``, the value none where there are too few;
        ``reliability``: what was ``predicted`` and ``observed``, by bins; ``completeness``: ``found`` by
        ``snr``, the lower ends of the bins.
    """
    seen = [each for each in card.strata if each.missed.n]
    strata = [
        {
            "name": f"{each.of} {each.name}",
            "n": each.missed.n,
            "value": each.missed.value,
            "low": each.missed.low,
            "high": each.missed.high,
        }
        for each in seen
    ]
    found = [
        (float(each.name.split()[0]), 1.0 - each.missed.value)
        for each in seen
        if each.of == SIGNIFICANCE and each.missed.value is not None
    ]
    bins = card.calibration.bins if card.calibration else ()
    return {
        "examples": {"real": card.n_real, "bogus": card.n_bogus},
        "strata": strata,
        "reliability": {"predicted": [each.said for each in bins], "observed": [each.real for each in bins]},
        "completeness": {"snr": [snr for snr, _ in found], "found": [share for _, share in found]},
    }
