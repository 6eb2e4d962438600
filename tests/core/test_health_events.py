"""Troubles: once each, over when they are gone, back when they come back; and who is told of them."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.database.store import Store
from core.database.tables import Run
from core.health import alerts
from core.health import events as health_events
from core.health import watch as health_watch
from core.health.alerts import Alert
from core.health.checks import Check
from core.health.events import NoSuchEvent, acknowledge, alerted, claim_alerts, listed
from core.health.watch import look, tell, watching
from core.settings import Settings
from core.settings_sections import AlertSettings, HealthSettings, StoreSettings

FULL = Check("disk", "failed", "0.1 GiB free at /data", "/data", "here")
SHORT = Check("disk", "warning", "1.5 GiB free at /data", "/data", "here")
FREE = Check("disk", "ok", "9 GiB free at /data", "/data", "here")
LOST = Check("runs", "warning", "run 7 was lost", "run 7")
TOLD = AlertSettings(command=("true",))


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


def test_each_event_is_told_of_once_by_one_process(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    first = claim_alerts(store, TOLD, now=1001.0)
    assert {each.check for each in first} == {"disk", "runs"}
    assert claim_alerts(store, TOLD, now=1002.0) == []
    for event in first:
        alerted(store, event.id, None)
    assert claim_alerts(store, TOLD, now=9000.0) == []


def test_an_alert_that_did_not_get_through_is_tried_again_later(store: Store):
    record(store, SHORT, at=1000.0)
    (event,) = claim_alerts(store, TOLD, now=1001.0)
    alerted(store, event.id, "nobody answered")
    assert claim_alerts(store, TOLD, now=1200.0) == []
    assert (
        len(claim_alerts(store, TOLD, now=1302.0)) == 1
    )  # also after a crash amid sending: nothing was said
    assert len(claim_alerts(store, TOLD, now=1603.0)) == 1


def test_what_comes_and_goes_is_told_of_once_in_a_while(store: Store):
    told = []
    for minute in range(60):
        at = 1000.0 + 60.0 * minute
        record(store, SHORT if minute % 2 == 0 else FREE, at=at)
        for event in claim_alerts(store, TOLD, now=at):
            told.append(minute)
            alerted(store, event.id, None)
    assert told == [0, 30]


def test_a_flood_is_told_of_as_the_hours_allow(store: Store):
    record(store, *(Check("runs", "warning", f"run {n}", f"run {n}") for n in range(5)), FULL, at=1000.0)
    few = AlertSettings(command=("true",), per_hour=2)
    sent = []
    for at in (1001.0, 1500.0, 4602.0, 8203.0):
        events = claim_alerts(store, few, now=at)
        for event in events:
            alerted(store, event.id, None)
        sent.append([event.check for event in events])
    assert sent == [["disk", "runs"], [], ["runs", "runs"], ["runs", "runs"]]  # the gravest first


def test_nobody_is_told_of_what_was_seen_is_over_or_too_slight(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    assert claim_alerts(store, AlertSettings(least="failed"), now=1001.0) == []
    record(store, FREE, LOST, at=1002.0)
    acknowledge(store, [each.id for each in listed(store) if each.check == "runs"], "vera")
    assert claim_alerts(store, TOLD, now=1003.0) == []


def test_a_command_is_given_the_message_and_never_a_shell(tmp_path):
    script = tmp_path / "tell.py"
    script.write_text(
        "import json, os, sys\n"
        "told = {k: v for k, v in os.environ.items() if k.startswith('ASTRID_ALERT')}\n"
        "json.dump([sys.stdin.read(), sys.argv[2], told], open(sys.argv[1], 'w'))\n"
    )
    out = tmp_path / "out.json"
    settings = AlertSettings(command=(sys.executable, str(script), str(out), "$(touch x); `id`"))
    assert alerts.send(Alert("failed", "disk", "here", "full: $(id) \u2406", 3), settings) is None
    text, argument, told = json.loads(out.read_text())
    assert text == "AstrID on here: disk failed\nfull: $(id) \u2406\n"
    assert argument == "$(touch x); `id`"
    assert told["ASTRID_ALERT_MESSAGE"] == "full: $(id) \u2406"
    assert (told["ASTRID_ALERT_COUNT"], told["ASTRID_ALERT_SEVERITY"]) == ("3", "failed")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("/nowhere/tell",), "cannot be run"),
        ((sys.executable, "-c", "raise SystemExit(7)"), "exit code 7"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "longer than 0.2 s"),
    ],
)
def test_a_command_that_fails_is_told_of(command, problem):
    settings = AlertSettings(command=command, timeout_s=0.2 if "sleep" in command[-1] else 20.0)
    assert problem in (alerts.send(Alert("warning", "x", "here", "m"), settings) or "")


class Service(HTTPServer):
    """Takes what is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.taken: list[dict] = []
        self.answer = 200


class Taker(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, format: str, *args) -> None:
        pass


@pytest.fixture
def service():
    server = Service()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_of_apprise_is_told(service: Service):
    url = f"json://user:secret@127.0.0.1:{service.server_port}/x"
    settings = AlertSettings(urls=(url,))
    assert alerts.send(Alert("failed", "disk", "here", "it is full"), settings) is None
    (taken,) = service.taken
    assert (taken["title"], taken["message"], taken["type"]) == (
        "AstrID on here: disk failed",
        "it is full",
        "failure",
    )
    service.answer = 500
    problem = alerts.send(Alert("warning", "disk", "here", "m"), settings)
    assert problem is not None
    assert "secret" not in problem
    assert "secret" not in repr(settings)
    assert "secret" not in json.dumps(Settings(alerts=settings).model_dump(mode="json"))


def test_a_service_that_nobody_knows_is_told_of():
    problem = alerts.send(Alert("warning", "x", "here", "m"), AlertSettings(urls=("nonsense://x",)))
    assert problem == "nonsense: Apprise knows no such service"


def settings(store_url: str, home, **alerted) -> Settings:
    return Settings(
        home=home,
        store=StoreSettings(url=store_url),
        alerts=AlertSettings(**alerted),
        health=HealthSettings(look_s=1.0),
    )


def lose_a_run(store: Store) -> None:
    with store.write() as session:
        ended = {"started_at": 1.0, "heartbeat_at": 1.0, "ended_at": 4e9, "reason": "process 1 is gone"}
        session.add(Run(engine="local", host="x", pid=1, workers=1, state="lost", config_hash="", **ended))


def test_whatever_is_at_work_looks_records_and_tells(
    store: Store, store_url: str, tmp_path, service: Service
):
    lose_a_run(store)
    all_told = threading.Event()
    url = f"json://127.0.0.1:{service.server_port}/"
    with watching(settings(store_url, tmp_path, urls=(url,)), store):
        for _ in range(200):
            if any(each.alerted_at and not each.alert_problem for each in listed(store)):
                break
            all_told.wait(0.05)
    (event,) = [each for each in listed(store) if each.check == "runs"]
    assert event.cause == "run 1"
    assert [each["message"] for each in service.taken if "run 1" in each["message"]] == [event.message]


def test_a_store_that_goes_away_is_told_of_once_though_nothing_can_be_written(
    sqlite_store: Store, tmp_path, service: Service
):
    url = f"json://127.0.0.1:{service.server_port}/"
    (tmp_path / "astrid.db").rename(tmp_path / "elsewhere.db")
    sqlite_store.close()
    waited = threading.Event()
    with watching(settings(f"sqlite:///{tmp_path}/astrid.db", tmp_path, urls=(url,)), sqlite_store):
        for _ in range(100):
            if service.taken:
                break
            waited.wait(0.05)
        waited.wait(1.5)  # and looked a second time
    assert len(service.taken) == 1
    assert "astrid.db" in service.taken[0]["message"]


def test_a_store_that_is_only_read_is_not_written_to(sqlite_store: Store, tmp_path):
    from core.database.store import open_store

    lose_a_run(sqlite_store)
    url = f"sqlite:///{tmp_path}/astrid.db"
    readable = open_store(url, read_only=True)
    checks = look(settings(url, tmp_path), readable, over_network=False)
    readable.close()
    assert any(check.name == "runs" and check.is_trouble for check in checks)
    assert listed(sqlite_store, past=True) == []
    assert tell(AlertSettings(), sqlite_store) == 0


def test_a_look_that_breaks_does_not_end_all_others(store: Store, monkeypatch, caplog) -> None:
    looks: list[Settings] = []
    ended = threading.Event()

    def broken(settings: Settings, *_args: object) -> list[Check]:
        looks.append(settings)
        if len(looks) == 2:
            ended.set()
        raise PermissionError("the folder went away")

    monkeypatch.setattr(health_watch, "look", broken)
    hasty = Settings(health=HealthSettings.model_construct(look_s=0.0))
    thread = threading.Thread(target=health_watch._watch, args=(hasty, store, ended))
    thread.start()
    thread.join(10.0)
    assert len(looks) == 2
    assert "the folder went away" in caplog.text
