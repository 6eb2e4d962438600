"""Watching folders for files that have arrived whole.

Folders are looked into again and again, for the camera's computer often writes over NFS, which tells
nobody of new files. A file is taken when it looked the same twice and can be read to its end; one that
cannot gets `PATIENCE_S` before it counts as damaged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.database.store import Store
from core.frames import watched_folders
from core.frames.observations import Registered, register
from core.frames.outcome import ObservationFacts
from core.frames.watched_folders import Look, Newest, Watch
from core.settings import Settings
from core.text import counted
from core.vocabulary import ObservationState
from pipeline.intake.alerts import SUFFIXES, AlertFile, take_alerts
from pipeline.intake.ingest import examine, find_files
from pipeline.surveys import packets
from pipeline.surveys.packets import holds_alerts

PATIENCE_S = 60.0  # for a file that has stopped growing and cannot be read
REFUSED = {ObservationState.REJECTED, ObservationState.QUARANTINED}


class WatchLost(Exception):
    """Another process watches the folder now."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was registered, and what became of its exposures or alerts.

    ``cadence_s`` is the median time between the newest files of its folder.
    """

    path: Path
    frames: tuple[Registered, ...]
    cadence_s: float | None
    alerts: AlertFile | None = None


@dataclass(slots=True)
class _Unsettled:
    """A file that is not taken yet: how it looked last, since when, and whether it could not be read."""

    look: Look
    since: float
    unreadable: bool = False


@dataclass(slots=True)
class FolderWatch:
    """Looks into one folder, again and again, and registers what has arrived.

    Parameters
    ----------
    store : Store
    settings : Settings
    watch : Watch
        The right to do so: `core.frames.watched_folders.take`.
    clock : callable
        Seconds that only grow.
    """

    store: Store
    settings: Settings
    watch: Watch
    clock: Callable[[], float] = time.monotonic
    _unsettled: dict[str, _Unsettled] = field(default_factory=dict)
    _known: dict[str, Look] | None = None
    _newest: Newest = field(default_factory=Newest)

    def poll(self, go_on: Callable[[], bool] = lambda: True) -> Iterator[Taken]:
        """Look into the folder once; what is taken is registered before it is yielded.

        Parameters
        ----------
        go_on : callable
            Asked before each file.

        Raises
        ------
        WatchLost
            Another process watches the folder now.
        StoreError
            The store cannot be used; the next call goes on where this one stopped.
        """
        if self._known is None:
            self._known = watched_folders.known(self.store, self.watch)
            for name, look in self._known.items():
                if _is_frame(name):
                    self._newest.add(name, look)
        unread: list[str] = []
        try:
            looks = look_into(self.watch.path, unread)
        except OSError as error:
            self._beat(f"it cannot be read: {error.strerror or error}")
            return
        self._unsettled = {name: one for name, one in self._unsettled.items() if name in looks}
        for name, look in looks.items():
            if not go_on():
                break
            if self._known.get(name) != look and self._has_settled(name, look):
                taken = self._take(name, look)
                if taken is not None:
                    yield taken
        more = f"; and {counted(len(unread) - 1, 'more folder')}" if len(unread) > 1 else ""
        self._beat(f"{unread[0]}{more}" if unread else None)

    @property
    def unsettled(self) -> int:
        """How many files are still being written."""
        return len(self._unsettled)

    def _has_settled(self, name: str, look: Look) -> bool:
        before = self._unsettled.get(name)
        if before is None or before.look != look:
            self._unsettled[name] = _Unsettled(look, self.clock())
            return False
        return not before.unreadable or self.clock() - before.since >= PATIENCE_S

    def _take(self, name: str, look: Look) -> Taken | None:
        """Register a file; nothing where it changed while it was read, or may be whole later."""
        path = self.watch.path / name
        if holds_alerts(path):
            return self._take_alerts(name, look)
        facts = examine(path, self.settings)
        waiting = self._unsettled[name]
        if _look_at(path) != look:
            return None  # the next look tells what became of it
        if any(fact.state == ObservationState.QUARANTINED for fact in facts) and not waiting.unreadable:
            waiting.unreadable = True
            return None
        return self._register(name, look, facts)

    def _take_alerts(self, name: str, look: Look) -> Taken | None:
        """Take alerts: of a file that still changes or is damaged those that are whole, more later."""
        path = self.watch.path / name
        (file,) = take_alerts(self.store, self.settings, [path])
        waiting = self._unsettled[name]
        if _look_at(path) != look:
            return None
        if file.state == ObservationState.QUARANTINED and not waiting.unreadable:
            waiting.unreadable = True
            return None
        cadence = self._remember(name, look, refused=file.state in REFUSED)
        return Taken(path, (), cadence, file)

    def _register(self, name: str, look: Look, facts: list[ObservationFacts]) -> Taken:
        frames = tuple(register(self.store, facts))
        refused = all(frame.state in REFUSED for frame in frames)
        cadence = self._remember(name, look, refused=refused)
        return Taken(self.watch.path / name, frames, cadence)

    def _remember(self, name: str, look: Look, *, refused: bool) -> float | None:
        is_frame = _is_frame(name)
        if is_frame:
            self._newest.add(name, look)
        cadence = self._newest.cadence_s
        watched_folders.remember(
            self.store, self.watch, name, look, refused=refused, is_frame=is_frame, cadence=cadence
        )
        del self._unsettled[name]
        if self._known is not None:
            self._known[name] = look
        return cadence

    def _beat(self, problem: str | None) -> None:
        if not watched_folders.beat(self.store, self.watch, unsettled=self.unsettled, problem=problem):
            raise WatchLost(f"another process watches {self.watch.path} now")


def look_into(folder: Path, unread: list[str] | None = None) -> dict[str, Look]:
    """How the FITS files and alert packets in a folder and below it look, by their names from the folder on.

    Hidden files and those with another suffix, as copying programs give to parts, are left out.

    Parameters
    ----------
    folder : Path
    unread : list of str, optional
        Takes a sentence of each folder below it whose files cannot be listed.

    Raises
    ------
    OSError
        The folder itself cannot be read.
    """
    with os.scandir(folder):
        pass  # the search below takes a folder that it cannot enter for an empty one

    def refused(each: Path, why: str) -> None:
        if unread is not None:
            unread.append(f"{each.relative_to(folder)}: {why}")

    looks = {}
    for path in find_files([folder], SUFFIXES, refused):
        look = _look_at(path)
        if look is not None and look.size > 0:
            looks[str(path.relative_to(folder))] = look
    return looks


def _is_frame(name: str) -> bool:
    """Whether a file is the camera's; packets of alerts do not tell its pace."""
    return not name.lower().endswith(packets.SUFFIXES)


def _look_at(path: Path) -> Look | None:
    try:
        found = path.stat()
    except OSError:
        return None  # gone again, or not for us to see
    return Look(found.st_size, found.st_mtime)
