"""Work that waits for a server of the store's, and no longer than it should."""

import pytest

from core.database import patience
from core.database.patience import patiently
from core.database.store_errors import StoreAway, StoreUnreachable


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that passes by sleeping alone; what was slept is kept."""
    slept = []
    monkeypatch.setattr(patience.time, "sleep", slept.append)
    monkeypatch.setattr(patience.time, "monotonic", lambda: sum(slept))
    return slept


def away(times, error=StoreAway):
    """Work that fails so often before it succeeds."""
    left = [error("gone")] * times

    def work():
        if left:
            raise left.pop()
        return "done"

    return work


def test_what_comes_back_is_done_anew_after_growing_waits(clock):
    told = []
    assert patiently(away(8), wait_s=300.0, on_trouble=told.append) == "done"
    assert clock == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert told == ["gone; waiting for it for up to 300 s"]


def test_what_stays_away_is_given_up_in_time(clock):
    with pytest.raises(StoreAway):
        patiently(away(1000), wait_s=10.0)
    assert sum(clock) == pytest.approx(10.0)


def test_what_waiting_does_not_mend_is_not_waited_for(clock):
    with pytest.raises(StoreUnreachable):
        patiently(away(1, StoreUnreachable), wait_s=300.0)
    with pytest.raises(StoreAway):
        patiently(away(1), wait_s=0.0)
    assert clock == []
