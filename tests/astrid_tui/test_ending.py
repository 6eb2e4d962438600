"""Signals end a console, also one that has left and waits for a thread of its own."""

import asyncio
import signal
from types import SimpleNamespace

from astrid_tui.ending import Ending


async def test_a_signal_ends_at_once_what_only_waits_for_a_thread(monkeypatch):
    raised = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    ending = Ending(SimpleNamespace(is_running=False))
    ending.listen()
    try:
        ending.begin(signal.SIGTERM)
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert raised == [signal.SIGTERM]  # which nobody catches any more
