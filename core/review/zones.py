"""What a candidate is by its score: first, in its turn, or what nobody need look at. Filters ask for it.

Nothing is ever deleted, nor left out of the queue. The limits are for the ensemble that AstrID comes with:
below the lower one are to lie at most 0.5 % of the real, above the upper one at most 1 % bogus. They are
those at which the unfavourable end of the interval keeps the budget in 100 fields of the training's kind that
no training saw, a few of which subtract badly; in frames of another kind far less is lost.
"""

from __future__ import annotations

from enum import StrEnum

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
