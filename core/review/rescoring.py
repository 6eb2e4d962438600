"""Candidates that are scored anew: what scoring asks of each, and the new scores on each once it is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, func, or_, select

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Scoring, SkyObject
from core.frames.scored_by import not_classified_by, scoring_key
from core.models.names import BY_NO_MODEL
from core.objects.association import lock, refresh
from core.review.filters import conditions, parse
from core.review.names import looked_up
from core.review.states import AWAITING
from core.vocabulary import OWN

PAGE = 10_000  # numbers that are read at once
MOST_PROBABLE = 1.0  # a score above it is no probability, but |SNR|


@dataclass(frozen=True, slots=True)
class Kept:
    """A candidate as the store has it, with what scoring asks of it.

    Attributes
    ----------
    source : str
        The survey; ``astrid`` for a frame of ours.
    snr : float
        Signed.
    scores, features : dict
    cutouts : bytes or None
        `core.review.cutouts.pack`.
    """

    id: int
    source: str
    snr: float
    scores: dict[str, Any]
    features: dict[str, Any]
    cutouts: bytes | None


@dataclass(frozen=True, slots=True)
class NewScores:
    """What a candidate shall have in place of what ``kept`` has."""

    kept: Kept
    score: float
    scores: Mapping[str, Any]
    features: Mapping[str, Any] = field(default_factory=dict)


def candidates_passing(store: Store, filters: str = "") -> NDArray[np.int64]:
    """The numbers of the current candidates that pass a filter, the newest first.

    All at once: which pass may change with the scores.

    Raises
    ------
    FilterError
    """
    with store.read() as session:
        terms = looked_up(session, parse(filters))
        query = (
            select(col(Candidate.id))
            .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
            .where(col(Candidate.is_current).is_not(False), *conditions(terms))
            .order_by(col(Candidate.id).desc())
        )
        found = session.exec(query.execution_options(yield_per=PAGE))
        return np.fromiter((key for key in found if key is not None), dtype=np.int64)


def unscored_cards(session: Session, *, alerts: bool, most: int) -> int:
    """How many cards await a verdict by |SNR| which models could score, `most` at most.

    A probability is one at most, and nothing of an SNR below one is a candidate: such cards come before all
    that models scored. They are of a store that is older than the models, or of frames for which no model
    could be read. Of a card without cutouts no model could tell, nor of what was scored anew in vain.

    Parameters
    ----------
    alerts : bool
        Models are to score alerts too.
    most : int
        Where there are many, more need not be counted.
    """
    query = (
        select(col(SkyObject.id))
        .join(Candidate, col(Candidate.id) == col(SkyObject.best_candidate_id))
        .join(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .outerjoin(Scoring, col(Scoring.id) == col(Candidate.scoring_id))
        .where(
            col(SkyObject.review_state).in_([each.value for each in AWAITING]),
            col(SkyObject.best_score) > MOST_PROBABLE,
            or_(col(Candidate.scoring_id).is_(None), col(Scoring.told).startswith(BY_NO_MODEL)),
        )
    )
    if not alerts:
        query = query.where(col(Candidate.source) == OWN)
    return session.exec(select(func.count()).select_from(query.limit(most).subquery())).one()


def scored_by_others(store: Store, numbers: Collection[int], told: str) -> list[Kept]:
    """Those of some current candidates that these models did not score, or did in vain with their frame.

    Parameters
    ----------
    told : str
        What the classifier tells of itself.
    """
    query = select(Candidate).where(col(Candidate.id).in_(numbers), col(Candidate.is_current).is_not(False))
    with store.read() as session:
        rows = session.exec(query).all()
        by_others = not_classified_by(session, rows, told)
        others = [row for row in rows if row.id in by_others or _is_unscored(row)]
        keys = [row.id for row in others]
        pixels = dict(
            session.exec(
                select(col(Cutout.candidate_id), col(Cutout.pixels)).where(col(Cutout.candidate_id).in_(keys))
            ).all()
        )
    return [
        Kept(row.id or 0, row.source, row.snr, row.scores, row.features, pixels.get(row.id or 0))
        for row in others
    ]


def write_scores(store: Store, told: str, scored: Sequence[NewScores]) -> int:
    """Give candidates their new scores, and their objects the best of them; how many it were.

    One that has changed since it was read, as when its frame was processed again meanwhile, stays as it is.
    """
    if not scored:  # nobody who writes shall wait for nothing
        return 0
    by_number = {each.kept.id: each for each in scored}
    with store.write() as session:
        lock(session)
        query = select(Candidate).where(
            col(Candidate.id).in_(list(by_number)), col(Candidate.is_current).is_not(False)
        )
        rows = [row for row in session.exec(query) if _unchanged(row, by_number[row.id or 0].kept)]
        key = scoring_key(session, told) if rows else None
        for row in rows:
            new = by_number[row.id or 0]
            columns = {"score": new.score, "scores": dict(new.scores), "features": dict(new.features)}
            row.sqlmodel_update(columns | {"scoring_id": key})
        session.flush()
        refresh(session, {row.sky_object_id for row in rows})
    return len(rows)


def _is_unscored(row: Candidate) -> bool:
    return row.scoring_id is None and row.score is not None and row.score > MOST_PROBABLE


def _unchanged(row: Candidate, kept: Kept) -> bool:
    return row.snr == kept.snr and row.scores == kept.scores and row.features == kept.features
