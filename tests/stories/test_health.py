"""Something went wrong in the night: an observer sees it, understands it, and says so."""

import re

import pytest

from astrid_tui.app import Console
from core.database.store import Store
from core.database.tables import Run
from core.health import events as health_events
from screens.health import reading as health_reading
from screens.lines import plain
from screens.terminal import Terminal
from screens.widgets.rows import Rows
from tests.astrid_tui.command import Command
from tests.stories.desk import Held


@pytest.fixture
def home(sqlite_store: Store, tmp_path, monkeypatch):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "logs" / "pipeline.log"
    log.parent.mkdir()
    log.write_text("".join(f"03:00 1 INFO pipeline: frame {n}\n" for n in range(200)))
    return tmp_path


def lose_runs(store: Store, *hosts: str) -> None:
    ended = {"started_at": 1.0, "heartbeat_at": 1.0, "ended_at": 4e9, "reason": "process 1 is gone"}
    with store.write() as session:
        for host in hosts:
            session.add(
                Run(engine="local", host=host, pid=1, workers=1, state="lost", config_hash="", **ended)
            )


async def until(pilot, *wanted: str, without: str = "\0") -> str:
    """The screen, once everything wanted is on it and something else is not."""
    for _ in range(1500):
        shown = "\n".join(plain(line) for rows in pilot.app.screen.query(Rows) for line in rows.lines)
        if all(each in shown for each in wanted) and without not in shown:
            return shown
        await pilot.pause(0.02)
    pytest.fail(f"{wanted} without {without!r} not on the screen:\n{shown}")


async def test_a_trouble_is_seen_acknowledged_and_looked_up_again(home, sqlite_store: Store) -> None:
    lose_runs(sqlite_store, "dome", "dome")
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, "2 unseen of 2", "> open warning runs", "run 2 was lost: process 1 is gone")
        await pilot.press("enter")
        await until(pilot, "nobody yet", "about     run 2")
        await pilot.press("escape", "a")
        await until(pilot, "1 unseen of 2", "1 trouble acknowledged")
        assert {(e.cause, e.acknowledged_by) for e in health_events.listed(sqlite_store)} == {
            ("run 1", None),
            ("run 2", "vera"),
        }
        await pilot.press("g", "a")
        await until(pilot, "0 unseen of 2")
        await pilot.press("a")
        await until(pilot, "somebody has seen it already")


@pytest.mark.usefixtures("soon_seen")
async def test_the_log_is_followed_searched_and_left_where_it_is(home, sqlite_store: Store) -> None:
    log = home / "logs" / "pipeline.log"
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, "Log pipeline", "followed", "frame 199")
        with log.open("a") as file:
            file.write("03:01 1 ERROR pipeline: \x1b]0;gone\x07[/bold] frame 200\n")
        shown = await until(pilot, "frame 200")
        assert "\x1b" not in shown
        await pilot.press("tab", "k", "k", "k")
        await until(pilot, "> 03:00 1 INFO pipeline: frame 197", "stands still")
        with log.open("a") as file:
            file.write("03:02 1 INFO pipeline: frame 201\n")
        await pilot.press("f")
        await until(pilot, "> 03:02 1 INFO pipeline: frame 201", "followed")
        await pilot.press("slash", *"error", "enter")
        await until(pilot, "frame 200", without="frame 201")
        await pilot.press("escape")
        await until(pilot, "frame 201")


async def test_a_reader_changes_nothing(home, sqlite_store: Store) -> None:
    lose_runs(sqlite_store, "dome")
    async with Console(read_only=True, terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, "warning   runs      run 1 was lost", "0 unseen of 0")
        await pilot.press("a")
        await until(pilot, "seen: the console is read-only")
    assert health_events.listed(sqlite_store, past=True) == []


def test_scripts_check_list_and_acknowledge(home, sqlite_store: Store, monkeypatch, capsys) -> None:
    astrid = Command(monkeypatch, capsys.readouterr)
    assert astrid.json("health", "list") == []
    lose_runs(sqlite_store, "dome")
    found = {check["name"]: check for check in astrid.json("health", "check")["checks"]}
    assert found["runs"]["state"] == "warning"
    (event,) = astrid.json("health", "list")
    assert (event["state"], event["cause"], event["count"]) == ("open", "run 1", 1)
    assert "run 1 was lost" in astrid("health", "list")
    (event,) = astrid.json("health", "ack", event["id"])
    assert (event["state"], event["acknowledged_by"]) == ("seen", "vera")
    astrid("health", "ack", "99", code=1)
    assert "there is no health event 99" in astrid.said
    astrid("health", "ack", code=2)
    assert astrid.json("health", "ack", "--all") == []


def test_a_full_disk_is_an_exit_code(home, sqlite_store: Store, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ASTRID_HEALTH__LOW_DISK_GIB", "1e9")
    monkeypatch.setenv("ASTRID_HEALTH__FULL_DISK_GIB", "1e9")
    astrid = Command(monkeypatch, capsys.readouterr)
    checks = {check["name"]: check for check in astrid.json("health", "check", code=4)["checks"]}
    assert "the disk is full" in checks["disk"]["message"]
    told = {check["name"]: check for check in astrid.json("doctor", code=4)}
    without_size = [re.sub(r"[\d.]+ GiB", "", each["disk"]["message"]) for each in (told, checks)]
    assert without_size[0] == without_size[1]  # others write to this disk meanwhile


@pytest.mark.usefixtures("soon_seen")
async def test_the_header_tells_of_trouble_whichever_screen_is_open(home, sqlite_store, monkeypatch) -> None:
    monkeypatch.setenv("ASTRID_HEALTH__LOOK_S", "1")
    lose_runs(sqlite_store, "dome")
    async with Console(terminal=Terminal()).run_test(size=(140, 24)) as pilot:
        await until(pilot, "3 review", "! warning")
        assert [event.cause for event in health_events.listed(sqlite_store)] == ["run 1"]


async def test_the_key_for_the_next_log_leads_on_twice(home, sqlite_store: Store) -> None:
    for name in ("a.log", "b.log", "c.log"):
        (home / "logs" / name).write_text("03:00 1 INFO one line\n")
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, "3 others")
        here = pilot.app.here
        names = sorted(log.name for log in here.data.logs)
        wanted = names[(names.index(here.data.log.name) + 2) % len(names)]
        for _ in range(2):
            here.do("health:log-next")
        await until(pilot, f"Log {wanted.removesuffix('.log')}")
        while here.is_asking:
            await pilot.pause()
        assert here.data.log.name == wanted


async def test_a_look_at_everything_is_not_given_up_by_the_next_key(
    home, sqlite_store: Store, monkeypatch
) -> None:
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, "unseen of")
        here = pilot.app.here
        while here.is_asking:
            await pilot.pause()
        before = here.data.looked_at
        read = Held(monkeypatch, health_reading, "read")
        here.do("health:look")
        while not read.is_begun:
            await pilot.pause()
        here.do("health:past")
        read.let_go()
        while here.is_asking:
            await pilot.pause()
        assert here.data.wish.past
        assert here.data.looked_at > before
