"""Who is told of troubles: each receiver once of each, whatever the others do and whatever ends."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest

from core.database.store import Store
from core.database.tables import HealthEvent, Run
from core.health import alerts, telling
from core.health import events as health_events
from core.health import watch as health_watch
from core.health.alerts import Alert
from core.health.check import Check
from core.health.checks import examine
from core.health.deliveries import BEING_SENT, HOUR_S, Delivery, decoded, encoded
from core.health.events import acknowledge, listed
from core.health.facts import gather
from core.health.watch import look, tell, watching
from core.settings import Settings
from core.settings_sections import AlertSettings, HealthSettings, StoreSettings
from tests.core.test_health_events import FREE, FULL, LOST, SHORT, record

TOLD = AlertSettings(command=("true",))
ONE = ("command",)
BOTH = ("command", "json")


def sent(
    store: Store,
    at: float,
    *down: str,
    receivers: tuple[str, ...] = ONE,
    settings: AlertSettings = TOLD,
) -> list[tuple[str, str]]:
    """Who is sent what at a moment; those who are down do not take it."""
    found = []
    while (message := telling.claim(store, receivers, settings, now=at)) is not None:
        found.append((message.receiver, message.event.check))
        telling.settle(store, message, "nobody answered" if message.receiver in down else None)
    return found


def checks(messages: list[tuple[str, str]]) -> list[str]:
    return [check for _, check in messages]


def test_each_event_is_told_of_once_by_one_process(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    message = telling.claim(store, ONE, TOLD, now=1001.0)
    assert message is not None
    assert sent(store, 1002.0) == []  # while another process sends
    telling.settle(store, message, None)
    assert [message.event.check, *checks(sent(store, 1003.0))] == ["disk", "runs"]
    assert sent(store, 9000.0) == []


def test_an_alert_that_did_not_get_through_is_tried_again_after_growing_pauses(store: Store):
    record(store, SHORT, at=1000.0)
    tried = [at for at in range(1001, 24_000, 30) if sent(store, float(at), "command")]
    pauses = [later - at for at, later in pairwise(tried)]
    assert pauses[:5] == [300, 600, 1200, 2400, 3600]
    assert set(pauses[5:]) == {3600}
    assert sent(store, 70_000.0) == [("command", "disk")]
    assert sent(store, 90_000.0) == []


def test_an_alert_that_was_being_sent_when_the_program_was_killed_is_sent_again(store: Store):
    record(store, SHORT, at=1000.0)
    assert telling.claim(store, ONE, TOLD, now=1001.0) is not None
    assert sent(store, 1300.0) == []
    assert listed(store)[0].alert_problem == f"command: {BEING_SENT}"
    assert sent(store, 1302.0) == [("command", "disk")]
    assert listed(store)[0].alert_problem is None


def test_a_receiver_that_fails_rings_no_other_again(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    assert sent(store, 1001.0, "json", receivers=BOTH) == [
        ("command", "disk"), ("json", "disk"), ("command", "runs"),
    ]  # fmt: skip
    later = [each for at in range(1031, 9000, 30) for each in sent(store, float(at), "json", receivers=BOTH)]
    assert {receiver for receiver, _ in later} == {"json"}
    assert listed(store)[0].alert_problem == "json: nobody answered"
    # Whoever is back is told at once of all that waits, though the pauses have grown.
    assert set(sent(store, 9300.0, receivers=BOTH) + sent(store, 12_600.0, receivers=BOTH)) == {
        ("json", "disk"), ("json", "runs"),
    }  # fmt: skip
    assert [each.alert_problem for each in listed(store)] == [None, None]


def test_one_message_that_is_never_taken_holds_no_others_up_for_long(store: Store):
    record(store, FULL, at=1000.0)
    for at in range(1001, 20_000, 300):
        sent(store, float(at), "command")
    record(store, FULL, LOST, at=20_000.0)
    assert ("command", "runs") in [
        each for at in range(20_000, 20_601, 60) for each in sent(store, float(at))
    ]


def test_what_comes_and_goes_is_told_of_once_in_a_while(store: Store):
    told = []
    for minute in range(60):
        at = 1000.0 + 60.0 * minute
        record(store, SHORT if minute % 2 == 0 else FREE, at=at)
        told += [minute] * len(sent(store, at))
    assert told == [0, 30]


def test_a_warning_that_becomes_a_failure_is_told_at_once_and_once(store: Store):
    record(store, SHORT, at=1000.0)
    assert len(sent(store, 1001.0)) == 1
    record(store, FULL, at=1030.0)
    (message,) = [telling.claim(store, ONE, TOLD, now=1031.0)]
    assert message is not None
    assert message.event.severity == "failed"
    telling.settle(store, message, None)
    for step in range(20):  # to and fro between both
        record(store, FULL if step % 2 else SHORT, at=1060.0 + 30.0 * step)
        assert sent(store, 1061.0 + 30.0 * step) == []


def test_a_failure_is_told_at_once_to_whoever_did_not_take_the_warning(store: Store):
    record(store, SHORT, at=1000.0)
    for at in range(1001, 4000, 30):
        sent(store, float(at), "command")
    record(store, FULL, at=4000.0)
    assert sent(store, 4001.0, "command") == [("command", "disk")]


def test_a_flood_is_told_of_as_the_hours_allow(store: Store):
    record(store, *(Check("runs", "warning", f"run {n}", f"run {n}") for n in range(5)), FULL, at=1000.0)
    few = AlertSettings(command=("true",), per_hour=2)
    found = [checks(sent(store, at, settings=few)) for at in (1001.0, 1500.0, 4602.0, 8203.0)]
    assert found == [["disk", "runs"], [], ["runs", "runs"], ["runs", "runs"]]  # the gravest first


def test_the_limit_counts_what_each_receiver_was_sent_and_not_how_many_troubles_there_are(store: Store):
    few = AlertSettings(command=("true",), per_hour=3, quiet_s=0.0)
    told: list[float] = []
    for minute in range(240):
        at = 1000.0 + 60.0 * minute
        record(store, SHORT if minute % 2 == 0 else FREE, at=at)
        told += [at] * len(sent(store, at, settings=few))
    assert len(told) == 12
    assert all(later - at > HOUR_S - 60.0 for at, later in zip(told, told[3:], strict=False))


def test_what_a_receiver_did_not_take_does_not_count_as_sent(store: Store):
    few = AlertSettings(command=("true",), per_hour=1)
    record(store, SHORT, at=1000.0)
    assert len(sent(store, 1001.0, "json", receivers=BOTH, settings=few)) == 2
    assert sent(store, 1302.0, receivers=BOTH, settings=few) == [("json", "disk")]


def test_nobody_is_told_of_what_was_seen_is_over_or_too_slight(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    assert sent(store, 1001.0, settings=AlertSettings(least="failed")) == []
    record(store, FREE, LOST, at=1002.0)
    acknowledge(store, [each.id for each in listed(store) if each.check == "runs"], "vera")
    assert sent(store, 1003.0) == []


def test_what_an_older_program_told_is_not_told_again_and_what_it_did_not_is(store: Store):
    record(store, SHORT, LOST, at=1000.0)
    with store.write() as session:
        for row in session.exec(health_events.select(HealthEvent)).all():
            row.alerted_at = 1001.0
            row.alert_problem = "json: the message was not taken" if row.check == "disk" else None
    assert {each.alert_problem for each in listed(store)} == {None, "json: the message was not taken"}
    assert set(sent(store, 1500.0, receivers=BOTH)) == {("command", "disk"), ("json", "disk")}


def test_what_is_remembered_of_receivers_is_read_as_it_was_written_and_nonsense_as_nothing():
    known = {"json 2": Delivery(5.0, "failed", 7.5, 3, "no \N{SNOWMAN}", (5.0, 7.5)), "command": Delivery()}
    assert decoded(encoded(known)) == known
    huge, deep = '{"json": {"sent": [1%s]}}' % ("0" * 400), "[" * 100_000
    for nonsense in (None, "", "json: no", "[]", '{"json": 3}', '{"json": {"sent": 1}}', "{", huge, deep):
        assert decoded(nonsense) == {}


def troubles_of(store: Store, store_url: str, home) -> list[Check]:
    facts = gather(settings(store_url, home), store, over_network=False)
    return [each for each in examine(facts, HealthSettings()) if each.name == "alerts" and each.is_trouble]


def test_a_receiver_that_fails_is_named_and_is_not_told_of_itself(store: Store, store_url: str, tmp_path):
    now = time.time()
    record(store, SHORT, at=now)
    sent(store, now, "json", receivers=BOTH)
    (check,) = troubles_of(store, store_url, tmp_path)
    assert (check.state, check.cause) == ("warning", "json")
    assert check.message == "json of [alerts] did not take 1 message, tried 1 time: nobody answered"
    record(store, check, SHORT, at=now + 1.0)
    assert sent(store, now + 400.0, receivers=BOTH) == [("json", "disk"), ("command", "alerts")]
    assert troubles_of(store, store_url, tmp_path) == []


def test_a_command_is_given_the_message_and_never_a_shell(tmp_path):
    script = tmp_path / "tell.py"
    script.write_text(
        "import json, os, sys\n"
        "told = {k: v for k, v in os.environ.items() if k.startswith('ASTRID_ALERT')}\n"
        "json.dump([sys.stdin.read(), sys.argv[2], told], open(sys.argv[1], 'w'))\n"
    )
    out = tmp_path / "out.json"
    settings = AlertSettings(command=(sys.executable, str(script), str(out), "$(touch x); `id`"))
    assert alerts.send(Alert("failed", "disk", "here", "full: $(id) \u2406", 3), settings, "command") is None
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
    assert problem in (alerts.send(Alert("warning", "x", "here", "m"), settings, "command") or "")


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
    assert alerts.send(Alert("failed", "disk", "here", "it is full"), settings, "json") is None
    (taken,) = service.taken
    assert (taken["title"], taken["message"], taken["type"]) == (
        "AstrID on here: disk failed",
        "it is full",
        "failure",
    )
    service.answer = 500
    problem = alerts.send(Alert("warning", "disk", "here", "m"), settings, "json")
    assert problem is not None
    assert "secret" not in problem
    assert "secret" not in repr(settings)
    assert "secret" not in json.dumps(Settings(alerts=settings).model_dump(mode="json"))


def test_a_service_that_nobody_knows_is_told_of():
    settings = AlertSettings(urls=("nonsense://x",))
    problem = alerts.send(Alert("warning", "x", "here", "m"), settings, "nonsense")
    assert problem == "Apprise knows no such service"


def test_receivers_have_names_of_their_own_that_tell_nothing_secret():
    urls = ("mailto://a:secret@b", "json://x", "mailto://c:secret@d", "secret", "[secret]://x", "json://y")
    named = alerts.receivers(AlertSettings(command=("/bin/tell", "secret"), urls=urls))
    assert named == ("command", "mailto", "json", "mailto 2", "service", "service 2", "json 2")


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
