"""A bell, or a note on the user's desktop, when something worth a look at once arrives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.text import SafeText, safe_text
from screens.terminal import Terminal

if TYPE_CHECKING:
    from core.database.store import Store
    from core.review.arrivals import Arrivals
    from core.settings_sections import ReviewSettings

BELL = "\a"


class Arriving:
    """One store's arrivals since the last note. Blocks: call it from a thread.

    Parameters
    ----------
    store : Store
    settings : ReviewSettings
        ``notify``, ``notify_above``, ``notify_every_s``.
    clock : callable
        Seconds, that only grow.
    """

    def __init__(
        self, store: Store, settings: ReviewSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._seen: int | None = None  # what was there before the console is no news
        self._told_at = -float("inf")

    def look(self) -> SafeText | None:
        """What is to be told now; none where nothing arrived, or something was told a moment ago.

        Raises
        ------
        StoreError
        """
        if self._settings.notify == "off":
            return None
        from core.review import arrivals  # SQLAlchemy's filters: not for a console that nobody asked to tell

        if self._seen is None:
            self._seen = arrivals.newest(self._store)
            return None
        if self._clock() - self._told_at < self._settings.notify_every_s:
            return None
        newest = arrivals.newest(self._store)
        found = arrivals.since(self._store, self._seen, self._settings.notify_above)
        self._seen = newest
        if found is None:
            return None
        self._told_at = self._clock()
        return sentence(found)


def sentence(found: Arrivals) -> SafeText:
    """Arrivals in words."""
    more = "" if found.count == 1 else f" and {found.count - 1} more"
    return safe_text(f"AstrID: {found.name}{more} to look at, score {found.score:.2f}", 120)


def escape(text: SafeText, way: str, terminal: Terminal) -> str:
    """What makes the terminal tell it: a bell, or OSC 9, which tmux and GNU screen pass on only wrapped."""
    if way != "desktop":
        return BELL
    return terminal.wrapped(f"\x1b]9;{text.replace(';', ',')}{BELL}")
