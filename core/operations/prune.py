"""Images that nobody needs any more: of what a newer processing superseded, and nobody said anything of.

A frame that is processed again with another reference or other settings has new candidates; those that it had
leave the queue, and no model learns of them. Their facts stay for ever, and so do the images of all that a
person ever judged, noted or tagged, with all else that was seen of the same object. Nothing here asks what is
injected: an image that stays where others go would betray it. What is in the queue is current, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, null, or_, select
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Difference, OpenCard, ScoreMap, SkyObject, Verdict
from core.objects.association import lock
from core.operations.kept import CUTOUTS, IMAGES, MAPS, Kept, free_in_file

# Images that one transaction removes: verdicts wait for it. Of a map's difference it looks at all candidates.
AT_ONCE = {CUTOUTS: 50, MAPS: 1}

PAGE = 10_000  # keys that are read at once
_KEYS: dict[str, Any] = {CUTOUTS: Cutout.candidate_id, MAPS: ScoreMap.difference_id}

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Pruned:
    """Images that can be removed, or were.

    Attributes
    ----------
    images : tuple of Kept
        By kind; kinds of which there are none are left out.
    free : int or None
        Bytes inside the store's file that hold nothing; None of a server's.
    """

    images: tuple[Kept, ...]
    free: int | None

    @property
    def count(self) -> int:
        """Images of all kinds."""
        return sum(each.count for each in self.images)

    def record(self) -> dict[str, Any]:
        """What is told to scripts."""
        return {"images": [each.record() for each in self.images], "free_in_file": self.free}


@dataclass(slots=True)
class _Tally:
    """How many images, and bytes, of each kind were removed so far."""

    total: int
    report: Report
    found: dict[str, Kept] = field(default_factory=dict)

    def add(self, what: str, sizes: Sequence[int]) -> None:
        so_far = self.found.get(what, Kept(what, 0, 0, True))
        self.found[what] = Kept(what, so_far.size + sum(sizes), so_far.count + len(sizes), True)
        done = sum(each.count for each in self.found.values())
        self.report(done, max(self.total, done), what)


def prunable(store: Store) -> Pruned:
    """What `prune` would remove now."""
    with store.read() as db:
        now = store.now(db)
        return _pruned([_measured(db, what, now) for what in AT_ONCE], free_in_file(db))


def prune(store: Store, total: int, report: Report) -> Pruned:
    """Remove the images of superseded candidates and differences of which nobody ever said anything.

    In many short transactions, each of which looks anew at what may go: whoever judges meanwhile waits for
    none of the rest, and what was removed when the program was killed need not be removed again.

    Parameters
    ----------
    store : Store
    total : int
        How many images are expected to go.
    report : callable
        ``report(done, total, what)``.
    """
    tally = _Tally(total, report)
    for what, at_once in AT_ONCE.items():
        keys = _all_keys(store, what)
        for first in range(0, len(keys), at_once):
            tally.add(what, _remove(store, what, keys[first : first + at_once].tolist()))
    with store.read() as db:
        return _pruned(list(tally.found.values()), free_in_file(db))


def _all_keys(store: Store, what: str) -> NDArray[np.int64]:
    with store.read() as db:
        query = _wanted(what, store.now(db)).execution_options(yield_per=PAGE)
        return np.sort(np.fromiter((row[0] for row in db.execute(query)), dtype=np.int64))


def _remove(store: Store, what: str, keys: Sequence[int]) -> Sequence[int]:
    """Remove those of some images that may still go; their sizes."""
    with store.read() as db:  # nobody who writes waits while the query is made, which is dear
        query = _wanted(what, store.now(db), keys)
        found = _still(db, query)
    if not found:
        return []
    with store.write() as db:
        lock(db)  # no frame is committed meanwhile, and so none of these becomes current again
        mine = _locked(db, set(found.values()))
        found = _still(db, query)
        column, key = IMAGES[what], _KEYS[what]
        return db.scalars(
            delete(column.class_)
            .where(key.in_([each for each, sky_object in found.items() if sky_object in mine]))
            .returning(func.length(column))
            .execution_options(synchronize_session=False)
        ).all()


def _still(db: Session, query: Select[Any]) -> dict[int, int | None]:
    """The images that may go at this moment, each with the object that it shows; a map shows none."""
    return {row[0]: row[1] for row in db.execute(query)}


def _locked(db: Session, objects: Set[int | None]) -> set[int | None]:
    """Those of some objects that nobody judges at this moment, and none to the end of the transaction."""
    query = (
        select(col(SkyObject.id))
        .where(col(SkyObject.id).in_(objects - {None}))
        .order_by(col(SkyObject.id))
        .with_for_update(skip_locked=True)
    )
    return {None, *db.scalars(query)}


def _wanted(what: str, now: float, keys: Sequence[int] | None = None) -> Select[Any]:
    """The images that may go, all or those of some, with the objects that they show."""
    return _cutouts(now, keys) if what == CUTOUTS else _maps(now, keys)


def _cutouts(now: float, keys: Sequence[int] | None) -> Select[Any]:
    """Those of candidates. A survey's alert is never superseded, and cannot be made again."""
    superseded: ColumnElement[bool] = col(Candidate.is_current).is_(False)
    if keys is not None:  # said otherwise: else SQLite goes through all that is superseded, by its index
        superseded = and_(col(Candidate.id).in_(keys), col(Candidate.is_current).is_not(True))
    return (
        select(col(Cutout.candidate_id), col(Candidate.sky_object_id))
        .join(Candidate, col(Candidate.id) == col(Cutout.candidate_id))
        .where(superseded, col(Candidate.difference_id).is_not(None), ~_is_spoken_of(Candidate, now))
    )


def _maps(now: float, keys: Sequence[int] | None) -> Select[Any]:
    """The maps of significance of differences."""
    own = aliased(Candidate)
    spoken = exists().where(col(own.difference_id) == col(Difference.id), _is_spoken_of(own, now))
    query = (
        select(col(ScoreMap.difference_id), null())
        .join(Difference, col(Difference.id) == col(ScoreMap.difference_id))
        .where(col(Difference.is_current).is_(False), ~spoken)
    )
    return query if keys is None else query.where(col(ScoreMap.difference_id).in_(keys))


def _is_spoken_of(candidate: type[Candidate], now: float) -> ColumnElement[bool]:
    """Whether anybody said anything of a candidate, its object or the body that this is, or looks at it now.

    What was taken back counts too, and notes and tags: their rows tell what was on the screen.
    """
    own, fellow = aliased(SkyObject), aliased(SkyObject)
    of_body = exists().where(
        col(own.id) == col(candidate.sky_object_id),
        col(fellow.tracklet_id) == col(own.tracklet_id),
        _is_named(col(fellow.id), now),
    )
    on_itself = exists().where(col(Verdict.candidate_id) == col(candidate.id))
    return or_(on_itself, _is_named(col(candidate.sky_object_id), now), of_body)


def _is_named(sky_object: Mapped[Any], now: float) -> ColumnElement[bool]:
    verdict, card = aliased(Verdict), aliased(OpenCard)
    return or_(
        exists().where(col(verdict.sky_object_id) == sky_object),
        exists().where(col(card.sky_object_id) == sky_object, col(card.until) > now),
    )


def _measured(db: Session, what: str, now: float) -> Kept:
    """How many images of a kind may go, and their bytes; neither database reads them for that."""
    sizes = func.count(), func.sum(func.length(IMAGES[what]))
    count, size = db.execute(_wanted(what, now).with_only_columns(*sizes)).one()
    return Kept(what, int(size or 0), int(count), True)


def _pruned(found: Sequence[Kept], free: int | None) -> Pruned:
    return Pruned(tuple(each for each in found if each.count), free)
