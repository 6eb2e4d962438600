"""Folders that `astrid watch` looks into: who watches each, and what was seen there.

A folder of one host is watched by one process. The record of its files makes a restart cheap, and shows
the console that somebody is there.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from core.database.storable import indexable, storable
from core.database.store import Store
from core.database.tables import WatchedFile, WatchedFolder
from core.database.turns import take_turn
from core.errors import AstridError
from core.operations.processes import is_gone, mark_of
from core.text import counted

SILENT_S = 60.0  # a watcher that was not heard of for so long, and ten intervals, is given up
COPIED_S = 1.0  # files that follow one another faster than this were copied, not taken by a camera
CADENCE_FILES = 32  # the newest, between which the cadence is measured


class FolderRefused(AstridError):
    """What was asked of a watched folder cannot be done."""


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it looked from outside: it changed if this changed."""

    size: int
    mtime: float


@dataclass(frozen=True, slots=True)
class Folder:
    """A watched folder, for whoever shows it. Times are Unix seconds.

    Attributes
    ----------
    watched : bool
        Somebody looks into it now.
    last_file_at : float or None
        When the newest frame was taken.
    unsettled : int
        Files that are still being written.
    files, refused : int
        That were taken, ever; and those of them without any exposure of use.
    cadence_s : float or None
        From one of the newest files to the next, the median.
    problem : str or None
        Why it cannot be read now.
    """

    id: int
    host: str
    path: str
    watched: bool
    pid: int | None
    interval_s: float
    processes: bool
    heartbeat_at: float
    last_file_at: float | None
    cadence_s: float | None
    unsettled: int
    files: int
    refused: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """The right to watch a folder, as long as `beat` says so."""

    folder_id: int
    path: Path
    pid: int  # two processes may have begun at the same tick, and one id is given out again:
    mark: str  # both together tell


@dataclass(slots=True)
class Newest:
    """When the newest frames of a folder were written, by their names: what tells the camera's pace.

    Whoever watches a folder keeps them, for its files in the store may be many.
    """

    written: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, look: Look) -> None:
        """Count a frame that was taken, or taken again since it changed."""
        self.written[name] = look.mtime
        if len(self.written) > CADENCE_FILES:
            del self.written[min(self.written, key=self.written.__getitem__)]

    @property
    def cadence_s(self) -> float | None:
        """From one to the next, the median."""
        return cadence_s(list(self.written.values()))


def take(store: Store, path: Path, *, interval_s: float, processes: bool = False) -> Watch | int:
    """Become the one who watches a folder of this host; or the id of the process that does already.

    A watcher that is gone or fell silent is replaced.
    """
    host, pid = socket.gethostname(), os.getpid()
    mark = mark_of(pid) or f"process {pid}"
    key = storable(str(path))
    with store.write() as session:
        take_turn(session, f"watch of {key}")  # while there is no row yet that could be locked
        now = store.now(session)
        row = session.exec(
            select(WatchedFolder)
            .where(col(WatchedFolder.host) == host, col(WatchedFolder.path) == key)
            .with_for_update()
        ).first()
        if row is None:
            row = WatchedFolder(host=host, path=key, interval_s=interval_s, heartbeat_at=now)
        elif (row.pid, row.watcher) != (pid, mark) and _is_watched(row, now):
            return row.pid or 0
        row.watcher, row.pid, row.heartbeat_at = mark, pid, now
        row.interval_s, row.processes, row.problem = interval_s, processes, None
        session.add(row)
        session.flush()
        return Watch(row.id or 0, path, pid, mark)


def beat(store: Store, watch: Watch, *, unsettled: int = 0, problem: str | None = None) -> bool:
    """Say that a folder was looked into; false when another watches it now."""
    values = {"heartbeat_at": store.clock(), "unsettled": unsettled, "problem": problem}
    with store.write() as session:
        return _change(session, watch, values)


def remember(
    store: Store, watch: Watch, name: str, look: Look, *, refused: bool, is_frame: bool, cadence: float | None
) -> None:
    """Record that a file was taken as it looked, and the cadence of the folder's frames now.

    Where another watches the folder now, or it was forgotten, nothing is recorded: `beat` tells so.

    Parameters
    ----------
    refused : bool
        None of its exposures is of use.
    is_frame : bool
        It is the camera's, and tells that this one works.
    cadence : float, optional
        Seconds from one of the newest frames to the next: `Newest`.
    """
    now = time.time()
    with store.write() as session:
        if not _change(session, watch, {"heartbeat_at": store.clock()}):
            return
        session.merge(
            WatchedFile(
                folder_id=watch.folder_id,
                name=indexable(name),
                size=look.size,
                mtime=look.mtime,
                taken_at=now,
            )
        )
        session.flush()
        _change(
            session,
            watch,
            {
                "last_file_at": now if is_frame else col(WatchedFolder.last_file_at),
                "cadence_s": cadence,
                "files": col(WatchedFolder.files) + 1,
                "refused": col(WatchedFolder.refused) + int(refused),
            },
        )


def known(store: Store, watch: Watch) -> dict[str, Look]:
    """How the files that were taken from a folder looked, by name."""
    query = select(WatchedFile).where(col(WatchedFile.folder_id) == watch.folder_id)
    with store.read() as session:
        return {row.name: Look(row.size, row.mtime) for row in session.exec(query)}


def let_go(store: Store, watch: Watch) -> None:
    """Watch a folder no more."""
    with store.write() as session:
        _change(session, watch, {"watcher": None, "pid": None, "unsettled": 0})


def forget(store: Store, name: str) -> Folder:
    """Know nothing more of a folder, which nobody means to watch again; what it was.

    What was taken from it stays registered. Should it be watched again, its files are known by their content.

    Parameters
    ----------
    store : Store
    name : str
        Its path on this host, or ``host:path``.

    Raises
    ------
    FolderRefused
        No such folder was ever watched, or one is that a process watches.
    """
    here = {storable(each) for each in (name, str(Path(name).absolute()), os.path.realpath(name))}
    places = {f"{socket.gethostname()}:{each}" for each in here} | {storable(name)}
    known = {f"{each.host}:{each.path}": each for each in folders(store)}
    folder = next((each for place, each in known.items() if place in places), None)
    if folder is None:
        raise FolderRefused(f"{name} was never watched; these were: {', '.join(known) or 'none'}")
    with store.write() as session:
        take_turn(session, f"watch of {folder.path}")
        row = session.exec(
            select(WatchedFolder).where(col(WatchedFolder.id) == folder.id).with_for_update()
        ).first()
        if row is not None and _is_watched(row, store.now(session)):
            raise FolderRefused(
                f"{row.path} is watched by process {row.pid} of {row.host}: end that `astrid watch` first"
            )
        session.execute(delete(WatchedFile).where(col(WatchedFile.folder_id) == folder.id))
        session.execute(delete(WatchedFolder).where(col(WatchedFolder.id) == folder.id))
    return folder


def forgettable(store: Store, beginning: str) -> list[tuple[str, str]]:
    """Folders of this host that nobody watches and whose paths begin so, each with what is known of it."""
    host = socket.gethostname()
    return [
        (each.path, f"{counted(each.files, 'file')} taken")
        for each in folders(store)
        if each.host == host and not each.watched and each.path.startswith(beginning)
    ]


def folders(store: Store) -> tuple[Folder, ...]:
    """All folders that were ever watched, in the order of their names."""
    with store.read() as session:
        now = store.now(session)
        rows = session.exec(select(WatchedFolder).order_by(WatchedFolder.path, WatchedFolder.host)).all()
    return tuple(_folder(row, now) for row in rows)


def cadence_s(times: Sequence[float]) -> float | None:
    """The median time from one file to the next; none of fewer than three, or of copies."""
    ordered = sorted(times)
    if len(ordered) < 3:
        return None
    cadence = statistics.median(later - earlier for earlier, later in pairwise(ordered))
    return cadence if cadence >= COPIED_S else None


def _is_watched(row: WatchedFolder, now: float) -> bool:
    if row.watcher is None or row.pid is None:
        return False
    silent_s = now - row.heartbeat_at
    if silent_s > max(SILENT_S, 10.0 * row.interval_s):
        return False
    return row.host != socket.gethostname() or not is_gone(row.pid, row.watcher, silent_s)


def _folder(row: WatchedFolder, now: float) -> Folder:
    facts = row.model_dump(exclude={"watcher"})
    return Folder(watched=_is_watched(row, now), **facts)


def _change(session: Session, watch: Watch, values: dict[str, Any]) -> bool:
    result = session.exec(
        update(WatchedFolder)
        .where(
            col(WatchedFolder.id) == watch.folder_id,
            col(WatchedFolder.pid) == watch.pid,
            col(WatchedFolder.watcher) == watch.mark,
        )
        .values(**values)
        .returning(col(WatchedFolder.id))
    )
    return result.first() is not None
