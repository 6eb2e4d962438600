"""What is told while the store itself cannot be used, and so nothing can be written down in it.

A small file in AstrID's home remembers it for all processes of this machine; where that cannot be written
either, each process remembers it for itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from core.health import deliveries
from core.health.deliveries import Deliveries, Trouble
from core.permissions import share_as_folder
from core.settings import Settings
from core.settings_sections import AlertSettings
from core.unfinished import unfinished

log = logging.getLogger(__name__)

SEVERITY = "failed"


@dataclass(frozen=True, slots=True)
class _State:
    """Since when the store is away, Unix seconds; none: it is not. And who was told of it, ever."""

    since: float | None = None
    known: Deliveries = field(default_factory=dict)

    @property
    def trouble(self) -> Trouble:
        return Trouble(SEVERITY, self.since or 0.0, self.since is not None, self.known)


class AwayStore:
    """Who is told that a store is away: each receiver once, however many processes see it.

    Parameters
    ----------
    settings : Settings
        Name the store, and the home where the file is.
    """

    def __init__(self, settings: Settings) -> None:
        name = f"away-{hashlib.sha256(settings.store_url.encode()).hexdigest()[:12]}"
        self._path = settings.home / "health" / f"{name}.json"
        self._state = _State()
        self._is_kept = True  # the file holds what this process knows

    def claim(self, receivers: Sequence[str], settings: AlertSettings, at: float) -> str | None:
        """The store is away: whom to tell now, if anybody; no other process tells them too.

        Say by `settle` what became of it.
        """
        with self._turn():
            state = self._state
            if state.since is None:
                state = _State(at, state.known)
            due = deliveries.next_due([state.trouble], receivers, settings, at)
            if due is not None:
                state = _State(state.since, deliveries.being_sent(state.known, due[1], SEVERITY, at))
            self._keep(state)
        return due[1] if due else None

    def settle(self, receiver: str, at: float, problem: str | None) -> None:
        """Say that a receiver took the message that was claimed at a moment, or why not."""
        with self._turn():
            known = deliveries.settled(self._state.known, receiver, at, problem)
            self._keep(_State(self._state.since, known))

    def came_back(self) -> None:
        """The store can be used."""
        if self._state.since is None and not self._path.exists():
            return  # as nearly always
        with self._turn():
            if self._state.since is not None:
                self._keep(_State(None, self._state.known))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Within: no other process changes the file, and what it holds is known."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            share_as_folder(self._path.parent)
            lock = (name := self._path.with_suffix(".lock")).open("a")
            share_as_folder(name)
        except OSError:
            yield
            return
        with lock:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_kept:
                self._state = _read(self._path) or self._state
            yield

    def _keep(self, state: _State) -> None:
        if state == self._state and self._is_kept:
            return
        self._state = state
        text = json.dumps({"since": state.since, "told": deliveries.encoded(state.known)})
        try:
            with unfinished(self._path) as part:
                part.write_text(text, encoding="utf-8")
            self._is_kept = True
        except OSError as error:  # a full disk may be why the store is away
            self._is_kept = False
            log.debug("%s cannot be written: %s", self._path, error.strerror or error)


def _read(path: Path) -> _State | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        since = found["since"]
        return _State(None if since is None else float(since), deliveries.decoded(found["told"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
