"""Work that comes through a server that is away for a while: restarted, failed over, cut off."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from core.database.store_errors import StoreAway

T = TypeVar("T")
OnTrouble = Callable[[str], None]

FIRST_WAIT_S = 0.5  # doubles with each attempt
LONGEST_WAIT_S = 15.0

log = logging.getLogger(__name__)


def patiently(work: Callable[[], T], *, wait_s: float, on_trouble: OnTrouble | None = None) -> T:
    """Do what needs the store; where its server is away, wait for it and do it anew.

    Parameters
    ----------
    work : callable
        Whole transactions, which may be done twice: an answer can be lost after the commit.
    wait_s : float
        How long the server is waited for in all; 0: not at all.
    on_trouble : callable, optional
        Told once, in a sentence, that it is being waited for.

    Raises
    ------
    StoreAway
        It did not come back.
    StoreError
        The store cannot be used for another reason, which waiting does not mend.
    """
    until, pause = None, FIRST_WAIT_S
    while True:
        try:
            return work()
        except StoreAway as error:
            now = time.monotonic()
            if until is None:
                until = now + wait_s
                if wait_s > 0:
                    sentence = f"{error}; waiting for it for up to {wait_s:g} s"
                    log.warning("%s", sentence)
                    if on_trouble:
                        on_trouble(sentence)
            if now >= until:
                raise
            time.sleep(min(pause, until - now))
            pause = min(2.0 * pause, LONGEST_WAIT_S)
