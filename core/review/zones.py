"""What a candidate is by its score: first, in its turn, or what nobody need look at. Filters ask for it.

Nothing is ever deleted, nor left out of the queue. The limits are for the ensemble that AstrID comes with:
below the lower one are to lie at most 0.5 % of the real, above the upper one at most 1 % bogus. They are
those at which the unfavourable end of the interval keeps the budget in 100 fields of the training's kind that
no training saw, a few of which subtract badly; in frames of another kind far less is lost.

What no model could score has |snr| in place of a score, beyond all probabilities: it is for people, as nobody
knows how sure it is.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, or_

CERTAIN = 1.0  # no probability is beyond it
REJECT_BELOW = 0.003
FAST_ABOVE = 0.996


class Zone(StrEnum):
    """A range of scores."""

    FAST = "fast"
    HUMAN = "human"
    REJECT = "reject"


def bounds(zone: Zone) -> tuple[float | None, float | None]:
    """The scores of a zone: from the first on, below the second; none where it has no such end."""
    return {
        Zone.FAST: (FAST_ABOVE, None),
        Zone.HUMAN: (REJECT_BELOW, FAST_ABOVE),
        Zone.REJECT: (None, REJECT_BELOW),
    }[zone]


def lies_in(zone: Zone, score: SQLColumnExpression[float | None]) -> ColumnElement[bool]:
    """Whether a score lies in a zone, as a condition."""
    if zone is Zone.REJECT:
        return score < REJECT_BELOW
    if zone is Zone.FAST:
        return and_(score >= FAST_ABOVE, score <= CERTAIN)
    return and_(score >= REJECT_BELOW, or_(score < FAST_ABOVE, score > CERTAIN))
