"""What power was measured, and what the work took: for the power screen, the header and `astrid power`.

What was not measured is ``None``, with the reason beside it. Nothing is estimated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Integer, and_, cast, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, PowerDevice, PowerSample, Run, SkyObject, StageRun, Verdict
from core.frames.standing import candidate_label
from core.operations.runs import is_idle
from core.vocabulary import ReviewState, labels_of

FRESH_S = 30.0  # a draw that is older is not that of now
NIGHT_S = 86400.0
ENERGY_EVERY_S = 30.0
FULLY = 0.9  # of a run's time counts as all of it: sensors are found a moment after it began

Quantity = Literal["watts", "temperature_c", "utilisation", "memory_mib"]


@dataclass(frozen=True, slots=True)
class DevicePower:
    """One device and its newest sample.

    Attributes
    ----------
    device : str
        Unique among all hosts: ``host/gpu0``.
    name : str
        The vendor's name. Text from outside.
    memory_total_mib : float or None
    reason : str or None
        Why its power is not measured.
    at : float or None
        When it was last sampled, Unix seconds; none: never. The values are of that moment.
    utilisation : float or None
        0 to 1.
    """

    device: str
    host: str
    kind: str
    name: str
    memory_total_mib: float | None = None
    reason: str | None = None
    at: float | None = None
    watts: float | None = None
    temperature_c: float | None = None
    utilisation: float | None = None
    memory_mib: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    """One quantity of one device: means over bins of equal length, none where nothing was sampled.

    The bins begin at whole multiples of ``bin_s`` since 1970, so that a bin once full never changes.
    """

    device: str
    quantity: Quantity
    since: float  # Unix seconds, the begin of the first bin
    bin_s: float
    means: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """What one device took; ``measured`` is the share of the time that was measured, 0 to 1."""

    device: str
    joules: float | None
    measured: float
    how: str | None  # "counter", or "draw": the integral of its samples
    reason: str | None


@dataclass(frozen=True, slots=True)
class StageUse:
    """What one stage took in all frames; none where it was not measured in all of them."""

    stage: str
    frames: int
    seconds: float
    joules: float | None


@dataclass(frozen=True, slots=True)
class EnergyUse:
    """What some runs took, and for what.

    Attributes
    ----------
    joules : float or None
        Of all measured devices of the machines they ran on, while they ran. Runs that were at work on a
        machine at once have shares of it, by their workers, which add up. None: nothing was measured.
    is_partial : bool
        Some device or some run was not measured, or not all the time: `joules` is less than was taken.
    frames : int
        Frames that were taken in hand.
    judged_real : int
        Objects on these frames that are judged real: what their last verdict says, confirmed or not. What
        moves is one, in however many frames it was seen.
    joules_per_frame, joules_per_real : float or None
        None where nothing was measured or there is nothing to divide by.
    """

    run_ids: tuple[int, ...]
    since: float
    until: float | None  # none: still at work
    joules: float | None
    is_partial: bool
    devices: tuple[DeviceUse, ...]
    stages: tuple[StageUse, ...]
    frames: int
    judged_real: int
    joules_per_frame: float | None
    joules_per_real: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """All that the power screen shows, read in one go.

    Attributes
    ----------
    history : History or None
        Of the chosen device up to its newest sample, or of the first; none: there are no devices.
    run, night : EnergyUse or None
        None before the first run.
    """

    devices: tuple[DevicePower, ...]
    history: History | None
    run: EnergyUse | None
    night: EnergyUse | None
    energy_key: tuple[Any, ...]
    energy_at: float


def panel(
    store: Store,
    *,
    device: str | None,
    quantity: Quantity,
    span_s: float,
    bins: int,
    known: Panel | None = None,
) -> Panel:
    """Read what the power screen shows.

    Parameters
    ----------
    store : Store
    device : str, optional
        Whose history is wanted; the first of all where it is not there.
    quantity : str
    span_s : float
        The length of the history, seconds.
    bins : int
    known : Panel, optional
        What was read before. Its sums over runs are taken over while no run began or ended, no verdict
        was given, and they are young: a night has many stages.
    """
    now = time.time()
    found = tuple(devices(store))
    chosen = next((each for each in found if each.device == device), found[0] if found else None)
    past = None
    if chosen is not None:
        past = history(store, chosen.device, quantity, span_s=span_s, bins=bins, now=chosen.at)
    key = _energy_key(store)
    if known is not None and known.energy_key == key and now - known.energy_at < ENERGY_EVERY_S:
        return Panel(found, past, known.run, known.night, key, known.energy_at)
    return Panel(found, past, last_run(store), last_night(store), key, now)


def _energy_key(store: Store) -> tuple[Any, ...]:
    with store.read() as session:
        newest = (func.max(Run.id), func.max(Run.ended_at), func.max(Verdict.id))
        return tuple(session.execute(select(*(select(each).scalar_subquery() for each in newest))).one())


def devices(store: Store) -> list[DevicePower]:
    """Every device that any host told of, measured ones first."""
    newest = aliased(PowerSample)
    last = (
        select(col(newest.id))
        .where(col(newest.device) == col(PowerDevice.device))
        .order_by(col(newest.at).desc())
        .limit(1)
        .correlate(PowerDevice)
        .scalar_subquery()
    )
    query = (
        select(PowerDevice, PowerSample)
        .outerjoin(PowerSample, and_(col(PowerSample.id) == last))
        .order_by(col(PowerDevice.host), col(PowerDevice.reason).is_not(None), col(PowerDevice.device))
    )
    with store.read() as session:
        return [_device(device, sample) for device, sample in session.execute(query)]


def draw_now(store: Store, *, now: float | None = None) -> float | None:
    """The sum of the newest draws in watts; none where none is fresh."""
    oldest = (time.time() if now is None else now) - FRESH_S
    draws = [each.watts for each in devices(store) if each.at is not None and each.at >= oldest]
    measured = [watts for watts in draws if watts is not None]
    return sum(measured) if measured else None


def history(
    store: Store, device: str, quantity: Quantity, *, span_s: float, bins: int, now: float | None = None
) -> History:
    """The newest samples of one device, in so many bins up to now."""
    bin_s = span_s / bins
    until = (int((time.time() if now is None else now) // bin_s) + 1) * bin_s
    since = until - bins * bin_s
    place = (col(PowerSample.at) - since) / bin_s
    # Not every SQLite has floor(); its cast cuts off, PostgreSQL's rounds.
    number = func.floor(place) if store.is_postgresql else cast(place, Integer)
    query = (
        select(number, func.avg(getattr(PowerSample, quantity)))
        .where(col(PowerSample.device) == device, col(PowerSample.at) >= since, col(PowerSample.at) < until)
        .group_by(number)
    )
    means: list[float | None] = [None] * bins
    with store.read() as session:
        for index, mean in session.execute(query):
            means[min(int(index), bins - 1)] = mean
    return History(device, quantity, since, bin_s, tuple(means))


def last_run(store: Store) -> EnergyUse | None:
    """What the newest run took, also while it is at work; none before the first."""
    with store.read() as session:
        run = _newest(session)
        return None if run is None else _use(session, [run])


def _newest(session: Session) -> Run | None:
    """The newest run that did not find that nothing was due; else the newest of those."""
    newest = select(Run).order_by(col(Run.id).desc()).limit(1)
    return session.scalars(newest.where(~is_idle())).first() or session.scalars(newest).first()


def last_night(store: Store) -> EnergyUse | None:
    """What the runs took that began within the 24 hours before the newest one ended."""
    with store.read() as session:
        newest = _newest(session)
        if newest is None:
            return None
        since = (newest.ended_at or newest.heartbeat_at) - NIGHT_S
        query = select(Run).where(col(Run.started_at) >= since).order_by(col(Run.id))
        return _use(session, session.scalars(query).all() or [newest])


def _device(device: PowerDevice, sample: PowerSample | None) -> DevicePower:
    return DevicePower(
        device=device.device,
        host=device.host,
        kind=device.kind,
        name=device.name,
        memory_total_mib=device.memory_mib,
        reason=device.reason,
        at=sample.at if sample else None,
        watts=sample.watts if sample else None,
        temperature_c=sample.temperature_c if sample else None,
        utilisation=sample.utilisation if sample else None,
        memory_mib=sample.memory_mib if sample else None,
    )


def _use(session: Session, runs: Sequence[Run]) -> EnergyUse:
    ids = tuple(run.id or 0 for run in runs)
    devices_used = _devices_used(runs)
    measured = [run.energy_j for run in runs if run.energy_j is not None]
    joules = sum(measured) if measured else None
    frames = select(func.count(func.distinct(StageRun.observation_id))).where(col(StageRun.run_id).in_(ids))
    n_frames = session.scalars(frames).one()
    judged_real = _judged_real(session, ids)
    ends = [run.ended_at for run in runs]
    return EnergyUse(
        run_ids=ids,
        since=min(run.started_at for run in runs),
        until=None if None in ends else max(end for end in ends if end is not None),
        joules=joules,
        is_partial=len(measured) < len(runs) or any(each.measured < FULLY for each in devices_used),
        devices=devices_used,
        stages=_stages(session, ids),
        frames=n_frames,
        judged_real=judged_real,
        joules_per_frame=joules / n_frames if joules is not None and n_frames else None,
        joules_per_real=joules / judged_real if joules is not None and judged_real else None,
    )


def _devices_used(runs: Sequence[Run]) -> tuple[DeviceUse, ...]:
    """Each device over all runs; its share is of the time of those runs that were on its machine."""
    found: dict[str, list[tuple[dict[str, Any], float]]] = {}
    for run in runs:
        seconds = max((run.ended_at or run.heartbeat_at) - run.started_at, 0.0)
        for device, energy in (run.energy or {}).items():
            found.setdefault(f"{run.host}/{device}", []).append((energy, seconds))
    return tuple(_device_use(device, parts) for device, parts in sorted(found.items()))


def _device_use(device: str, parts: Sequence[tuple[dict[str, Any], float]]) -> DeviceUse:
    joules = [energy["joules"] for energy, _ in parts if energy["joules"] is not None]
    of, seconds = sum(energy["seconds"] for energy, _ in parts), sum(seconds for _, seconds in parts)
    return DeviceUse(
        device=device,
        joules=sum(joules) if joules else None,
        measured=min(of / seconds, 1.0) if seconds > 0 else float(bool(joules)),
        how=next((energy["how"] for energy, _ in parts if energy["how"] == "draw"), None)
        or next((energy["how"] for energy, _ in parts if energy["how"]), None),
        reason=next((energy["reason"] for energy, _ in reversed(parts) if energy["reason"]), None),
    )


def _stages(session: Session, run_ids: Sequence[int]) -> tuple[StageUse, ...]:
    """In the order in which they are run."""
    query = (
        select(
            col(StageRun.stage),
            func.count(func.distinct(StageRun.observation_id)),
            func.sum(StageRun.seconds),
            func.sum(StageRun.energy_j),
            func.count() - func.count(col(StageRun.energy_j)),
        )
        .where(col(StageRun.run_id).in_(run_ids))
        .group_by(col(StageRun.stage))
        .order_by(func.min(StageRun.id))
    )
    return tuple(
        StageUse(stage, frames, seconds, None if missing else joules)
        for stage, frames, seconds, joules, missing in session.execute(query)
    )


def _judged_real(session: Session, run_ids: Sequence[int]) -> int:
    frames = select(col(StageRun.observation_id)).where(col(StageRun.run_id).in_(run_ids))
    body = func.coalesce(-col(SkyObject.tracklet_id), col(SkyObject.id))
    query = (
        select(func.count(func.distinct(body)))
        .select_from(Candidate)
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .where(
            col(SkyObject.review_state) == ReviewState.REAL,
            col(SkyObject.injected).is_(False),
            col(Candidate.is_current).is_(True),
            col(Candidate.observation_id).in_(frames),
            candidate_label().in_(labels_of(ReviewState.REAL)),
        )
    )
    return session.scalars(query).one()
