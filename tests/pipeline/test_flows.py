"""A run of Prefect's that is cancelled while several of its frames are in hand."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier
from types import SimpleNamespace

import pytest

LOOKING = 2


class Server:
    """Answers all that look at once, as frames do that began together."""

    def __init__(self, state):
        self._state = state
        self._all_look = Barrier(LOOKING)

    def read_flow_run(self, _):
        self._all_look.wait(10.0)
        return SimpleNamespace(state=self._state)


@pytest.mark.parametrize(("kind", "stopped"), [("CANCELLING", 1), ("CANCELLED", 1), ("RUNNING", 0)])
def test_frames_that_see_at_the_same_time_that_it_is_cancelled_stop_it_once(monkeypatch, kind, stopped):
    """The second signal would give back what they have in hand."""
    from prefect.client.schemas.objects import State

    from pipeline.engines import flows

    server = Server(State(type=kind))
    monkeypatch.setattr(flows, "get_client", lambda **_: nullcontext(server))
    sent = []
    monkeypatch.setattr(flows.os, "kill", lambda *told: sent.append(told))
    cancelled = flows._Cancelled()
    with ThreadPoolExecutor(LOOKING) as frames:
        for look in [frames.submit(cancelled.heed) for _ in range(LOOKING)]:
            look.result()
    assert sent == [(os.getpid(), signal.SIGTERM)] * stopped
