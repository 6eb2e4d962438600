"""A run says that it is alive, whatever its frames do: between them, in a long one, and after the last."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.database.store import Store
from core.database.store_errors import StoreError
from core.operations import runs

log = logging.getLogger(__name__)

EVERY_S = 60.0


@contextmanager
def beating(store: Store, run_id: int, stop: threading.Event) -> Iterator[None]:
    """Within: a thread says every `EVERY_S` that a run is alive.

    Parameters
    ----------
    store : Store
    run_id : int
    stop : Event
        Set where the store has the run as over. Frames that it took would be in the hands of nobody.

    Raises
    ------
    RunRefused
        At the end, where the store has the run as over.
    """
    ended, over = threading.Event(), threading.Event()

    def beat() -> None:
        while not ended.wait(EVERY_S):
            try:
                if not runs.heartbeat(store, run_id):
                    over.set()
                    stop.set()
                    return
            except StoreError as error:
                log.warning("run %d could not say that it is alive: %s", run_id, error)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if over.is_set():
        raise runs.RunRefused(f"run {run_id} was ended by another: what it did not take stays queued")
