"""The Prefect server: the one of ``PREFECT_API_URL``, or AstrID's own, started once and kept running.

An own server listens on this machine alone, keeps its database in AstrID's home, and sends nothing to
anybody. Whoever it obeys can run what he wants as AstrID's user, and every user of this machine can reach it:
so it wants a password, which only that user can read. It takes long to start (10 to 40 s), so that it is not
started for a run but left to the next ones. Prefect is not imported here: the console asks this too.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import or_
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Run
from core.operations import prefect_api
from core.operations.logs import put_aside
from core.operations.prefect_api import PrefectUnavailable
from core.operations.processes import is_alive, mark_of, spawn
from core.settings import Settings
from core.unfinished import unfinished

__all__ = ["PrefectUnavailable", "ServerState", "client_environment", "ensure", "look", "settle", "stop"]

HOST = "127.0.0.1"
USER = "astrid"  # by which the own server knows its clients
WARM_UP_S = 120.0  # a server that is silent for longer is taken to be stuck
LOOK_EVERY_S = 0.25
PARTING_S = 60.0
SETTLED_AT_MOST = 100  # newest runs that are compared with Prefect
ENDED = {
    "done": "COMPLETED",
    "interrupted": "CANCELLED",
    "failed": "FAILED",
}  # in Prefect's words; else it crashed
QUIET = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
}
# Else it keeps all runs for ever, some 25 kB each also where nothing was due; the store remembers them too.
HISTORY = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 86400),
}


@dataclass(frozen=True, slots=True)
class ServerState:
    """How a Prefect server is.

    Attributes
    ----------
    state : {"ready", "warming", "absent", "unusable"}
        ``absent``: AstrID's own is not running; ``unusable``: `message` says why.
    url : str or None
        Of its API.
    managed : bool
        AstrID's own.
    """

    state: Literal["ready", "warming", "absent", "unusable"]
    url: str | None
    managed: bool
    message: str
    version: str | None = None
    pid: int | None = None


def look(settings: Settings) -> ServerState:
    """How the server is that a run would use now; takes as long as it takes to answer, 2 s at most."""
    if given := os.environ.get("PREFECT_API_URL"):
        return _look_at_given(given.rstrip("/"))
    record = _record(settings)
    if record is None:
        return ServerState("absent", None, True, "AstrID's Prefect server is not running")
    url, pid = f"http://{HOST}:{record['port']}/api", record["pid"]
    password, shut = _password(settings), None
    if not record.get("has_password"):
        shut = "the Prefect server was started without a password: stop it: astrid prefect stop"
    elif password is None:  # another user's, where several share AstrID's home
        shut = f"this login cannot read the Prefect server's password in {_password_file(settings)}"
    if shut is not None:
        return ServerState("unusable", url, True, shut, pid=pid)
    found = _look_at(url, pid, password)
    if found.state != "unusable" or found.version is not None:
        return found
    if time.time() - record["started_at"] < WARM_UP_S:
        return ServerState("warming", url, True, "the Prefect server is warming up", pid=pid)
    message = f"{found.message}; see {_log(settings)}, or stop it: astrid prefect stop"
    return ServerState("unusable", url, True, message, pid=pid)


def ensure(settings: Settings, *, wait_s: float, report: Callable[[float], None] | None = None) -> str:
    """The URL of a server that answers; AstrID's own is started where none is given.

    Parameters
    ----------
    wait_s : float
        How long to wait for AstrID's own; it goes on warming up when that was too short.
    report : callable, optional
        Told the seconds waited, while waiting.

    Raises
    ------
    PrefectUnavailable
    """
    began = time.monotonic()
    found = look(settings)
    if found.state == "absent":
        _start(settings)
        found = look(settings)
    while found.state == "warming":
        waited = time.monotonic() - began
        if waited >= wait_s:
            raise PrefectUnavailable(f"no Prefect server answered within {wait_s:g} s; one is warming up")
        if report:
            report(waited)
        time.sleep(LOOK_EVERY_S)
        found = look(settings)
    if found.state == "absent":
        raise PrefectUnavailable(f"the Prefect server ended as it started: see {_log(settings)}")
    if found.state == "unusable" or found.url is None:
        raise PrefectUnavailable(found.message)
    return found.url


def stop(settings: Settings) -> bool:
    """Stop AstrID's own server; false where it is not running."""
    with _alone(settings):
        record = _record(settings)
        if record is None:
            return False
        os.kill(record["pid"], signal.SIGTERM)
        end = time.monotonic() + WARM_UP_S
        while is_alive(record["pid"], record["process"]) and time.monotonic() < end:
            time.sleep(LOOK_EVERY_S)
    return True


def client_environment(settings: Settings, url: str) -> dict[str, str]:
    """What must be in the environment before Prefect is imported, so that it uses this server alone."""
    if os.environ.get("PREFECT_API_URL"):
        return {**QUIET, "PREFECT_API_URL": url}
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), os.environ.get("no_proxy"), HOST)))
    own = {"PREFECT_HOME": str(_home(settings)), "NO_PROXY": direct, "no_proxy": direct}
    own["PREFECT_API_AUTH_STRING"] = _password(settings) or ""
    return {**QUIET, **own, "PREFECT_API_URL": url}


def settle(store: Store, settings: Settings) -> int:
    """Tell Prefect of the runs that ended without telling it themselves; how many it did not know of.

    Does nothing where there are none, and where no server answers: the next start tells it.
    """
    # One that ended by itself may be telling Prefect so at this moment.
    silent = or_(col(Run.state) == "lost", col(Run.ended_at) < store.clock() - PARTING_S)
    query = select(Run).where(col(Run.flow_run_id).is_not(None), silent)
    with store.read() as session:
        rows = session.exec(query.order_by(col(Run.id).desc()).limit(SETTLED_AT_MOST)).all()
    ended = {
        row.flow_run_id or "": (
            ENDED.get(row.state, "CRASHED"),
            row.reason or f"run {row.id} is {row.state}",
        )
        for row in rows
    }
    if not ended:
        return 0
    found = look(settings)
    if found.state != "ready" or found.url is None:
        return 0
    try:
        return prefect_api.close_flow_runs(found.url, ended, _password(settings) if found.managed else None)
    except PrefectUnavailable:
        return 0


def _look_at_given(url: str) -> ServerState:
    """How a server is that the environment names; one with a password in its URL is not used, nor told."""
    if "@" not in url:
        return _look_at(url)
    message = "PREFECT_API_URL is shown to others: put its name and password into PREFECT_API_AUTH_STRING"
    return ServerState("unusable", None, False, f"{message}, as NAME:PASSWORD")


def _look_at(url: str, pid: int | None = None, password: str | None = None) -> ServerState:
    managed = pid is not None
    try:
        found = prefect_api.version(url, password)
        problem = _misfit(found)
    except PrefectUnavailable as error:
        return ServerState("unusable", url, managed, str(error), pid=pid)
    if problem is not None:
        remedy = "; stop it: astrid prefect stop" if managed else ""
        return ServerState("unusable", url, managed, f"{problem}{remedy}", found, pid)
    return ServerState("ready", url, managed, f"Prefect {found} answers at {url}", found, pid)


def _misfit(found: str) -> str | None:
    """Why a server's version is no good for the Prefect that is installed, or none."""
    try:
        ours = installed_version("prefect")
    except PackageNotFoundError as error:
        raise PrefectUnavailable("Prefect is not installed") from error
    theirs, (major, minor) = _numbers(found), _numbers(ours)
    if theirs[0] == major and theirs >= (major, minor):
        return None
    return f"the Prefect server is of version {found}, this program needs {major}.{minor} or a later {major}"


def _numbers(version: str) -> tuple[int, int]:
    """Major and minor; what is no number is below all."""
    major, minor, *_ = [int(part) if part.isdecimal() else -1 for part in f"{version}..".split(".")]
    return major, minor


def _start(settings: Settings) -> None:
    """Start AstrID's own server, unless somebody else does so at this moment."""
    try:
        ours = installed_version("prefect")
    except PackageNotFoundError as error:
        raise PrefectUnavailable("Prefect is not installed") from error
    home = _home(settings)
    with _alone(settings):
        if _record(settings) is not None:
            return
        port = _free_port(_last_port(settings))
        command = [
            sys.executable,
            "-P",
            "-m",
            "prefect",
            "server",
            "start",
            "--no-ui",
            "--host",
            HOST,
            "--port",
            str(port),
        ]
        secret = {"PREFECT_SERVER_API_AUTH_STRING": _new_password(settings)}
        environment = {**HISTORY, **os.environ, **QUIET, **secret, "PREFECT_HOME": str(home)}
        put_aside(_log(settings), settings.logs)
        pid = spawn(command, _log(settings), environment=environment, folder=home)
        record = {
            "pid": pid,
            "process": mark_of(pid),
            "port": port,
            "version": ours,
            "has_password": True,
            "started_at": time.time(),
        }
        with unfinished(_record_file(settings)) as part:
            part.write_text(json.dumps(record), encoding="utf-8")


def _new_password(settings: Settings) -> str:
    """A name and a password for the server that is started now, which its clients read from a file."""
    made = f"{USER}:{secrets.token_urlsafe(32)}"
    with unfinished(_password_file(settings)) as part:
        part.chmod(0o600)
        part.write_text(made, encoding="ascii")
    return made


def _password(settings: Settings) -> str | None:
    try:
        return _password_file(settings).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One process at a time starts or stops the server; the kernel holds the lock, so none stays behind."""
    path = _home(settings) / "server.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _record(settings: Settings) -> dict[str, Any] | None:
    """What was noted of AstrID's own server, if that is still running."""
    record = _noted(settings)
    if record is None or not is_alive(record["pid"], record["process"]):
        return None
    return record


def _noted(settings: Settings) -> dict[str, Any] | None:
    try:
        record = json.loads(_record_file(settings).read_text(encoding="utf-8"))
        return {
            **record,
            "pid": int(record["pid"]),
            "port": int(record["port"]),
            "process": None if record["process"] is None else str(record["process"]),
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None


def _last_port(settings: Settings) -> int:
    record = _noted(settings)
    return 0 if record is None else int(record["port"])


def _free_port(wished: int) -> int:
    """A port nobody listens on: the one of before if it can be, as schedules still speak to that."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError):  # no port at all is as one that is taken
                continue
            return int(probe.getsockname()[1])
    raise PrefectUnavailable("no port is free for a Prefect server")


def _home(settings: Settings) -> Path:
    return settings.home.absolute() / "prefect"


def _record_file(settings: Settings) -> Path:
    return _home(settings) / "server.json"


def _password_file(settings: Settings) -> Path:
    return _home(settings) / "password"


def _log(settings: Settings) -> Path:
    return settings.home.absolute() / "logs" / "prefect-server.log"
