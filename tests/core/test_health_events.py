"""Troubles: once each, over when they are gone, back when they come back."""

import pytest

from core.database.store import Store
from core.health import events as health_events
from core.health.alerts import Alert
from core.health.check import Check
from core.health.events import NoSuchEvent, acknowledge, listed, unseen

FULL = Check("disk", "failed", "0.1 GiB free at /data", "/data", "here")
SHORT = Check("disk", "warning", "1.5 GiB free at /data", "/data", "here")
FREE = Check("disk", "ok", "9 GiB free at /data", "/data", "here")
LOST = Check("runs", "warning", "run 7 was lost", "run 7")


def record(store: Store, *checks: Check, at: float, host: str = "here") -> bool:
    return health_events.record(store, checks, host, now=at)


def states(store: Store, *, past: bool = True) -> list[tuple[str, str, int]]:
    return sorted((each.cause, each.state, each.count) for each in listed(store, past=past))


def test_a_trouble_that_lasts_is_one_event(store: Store):
    for second in range(5):
        record(store, SHORT, LOST, at=1000.0 + 30 * second)
    assert states(store) == [("/data", "open", 1), ("run 7", "open", 1)]
    disk = next(each for each in listed(store) if each.check == "disk")
    assert (disk.first_at, disk.opened_at, disk.last_at) == (1000.0, 1000.0, 1120.0)


def test_looks_that_find_nothing_new_write_nothing(store: Store):
    assert record(store, SHORT, at=1000.0)
    assert not record(store, SHORT, at=1030.0)
    assert record(store, SHORT, at=1060.0)  # that it lasts is written once a minute
    assert record(store, FREE, at=1061.0)
    assert not record(store, FREE, at=9000.0)


def test_what_is_gone_stays_on_the_list_until_it_was_seen(store: Store):
    record(store, SHORT, at=1000.0)
    record(store, FREE, at=1100.0)
    (event,) = listed(store)
    assert (event.state, event.closed_at) == ("over", 1100.0)
    acknowledge(store, [event.id], "vera", now=1200.0)
    assert listed(store) == []
    (event,) = listed(store, past=True)
    assert (event.state, event.acknowledged_by) == ("past", "vera")


def test_what_comes_back_is_open_and_unseen_again(store: Store):
    record(store, SHORT, at=1000.0)
    acknowledge(store, [listed(store)[0].id], "vera")
    assert states(store, past=False) == [("/data", "seen", 1)]
    record(store, FREE, at=1100.0)
    record(store, SHORT, at=1200.0)
    (event,) = listed(store)
    assert (event.state, event.count, event.first_at, event.opened_at) == ("open", 2, 1000.0, 1200.0)


def test_what_gets_worse_is_unseen_again_and_what_gets_better_is_not(store: Store):
    record(store, SHORT, at=1000.0)
    acknowledge(store, [listed(store)[0].id], "vera")
    record(store, FULL, at=1100.0)
    (event,) = listed(store)
    assert (event.state, event.severity, event.count) == ("open", "failed", 1)
    acknowledge(store, [event.id], "vera")
    record(store, SHORT, at=1200.0)
    (event,) = listed(store)
    assert (event.state, event.severity, event.message) == ("seen", "warning", SHORT.message)


def test_a_host_closes_its_own_events_and_those_of_the_store(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    record(store, FREE, Check("runs", "ok", "none"), at=1100.0, host="there")
    assert states(store) == [("/data", "open", 1), ("run 7", "over", 1)]


def test_what_was_not_looked_at_or_could_not_be_told_stays(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    record(store, Check("runs", "unknown", "?"), at=1100.0)
    assert states(store) == [("/data", "open", 1), ("run 7", "open", 1)]


def test_an_event_that_is_not_there_cannot_be_acknowledged(store: Store):
    record(store, SHORT, at=1000.0)
    with pytest.raises(NoSuchEvent, match="99"):
        acknowledge(store, [listed(store)[0].id, 99], "vera")
    assert states(store) == [("/data", "open", 1)]


def test_all_that_nobody_has_seen_in_a_year_is_acknowledged_at_once(sqlite_store: Store):
    record(sqlite_store, *(Check("runs", "warning", "lost", f"run {n}") for n in range(2500)), at=1000.0)
    ids = unseen(sqlite_store)
    assert len(ids) == 2500
    assert len(acknowledge(sqlite_store, ids, "vera")) == 2500
    assert unseen(sqlite_store) == []


def test_the_gravest_unseen_trouble_comes_first(store: Store):
    record(store, LOST, at=1000.0)
    record(store, LOST, FULL, Check("queue", "warning", "old"), at=1010.0)
    assert [each.check for each in listed(store)] == ["disk", "queue", "runs"]
    acknowledge(store, [listed(store)[0].id], "vera")
    assert [each.check for each in listed(store)] == ["queue", "runs", "disk"]


def test_hostile_text_is_kept_and_found_again(store: Store):
    hostile = Check("watch", "failed", "\x1b]0;x\x07\0\ud800[/]", "a\0\ud800")
    for second in range(3):
        record(store, hostile, at=1000.0 + 100 * second)
    assert len(listed(store)) == 1
    assert "\x1b" not in Alert.of(listed(store)[0], "here").message
