"""Who is told that the store is away, where nothing can be written down in it."""

import pytest

from core.health.away import AwayStore
from core.settings import Settings
from core.settings_sections import AlertSettings, StoreSettings

ONE = ("command",)
BOTH = ("command", "json")


def told_away(
    away: AwayStore, at: float, *down: str, receivers: tuple[str, ...] = ONE, **limits: float
) -> list[str]:
    """Who is told at a moment that the store is away."""
    found = []
    while (receiver := away.claim(receivers, AlertSettings(**limits), at)) is not None:
        found.append(receiver)
        away.settle(receiver, at, "nobody answered" if receiver in down else None)
    return found


def test_that_a_store_is_away_is_told_once_by_all_processes_of_a_machine(tmp_path):
    away = [AwayStore(Settings(home=tmp_path)) for _ in range(3)]
    assert told_away(away[0], 1000.0, receivers=BOTH) == ["command", "json"]
    assert [told_away(each, 1001.0 + 3600.0 * hour) for each in away for hour in range(9)] == [[]] * 27
    later = AwayStore(Settings(home=tmp_path))  # a program that starts meanwhile
    assert told_away(later, 40_000.0) == []
    elsewhere = Settings(home=tmp_path, store=StoreSettings(url=f"sqlite:///{tmp_path}/other.db"))
    assert told_away(AwayStore(elsewhere), 1002.0) == ["command"]


def test_a_store_that_comes_and_goes_is_told_of_once_in_a_while(tmp_path):
    settings, told = Settings(home=tmp_path), []
    for minute in range(60):
        at = 1000.0 + 60.0 * minute
        away = AwayStore(settings)  # it ends and begins anew each time
        if minute % 2 == 0:
            told += [minute] * len(told_away(away, at))
        else:
            away.came_back()
    assert told == [0, 30]


def test_what_is_told_of_a_store_that_is_away_is_limited_by_the_hour(tmp_path):
    away, told = AwayStore(Settings(home=tmp_path)), []
    for minute in range(120):
        told += told_away(away, 1000.0 + 60.0 * minute, quiet_s=0.0, per_hour=2)
        away.came_back()
    assert len(told) == 4


def test_a_receiver_that_fails_is_tried_again_while_the_store_is_away_and_no_other_rings(tmp_path):
    away = AwayStore(Settings(home=tmp_path))
    told = [
        (at, name)
        for at in range(1000, 9000, 60)
        for name in told_away(away, float(at), "json", receivers=BOTH)
    ]
    assert [at for at, name in told if name == "command"] == [1000]
    assert [at for at, name in told if name == "json"] == [1000, 1300, 1900, 3100, 5500]
    assert told_away(away, 9200.0, receivers=BOTH) == ["json"]
    assert told_away(away, 20_000.0, receivers=BOTH) == []


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b"[1]",
        b'{"since": "x", "told": 3}',
        b'{"since": 1%s, "told": ""}' % (b"0" * 400),
        b"[" * 100_000,
    ],
    ids=range(6),
)
def test_a_damaged_memory_of_a_store_that_is_away_tells_again(tmp_path, kept):
    told_away(AwayStore(Settings(home=tmp_path)), 1000.0)
    (path,) = (tmp_path / "health").glob("*.json")
    path.write_bytes(kept)
    assert told_away(AwayStore(Settings(home=tmp_path)), 1001.0) == ["command"]


def test_where_nothing_can_be_written_each_process_remembers_whom_it_told(tmp_path):
    (tmp_path / "health").write_text("no folder")
    away = AwayStore(Settings(home=tmp_path))
    assert told_away(away, 1000.0) == ["command"]
    assert told_away(away, 1001.0) == []
    away.came_back()
    assert told_away(away, 9000.0) == ["command"]
