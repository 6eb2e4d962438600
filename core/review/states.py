"""What stands of sky objects: their review states, derived from their verdicts.

The objects of one tracklet are one body, and are judged as one. The first of them, in order of time,
carries the card; the others leave the queue (`ReviewState.LINKED`) until something is decided, which then
stands of all. A bogus verdict judges one detection: its object alone, which is not of the body then. So
any object is judged with the others of its tracklet, except while what stands of it is bogus.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlmodel import Session, col

from core.database.tables import Candidate, SkyObject, Verdict
from core.frames.standing import is_revealed, stands
from core.vocabulary import LABELS, ONCE_FOR_DAYS, Label, ReviewState

AWAITING = (ReviewState.UNREVIEWED, ReviewState.ESCALATED)
REPEALABLE = (ReviewState.BOGUS, ReviewState.INDETERMINATE)  # by a clear detection later: `seen_again`
SEEN_AGAIN = "seen_again"  # in `shown`: the standing verdict that a detection had contradicted by then
LAST_SEEN = "object_last_mjd"  # in `shown`: the object's newest epoch when it was judged
_BATCH = 2000  # ids of one query
_FEW = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """The newest standing verdict on an object.

    Attributes
    ----------
    judged_snr : float or None
        The most that |SNR| was when somebody judged it bogus or unclear, in the verdicts that stand.
    """

    id: int
    label: Label
    shown: Mapping[str, Any]
    judged_snr: float | None = None

    @property
    def is_bogus(self) -> bool:
        """Whether it judges one detection, not the object."""
        return LABELS[self.label].review_state == ReviewState.BOGUS


@dataclass(frozen=True, slots=True)
class _Standing:
    state: ReviewState = ReviewState.UNREVIEWED
    label: str | None = None
    snoozed_at: float | None = None

    def follow(self, row: SkyObject) -> None:
        row.review_state, row.review_label, row.snoozed_at_mjd = self.state, self.label, self.snoozed_at


def count_awaiting(db: Session) -> int:
    """How many objects await a verdict; not those whose candidates are all superseded, which have no card.

    Where few others are there, as all less those: a whole table is counted in a sixth of the time that a
    range of an index takes.
    """
    gone = db.scalar(_without_card(AWAITING)) or 0
    others = [state.value for state in ReviewState if state not in AWAITING]
    some = select(col(SkyObject.id)).where(col(SkyObject.review_state).in_(others)).limit(_FEW + 1)
    rest = db.scalar(select(func.count()).select_from(some.subquery())) or 0
    every = select(func.count()).select_from(SkyObject)
    if rest <= _FEW:
        return (db.scalar(every) or 0) - rest - gone
    return (db.scalar(every.where(col(SkyObject.review_state).in_(AWAITING))) or 0) - gone


def count_with_cards(db: Session, states: Sequence[ReviewState]) -> int:
    """How many objects are in some states, but for those without a card."""
    if tuple(states) == AWAITING:
        return count_awaiting(db)
    every = select(func.count()).select_from(SkyObject).where(col(SkyObject.review_state).in_(states))
    return (db.scalar(every) or 0) - (db.scalar(_without_card(states)) or 0)


def _without_card(states: Sequence[ReviewState]) -> Select[Any]:
    """A count of objects in some states all of whose candidates are superseded: few, if any."""
    return (
        select(func.count())
        .select_from(SkyObject)
        .where(
            col(SkyObject.review_state).in_(states),
            col(SkyObject.best_score).is_(None),
            col(SkyObject.best_candidate_id).is_(None),
        )
    )


def locked(db: Session, object_ids: Collection[int]) -> list[SkyObject]:
    """Objects with all others of their tracklets, locked: two reviewers' verdicts follow each other.

    In one order for everybody, so that two who lock many never wait crosswise.
    """
    found: dict[int, SkyObject] = {}
    ids = sorted(object_ids)
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        tracklets = select(col(SkyObject.tracklet_id)).where(
            col(SkyObject.id).in_(some), col(SkyObject.tracklet_id).is_not(None)
        )
        query = (
            select(SkyObject)
            .where(or_(col(SkyObject.id).in_(some), col(SkyObject.tracklet_id).in_(tracklets)))
            .order_by(col(SkyObject.id))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found |= {row.id or 0: row for row in db.scalars(query)}
    return list(found.values())


def any_linked(db: Session, candidate_ids: Sequence[int]) -> bool:
    """Whether the object of one of some candidates is in a tracklet, and so judged with others."""
    query = (
        select(col(Candidate.id))
        .join(SkyObject, col(SkyObject.id) == col(Candidate.sky_object_id))
        .where(col(Candidate.id).in_(candidate_ids), col(SkyObject.tracklet_id).is_not(None))
    )
    return db.scalar(query.limit(1)) is not None


def judged_as(sky_object: SkyObject) -> int:
    """One number for what is judged as one: an object's own, or that of a body's tracklet, below zero.

    What was judged bogus is no longer of its tracklet's body.
    """
    if sky_object.tracklet_id is None or sky_object.review_state == ReviewState.BOGUS:
        return sky_object.id or 0
    return -sky_object.tracklet_id


def judged_together(db: Session, sky_object: SkyObject) -> list[int]:
    """The objects that a verdict on one falls on, the one that carries the card first; itself among them."""
    if judged_as(sky_object) >= 0:
        return [sky_object.id or 0]
    query = select(SkyObject).where(
        col(SkyObject.tracklet_id) == sky_object.tracklet_id,
        col(SkyObject.review_state) != ReviewState.BOGUS.value,
    )
    return [row.id or 0 for row in sorted(db.scalars(query), key=_in_time)]


def last_seen(objects: Sequence[SkyObject], sky_object: SkyObject) -> float | None:
    """The newest epoch of what is judged with an object, itself among it."""
    if sky_object.tracklet_id is None:
        return sky_object.last_mjd
    times = [row.last_mjd for row in objects if row.tracklet_id == sky_object.tracklet_id]
    return max((mjd for mjd in times if mjd is not None), default=None)


def contradicted(db: Session, objects: Sequence[SkyObject]) -> dict[int, int]:
    """The verdict that stands on each of some objects though it was brought back for review.

    That is one which `core.objects.seen_again` found contradicted. Whoever writes a row on such an object
    says so in its `shown` (`SEEN_AGAIN`): after that row is taken back the object awaits a verdict again.
    """
    waiting = [row.id or 0 for row in objects if row.review_state in AWAITING and row.tracklet_id is None]
    said = newest_standing(db, waiting) if waiting else {}
    return {key: one.id for key, one in said.items() if _is_repealable(one.label)}


def follow_verdicts(db: Session, objects: Sequence[SkyObject], *, is_new: bool = True) -> None:
    """Let the states of `locked` objects be what the newest standing verdicts on them say.

    Parameters
    ----------
    is_new : bool
        Something was just said of them; else what a detection brought back stays so.
    """
    said = newest_standing(db, [row.id or 0 for row in objects])
    for repealed in _repealed(db, objects, said, is_new=is_new):
        del said[repealed]
    groups: dict[tuple[str, int], list[SkyObject]] = {}
    for row in objects:
        key = ("object", row.id or 0) if row.tracklet_id is None else ("tracklet", row.tracklet_id)
        groups.setdefault(key, []).append(row)
    for group in groups.values():
        _follow(group, said)
        for row in group:
            if row.review_state in AWAITING and is_revealed(db, row.id or 0):
                # An injected source: whatever is taken back, nobody need judge it again.
                _Standing(ReviewState.INDETERMINATE).follow(row)


def _is_repealable(label: Label) -> bool:
    return LABELS[label].review_state in REPEALABLE and label not in ONCE_FOR_DAYS


def _repealed(
    db: Session, objects: Sequence[SkyObject], said: Mapping[int, Said], *, is_new: bool
) -> list[int]:
    """Objects whose newest standing verdict a detection has contradicted since."""
    alone = {row.id or 0: row for row in objects if row.tracklet_id is None}
    asked = [key for key, one in said.items() if key in alone and _is_repealable(one.label)]
    if not is_new:
        waiting = ReviewState.UNREVIEWED
        return [key for key in asked if said[key].is_bogus and alone[key].review_state == waiting]
    found = set()
    for start in range(0, len(asked), _BATCH):
        query = select(col(Verdict.sky_object_id), col(Verdict.shown)).where(
            col(Verdict.sky_object_id).in_(asked[start : start + _BATCH])
        )
        found |= {key for key, shown in db.execute(query) if shown.get(SEEN_AGAIN) == said[key].id}
    return sorted(found)


def _follow(group: Sequence[SkyObject], said: Mapping[int, Said]) -> None:
    """The states of the objects of one tracklet, or of one object."""
    together = []
    for row in group:
        own = _standing(said.get(row.id or 0), row.last_mjd)
        if own.state == ReviewState.BOGUS:
            own.follow(row)
        else:
            together.append(row)
    if not together:
        return
    first, *others = sorted(together, key=_in_time)
    heard = (said[row.id or 0] for row in together if row.id in said)
    newest = max((each for each in heard if not each.is_bogus), key=lambda each: each.id, default=None)
    shared = _standing(newest, max(row.last_mjd or 0.0 for row in together))
    shared.follow(first)
    for row in others:
        (_Standing(ReviewState.LINKED) if shared.state in AWAITING else shared).follow(row)


def _in_time(row: SkyObject) -> tuple[bool, float, int]:
    """What was seen first comes first; what has no candidate left cannot carry a card."""
    return row.best_candidate_id is None, row.first_mjd or math.inf, row.id or 0


def _standing(said: Said | None, last_mjd: float | None) -> _Standing:
    if said is None:
        return _Standing()
    state = LABELS[said.label].review_state
    if state != ReviewState.SNOOZED and said.label not in ONCE_FOR_DAYS:
        return _Standing(state, said.label.value)
    snoozed_at = (said.shown.get(LAST_SEEN) or 0.0) + ONCE_FOR_DAYS.get(said.label, 0.0)
    if (last_mjd or 0.0) > snoozed_at:
        # Detected again since: undoing a later verdict must not put it back to sleep.
        return _Standing()
    return _Standing(state, said.label.value, snoozed_at)


def newest_standing(db: Session, object_ids: Sequence[int]) -> dict[int, Said]:
    """The newest standing verdict on each of some objects that has one."""
    found: dict[int, Said] = {}
    for start in range(0, len(object_ids), _BATCH):
        query = (
            select(col(Verdict.sky_object_id), col(Verdict.id), col(Verdict.label), col(Verdict.shown))
            .where(col(Verdict.sky_object_id).in_(object_ids[start : start + _BATCH]), stands(Verdict))
            .order_by(col(Verdict.id))
        )
        for key, number, label, shown in db.execute(query):
            before = found.get(key)
            most = before.judged_snr if before else None
            if _is_repealable(label := Label(label)) and isinstance(snr := shown.get("snr"), int | float):
                most = max(abs(snr), most or 0.0)
            found[key] = Said(number or 0, label, shown, most)
    return found
