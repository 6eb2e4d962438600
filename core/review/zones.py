"""What a candidate is by its score: first, in its turn, or what nobody need look at. Filters ask for it.

Nothing is ever deleted, nor left out of the queue. Below the lower limit are to lie at most 0.5 % of the
real, above the upper one at most 1 % bogus. The limits of the ensemble that AstrID comes with are those at
which the unfavourable end of the interval keeps the budget in 100 fields of the training's kind that no
training saw, a few of which subtract badly; in frames of another kind far less is lost. An ensemble that was
trained here has its own, set on the fields that weigh it and narrowed by labels. By such fields the one that
came would have been surer than it is in the 100: so they only ever narrow the zones.

What no model could score has |snr| in place of a score, beyond all probabilities: it is for people, as nobody
knows how sure it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, or_
from sqlmodel import Session

from core.models import versions

CERTAIN = 1.0  # no probability is beyond it
ENSEMBLE = "ensemble"


class Zone(StrEnum):
    """A range of scores."""

    FAST = "fast"
    HUMAN = "human"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the zones end: below the first nobody need look, and from the second on it goes first."""

    reject_below: float
    fast_above: float

    def narrowed(self, config: Mapping[str, Any]) -> Limits:
        """By those that a version of the ensemble was written with; what is no probability says nothing."""
        return Limits(
            min(self.reject_below, _probability(config.get("reject_below"), self.reject_below)),
            max(self.fast_above, _probability(config.get("fast_above"), self.fast_above)),
        )


SHIPPED = Limits(reject_below=0.0015, fast_above=0.996)


def limits_in_use(db: Session) -> Limits:
    """Those of the version of the ensemble that is in use."""
    description = versions.description_in_use(db, ENSEMBLE)
    config = None if description is None else description.get("config")
    return SHIPPED.narrowed(config) if isinstance(config, Mapping) else SHIPPED


def bounds(zone: Zone, limits: Limits = SHIPPED) -> tuple[float | None, float | None]:
    """The scores of a zone: from the first on, below the second; none where it has no such end."""
    return {
        Zone.FAST: (limits.fast_above, None),
        Zone.HUMAN: (limits.reject_below, limits.fast_above),
        Zone.REJECT: (None, limits.reject_below),
    }[zone]


def lies_in(zone: Zone, score: SQLColumnExpression[float | None], limits: Limits) -> ColumnElement[bool]:
    """Whether a score lies in a zone, as a condition."""
    if zone is Zone.REJECT:
        return score < limits.reject_below
    if zone is Zone.FAST:
        return and_(score >= limits.fast_above, score <= CERTAIN)
    return and_(score >= limits.reject_below, or_(score < limits.fast_above, score > CERTAIN))


def _probability(value: Any, otherwise: float) -> float:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0
    return float(value) if is_one else otherwise
