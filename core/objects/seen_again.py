"""What was judged bogus, or could not be told, and is detected again so clearly that it comes back.

Dipoles, residues and artefacts recur, so a later detection alone contradicts none of these verdicts. One does
that is of a high score, and far more significant than what was judged. Injected sources never come back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlmodel import Session, col

from core.database.tables import Candidate, InjectedSource, SkyObject
from core.objects.association import BATCH, real_score
from core.review.states import LAST_SEEN, REPEALABLE, newest_standing
from core.vocabulary import ONCE_FOR_DAYS, ReviewState


@dataclass(frozen=True, slots=True)
class Rule:
    """When a detection contradicts such a verdict.

    Attributes
    ----------
    score : float
        By the ensemble, or the best model that scored it, at least.
    times : float
        |SNR| over that of what was judged, by anybody whose verdict stands, at least.
    """

    score: float = 0.9
    times: float = 2.0


def wake_contradicted(session: Session, object_ids: Collection[int], since: float, rule: Rule) -> list[int]:
    """Bring objects back for review whose verdict a detection contradicts; their ids.

    Parameters
    ----------
    since : float
        MJD of the first detection that is new.
    """
    ids, woken = sorted(object_ids), []
    for start in range(0, len(ids), BATCH):
        clear = (
            col(Candidate.is_current).is_not(False)
            & (col(Candidate.mjd) >= since)
            & (real_score() >= rule.score)
        )
        rows = session.scalars(
            select(SkyObject)
            .where(
                col(SkyObject.id).in_(ids[start : start + BATCH]),
                col(SkyObject.review_state).in_([state.value for state in REPEALABLE]),
                col(SkyObject.review_label).not_in([label.value for label in ONCE_FOR_DAYS]),
                col(SkyObject.tracklet_id).is_(None),
                ~col(SkyObject.injected),
                ~exists().where(col(InjectedSource.sky_object_id) == col(SkyObject.id)),
                exists().where(col(Candidate.sky_object_id) == col(SkyObject.id), clear),
            )
            .order_by(col(SkyObject.id))
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()
        said = newest_standing(session, [row.id or 0 for row in rows])
        for row in rows:
            judged = said.get(row.id or 0)
            snr, seen = (judged.judged_snr, judged.shown.get(LAST_SEEN)) if judged else (None, None)
            if snr is None or seen is None or row.review_state not in REPEALABLE:
                continue
            found = session.scalars(
                select(col(Candidate.snr)).where(
                    col(Candidate.sky_object_id) == row.id, clear, col(Candidate.mjd) > seen
                )
            )
            if max(map(abs, found), default=0.0) >= rule.times * snr:
                row.review_state, row.review_label = ReviewState.UNREVIEWED.value, None
                row.snoozed_at_mjd = None
                woken.append(row.id or 0)
    session.flush()
    return woken
