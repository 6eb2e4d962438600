"""How the work goes: runs, the queue's events, folders, power and health."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, UniqueConstraint
from sqlmodel import Field

from core.database.tables.base import Stored


class Run(Stored, table=True):
    """One `astrid run`: which process, since when, and how it ended."""

    __tablename__ = "run"

    id: int | None = Field(default=None, primary_key=True)
    engine: str
    host: str
    pid: int
    process: str | None = (
        None  # tells its process from a later one of the same id: `core.operations.processes`
    )
    workers: int
    state: str  # running, done, failed, interrupted, lost
    reason: str | None = None  # one line: why it runs or ended as it did
    flow_run_id: str | None = None  # of Prefect's flow run
    config_hash: str
    config: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    started_at: float
    heartbeat_at: float
    ended_at: float | None = None
    counts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    energy_j: float | None = None  # its share of what was measured of its machine; none: not measured
    energy: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON)
    )  # by device: `core.operations.power`


class QueueEvent(Stored, table=True):
    """Something out of the ordinary on a frame's way through the queue: its history, oldest first."""

    __tablename__ = "queue_event"

    id: int | None = Field(default=None, primary_key=True)
    observation_id: int = Field(foreign_key="observation.id", index=True)
    at: float
    event: str  # `core.vocabulary.QueueEventKind`
    state: str  # of the frame after it
    attempt: int  # the one it ended; 0 before the first
    by: str | None = None  # the worker that had the frame, or the person
    reason: str | None = None


class WatchedFolder(Stored, table=True):
    """A folder that `astrid watch` looks into, and what it saw last. One process watches it at a time."""

    __tablename__ = "watched_folder"
    __table_args__ = (UniqueConstraint("host", "path"),)

    id: int | None = Field(default=None, primary_key=True)
    host: str
    path: str
    watcher: str | None = None  # proof of who watches now; none: nobody
    pid: int | None = None
    interval_s: float
    processes: bool = False  # it starts runs as frames arrive
    heartbeat_at: float
    last_file_at: float | None = None  # when the newest file was taken
    cadence_s: float | None = None  # between the newest files, the median
    unsettled: int = 0  # files that are still being written
    files: int = 0  # that were taken, ever
    refused: int = 0  # of them, those without any exposure of use
    problem: str | None = None  # why it cannot be read now


class WatchedFile(Stored, table=True):
    """A file of a watched folder as it was when it was taken: it is examined again when it changed."""

    __tablename__ = "watched_file"

    folder_id: int = Field(foreign_key="watched_folder.id", primary_key=True)
    name: str = Field(primary_key=True)  # from the folder on
    size: int = Field(sa_type=BigInteger)
    mtime: float
    taken_at: float


class PowerDevice(Stored, table=True):
    """Something that takes power, and who reads it; or the reason why it cannot be measured."""

    __tablename__ = "power_device"

    device: str = Field(primary_key=True)  # "host/gpu0"; "host/gpu" where there is none
    host: str = Field(index=True)
    kind: str  # "gpu", "cpu" or "memory"
    name: str
    memory_mib: float | None = None  # that it has
    reason: str | None = None  # why nothing is measured, or since when no more
    sampled_by: str | None = None  # one process a host writes samples; another takes over when it is gone
    seen_at: float


class PowerSample(Stored, table=True):
    """One reading of one device's power."""

    __tablename__ = "power_sample"
    __table_args__ = (Index("ix_power_sample_device", "device", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    at: float
    device: str  # `PowerDevice.device`
    watts: float | None = None
    energy_j: float | None = None  # its counter: differences have a meaning, the value has none
    temperature_c: float | None = None
    utilisation: float | None = None  # 0 to 1
    memory_mib: float | None = None  # in use


class HealthEvent(Stored, table=True):
    """Something the operator should know: one row for each trouble, however often it comes back."""

    __tablename__ = "health_event"
    __table_args__ = (
        Index("ix_health_event_open", "acknowledged_at", "last_at"),
        Index("uq_health_event_trouble", "check", "host", "cause", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    check: str
    host: str = Field(default="", sa_column_kwargs={"server_default": ""})  # empty: of the whole store
    cause: str = Field(default="", sa_column_kwargs={"server_default": ""})  # such as the run it is about
    severity: str  # "warning" or "failed"
    message: str
    first_at: float
    last_at: float  # when it was last seen, to a minute
    count: int = 1  # how often it came
    opened_at: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})  # when it came last
    closed_at: float | None = None  # when it was gone; none: it lasts
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    alerted_at: float | None = None  # when an alert of it was last tried
    alert_problem: str | None = None  # what became of it at each receiver: `core.health.deliveries`
