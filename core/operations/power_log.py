"""What samplers of power write: which devices a host has, their samples, and what runs took.

One process a host writes samples, so that two runs at once do not write them twice; when it is gone
another takes over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Float, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import PowerDevice, PowerSample, Run


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device of one host (`core.database.tables.PowerDevice`); ``device`` is unique on its host."""

    device: str
    kind: str
    name: str
    memory_mib: float | None = None
    reason: str | None = None  # why it is not measured


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """One reading of one device, as `core.database.tables.PowerSample` keeps it."""

    device: str
    at: float
    watts: float | None = None
    energy_j: float | None = None
    temperature_c: float | None = None
    utilisation: float | None = None
    memory_mib: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """What one device took during a run, or the run's share of that where others were at work beside it.

    ``seconds`` of it were measured, by its counter or by the integral of its draw (``how``); ``joules``
    is none, with a ``reason``, where nothing was.
    """

    joules: float | None = None
    seconds: float = 0.0
    how: str | None = None
    reason: str | None = None


_SAMPLE = tuple(each.name for each in fields(SampleFacts))
_ANNOUNCED = tuple(each.name for each in fields(DeviceFacts) if each.name != "device")


def key(host: str, device: str) -> str:
    """The name of a device among those of all hosts."""
    return f"{host}/{device}"


def announce(store: Store, host: str, devices: Iterable[DeviceFacts]) -> None:
    """Say what a host has and why some of it is not measured; replaces what was said before."""
    told = {
        key(host, each.device): storable({name: getattr(each, name) for name in _ANNOUNCED})
        for each in devices
    }
    dialect = postgresql if store.is_postgresql else sqlite  # two runs of a host may begin at once
    with store.write() as session:
        for name, values in told.items():
            row = dialect.insert(PowerDevice).values(device=name, host=host, seen_at=time.time(), **values)
            session.execute(row.on_conflict_do_update(index_elements=["device"], set_=values))
        # What was missing then is there now, or nobody asks for it any more.
        gone = and_(_of(host), col(PowerDevice.device).not_in(told), col(PowerDevice.reason).is_not(None))
        session.execute(delete(PowerDevice).where(gone))


def write_samples(
    store: Store,
    host: str,
    sampler: str,
    samples: Sequence[SampleFacts],
    *,
    stale_s: float,
    run_id: int | None = None,
    energy: Mapping[str, DeviceEnergy] | None = None,
) -> None:
    """Write a batch of samples, and what a run has taken so far, in one transaction.

    Samples of devices that another sampler of this host has written within `stale_s` are left out.
    """
    with store.write() as session:
        mine = _taken(session, host, sampler, stale_s)
        rows = [
            {name: getattr(each, name) for name in _SAMPLE} | {"device": key(host, each.device)}
            for each in samples
            if key(host, each.device) in mine
        ]
        if rows:
            session.connection().execute(insert(PowerSample), rows)
        if run_id is not None and energy is not None:
            session.execute(update(Run).where(col(Run.id) == run_id).values(**_run_energy(energy)))


def let_go(store: Store, sampler: str) -> None:
    """Leave the devices to the next sampler at once."""
    with store.write() as session:
        mine = col(PowerDevice.sampled_by) == sampler
        session.execute(update(PowerDevice).where(mine).values(sampled_by=None))


def forget(store: Store, host: str, before: float, limit: int = 2000) -> int:
    """Delete at most so many samples of a host's devices that are older than a time; how many it were."""
    with store.write() as session:
        devices = select(col(PowerDevice.device)).where(_of(host))
        old = (
            select(col(PowerSample.id))
            .where(col(PowerSample.device).in_(devices), col(PowerSample.at) < before)
            .limit(limit)
        )
        result = session.execute(
            delete(PowerSample)
            .where(col(PowerSample.id).in_(old))
            .returning(col(PowerSample.id))
            .execution_options(synchronize_session=False)
        )
        return len(result.all())


def _of(host: str) -> Any:
    return col(PowerDevice.host) == host


def _taken(session: Session, host: str, sampler: str, stale_s: float) -> set[str]:
    """Which of a host's devices are this sampler's to write."""
    values = {"a_host": host, "a_sampler": sampler, "now": time.time(), "stale_at": time.time() - stale_s}
    return set(session.connection().execute(_TAKE, values).scalars())


_TAKE = (  # made once: it is run with every batch, all day
    update(PowerDevice)
    .where(
        col(PowerDevice.host) == bindparam("a_host"),
        or_(
            col(PowerDevice.sampled_by) == bindparam("a_sampler"),
            col(PowerDevice.sampled_by).is_(None),
            col(PowerDevice.seen_at) < bindparam("stale_at", type_=Float),
        ),
    )
    .values(sampled_by=bindparam("a_sampler"), seen_at=bindparam("now", type_=Float))
    .returning(col(PowerDevice.device))
)


def _run_energy(energy: Mapping[str, DeviceEnergy]) -> dict[str, Any]:
    measured = [each.joules for each in energy.values() if each.joules is not None]
    return {
        "energy_j": sum(measured) if measured else None,
        "energy": {device: asdict(each) for device, each in energy.items()},
    }
