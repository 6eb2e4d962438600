"""What a detector of the odd is worth: which bogus it brings, and which of the real.

It is no real-bogus score, so nothing is missed at a rate of false positives. Told is what a person would meet
who looks at the oddest first, of what is shown of held-out fields; intervals are by bootstrap over fields.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training import resample
from pipeline.training.examples import BOGUS, REAL, Examples

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDS = 200
OF_ALL, OF_REAL = 0.10, 0.05  # the oddest of what is shown, and of the real alone


def of_held_out(odd: Array, held: Examples) -> dict[str, Any] | None:
    """The scorecard of oddness over those held-out examples that are shown; none where none is.

    Returns
    -------
    dict
        ``title`` and ``strata`` of how much of the oddest tenth is bogus, of each kind; ``tables`` with one
        of the share of each kind of real, and on each kind of host, that is among the oddest twentieth of
        the real: all alike would have .05. Rows are of ``name, n, value, low, high``.
    """
    odd, held = odd[held.is_shown], held[held.is_shown]
    if not len(held):
        return None
    bogus, real = held.label == BOGUS, held.label == REAL
    return {
        "title": f"Bogus among the oddest {OF_ALL:.0%} of what is shown: the share of each kind",
        "examples": {"real": int(real.sum()), "bogus": int(bogus.sum())},
        "strata": _of_the_oddest(odd, held, bogus),
        "tables": [
            {
                "title": f"Of each kind of real, the share among the oddest {OF_REAL:.0%} of the real",
                "rows": _among_the_oddest(odd[real], held[real]) if real.any() else [],
            }
        ],
    }


def _of_the_oddest(odd: Array, held: Examples, bogus: Flags) -> list[dict[str, Any]]:
    """How much of the oddest is of each kind of bogus."""
    order = np.argsort(-odd, kind="stable")
    kind, bogus, field = held.kind[order], bogus[order], held.field[order]
    weights = resample.draws(field, ROUNDS, 0)
    top = _oddest(np.ones(len(order)), OF_ALL)

    def share(member: Flags) -> resample.Measure:
        def measure(weight: Array) -> float:
            counted = weight * _oddest(weight, OF_ALL)
            total = float(counted.sum())
            return float(counted @ member) / total if total > 0 else float("nan")

        return measure

    rows = {"all": bogus} | {f"kind {each}": bogus & (kind == each) for each in np.unique(kind[bogus & top])}
    groups = resample.count(field, top)
    return [
        _row(name, resample.estimate(share(member), weights, int(top.sum()), groups=groups))
        for name, member in rows.items()
    ]


def _among_the_oddest(odd: Array, real: Examples) -> list[dict[str, Any]]:
    """How much of each kind of real is among the oddest of them."""
    order = np.argsort(-odd, kind="stable")
    kind, host, field = real.kind[order], real.host[order], real.field[order]
    weights = resample.draws(field, ROUNDS, 0)

    def share(member: Flags) -> resample.Measure:
        def measure(weight: Array) -> float:
            total = float(weight @ member)
            return float((weight * _oddest(weight, OF_REAL)) @ member) / total if total > 0 else float("nan")

        return measure

    rows = {f"kind {each}": kind == each for each in np.unique(kind)}
    rows |= {f"host {each}": host == each for each in np.unique(host)}
    return [
        _row(
            name,
            resample.estimate(
                share(member), weights, int(member.sum()), groups=resample.count(field, member)
            ),
        )
        for name, member in rows.items()
    ]


def _oddest(weight: Array, share: float) -> Flags:
    """Which of examples, the oddest first, are among so much of them; one at least."""
    cumulated = np.cumsum(weight)
    first = cumulated[np.argmax(cumulated > 0)]  # of those that were drawn
    found: Flags = cumulated <= max(share * cumulated[-1], first)
    return found


def _row(name: str, told: resample.Estimate) -> dict[str, Any]:
    return {"name": name, "n": told.n, "value": told.value, "low": told.low, "high": told.high}
