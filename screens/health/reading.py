"""What the health screen reads: checks, events, and the end of a log. Blocks: call it from a thread."""

from __future__ import annotations

import time
from dataclasses import dataclass

from core.database.store import Store
from core.health import events as health_events
from core.health import watch as health_watch
from core.health.check import Check
from core.health.events import Event
from core.operations.logs import LogFile, log_files, tail
from core.settings import Settings

LOOK_S = 5.0  # the store may change a hundred times meanwhile


@dataclass(frozen=True, slots=True)
class Wish:
    """What to read.

    Attributes
    ----------
    past : bool
        Also events that are over and were seen.
    log : str or None
        The name of a log; none: the one that was written to last.
    is_following : bool
        Read the log again when it has grown.
    words : tuple of str
        That lines and events must have, in any case; those that begin with ``!`` they must not.
    """

    past: bool = False
    log: str | None = None
    is_following: bool = True
    words: tuple[str, ...] = ()

    def passes(self, text: str) -> bool:
        """Whether a line is wanted."""
        folded = text.casefold()
        return all(
            word[1:].casefold() not in folded if word[:1] == "!" and word[1:] else word.casefold() in folded
            for word in self.words
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read.

    Attributes
    ----------
    looked_at : float
        When the checks were made, Unix seconds.
    logs : tuple of LogFile
        All there are, the one that was written to last first.
    log : LogFile or None
        The one that is shown.
    lines : tuple of str
        Its last ones that pass the filter, oldest first; as they are, not safe to be shown.
    trouble : str or None
        Why the log cannot be read.
    """

    wish: Wish
    looked_at: float
    checks: tuple[Check, ...]
    events: tuple[Event, ...]
    logs: tuple[LogFile, ...] = ()
    log: LogFile | None = None
    lines: tuple[str, ...] = ()
    trouble: str | None = None


def read(wish: Wish, settings: Settings, known: Answer | None, again: bool, store: Store) -> Answer:
    """Read it.

    Parameters
    ----------
    known : Answer or None
        The answer before: what cannot have changed is taken from it.
    again : bool
        Look at everything, however short ago that was.

    Raises
    ------
    StoreError
    """
    now = time.time()
    if known is None or again or now - known.looked_at > LOOK_S:
        checks, looked_at = tuple(health_watch.look(settings, store, over_network=False)), now
    else:
        checks, looked_at = known.checks, known.looked_at
    events = health_events.listed(store, past=wish.past)
    answer = Answer(
        wish,
        looked_at,
        checks,
        tuple(each for each in events if wish.passes(f"{each.check} {each.severity} {each.message}")),
    )
    return _with_log(answer, settings, known)


def acknowledge(ids: tuple[int, ...], by: str, store: Store) -> int:
    """Note who has seen some events; how many it were."""
    return len(health_events.acknowledge(store, ids, by))


def _with_log(answer: Answer, settings: Settings, known: Answer | None) -> Answer:
    wish = answer.wish
    logs = log_files(settings.home)
    log = next((each for each in logs if each.name == wish.log), logs[0] if logs else None)
    if log is None:
        return answer
    lines: tuple[str, ...] = ()
    trouble: str | None = None
    if known is not None and known.log is not None and known.wish.words == wish.words:
        stands_still = log.path == known.log.path and not wish.is_following
        if log == known.log or stands_still:
            return _replaced(answer, logs, known.log, known.lines, known.trouble)
    try:
        lines = tuple(line for line in tail(log.path) if wish.passes(line))
    except OSError as error:
        trouble = error.strerror or str(error)
    return _replaced(answer, logs, log, lines, trouble)


def _replaced(
    answer: Answer, logs: tuple[LogFile, ...], log: LogFile, lines: tuple[str, ...], trouble: str | None
) -> Answer:
    return Answer(answer.wish, answer.looked_at, answer.checks, answer.events, logs, log, lines, trouble)
