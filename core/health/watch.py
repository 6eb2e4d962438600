"""Looking after everything while something is at work: what is wrong is recorded, and others are told."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.database.store import Store, StoreError
from core.health import alerts
from core.health import events as health_events
from core.health.alerts import Alert
from core.health.checks import Check, examine
from core.health.facts import gather
from core.settings import Settings
from core.settings_sections import AlertSettings

log = logging.getLogger(__name__)


def look(settings: Settings, store: Store, *, over_network: bool = True) -> list[Check]:
    """Check everything once, and write what is wrong to the store unless that is open for reading only.

    Parameters
    ----------
    settings : Settings
    store : Store
    over_network : bool
        Ask servers too; the console does not.

    Raises
    ------
    StoreError
        The store answers, but cannot be written to.
    """
    facts = gather(settings, store, over_network=over_network)
    checks = examine(facts, settings.health)
    if facts.store.trouble is None and not store.read_only:
        health_events.record(store, checks, facts.host)
    return checks


def tell(settings: AlertSettings, store: Store) -> int:
    """Tell whoever is named in the settings of what nobody was told of yet; of how many events.

    Raises
    ------
    StoreError
    """
    if not (settings.command or settings.urls):
        return 0
    events = health_events.claim_alerts(store, settings)
    for event in events:
        problem = alerts.send(Alert.of(event, socket.gethostname()), settings)
        if problem is not None:
            log.warning("alert of %s: %s", event.check, problem)
        health_events.alerted(store, event.id, problem)
    return len(events)


@contextmanager
def watching(settings: Settings, store: Store) -> Iterator[None]:
    """Within: everything is looked at now and every ``look_s``, in a thread that holds nobody up."""
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(settings, store, ended), name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # An alert on its way may take its time; it is taken up again by whoever looks next.
        thread.join(timeout=5.0)


def _watch(settings: Settings, store: Store, ended: threading.Event) -> None:
    is_away = False
    while True:
        try:
            away = _look_and_tell(settings, store)
        except Exception:  # one look that breaks, such as at a folder that went away, must not end all others
            log.exception("nobody looked after what is at work")
            away = None
        if away is not None and not is_away:
            log.error("%s", away)
            _tell_of_store(settings.alerts, away)
        is_away = away is not None
        if ended.wait(settings.health.look_s):
            return


def _look_and_tell(settings: Settings, store: Store) -> str | None:
    """Why the store cannot be used, or none."""
    try:
        checks = look(settings, store)
        trouble = next((each for each in checks if each.name == "store" and each.is_trouble), None)
        if trouble is None or trouble.host:
            tell(settings.alerts, store)
            return None
    except StoreError as error:
        return str(error)
    return trouble.message


def _tell_of_store(settings: AlertSettings, message: str) -> None:
    """What cannot be written down is told at once, by each process that sees it."""
    if settings.command or settings.urls:
        host = socket.gethostname()
        problem = alerts.send(Alert("failed", "store", host, message), settings)
        if problem is not None:
            log.warning("alert of the store: %s", problem)
