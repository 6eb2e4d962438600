"""Runs as flows of AstrID's own Prefect server, which is started once for all of these tests."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from core.database.store import Store, open_store
from core.database.tables import Observation, Run
from core.frames.queue import counts_by_state
from core.operations import prefect_server, runs
from core.operations.launch import start_run
from core.operations.prefect_api import PrefectUnavailable, _ask
from core.operations.processes import is_alive
from core.settings import Settings, load
from core.text import safe_text
from core.vocabulary import ExitCode
from tests.chaos.nights import Night, make_night
from tests.chaos.processes import eventually, stop
from tests.forks import Program, begin, runs_forked

FRAMES = 3
HOSTILE = "n|ght `x` [a](b) <b>\x1b[31m.fits"
ENDS_S = 180.0


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), frames=FRAMES, size=200)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRID_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ASTRID_POWER__ENABLED", "false")
        patch.setenv("ASTRID_DETECT__UNET", "false")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("PREFECT_API_URL", raising=False)
        begin("tests.warm_prefect")
        yield patch


@pytest.fixture(scope="module")
def server(environment: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server that two asked for at once."""
    settings = load()
    with ThreadPoolExecutor(2) as both:
        asked = [both.submit(prefect_server.ensure, settings, wait_s=ENDS_S) for _ in range(2)]
        (url,) = {each.result() for each in asked}
    yield url
    pid = prefect_server.look(settings).pid or 0
    assert prefect_server.stop(settings)
    assert not is_alive(pid)
    assert prefect_server.look(settings).state == "absent"


@pytest.fixture
def settings(night: Night, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    monkeypatch.setenv("ASTRID_STORE__URL", url)
    night.fill(url)
    return load()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with closing(open_store(settings.store_url)) as opened:
        yield opened


def until(condition: Callable[[], bool], every_s: float = 0.02) -> None:
    assert eventually(condition, ENDS_S, every_s), "it did not come true"


def asked(url: str, path: str, body: object) -> Any:
    """What AstrID's own server answers to one who has its password."""
    return _ask(url, path, body, password=(load().home / "prefect" / "password").read_text())


def flow_of(url: str, run: Run) -> dict[str, Any]:
    (found,) = asked(url, "/flow_runs/filter", {"flow_runs": {"id": {"any_": [run.flow_run_id]}}})
    return found


def tasks_of(url: str, run: Run) -> dict[str, tuple[str, str]]:
    found = asked(url, "/task_runs/filter", {"flow_runs": {"id": {"any_": [run.flow_run_id]}}})
    return {task["name"]: (task["state_name"], task["state"]["message"]) for task in found if task["state"]}


@contextmanager
def with_a_frame_in_hand(url: str, store: Store, run_id: int) -> Iterator[Run]:
    """Within: Prefect shows a frame as running, which cannot be committed."""
    until(lambda: counts_by_state(store).get("running", 0) > 0)
    run = runs.read(store, run_id)
    while True:
        until(lambda: counts_by_state(store).get("running", 0) > 0)
        with store.write() as session:
            session.connection()  # the transaction begins: nobody else writes meanwhile
            if counts_by_state(store).get("running", 0) == 0:
                continue  # it was done a moment before
            until(lambda: "Running" in states(url, run))
            yield run
            return


def states(url: str, run: Run) -> list[str]:
    return [state for state, _ in tasks_of(url, run).values()]


def science(store: Store) -> list[Observation]:
    with store.read() as session:
        return list(session.exec(select(Observation).where(Observation.kind == "science")))


def test_who_has_no_password_can_ask_the_server_nothing(server: str) -> None:
    kept = load().home / "prefect" / "password"
    assert kept.stat().st_mode & 0o077 == 0
    assert asked(server, "/deployments/filter", {}) == []
    for password in (None, "astrid:guessed"):
        with pytest.raises(PrefectUnavailable, match="Unauthorized"):
            _ask(server, "/deployments/filter", {}, password=password)


NAMED = """
import os
from core.operations.prefect_server import client_environment
from core.settings import load
os.environ.update(client_environment(load(), "http://127.0.0.1:9/api"))
from core.errors import AstridError
from pipeline.engines import flows

def no_run(settings, **_):
    print(settings.queue.lease_s)
    raise AstridError("enough")

flows.engine_local.run = no_run
flows.process.fn(config={config!r})
raise SystemExit
"""


def test_a_flow_reads_no_configuration_that_a_caller_names(tmp_path: Path, environment: object) -> None:
    assert environment
    for name, seconds in (("evil", 66), ("mine", 77)):
        (tmp_path / f"{name}.toml").write_text(f"[queue]\nlease_s = {seconds}\n")
    mine = os.environ | {"ASTRID_CONFIG": str(tmp_path / "mine.toml")}
    with Program(env=mine, before=NAMED.format(config=str(tmp_path / "evil.toml"))) as program:
        out, said = program.communicate(ENDS_S)
    assert (program.returncode, out.split()) == (0, ["77.0"]), said


def test_an_operator_reads_of_each_frame_what_became_of_it(
    server: str, settings: Settings, store: Store
) -> None:
    broken, *good = science(store)
    with store.write() as session:
        session.merge(broken).sqlmodel_update({"path": "/nowhere/it.fits", "frame": HOSTILE})
    with Program("run", "--engine", "prefect", "--workers", "2", "--json", env=os.environ) as program:
        _, said = program.communicate(ENDS_S)
    assert program.returncode == 3, said
    run = runs.newest(store)[0]
    assert (run.engine, run.state, run.counts) == ("prefect", "done", {"done": 2, "queued": 1})
    flow = flow_of(server, run)
    assert (flow["name"], flow["state_name"]) == (f"run {run.id}", "Done")
    assert flow["state"]["message"] == "2 done, 1 queued"
    until(lambda: "Running" not in states(server, run))
    tasks = tasks_of(server, run)
    shown = safe_text(HOSTILE)
    assert set(tasks) == {frame.frame for frame in good} | {shown}
    assert tasks[shown] == ("Queued", f"its folder /nowhere is not there on {socket.gethostname()}")
    assert {tasks[frame.frame][0] for frame in good} == {"Done"}
    (report,) = asked(
        server, "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run.flow_run_id]}}}
    )
    lines = report["data"].splitlines()
    assert lines[0] == f"# Run {run.id}: done"
    assert [line.count(" | ") for line in lines if line.startswith("| ")] == [6] * (1 + FRAMES)
    assert "\x1b" not in report["data"]


def test_what_a_killed_run_left_running_is_crashed_at_the_next_start(
    server: str, settings: Settings, store: Store
) -> None:
    started = start_run(store, settings, engine="auto")
    assert started.engine == "prefect"
    with with_a_frame_in_hand(server, store, started.run_id) as run:
        os.kill(run.pid, signal.SIGKILL)
        until(lambda: not is_alive(run.pid))
    assert flow_of(server, run)["state_name"] == "Running"
    with Program("run", "--json", env=os.environ) as program:
        _, said = program.communicate(ENDS_S)
    assert program.returncode == 0, said
    flow = flow_of(server, run)
    assert (flow["state_type"], flow["state"]["message"]) == ("CRASHED", f"process {run.pid} is gone")
    assert "Running" not in states(server, run)
    assert {frame.state for frame in science(store)} == {"done"}


def test_a_server_that_takes_no_log_is_not_told_of_in_prefects_words(server: str, settings: Settings) -> None:
    before = """
from prefect.client.orchestration import PrefectClient
async def refuse(*_):
    raise OSError("All connection attempts failed")
PrefectClient.create_logs = refuse
"""
    given = prefect_server.client_environment(settings, server)
    with Program("run", "--engine", "prefect", "--json", env=os.environ | given, before=before) as program:
        out, said = program.communicate(ENDS_S)
    assert (program.returncode, said) == (0, "")
    assert json.loads(out)["counts"] == {"done": FRAMES}


def test_a_server_that_hangs_is_waited_for_in_seconds(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from core.settings import Settings
from pipeline.engines import prefect
prefect._prepare_prefect(Settings(home=Path({str(tmp_path)!r})), "http://127.0.0.1:9/api")
from prefect.client.orchestration import get_client
print(get_client(sync_client=True)._client.timeout.read)
raise SystemExit
"""
    with Program(env=os.environ, before=code) as program:
        out, said = program.communicate(ENDS_S)
    assert (program.returncode, float(out or 0)) == (0, 10.0), said


def test_a_cancelled_flow_says_so_and_lets_go_of_its_frame(
    server: str, settings: Settings, store: Store, request: pytest.FixtureRequest
) -> None:
    forks: list[Program] = []
    with runs_forked(forks):
        started = start_run(store, settings, engine="prefect")
    request.addfinalizer(forks[0].close)
    with with_a_frame_in_hand(server, store, started.run_id) as run:
        stop(run.pid)
    runs.cancel(store, started.run_id, now=True)
    os.kill(run.pid, signal.SIGCONT)
    until(lambda: not is_alive(run.pid))
    assert runs.read(store, started.run_id).state == "interrupted"
    assert flow_of(server, run)["state_name"] == "Interrupted"
    until(lambda: "Running" not in states(server, run))
    assert states(server, run).count("Given back") == 1
    assert counts_by_state(store).get("running", 0) == 0


def test_a_run_that_is_cancelled_in_prefect_finishes_what_it_has_in_hand(
    server: str, settings: Settings, store: Store, tmp_path: Path
) -> None:
    stopping, go_on = tmp_path / "stopping", tmp_path / "go on"
    before = f"""
import time
from pathlib import Path
from core.frames.outcome import FrameOutcome
from pipeline.engines import flows, local, worker
flows.LOOK_S = 0.05
until_stopped = local.stopped_by_signals
local.stopped_by_signals = lambda stop, _: until_stopped(stop, Path({str(stopping)!r}).touch)
def outcome(*_):
    while not Path({str(go_on)!r}).exists():
        time.sleep(0.02)
    return FrameOutcome("done")
worker.Worker._outcome = outcome
"""
    given = prefect_server.client_environment(settings, server)
    with Program("run", "--engine", "prefect", env=os.environ | given, before=before) as program:
        until(lambda: counts_by_state(store).get("running", 0) > 0)
        (run,) = runs.newest(store)
        cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        asked(server, f"/flow_runs/{run.flow_run_id}/set_state", cancelling)
        until(stopping.exists)
        go_on.touch()
        out, _ = program.communicate(ENDS_S)
    assert (program.returncode, out.split(" in ")[0]) == (ExitCode.INTERRUPTED, "Interrupted: 1 done")
    assert sorted(frame.state for frame in science(store)) == ["done", *["queued"] * (FRAMES - 1)]
    assert flow_of(server, run)["state_name"] == "Interrupted"


def schedules_of(url: str) -> list[bool]:
    """Of each schedule whether it is paused."""
    return [each["paused"] for each in asked(url, "/deployments/filter", {})]


def test_a_schedule_is_paused_when_systemd_ends_it(server: str, settings: Settings, store: Store) -> None:
    with Program("deploy", "--every", 2, "--limit", 1, env=os.environ) as program:
        until(lambda: any(run.state == "done" for run in runs.newest(store)), every_s=0.2)
        assert schedules_of(server) == [False]
        os.kill(program.pid, signal.SIGTERM)
        _, said = program.communicate(ENDS_S)
    assert (program.returncode, said) == (0, "Runs start every 2 s until Ctrl-C; see: astrid runs list\n")
    assert schedules_of(server) == [True]


def test_a_schedule_goes_on_when_the_server_was_away_and_started_anew(
    server: str, settings: Settings, store: Store
) -> None:
    """As Prefect's own loops end by what they meet: a lost line first, then a password that is no more.

    And where a terminal is closed at the end, it is paused too.
    """
    before = f"""
import httpx
from core.operations import prefect_server
from pipeline.engines import prefect, schedule
from prefect.exceptions import PrefectHTTPStatusError
prefect.BACK_LOOK_S = 0.1
keep, ensure = schedule.keep, prefect.ensure
refused = httpx.Response(401, request=httpx.Request("POST", {server!r}))
lost = [
    httpx.ConnectError("All connection attempts failed"),
    ExceptionGroup("unhandled", [RuntimeError("threshold")]),
    PrefectHTTPStatusError("401", request=refused.request, response=refused),
]
away = 2 * [prefect_server.PrefectUnavailable("it is of another version")]
def keep_or_lose(*words):
    if lost:
        prefect.os.environ["PREFECT_API_AUTH_STRING"] = "astrid:of the server before"
        raise lost.pop(0)
    keep(*words)
def ensure_at_last(*words, **named):
    assert "PREFECT_API_URL" not in prefect.os.environ
    if away:
        raise away.pop()
    return ensure(*words, **named)
schedule.keep, prefect.ensure = keep_or_lose, ensure_at_last
"""
    silent = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}  # as it is before Prefect is imported
    with Program("deploy", "--every", 2, "--limit", 1, env=os.environ | silent, before=before) as program:
        until(lambda: any(run.state == "done" for run in runs.newest(store)), every_s=0.2)
        assert schedules_of(server) == [False]
        os.kill(program.pid, signal.SIGHUP)
        out, said = program.communicate(ENDS_S)
    away = f"The Prefect server at {server} went away: no run starts until it is back.\n"
    back = f"The Prefect server answers at {server}: runs start again.\n"
    troubles = f"{away}it is of another version\n{back}" + 2 * (away + back)
    assert (program.returncode, out) == (0, "")
    assert said == "Runs start every 2 s until Ctrl-C; see: astrid runs list\n" + troubles
    assert schedules_of(server) == [True]


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "systemd"])
def test_who_ends_a_schedule_while_its_server_is_away_is_told_that_it_stays(
    server: str, settings: Settings, store: Store, tmp_path: Path, ended_by: signal.Signals
) -> None:
    waiting = tmp_path / "waiting"
    before = f"""
from pathlib import Path
import httpx
from core.operations.prefect_server import PrefectUnavailable
from pipeline.engines import prefect
from prefect.runner import Runner
prefect.BACK_LOOK_S = 60.0
async def lost(_):
    raise httpx.ConnectError("All connection attempts failed")
def away(*_, **__):
    Path({str(waiting)!r}).touch()
    raise PrefectUnavailable("no Prefect server answers")
Runner.__aenter__, prefect.ensure = lost, away
"""
    silent = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    with Program("deploy", "--every", 60, env=os.environ | silent, before=before) as program:
        until(waiting.exists)
        os.kill(program.pid, ended_by)
        _, said = program.communicate(ENDS_S)
    assert program.returncode == ExitCode.INTERRUPTED
    assert said.splitlines()[-1] == (
        f"astrid: interrupted: the schedule stays on the Prefect server at {server}, unpaused, and this"
        " process starts no more runs of it; to pause it, run `astrid deploy` again once the server answers,"
        " and end it with Ctrl-C"
    )
    assert schedules_of(server) == [False]


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "systemd"])
def test_who_ends_a_schedule_twice_is_told_that_it_may_stay(
    server: str, settings: Settings, store: Store, tmp_path: Path, ended_by: signal.Signals
) -> None:
    begun, pausing = tmp_path / "begun", tmp_path / "pausing"
    before = f"""
import asyncio
from pathlib import Path
from prefect.runner import Runner
async def start(runner):
    runner.is_begun = True
    try:
        Path({str(begun)!r}).touch()
        await asyncio.sleep(600)
    finally:
        Path({str(pausing)!r}).touch()
        await asyncio.sleep(600)  # a server that takes its time to pause it
Runner.start = start
"""
    silent = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    with Program("deploy", "--every", 60, env=os.environ | silent, before=before) as program:
        for happened in (begun, pausing):
            until(happened.exists)
            os.kill(program.pid, signal.SIGINT if happened is begun else ended_by)
        _, said = program.communicate(ENDS_S)
    assert program.returncode == ExitCode.INTERRUPTED
    (told,) = [line for line in said.splitlines() if line.startswith("astrid: ")]
    assert told.startswith(
        f"astrid: interrupted: the schedule may be on the Prefect server at {server}, unpaused"
    )
    assert said.endswith(told + "\n")


def test_what_is_no_time_of_crons_is_wrong_usage(server: str, settings: Settings) -> None:
    assert server
    with Program("deploy", "--cron", "61 * * * *", env=os.environ) as program:
        out, said = program.communicate(ENDS_S)
    assert (program.returncode, out) == (2, "")
    assert said.startswith('astrid: "61 * * * *" is no time of cron\'s: write minute, hour, ')


def test_a_server_that_was_started_anew_is_told(server: str, settings: Settings) -> None:
    before = (
        "from core.operations import prefect_server\n"
        "prefect_server._password = lambda _: 'astrid:of the server before'\n"
        f"prefect_server.ensure = lambda *_, **__: {server!r}"
    )
    with Program("deploy", "--every", 60, env=os.environ, before=before) as program:
        _, said = program.communicate(ENDS_S)
    assert program.returncode == 4
    assert said.endswith(
        "astrid: the schedule could not be kept: the Prefect server takes this password no more, as when it"
        " was started anew: run `astrid deploy` again\n"
    )
