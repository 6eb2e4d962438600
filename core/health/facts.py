"""What the health checks are about: gathered within moments from this machine and the store."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, func, select

from core import clock
from core.database.engine import parse_url, shown_url
from core.database.store import Store, open_store
from core.database.store_errors import StoreError
from core.database.store_file import is_read_only, why_unwritable
from core.database.tables import Observation, Run, WatchedFolder
from core.epochs import unix_of
from core.errors import AstridError
from core.health import telling
from core.health.checks import MOST_COUNTED
from core.health.deliveries import Failing
from core.health.filesystems import kind_of
from core.health.new_light import NewLight, new_light
from core.models.files import champion_trouble
from core.models.names import NAMES
from core.models.versions import InUse, in_use
from core.operations import power, prefect_server, runs
from core.operations.power import DevicePower
from core.operations.prefect_server import ServerState
from core.operations.processes import is_gone
from core.review.rescoring import unscored_cards
from core.settings import Settings
from core.vocabulary import FrameKind, ObservationState

LOST_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that AstrID writes into, or the nearest parent that exists."""

    path: Path
    free_bytes: int = 0
    is_writable: bool = False
    is_read_only: bool = False  # its file system, whoever asks
    trouble: str | None = None  # why nothing else is known of it, as where its server went away


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the store tells. Times are Unix seconds.

    Attributes
    ----------
    trouble : str or None
        Why it cannot be used; all else is then unknown.
    filesystem, journal_mode : str or None
        Of a SQLite file.
    unwritable : str or None
        Why that file cannot be written to.
    clock_ahead_s : float or None
        The database server's clock before this machine's.
    due : int
        Frames that could be claimed now; `due_since` is since when the oldest could.
    quarantined, silent_leases : int
        Frames and files of alerts that nobody tries again, and frames whose lease ran out.
    damaged_alerts : int
        How many of the former are files of alerts.
    running, lost : sequence of Run
        Runs at work, and those lost lately, newest first.
    unlinked : int
        Frames of runs that were broken off before their tracklets were looked for.
    newest_frame, newest_taken_at, newest_entry_at, last_arrival_at
        The science frame that was registered last: its name, mid-exposure, and when it was registered;
        the last also counts files of watched folders.
    failing : sequence of Failing
        Whoever should be told of troubles and takes no message.
    unscored : int
        Cards that await a verdict by their SNR though models could score them, `MOST_COUNTED` at most.
    new_light : sequence of NewLight
        Saturated sources of the frames of a day that their references do not have.
    used : sequence of InUse
        The versions of models that score here; none where no run was made on this machine.
    """

    url: str
    trouble: str | None = None
    library: str = ""
    filesystem: str | None = None
    journal_mode: str | None = None
    unwritable: str | None = None
    clock_ahead_s: float | None = None
    due: int = 0
    due_since: float | None = None
    quarantined: int = 0
    damaged_alerts: int = 0
    silent_leases: int = 0
    running: Sequence[Run] = ()
    lost: Sequence[Run] = ()
    unlinked: int = 0
    folders: Sequence[WatchedFolder] = ()
    devices: Sequence[DevicePower] = ()
    newest_frame: str | None = None
    newest_taken_at: float | None = None
    newest_entry_at: float | None = None
    last_arrival_at: float | None = None
    failing: Sequence[Failing] = ()
    unscored: int = 0
    new_light: Sequence[NewLight] = ()
    used: Sequence[InUse] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the checks look at.

    Attributes
    ----------
    now : float
        This machine's clock, Unix seconds.
    clock_is_kept : bool or None
        By a time service; none: the kernel does not say.
    cadence_s : float or None
        Between two frames of the camera.
    site : tuple of float or None
        Latitude and longitude, degrees.
    prefect : ServerState or None
        None where it was not asked.
    gone_runs : frozenset of int
        Runs at work whose process on this machine is no more.
    damaged_models : tuple of (InUse, str)
        Versions in use that cannot score here, and what is to be said of each.
    """

    now: float
    host: str
    store: StoreFacts
    places: tuple[Place, ...] = ()
    clock_is_kept: bool | None = None
    cadence_s: float | None = None
    site: tuple[float, float] | None = None
    prefect: ServerState | None = None
    gone_runs: frozenset[int] = field(default_factory=frozenset)
    damaged_models: tuple[tuple[InUse, str], ...] = ()

    @property
    def store_now(self) -> float:
        """The database's clock, by which runs and watchers say that they are alive."""
        return self.now + (self.store.clock_ahead_s or 0.0)


def gather(settings: Settings, store: Store | None = None, *, over_network: bool = True) -> Facts:
    """Look at everything.

    Parameters
    ----------
    settings : Settings
    store : Store, optional
        The open store; it is opened for reading where none is given.
    over_network : bool
        Ask the Prefect server too, which may take 2 s.
    """
    host = socket.gethostname()
    found = _store(settings, store)
    running = [run for run in found.running if run.host == host]
    now = time.time()
    store_now = now + (found.clock_ahead_s or 0.0)
    return Facts(
        now=now,
        host=host,
        store=found,
        places=tuple(_places(settings)),
        clock_is_kept=clock.is_synchronised(),
        cadence_s=settings.camera.cadence_s or _cadence(found.folders),
        site=settings.site.position or None,
        prefect=prefect_server.look(settings) if over_network else None,
        gone_runs=frozenset(
            run.id or 0 for run in running if is_gone(run.pid, run.process, store_now - run.heartbeat_at)
        ),
        damaged_models=tuple(_damaged(settings.home, found.used)),
    )


def _damaged(home: Path, used: Sequence[InUse]) -> Iterator[tuple[InUse, str]]:
    for each in used:
        if (what := champion_trouble(home, each)) is not None:
            yield each, what


def _places(settings: Settings) -> list[Place]:
    """One folder for each disk that is written to: that of AstrID's home, and that of a SQLite store."""
    paths = [settings.home]
    database = _file_of(settings)
    if database is not None:
        paths.append(database.parent)
    found: dict[int | Path, Place] = {}
    for path in paths:
        try:
            there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
            found.setdefault(
                there.stat().st_dev,
                Place(
                    there,
                    shutil.disk_usage(there).free,
                    os.access(there, os.W_OK | os.X_OK),
                    is_read_only(there),
                ),
            )
        except OSError as error:
            found[path] = Place(path, trouble=error.strerror or type(error).__name__)
    return list(found.values())


def _file_of(settings: Settings) -> Path | None:
    """The file of a SQLite store; none for a server's, and where the URL is none."""
    try:
        place = parse_url(settings.store_url)
    except StoreError:
        return None
    return Path(str(place.database)) if place.get_backend_name() == "sqlite" else None


def _cadence(folders: Sequence[WatchedFolder]) -> float | None:
    return min((each.cadence_s for each in folders if each.watcher and each.cadence_s), default=None)


def _store(settings: Settings, store: Store | None) -> StoreFacts:
    try:
        if store is not None:
            return _ask(store, settings)
        opened = open_store(settings.store_url, read_only=True)
        try:
            return _ask(opened, settings)
        finally:
            opened.close()
    except AstridError as error:
        return StoreFacts(_shown(settings), str(error))


def _shown(settings: Settings) -> str:
    try:
        return shown_url(settings.store_url)
    except StoreError:
        return "the store"


def _ask(store: Store, settings: Settings) -> StoreFacts:
    file = _file_of(settings)
    store.must_be_there()  # an open connection answers on without its file
    devices = power.devices(store)
    used = tuple(in_use(store, NAMES).values()) if runs.has_run_here(store) else ()
    now = time.time()
    with store.read() as session:
        connection = session.connection()
        if file is None:
            version = str(connection.exec_driver_sql("SHOW server_version").scalar()).split(" ")[0]
            library, journal, filesystem, unwritable = f"PostgreSQL {version}", None, None, None
            ahead = session.exec(select(store.clock())).one() - time.time()
        else:
            library = f"SQLite {sqlite3.sqlite_version}"
            journal = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())
            filesystem, ahead = kind_of(file), None
            unwritable = why_unwritable(file)
        due, due_since = _due(session, now)
        running = session.exec(
            select(Run).where(col(Run.state) == "running").order_by(col(Run.id).desc())
        ).all()
        lost = session.exec(
            select(Run).where(col(Run.state) == "lost").order_by(col(Run.id).desc()).limit(LOST_AT_MOST)
        ).all()
        folders = session.exec(select(WatchedFolder).order_by(col(WatchedFolder.path))).all()
        newest = session.exec(
            select(Observation)
            .where(col(Observation.kind) == FrameKind.SCIENCE.value)
            .order_by(col(Observation.id).desc())
            .limit(1)
        ).first()
        failing = telling.failing(session, now)
        quarantined = _count(session, ObservationState.QUARANTINED)
        damaged = _count(session, ObservationState.QUARANTINED, FrameKind.ALERTS)
        unscored = unscored_cards(session, alerts=settings.classify.alerts, most=MOST_COUNTED)
        light, unlinked = new_light(session, now), runs.count_unlinked(session)
        silent = session.exec(
            select(func.count())
            .select_from(Observation)
            .where(
                col(Observation.state) == ObservationState.RUNNING.value,
                col(Observation.lease_until) < store.clock(),
            )
        ).one()
    entered = newest.created_at if newest else None
    return StoreFacts(
        url=store.url,
        library=library,
        filesystem=filesystem,
        journal_mode=journal,
        unwritable=unwritable,
        clock_ahead_s=ahead,
        due=due,
        due_since=due_since,
        quarantined=quarantined,
        damaged_alerts=damaged,
        silent_leases=silent,
        running=running,
        lost=lost,
        unlinked=unlinked,
        folders=folders,
        devices=devices,
        failing=failing,
        unscored=unscored,
        new_light=light,
        used=used,
        newest_frame=newest.frame if newest else None,
        newest_taken_at=unix_of(newest.mjd) if newest and newest.mjd is not None else None,
        newest_entry_at=entered,
        last_arrival_at=max(
            (at for at in (entered, *(each.last_file_at for each in folders)) if at is not None), default=None
        ),
    )


def _due(session: Session, now: float) -> tuple[int, float | None]:
    """How many frames could be claimed, and since when the oldest could: registered, and not put off."""
    later: Any = func.greatest if session.get_bind().dialect.name == "postgresql" else func.max
    since = later(Observation.created_at, Observation.not_before)
    query = select(func.count(), func.min(since)).where(
        col(Observation.state) == ObservationState.QUEUED.value, col(Observation.not_before) <= now
    )
    count, oldest = session.exec(query).one()
    return count, oldest


def _count(session: Session, state: ObservationState, kind: FrameKind | None = None) -> int:
    query = select(func.count()).select_from(Observation).where(col(Observation.state) == state.value)
    if kind is not None:
        query = query.where(col(Observation.kind) == kind.value)
    return session.exec(query).one()
