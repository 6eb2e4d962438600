"""Looking after everything while something is at work: what is wrong is recorded, and others are told."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.database.store import Store
from core.database.store_errors import StoreError
from core.health import alerts, telling
from core.health import events as health_events
from core.health.alerts import Alert
from core.health.away import AwayStore
from core.health.check import Check
from core.health.checks import examine
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
    """Tell whoever is named in the settings of what they were not told of yet; of how many events.

    Raises
    ------
    StoreError
    """
    receivers = alerts.receivers(settings)
    told: set[int] = set()
    while receivers and (message := telling.claim(store, receivers, settings)) is not None:
        problem = _send(Alert.of(message.event, socket.gethostname()), settings, message.receiver)
        telling.settle(store, message, problem)
        if problem is None:
            told.add(message.event.id)
    return len(told)


def _send(alert: Alert, settings: AlertSettings, receiver: str) -> str | None:
    problem = alerts.send(alert, settings, receiver)
    if problem is not None:
        log.warning("alert of %s: %s: %s", alert.check, receiver, problem)
    return problem


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
    away_store = AwayStore(settings)
    while True:
        try:
            away = _look_and_tell(settings, store)
            if away is None:
                away_store.came_back()
            else:
                _tell_of_store(settings.alerts, away_store, away)
        except Exception:  # one look that breaks, such as at a folder that went away, must not end all others
            log.exception("nobody looked after what is at work")
            away = None
        if away is not None and not is_away:
            log.error("%s", away)
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


def _tell_of_store(settings: AlertSettings, away_store: AwayStore, message: str) -> None:
    """Tell whoever was not told yet of what cannot be written down in the store."""
    receivers = alerts.receivers(settings)
    alert = Alert("failed", "store", socket.gethostname(), message)
    while receivers:
        at = time.time()
        receiver = away_store.claim(receivers, settings, at)
        if receiver is None:
            return
        away_store.settle(receiver, at, _send(alert, settings, receiver))
