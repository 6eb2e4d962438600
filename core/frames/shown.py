"""The candidates of a frame as the store keeps them: real and injected in one order, old and new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlmodel import Session

from core.database.tables import Candidate
from core.frames.injected import candidates_of
from core.frames.outcome import CandidateFacts, FrameOutcome
from core.objects.sphere import match_nearest


@dataclass(frozen=True, slots=True)
class Shown:
    """A candidate to be judged, with its columns; ``source`` is its place among the injected ones."""

    fact: CandidateFacts
    columns: dict[str, Any]
    source: int | None = None
    sky_object_id: int | None = None  # of an injected source that is known


def in_order(outcome: FrameOutcome, columns: Callable[[CandidateFacts], dict[str, Any]]) -> list[Shown]:
    """All candidates, injected ones at the places that their significance gives them among the others.

    Keys are given out in this order, so that none can be told by its key.
    """
    drawn = [
        Shown(each.candidate, columns(each.candidate), i, each.sky_object_id)
        for i, each in enumerate(outcome.injected)
        if each.candidate is not None
    ]
    drawn.sort(key=lambda each: abs(each.fact.snr))
    shown = []
    for fact in outcome.candidates:
        while drawn and abs(drawn[-1].fact.snr) > abs(fact.snr):
            shown.append(drawn.pop())
        shown.append(Shown(fact, columns(fact)))
    return shown + drawn[::-1]


def kept_of(
    session: Session,
    shown: Sequence[Shown],
    old: Sequence[Candidate],
    radius_px: float,
    difference_id: int,
) -> dict[int, Candidate]:
    """The candidates of a difference that are there already, by their places among those to be written.

    An injected one is never taken for a real one at its place, nor the other way round.
    """
    if not old:
        return {}
    drawn = candidates_of(session, difference_id)
    kept: dict[int, Candidate] = {}
    for is_drawn in (False, True):
        mine = [i for i, each in enumerate(shown) if (each.source is not None) == is_drawn]
        theirs = [row for row in old if (row.id in drawn) == is_drawn]
        here = np.array([(shown[i].fact.x, shown[i].fact.y) for i in mine], dtype=np.float64)
        there = np.array([(row.x, row.y) for row in theirs], dtype=np.float64)
        again = match_nearest(here.reshape(-1, 2), there.reshape(-1, 2), radius_px)
        kept |= {mine[k]: theirs[j] for k, j in enumerate(again) if j >= 0}
    return kept
