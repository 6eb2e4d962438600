"""What a candidate is by its score: first, in its turn, or what nobody need look at. Filters ask for it.

Nothing is ever deleted, nor left out of the queue. The limits are for the ensemble that AstrID comes with, by
the unfavourable end of the interval over fields that nothing was trained on: below the lower one are to lie
at most 0.5 % of the real, above the upper one at most 1 % bogus. The upper one is the ensemble's own, of the
worst kind of simulated fields. By simulated fields the lower one might be 0.021; in crowded real frames more
than the budget might be lost by that, so those frames set it.
"""

from __future__ import annotations

from enum import StrEnum

REJECT_BELOW = 0.01
FAST_ABOVE = 0.983


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
