"""How much of what was injected is found by the pipeline, and what of that reviewers take for real."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Difference, InjectedSource, Injection, Verdict
from core.review.pace import Share, share
from core.vocabulary import LABELS, Label, ReviewState

EDGES = (0.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 30.0, math.inf)  # of the bins in significance


@dataclass(frozen=True, slots=True)
class Bin:
    """Injected sources of some significance, from ``low`` to below ``high``: the share that was got."""

    low: float
    high: float | None
    got: Share


@dataclass(frozen=True, slots=True)
class Recovery:
    """How much of what was injected is found, and what of that is taken for real.

    Attributes
    ----------
    found : tuple of Bin
        Of all that was drawn into frames, what the pipeline detected.
    judged : dict
        By reviewer: of injected sources that this one revealed, those judged real.
    all_judged : tuple of Bin
        The same of all reviewers.
    """

    found: tuple[Bin, ...]
    judged: dict[str, tuple[Bin, ...]]
    all_judged: tuple[Bin, ...]

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "pipeline": _record(self.found),
            "judged_real": _record(self.all_judged),
            "reviewers": {who: _record(found) for who, found in self.judged.items()},
        }


def recovery(store: Store) -> Recovery:
    """What of the injected sources is found and judged real, by significance; see `Recovery`.

    Only a verdict that was given blindly counts: the one that revealed its source.
    """
    tried = (
        select(col(Injection.snr), col(Injection.found))
        .join(Difference, col(Difference.id) == col(Injection.difference_id))
        .where(col(Difference.is_current), col(Injection.snr).is_not(None))
    )
    judged = select(col(InjectedSource.snr), col(Verdict.label), col(Verdict.reviewer)).join(
        Verdict, col(Verdict.id) == col(InjectedSource.verdict_id)
    )
    with store.read() as db:
        trials = [(snr, bool(found)) for snr, found in db.execute(tried)]
        verdicts = [
            (snr, LABELS[Label(label)].review_state is ReviewState.REAL, who)
            for snr, label, who in db.execute(judged)
        ]
    by_reviewer: dict[str, list[tuple[float, bool]]] = {}
    for snr, is_real, who in verdicts:
        by_reviewer.setdefault(who, []).append((snr, is_real))
    return Recovery(
        bins(trials),
        {who: bins(some) for who, some in sorted(by_reviewer.items())},
        bins([(snr, is_real) for snr, is_real, _ in verdicts]),
    )


def bins(trials: Iterable[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Trials by significance, those bins that hold any; below `core.review.pace.FEWEST` no share is told."""
    kept = list(trials)
    found = []
    for low, high in pairwise(EDGES):
        here = [got for snr, got in kept if low <= snr < high]
        if here:
            found.append(Bin(low, None if math.isinf(high) else high, share(sum(here), len(here))))
    return tuple(found)


def _record(found: Iterable[Bin]) -> list[dict[str, Any]]:
    return [{"snr_from": each.low, "snr_below": each.high, **asdict(each.got)} for each in found]
