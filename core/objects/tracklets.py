"""Tracklets in the store: what of a night may belong to them, and how they are kept.

They are found anew for a whole night from its committed candidates; those that are found again keep
their keys. An object of which all was seen in tracklets is marked as moving: nothing else is associated
with it, no flux is measured where it was, and it is judged with the others of its tracklet.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import (
    Candidate,
    Difference,
    Observation,
    Reference,
    SkyObject,
    Tracklet,
    TrackletMember,
)
from core.objects.association import BATCH, lock
from core.objects.moving import settle
from core.objects.told_detections import told_of_other_nights
from core.operations.night import GAP_DAYS

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NightSpan:
    """A night: from its first frame to its last, MJD."""

    first: float
    last: float


@dataclass(frozen=True, slots=True)
class FoundTracklet:
    """A tracklet to be kept; its columns are those of `core.database.tables.Tracklet`."""

    candidate_ids: tuple[int, ...]
    columns: Record


class NightChanged(Exception):
    """Frames of the night were committed after its candidates were read."""


@dataclass(frozen=True, slots=True)
class NightRead:
    """A night as it was read; two that differ have other candidates.

    Attributes
    ----------
    night : NightSpan
        As long as it is by them.
    """

    asked: NightSpan
    night: NightSpan
    count: int
    total: int  # of the keys of candidates


def read_night(store: Store, night: NightSpan) -> NightRead:
    """A night as it is now, which may be longer than it was."""
    with store.read() as session:
        return _read_night(session, night)


def _read_night(session: Session, night: NightSpan) -> NightRead:
    key, mjd = col(Candidate.id), col(Candidate.mjd)
    query = select(func.count(), func.sum(key), func.min(mjd), func.max(mjd)).where(
        col(Candidate.is_current).is_(True),
        mjd.between(night.first - GAP_DAYS, night.last + GAP_DAYS),
    )
    count, total, first, last = session.execute(query).one()
    if count == 0:
        return NightRead(night, night, 0, 0)
    span = NightSpan(min(night.first, first), max(night.last, last))
    return NightRead(night, span, count, int(total))


def nights(store: Store, first: float | None = None, last: float | None = None) -> list[NightSpan]:
    """The nights that have candidates between two times (MJD), oldest first; all without times.

    A quarter of a day without a candidate parts two nights.
    """
    query = select(col(Candidate.mjd)).where(col(Candidate.is_current).is_(True)).distinct()
    if first is not None:
        query = query.where(col(Candidate.mjd) >= first - 1.0)
    if last is not None:
        query = query.where(col(Candidate.mjd) <= last + 1.0)
    with store.read() as session:
        times = sorted(session.scalars(query))
    spans: list[NightSpan] = []
    for mjd in times:
        if spans and mjd - spans[-1].last <= GAP_DAYS:
            spans[-1] = NightSpan(spans[-1].first, mjd)
        else:
            spans.append(NightSpan(mjd, mjd))
    low, high = first if first is not None else -1e9, last if last is not None else 1e9
    return [span for span in spans if span.last >= low and span.first <= high]


def times_of(store: Store, observation_ids: Collection[int]) -> list[float]:
    """The times of the frames of some observations that have candidates."""
    found: set[float] = set()
    ids = list(observation_ids)
    with store.read() as session:
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            query = select(col(Candidate.mjd)).where(col(Candidate.observation_id).in_(some)).distinct()
            found.update(session.scalars(query))
    return sorted(found)


def newest_night(store: Store) -> NightSpan | None:
    """The night of the newest candidate of a frame; where no frame has any, of the newest alert."""
    newest = select(func.max(col(Candidate.mjd))).where(col(Candidate.is_current).is_(True))
    with store.read() as session:
        mjd = session.scalar(newest.where(col(Candidate.observation_id).is_not(None)))
        if mjd is None:
            mjd = session.scalar(newest)
    if mjd is None:
        return None
    found = nights(store, mjd, mjd)
    return found[-1] if found else None


def movable(store: Store, night: NightSpan, *, min_deg_day: float, radius_deg: float) -> list[Any]:
    """The candidates of a night that may be of something that moves.

    Left out are fading sources, injected ones, objects that other nights have seen too, if only by what
    surveys tell, and those seen twice at one place while the slowest body would have left it.

    Parameters
    ----------
    min_deg_day : float
        Of the slowest body.
    radius_deg : float
        Within which detections are of one object.

    Returns
    -------
    list of rows
        ``id, mjd, ra, dec, observation_id, sky_object_id, position_error_px, pixel_scale, mag, mag_err,
        mag_system, flux, flux_err, flux_unit, filter, radius_deg``.
    """
    query = (
        select(
            col(Candidate.id),
            col(Candidate.mjd),
            col(Candidate.ra),
            col(Candidate.dec),
            col(Candidate.observation_id),
            col(Candidate.sky_object_id),
            col(Candidate.position_error_px),
            col(Reference.pixel_scale),
            col(Candidate.mag),
            col(Candidate.mag_err),
            col(Candidate.mag_system),
            col(Candidate.flux),
            col(Candidate.flux_err),
            col(Candidate.flux_unit),
            col(Candidate.filter),
            col(Observation.radius_deg),
        )
        .join(SkyObject, col(SkyObject.id) == col(Candidate.sky_object_id))
        .outerjoin(Observation, col(Observation.id) == col(Candidate.observation_id))
        .outerjoin(Difference, col(Difference.id) == col(Candidate.difference_id))
        .outerjoin(Reference, col(Reference.id) == col(Difference.reference_id))
        .where(
            col(Candidate.is_current).is_(True),
            col(Candidate.mjd).between(night.first, night.last),
            col(Candidate.ra).is_not(None),
            col(Candidate.snr) > 0,
            col(SkyObject.injected).is_(False),
            col(SkyObject.first_mjd) >= night.first,
            col(SkyObject.last_mjd) <= night.last,
            ~told_of_other_nights(night.first, night.last),
        )
        .order_by(col(Candidate.mjd), col(Candidate.id))
    )
    with store.read() as session:
        rows = list(session.execute(query))
    times: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        times[row.sky_object_id].append(row.mjd)
    stays = {key for key, seen in times.items() if (max(seen) - min(seen)) * min_deg_day > 2.0 * radius_deg}
    return [row for row in rows if row.sky_object_id not in stays]


def write_tracklets(
    store: Store, night: NightSpan, found: Sequence[FoundTracklet], read: NightRead | None = None
) -> tuple[int, int]:
    """Keep the tracklets of a night in place of those that it had.

    Parameters
    ----------
    read : NightRead, optional
        The night as it was before its candidates were read.

    Returns
    -------
    new, gone : int
        None of both means that nothing was written.

    Raises
    ------
    NightChanged
        It is not so any more; nothing was written.
    """
    with store.write() as session:
        lock(session)
        if read is not None and read != _read_night(session, read.asked):
            raise NightChanged
        before = _members_of(session, night)
        wanted = {frozenset(each.candidate_ids): each for each in found}
        gone = [key for key, members in before.items() if frozenset(members) not in wanted]
        there = {frozenset(members) for members in before.values()}
        new = [each for members, each in wanted.items() if members not in there]
        if not gone and not new:
            return 0, 0
        for start in range(0, len(gone), BATCH):
            some = gone[start : start + BATCH]
            session.execute(delete(TrackletMember).where(col(TrackletMember.tracklet_id).in_(some)))
            session.execute(delete(Tracklet).where(col(Tracklet.id).in_(some)))
        for each in new:
            row = Tracklet(**each.columns, n=len(each.candidate_ids), made_at=time.time())
            session.add(row)
            session.flush()
            rows = [{"candidate_id": key, "tracklet_id": row.id} for key in each.candidate_ids]
            session.connection().execute(insert(TrackletMember), rows)
        touched = {key for number in gone for key in before[number]}
        touched |= {key for each in new for key in each.candidate_ids}
        settle(session, _objects_of(session, sorted(touched)))
    return len(new), len(gone)


def typical_mag(mags: Iterable[float | None]) -> float | None:
    """The magnitude of a tracklet: the median of those of its detections that have one."""
    known = [mag for mag in mags if mag is not None]
    return statistics.median(known) if known else None


def refresh_mags(session: Session, candidate_ids: Sequence[int]) -> None:
    """Let tracklets be as bright as their detections are, of which some were given magnitudes."""
    for start in range(0, len(candidate_ids), BATCH):
        mine = select(col(TrackletMember.tracklet_id)).where(
            col(TrackletMember.candidate_id).in_(candidate_ids[start : start + BATCH])
        )
        mags: dict[int, list[float | None]] = defaultdict(list)
        for key, mag in session.execute(
            select(col(TrackletMember.tracklet_id), col(Candidate.mag))
            .join(Candidate, col(Candidate.id) == col(TrackletMember.candidate_id))
            .where(col(TrackletMember.tracklet_id).in_(mine))
        ):
            mags[key].append(mag)
        for key, each in mags.items():
            session.execute(update(Tracklet).where(col(Tracklet.id) == key).values(mag=typical_mag(each)))


def tracklets_of(store: Store, candidate_ids: Sequence[int]) -> dict[int, Record]:
    """The tracklet of each candidate that has one, with its members in order of time."""
    found: dict[int, Record] = {}
    ids = list(candidate_ids)
    with store.read() as session:
        for start in range(0, len(ids), BATCH):
            query = (
                select(col(TrackletMember.candidate_id), Tracklet)
                .join(Tracklet, col(Tracklet.id) == col(TrackletMember.tracklet_id))
                .where(col(TrackletMember.candidate_id).in_(ids[start : start + BATCH]))
            )
            rows = list(session.execute(query))
            members = _candidates_of(session, [row[1].id for row in rows])
            found |= {row[0]: record(row[1], members[row[1].id]) for row in rows}
    return found


def tracklets_of_night(store: Store, night: NightSpan) -> list[Record]:
    """The tracklets of a night, in order of time."""
    query = (
        select(Tracklet)
        .where(col(Tracklet.first_mjd) >= night.first, col(Tracklet.last_mjd) <= night.last)
        .order_by(col(Tracklet.first_mjd), col(Tracklet.id))
    )
    with store.read() as session:
        rows = list(session.scalars(query))
        members = _candidates_of(session, [row.id or 0 for row in rows])
    return [record(row, members[row.id or 0]) for row in rows]


def kept_tracklets(store: Store) -> list[Record]:
    """All tracklets that are kept, in order of time."""
    query = select(Tracklet).order_by(col(Tracklet.first_mjd), col(Tracklet.id))
    with store.read() as session:
        rows = list(session.scalars(query))
        members: dict[int, list[int]] = {}
        for start in range(0, len(rows), BATCH):
            members |= _candidates_of(session, [row.id or 0 for row in rows[start : start + BATCH]])
    return [record(row, members.get(row.id or 0, [])) for row in rows]


def record(row: Tracklet, members: Sequence[int]) -> Record:
    """A tracklet as scripts read it."""
    return row.model_dump(exclude={"made_at"}) | {"candidates": list(members)}


def sentence(tracklet: Mapping[str, Any]) -> str:
    """A tracklet in words, such as ``3 detections in 1.2 h, 31.2"/h towards PA 241``."""
    hours = (tracklet["last_mjd"] - tracklet["first_mjd"]) * 24.0
    words = f'{tracklet["n"]} detections in {hours:.2g} h, {tracklet["rate_arcsec_hour"]:.3g}"/h'
    words += f" towards PA {round(tracklet['position_angle']) % 360}"
    rms = tracklet["rms_arcsec"]
    return words if rms is None else f'{words}, rms {rms:.2f}"'


def _members_of(session: Session, night: NightSpan) -> dict[int, list[int]]:
    query = (
        select(col(TrackletMember.tracklet_id), col(TrackletMember.candidate_id))
        .join(Tracklet, col(Tracklet.id) == col(TrackletMember.tracklet_id))
        .where(col(Tracklet.last_mjd) >= night.first, col(Tracklet.first_mjd) <= night.last)
    )
    members: dict[int, list[int]] = defaultdict(list)
    for key, candidate in session.execute(query):
        members[key].append(candidate)
    return members


def _candidates_of(session: Session, tracklet_ids: Sequence[int]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    query = (
        select(col(TrackletMember.tracklet_id), col(TrackletMember.candidate_id))
        .join(Candidate, col(Candidate.id) == col(TrackletMember.candidate_id))
        .where(col(TrackletMember.tracklet_id).in_(tracklet_ids))
        .order_by(col(Candidate.mjd), col(Candidate.id))
    )
    for key, candidate in session.execute(query):
        members[key].append(candidate)
    return members


def _objects_of(session: Session, candidate_ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(candidate_ids), BATCH):
        some = candidate_ids[start : start + BATCH]
        found.update(session.scalars(select(col(Candidate.sky_object_id)).where(col(Candidate.id).in_(some))))
    return found
