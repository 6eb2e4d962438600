"""Zeropoints in the store: which frames lack one, and what follows in them from one that was found later.

Fluxes are kept in the unit of the reference, so the magnitudes of a difference follow from the reference's
zeropoint without a pixel; the frame's own zeropoint tells its depth and its transparency.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, update
from sqlmodel import Session, col

from core.database.keys import key_in
from core.database.store import Store
from core.database.tables import (
    Candidate,
    Difference,
    ForcedFlux,
    InjectedSource,
    Injection,
    Observation,
    Reference,
)
from core.errors import AstridError
from core.frames.outcome import QualityFacts
from core.magnitudes import UPPER_LIMIT_SIGMA, magnitude
from core.objects.association import lock, refresh
from core.objects.tracklets import refresh_mags
from core.text import safe_text
from core.vocabulary import ExitCode, ObservationState

OF_FRAME = (
    "zeropoint", "zeropoint_from", "zeropoint_scatter", "zeropoint_stars", "mag_system", "limit_mag",
    "wcs_catalog", "wcs_dra_arcsec", "wcs_ddec_arcsec", "wcs_rms_arcsec", "wcs_stars",
)  # fmt: skip


class NoSuchFrames(AstridError):
    """A field or a frame has no such name."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """A processed frame that lacks its own zeropoint, or that of its difference, and could have it."""

    observation: Observation
    difference: Difference
    reference: Reference

    @property
    def lacks_own(self) -> bool:
        """Its own one is told by its stars, where its WCS says which they are."""
        return self.observation.zeropoint is None and self.observation.has_wcs

    @property
    def lacks_difference(self) -> bool:
        """That of its difference is the reference's."""
        return self.difference.zeropoint is None and self.reference.has_wcs


def uncalibrated(store: Store, names: Collection[str] = ()) -> list[tuple[int, int]]:
    """The frames that lack a zeropoint which a star catalogue could tell, reference by reference.

    Parameters
    ----------
    names : collection of str
        Names of fields, names of frames or their numbers; none of them is all.

    Returns
    -------
    list of (observation id, difference id)

    Raises
    ------
    NoSuchFrames
    """
    own = and_(col(Observation.zeropoint).is_(None), col(Observation.has_wcs).is_(True))
    of_difference = and_(col(Difference.zeropoint).is_(None), col(Reference.has_wcs).is_(True))
    query = (
        select(col(Observation.id), col(Difference.id))
        .join(Difference, col(Difference.observation_id) == col(Observation.id))
        .join(Reference, col(Reference.id) == col(Difference.reference_id))
        .where(col(Observation.state) == ObservationState.DONE.value, col(Difference.is_current))
        .where(or_(own, of_difference))
        .order_by(col(Difference.reference_id), col(Observation.id))
    )
    with store.read() as session:
        if names:
            query = query.where(or_(*[_named(session, name) for name in names]))
        return [(row[0], row[1]) for row in session.execute(query)]


def look(store: Store, observation_id: int, difference_id: int) -> Uncalibrated | None:
    """One of these frames; none where it is no longer one."""
    with store.read() as session:
        difference = session.get(Difference, difference_id)
        observation = session.get(Observation, observation_id)
        if difference is None or observation is None or not _still(observation, difference):
            return None
        found = Uncalibrated(observation, difference, session.get_one(Reference, difference.reference_id))
    return found if found.lacks_own or found.lacks_difference else None


def write(
    store: Store,
    frame: Uncalibrated,
    *,
    quality: QualityFacts | None,
    remark: str | None,
    zeropoint: float | None,
    mag_system: str | None,
) -> int | None:
    """Write what was found, and all that follows from it, in one transaction.

    Detections, scores and verdicts stay as they are.

    Parameters
    ----------
    frame : Uncalibrated
        As it was looked at.
    quality : QualityFacts, optional
        Of the frame, with its own zeropoint.
    remark : str, optional
        What its owner should know of its WCS; it joins the frame's reason.
    zeropoint : float, optional
        The reference's: the magnitude of one unit of flux in the difference.
    mag_system : str, optional
        Of that.

    Returns
    -------
    int or None
        How many candidates have a magnitude by it; none where the frame was processed anew meanwhile,
        and nothing was written.
    """
    with store.write() as session:
        # In the order of a frame's commit: its own row, the lock, and then all others.
        observation = session.scalar(
            select(Observation).where(col(Observation.id) == frame.observation.id).with_for_update()
        )
        lock(session)
        difference = session.scalar(
            select(Difference).where(col(Difference.id) == frame.difference.id).with_for_update()
        )
        if difference is None or observation is None or not _still(observation, difference):
            return None
        if observation.finished_at != frame.observation.finished_at:
            return None
        if quality is not None:
            for name in OF_FRAME:
                setattr(observation, name, getattr(quality, name))
        if remark and remark not in (observation.reason or ""):
            observation.reason = f"{observation.reason} {remark}" if observation.reason else remark
        if zeropoint is None or difference.zeropoint is not None:
            return 0
        _brighten(difference, zeropoint, mag_system)
        session.flush()
        return _follow(session, difference, zeropoint, mag_system)


def _still(observation: Observation, difference: Difference) -> bool:
    return bool(difference.is_current and observation.state == ObservationState.DONE.value)


def _named(session: Session, name: str) -> Any:
    """That a frame is one of a name, or lies in a field of it."""
    conditions = [col(Observation.field) == name, col(Observation.frame) == name]
    if (key := key_in(name)) is not None:
        conditions.append(col(Observation.id) == key)
    if session.scalar(select(col(Observation.id)).where(or_(*conditions)).limit(1)) is None:
        raise NoSuchFrames(f"there is no field and no frame '{safe_text(name, 60)}'")
    return or_(*conditions)


def _brighten(difference: Difference, zeropoint: float, mag_system: str | None) -> None:
    """The magnitudes of a difference itself, by the fluxes that it keeps."""
    difference.zeropoint, difference.mag_system = zeropoint, mag_system
    if difference.flux50 is None:
        return  # the typical error was not kept: the limit stays unknown
    difference.m50 = magnitude(difference.flux50, 0.0, zeropoint)[0]
    if difference.snr50:
        typical = difference.flux50 / difference.snr50
        difference.limit_mag = magnitude(UPPER_LIMIT_SIGMA * typical, 0.0, zeropoint)[0]


def _follow(session: Session, difference: Difference, zeropoint: float, mag_system: str | None) -> int:
    """The magnitudes of what was found and measured in a difference; how many candidates it has."""
    of = select(col(Candidate.id), col(Candidate.flux), col(Candidate.flux_err), col(Candidate.sky_object_id))
    rows = session.execute(of.where(col(Candidate.difference_id) == difference.id)).all()
    values = []
    for row in rows:
        mag, mag_err = magnitude(row.flux or 0.0, row.flux_err or 0.0, zeropoint)
        values.append({"key": row.id, "mag": mag, "mag_err": mag_err, "mag_system": mag_system})
    _update(session, Candidate, values)
    refresh(session, {row.sky_object_id for row in rows})
    refresh_mags(session, [row.id for row in rows])
    forced = update(ForcedFlux).where(col(ForcedFlux.difference_id) == difference.id)
    session.execute(forced.values(zeropoint=zeropoint, mag_system=mag_system))
    drawn = select(col(Injection.id), col(Injection.flux)).where(
        col(Injection.difference_id) == difference.id
    )
    _update(session, Injection, _mags(session.execute(drawn).all(), zeropoint))
    sources: Any = select(col(InjectedSource.sky_object_id).label("id"), col(InjectedSource.flux)).where(
        col(InjectedSource.reference_id) == difference.reference_id, col(InjectedSource.mag).is_(None)
    )
    told = [each | {"mag_system": mag_system} for each in _mags(session.execute(sources).all(), zeropoint)]
    _update(session, InjectedSource, told)
    return len(rows)


def _mags(rows: Sequence[Any], zeropoint: float) -> list[dict[str, Any]]:
    return [{"key": row.id, "mag": magnitude(row.flux, 0.0, zeropoint)[0]} for row in rows]


def _update(session: Session, table: Any, values: list[dict[str, Any]]) -> None:
    """Set columns of rows by their keys."""
    if values:
        (key,) = table.__table__.primary_key.columns
        statement = update(table.__table__).where(key == bindparam("key"))
        names: dict[str, Any] = {name: bindparam(name) for name in values[0] if name != "key"}
        session.connection().execute(statement.values(**names), values)
