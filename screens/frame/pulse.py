"""Looks whether anything changed in the store, and reads the headline only then."""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.database.store import Store
from core.operations.changes import Changes
from core.operations.headline import headline
from core.text import SafeText
from screens.frame.notice import Arriving

if TYPE_CHECKING:
    from core.operations.headline import Headline
    from core.settings_sections import ReviewSettings

FADES_AFTER_S = 10.0  # a draw that nobody measures any more must not stand for ever


@dataclass(frozen=True, slots=True)
class Beat:
    """What one look found."""

    headline: "Headline"
    has_changed: bool
    arrived: SafeText | None = None  # what to tell the user of, wherever he looks


class Pulse:
    """One store, looked at about once a second. Blocks: call it from a thread."""

    def __init__(self, store: Store, settings: "ReviewSettings") -> None:
        self._store = store
        self._arriving = Arriving(store, settings)
        self._changes = Changes(store)
        self._token: Hashable = None
        self._headline: Headline | None = None
        self._read_at = 0.0

    def look(self) -> Beat:
        """Look once.

        Raises
        ------
        StoreUnreachable
        """
        token = self._changes.token()  # first: what is written while we read is found by the next look
        has_changed = token != self._token
        now = time.monotonic()
        newest = self._headline
        fades = newest is not None and newest.watts is not None and now - self._read_at > FADES_AFTER_S
        if newest is None or has_changed or fades:
            newest = self._headline = headline(self._store)
            self._read_at = now
        arrived = self._arriving.look() if has_changed else None
        self._token = token
        return Beat(newest, has_changed, arrived)

    def forget(self) -> None:
        """Take everything for changed at the next look."""
        self._token = None
