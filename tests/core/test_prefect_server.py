"""The Prefect server seen from outside: whether it can be used, why not, and what it is told."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Run
from core.operations import launch, prefect_server, runs
from core.operations.logs import most_bytes_of
from core.operations.prefect_api import PrefectUnavailable
from core.operations.processes import mark_of
from core.settings import Settings
from core.vocabulary import ExitCode
from tests.core.test_queue import gone_pid

INSTALLED = installed_version("prefect")
PASSWORD = "astrid:a secret"


class FakeServer(ThreadingHTTPServer):
    """Answers as a Prefect server of a version does, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.version: Any = INSTALLED
        self.unfinished: dict[str, list[str]] = {}  # task runs by flow run
        self.asked: list[tuple[str, Any]] = []
        self.authorized: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"

    @property
    def crashed(self) -> dict[str, str]:
        return self.ended("CRASHED")

    def ended(self, kind: str) -> dict[str, str]:
        """What it was told to show so, and why."""
        return {
            path.split("/")[-2]: body["state"]["message"]
            for path, body in self.asked
            if path.endswith("/set_state") and body["state"]["type"] == kind and body["force"]
        }


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:
        self.server.authorized.append(self.headers["Authorization"])
        self.answer(self.server.version)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        if self.path.endswith("/flow_runs/filter"):
            wanted = body["flow_runs"]["id"]["any_"]
            self.answer([{"id": key} for key in self.server.unfinished if key in wanted])
        elif self.path.endswith("/task_runs/filter"):
            (flow,) = body["flow_runs"]["id"]["any_"]
            self.answer([{"id": key} for key in self.server.unfinished[flow]])
        else:
            self.answer({"status": "ACCEPT"})

    def answer(self, value: Any) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield fake
        fake.shutdown()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # none stands between this machine and itself
    return Settings.model_construct(home=tmp_path / "home")


def record(settings: Settings, **facts: Any) -> Path:
    """Note a server of AstrID's own, in this process if nothing else is said."""
    known = {
        "pid": os.getpid(),
        "process": mark_of(os.getpid()),
        "port": 9,
        "version": INSTALLED,
        "started_at": 0.0,
        "has_password": True,
    }
    path = settings.home / "prefect" / "server.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name("password").write_text(PASSWORD)
    path.write_text(json.dumps(known | facts))
    return path


def test_an_own_server_of_an_older_program_without_a_password_is_to_be_stopped(settings: Settings) -> None:
    record(settings, has_password=None)
    found = prefect_server.look(settings)
    assert (found.state, found.managed) == ("unusable", True)
    assert found.message.endswith("without a password: stop it: astrid prefect stop")


def test_a_server_whose_password_only_another_user_can_read_is_not_said_to_have_none(
    settings: Settings,
) -> None:
    password = record(settings).with_name("password")
    password.unlink()
    found = prefect_server.look(settings)
    assert (found.state, found.managed) == ("unusable", True)
    assert found.message == f"this login cannot read the Prefect server's password in {password}"


def test_an_own_server_is_told_its_password_and_a_given_one_is_not(
    settings: Settings, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(settings, port=server.server_port)
    assert prefect_server.look(settings).state == "ready"
    told = prefect_server.client_environment(settings, server.url)
    assert told["PREFECT_API_AUTH_STRING"] == PASSWORD
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    assert prefect_server.look(settings).state == "ready"
    assert server.authorized == [f"Basic {base64.b64encode(PASSWORD.encode()).decode()}", None]
    assert "PREFECT_API_AUTH_STRING" not in prefect_server.client_environment(settings, server.url)


def test_a_given_server_is_used_and_none_is_started(
    settings: Settings, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{server.url}/")
    found = prefect_server.look(settings)
    assert (found.state, found.url, found.managed, found.version) == ("ready", server.url, False, INSTALLED)
    assert prefect_server.ensure(settings, wait_s=0) == server.url
    assert not settings.home.exists()


def test_a_given_server_that_is_down_is_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(
        PrefectUnavailable, match=r"server at http://127\.0\.0\.1:9/api does not answer"
    ) as error:
        prefect_server.ensure(settings, wait_s=60)
    assert error.value.exit_code == ExitCode.UNAVAILABLE
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("older", ["2.20.1", "3.0.0", "4.0.0", "nonsense"])
def test_a_server_of_another_version_is_one_sentence(
    settings: Settings, server: FakeServer, monkeypatch: pytest.MonkeyPatch, older: str
) -> None:
    server.version = older
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    with pytest.raises(PrefectUnavailable, match=f"is of version {older}, this program needs 3"):
        prefect_server.ensure(settings, wait_s=60)


@pytest.mark.parametrize("newer", [INSTALLED + "1", "3.99.0"])
def test_a_newer_server_of_the_same_generation_will_do(
    settings: Settings, server: FakeServer, monkeypatch: pytest.MonkeyPatch, newer: str
) -> None:
    server.version = newer
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    assert prefect_server.look(settings).state == "ready"


@pytest.mark.parametrize("answer", [b"<html>", {"detail": "hello"}, b"\xff\x00"])
def test_something_else_at_the_address_is_no_prefect_server(
    settings: Settings, server: FakeServer, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    server.version = answer
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    with pytest.raises(PrefectUnavailable, match="is no Prefect server"):
        prefect_server.ensure(settings, wait_s=60)


def test_a_file_is_no_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "file:///etc/passwd")
    assert "must begin with http" in prefect_server.look(settings).message


def test_what_is_no_address_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://[::1")
    assert prefect_server.look(settings).state == "unusable"


def test_a_password_in_the_address_is_not_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://me:hunter2@127.0.0.1:1/api")
    found = prefect_server.look(settings)
    assert found.state == "unusable"
    assert "hunter2" not in str(found)
    assert "PREFECT_API_AUTH_STRING" in found.message


def test_an_own_server_that_answers_is_found_again(settings: Settings, server: FakeServer) -> None:
    record(settings, port=server.server_port)
    found = prefect_server.look(settings)
    assert (found.state, found.url, found.managed, found.pid) == ("ready", server.url, True, os.getpid())
    assert prefect_server.ensure(settings, wait_s=0) == server.url


def test_an_own_server_of_another_version_says_how_to_stop_it(settings: Settings, server: FakeServer) -> None:
    server.version = "3.0.0"
    record(settings, port=server.server_port)
    found = prefect_server.look(settings)
    assert found.state == "unusable"
    assert found.message.endswith("stop it: astrid prefect stop")


def test_an_own_server_that_began_a_moment_ago_is_warming_up(settings: Settings) -> None:
    path = record(settings, started_at=4e9)
    assert prefect_server.look(settings).state == "warming"
    waited: list[float] = []
    with pytest.raises(PrefectUnavailable, match=r"within 0\.4 s; one is warming up"):
        prefect_server.ensure(settings, wait_s=0.4, report=waited.append)
    assert waited == sorted(waited) != []
    assert json.loads(path.read_text())["started_at"] == 4e9  # no second one was started


def test_an_own_server_that_stays_silent_is_unusable(settings: Settings) -> None:
    record(settings)
    found = prefect_server.look(settings)
    assert found.state == "unusable"
    assert "does not answer" in found.message
    assert "prefect-server.log" in found.message


def test_a_record_of_a_process_that_is_gone_is_no_server(settings: Settings) -> None:
    record(settings, pid=gone_pid())
    assert prefect_server.look(settings).state == "absent"
    record(settings, process="of before the reboot")
    assert prefect_server.look(settings).state == "absent"
    assert not prefect_server.stop(settings)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"pid": "x"}',
        "\x00",
        '{"pid": 1e999, "port": 1, "process": null}',
        f'{{"pid": {os.getpid()}, "port": 1, "process": []}}',
        "[" * 100_000,
    ],
    ids=range(8),
)
def test_a_damaged_record_is_no_server(settings: Settings, content: str) -> None:
    record(settings).write_text(content)
    assert prefect_server.look(settings).state == "absent"


def test_a_port_that_cannot_be_is_as_one_that_is_taken() -> None:
    assert 0 < prefect_server._free_port(10**9) < 65536


def test_runs_that_were_killed_are_told_to_prefect_with_their_frames(
    settings: Settings, store: Store, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    server.unfinished = {"flow-killed": ["task-1", "task-2"], "flow-alive": ["task-3"], "flow-other": []}
    killed, _, over = (
        runs.start(store, engine="prefect", workers=1, config_hash="a", flow_run_id=f"flow-{name}")
        for name in ("killed", "alive", "over")
    )
    runs.start(store, engine="local", workers=1, config_hash="a")
    runs.finish(store, over.id or 0)  # a moment ago: it may be telling Prefect just now
    with store.write() as session:
        session.execute(update(Run).where(col(Run.id) == killed.id).values(pid=gone_pid()))
    pid = runs.read(store, killed.id or 0).pid
    assert prefect_server.settle(store, settings) == 0
    runs.reconcile(store)
    assert prefect_server.settle(store, settings) == 1
    reason = f"process {pid} is gone"
    assert server.crashed == {"flow-killed": reason, "task-1": reason, "task-2": reason}


@pytest.mark.parametrize(
    ("state", "kind"), [("done", "COMPLETED"), ("interrupted", "CANCELLED"), ("failed", "FAILED")]
)
def test_a_run_that_ended_while_the_server_was_away_is_told_as_it_ended(
    settings: Settings,
    store: Store,
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    kind: str,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    server.unfinished = {"flow": ["task"]}
    row = runs.start(store, engine="prefect", workers=1, config_hash="a", flow_run_id="flow")
    runs.finish(store, row.id or 0, state)
    with store.write() as session:
        session.execute(update(Run).values(ended_at=1.0))
    assert prefect_server.settle(store, settings) == 1
    assert server.ended(kind) == {"flow": f"run {row.id} is {state}"}
    assert set(server.crashed) == {"task"}


def test_a_store_that_never_saw_prefect_asks_no_server(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_server, "look", lambda _: pytest.fail("a server was asked"))
    runs.start(store, engine="local", workers=1, config_hash="a")
    assert prefect_server.settle(store, settings) == 0


def test_a_server_that_is_down_holds_nothing_up(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    row = runs.start(store, engine="prefect", workers=1, config_hash="a", flow_run_id="f")
    with store.write() as session:
        session.execute(update(Run).values(pid=gone_pid()))
    assert runs.reconcile(store) == [row.id]
    assert prefect_server.settle(store, settings) == 0


def test_clients_of_an_own_server_send_nothing_elsewhere(settings: Settings) -> None:
    there = prefect_server.client_environment(settings, "http://127.0.0.1:4200/api")
    assert there["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert there["PREFECT_HOME"] == str(settings.home / "prefect")
    assert there["DO_NOT_TRACK"] == "true"
    assert there["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert there["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "false"
    assert "127.0.0.1" in there["NO_PROXY"].split(",")


def test_the_log_of_an_own_server_is_begun_anew_where_it_is_full(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_server, "spawn", lambda *_, **__: gone_pid())
    log = settings.home / "logs" / "prefect-server.log"
    log.parent.mkdir(parents=True)
    log.write_text("begun")
    prefect_server._start(settings)
    assert log.read_text() == "begun"
    os.truncate(log, most_bytes_of(settings.logs))
    prefect_server._start(settings)
    assert [path.name for path in log.parent.iterdir()] == ["prefect-server.1.log"]


def test_an_own_server_forgets_runs_after_a_month(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(
        prefect_server, "spawn", lambda *_, environment, **__: started.append(environment) or os.getpid()
    )
    prefect_server._start(settings)
    asks = (
        "from prefect.settings import get_current_settings;"
        " kept = get_current_settings().server.services.db_vacuum;"
        " print(sorted(kept.enabled_vacuum_types), kept.retention_period.days)"
    )
    said = subprocess.run(
        [sys.executable, "-c", asks], env=started[0], capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n")[0] == "['events', 'flow_runs', 'orphans'] 30"


def test_a_run_goes_local_when_no_server_answers_in_time(
    settings: Settings, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(settings, started_at=4e9)
    monkeypatch.setattr(launch, "PREFECT_WAIT_S", 0.1)
    monkeypatch.setattr(launch, "spawn_astrid", lambda words, *_: spawned.append(words) or os.getpid())
    spawned: list[list[str]] = []
    at_work = runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe")
    over = runs.start(sqlite_store, engine="local", workers=1, config_hash="cafe")
    runs.finish(sqlite_store, over.id, "done")
    for each in (at_work, over):
        log = launch.log_path(settings, each.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        os.truncate(log, int(settings.logs.keep_mib * 2**20) + 1)
    started = launch.start_run(sqlite_store, settings, engine="auto", workers=2, limit=7)
    assert launch.log_path(settings, at_work.id).exists()
    assert not launch.log_path(settings, over.id).exists()
    assert started.engine == "local"
    assert started.note == "local: no Prefect server answered within 0.1 s; one is warming up"
    row = runs.read(sqlite_store, started.run_id)
    assert (row.engine, row.state, row.reason) == ("local", "running", started.note)
    expected = ["run", "--engine", "local", "--workers", "2", "--as-run", str(started.run_id), "--limit", "7"]
    assert spawned == [expected]


def test_a_run_is_prefects_when_a_server_answers(
    settings: Settings, sqlite_store: Store, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(settings, port=server.server_port)
    monkeypatch.setattr(launch, "spawn_astrid", lambda *_: os.getpid())
    started = launch.start_run(sqlite_store, settings, engine="auto")
    assert (started.engine, started.note) == ("prefect", None)


def test_a_run_that_cannot_be_started_is_recorded_as_failed(
    settings: Settings, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.home.write_text("a file where a folder must be")
    with pytest.raises(runs.RunRefused, match="it could not be started"):
        launch.start_run(sqlite_store, settings)
    (row,) = runs.newest(sqlite_store)
    assert row.state == "failed"
    assert row.reason is not None
