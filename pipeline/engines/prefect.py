"""The Prefect engine: a run as a flow of a Prefect server, from this process."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from core.database.store import Store, open_store
from core.errors import AstridError
from core.operations import runs
from core.operations.prefect_api import PrefectUnavailable
from core.operations.prefect_server import client_environment, ensure
from core.settings import Settings
from core.settings_file import CONFIG_VARIABLE
from core.vocabulary import ExitCode
from pipeline.clock import one_line
from pipeline.engines.local import RunSummary
from pipeline.engines.worker import OnEvent

log = logging.getLogger(__name__)

API_VARIABLE = "PREFECT_API_URL"
BACK_WAIT_S = 120.0  # so long a server may take to start
BACK_LOOK_S = 10.0


class ScheduleRefused(AstridError):
    """No schedule is meant by what was asked for."""

    exit_code = ExitCode.USAGE


class ScheduleLeft(AstridError):
    """A signal came while the server was away, or while it paused the schedule: that was not done."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(slots=True)
class Call:
    """What a caller in this process gives to the flow beside its parameters, and gets from it."""

    settings: Settings
    run_id: int | None = None
    on_event: OnEvent | None = None
    summary: RunSummary | None = None
    error: AstridError | None = None


_CALL: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """The call that the flow at work was made by; none where a schedule of Prefect's made it."""
    return _CALL.get()


def run(
    settings: Settings,
    url: str,
    *,
    config: Path | None = None,
    limit: int | None = None,
    workers: int = 1,
    on_event: OnEvent | None = None,
    run_id: int | None = None,
) -> RunSummary:
    """Process what is queued until no frame is due, as `pipeline.engines.local.run` does.

    Parameters
    ----------
    url : str
        Of the API of a Prefect server that answers: `core.operations.prefect_server.ensure`.
    config : Path, optional
        The configuration file, for the record.

    Raises
    ------
    PrefectUnavailable
        The server went away; what was done until then is in the store.
    StoreError
        The store cannot be used.
    """
    with closing(open_store(settings.store_url)) as store:
        row = runs.start(
            store, engine="prefect", workers=workers, config_hash=settings.science_hash, run_id=run_id
        )
        number = row.id or 0
        parameters = {"config": _named(config), "workers": workers, "limit": limit}
        try:
            return _run_flow(store, url, parameters, Call(settings, number, on_event))
        except AstridError as error:
            runs.finish(store, number, "failed", reason=str(error))  # unless the loop has done so
            raise


def _run_flow(store: Store, url: str, parameters: dict[str, Any], call: Call) -> RunSummary:
    """Make a flow run, tell the store which it is before it begins, and run it here."""
    _prepare_prefect(call.settings, url)
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException
    from prefect.flow_engine import run_flow
    from prefect.states import Pending

    from pipeline.engines.flows import process

    token = _CALL.set(call)
    ended = None
    try:
        with get_client(sync_client=True) as client:
            flow_run = client.create_flow_run(
                process, name=f"run {call.run_id}", parameters=parameters, state=Pending()
            )
        runs.link_flow_run(store, call.run_id or 0, str(flow_run.id))
        ended = run_flow(process, flow_run, parameters, return_type="state")
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        if call.summary is None and call.error is None:
            raise PrefectUnavailable(f"the Prefect server at {url} failed: {one_line(error)}") from error
        log.warning("the Prefect server at %s was not told how the run ended: %s", url, error)
    finally:
        _CALL.reset(token)
    if call.error is not None:
        raise call.error
    if call.summary is None:
        raise PrefectUnavailable(
            f"the Prefect server at {url} ended the run: {getattr(ended, 'message', '')}"
        )
    return call.summary


def serve(
    settings: Settings,
    url: str,
    *,
    config: Path | None = None,
    every_s: float | None = None,
    cron: str | None = None,
    workers: int = 1,
    limit: int | None = None,
    on_ready: Callable[[], None] | None = None,
    on_trouble: Callable[[str], None] | None = None,
) -> None:
    """Register a schedule with a server and start its runs, one at a time, until a signal.

    Each run is a process of its own, and a run of the store like any other. A server that goes away is
    waited for, AstrID's own is started anew, and the schedule goes on.

    Parameters
    ----------
    every_s : float, optional
        Seconds from one run to the next.
    cron : str, optional
        Or when, in the words of cron, UTC.
    on_ready : callable, optional
        Called when the schedule is understood, before it is registered.
    on_trouble : callable, optional
        Told in a sentence that the server went away, and that it is back.

    Raises
    ------
    ScheduleRefused
        `cron` is none that Prefect understands.
    PrefectUnavailable
        The server does not take the schedule, or it cannot be paused at the end.
    ScheduleLeft
        The signal came while the server was waited for, or a second one while the schedule was being paused.
    """
    is_own = not os.environ.get(API_VARIABLE)
    _prepare_prefect(settings, url)
    os.environ[CONFIG_VARIABLE] = _named(config) or ""  # for the processes of its runs
    import httpx
    from prefect.exceptions import PrefectException

    from pipeline.engines.schedule import keep, must_be_cron, registered

    if cron is not None:
        must_be_cron(cron)
    if on_ready:
        on_ready()
    parameters = {"config": _named(config), "workers": workers, "limit": limit}
    failures = (httpx.HTTPError, PrefectException, ValueError, RuntimeError, ExceptionGroup)
    asked, again, is_registered = threading.Event(), threading.Event(), False
    try:
        while not asked.is_set():
            try:
                with _of_server():
                    runner = registered(every_s, cron, parameters)
                    if is_registered and on_trouble:
                        on_trouble(f"The Prefect server answers at {url}: runs start again.")
                    is_registered = True
                    keep(runner, asked, again)
            except failures as error:
                if again.is_set():
                    break
                what = "paused" if asked.is_set() else "kept"
                if asked.is_set() or not is_registered or not _is_away(error, is_own=is_own):
                    raise PrefectUnavailable(f"the schedule could not be {what}: {_why(error)}") from error
                if on_trouble:
                    on_trouble(f"The Prefect server at {url} went away: no run starts until it is back.")
                url = _back(settings, on_trouble, is_own=is_own)
    except KeyboardInterrupt:
        stays = is_registered and not asked.is_set()
        raise ScheduleLeft(_left(url, stays=stays)) from None
    if again.is_set():
        raise ScheduleLeft(_left(url, stays=False))


def _left(url: str, *, stays: bool) -> str:
    """What became of a schedule that nobody keeps, and how to end it."""
    return (
        f"interrupted: the schedule {'stays' if stays else 'may be'} on the Prefect server at {url},"
        " unpaused, and this process starts no more runs of it; to pause it, run `astrid deploy` again once"
        " the server answers, and end it with Ctrl-C"
    )


def _back(settings: Settings, on_trouble: Callable[[str], None] | None, *, is_own: bool) -> str:
    """The URL of the server as soon as it answers again; AstrID's own is started anew."""
    if is_own:
        os.environ.pop(API_VARIABLE, None)  # which this process has set for Prefect
    told = ""
    while True:
        try:
            url = ensure(settings, wait_s=BACK_WAIT_S)
        except PrefectUnavailable as error:
            if on_trouble and str(error) != told:  # it may be there, and of a version that is of no use
                on_trouble(str(error))
            told = str(error)
            time.sleep(BACK_LOOK_S)
        else:
            _prepare_prefect(settings, url)
            return url


@contextmanager
def _of_server() -> Iterator[None]:
    """Within, Prefect uses the server of the environment, also where that was another as it was imported."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    now = {PREFECT_API_URL: os.environ[API_VARIABLE]}
    if password := os.environ.get(PREFECT_API_AUTH_STRING.name):
        now[PREFECT_API_AUTH_STRING] = password
    with temporary_settings(now):
        yield


def _is_away(error: Exception, *, is_own: bool) -> bool:
    """Whether a server that took the schedule went away, or AstrID's own was started anew."""
    import httpx

    if isinstance(error, ExceptionGroup):
        return any(_is_away(each, is_own=is_own) for each in error.exceptions)
    status = _status(error)
    if status == HTTPStatus.UNAUTHORIZED:
        return is_own  # which has a new password
    # A RuntimeError is Prefect's own, who tried for a while.
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(
        error, httpx.TransportError | RuntimeError
    )


def _status(error: Exception) -> int:
    """What the server answered; 0 where it did not."""
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _why(error: Exception) -> str:
    if _status(error) == HTTPStatus.UNAUTHORIZED:
        return (
            "the Prefect server takes this password no more, as when it was started anew:"
            " run `astrid deploy` again"
        )
    return one_line(error)


def _prepare_prefect(settings: Settings, url: str) -> None:
    """Set what Prefect reads from the environment as it is imported."""
    os.environ.update(client_environment(settings, url))
    os.environ["PYTHONSAFEPATH"] = "1"  # the processes of runs begin with nothing of the folder one stands in
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # runs tell by themselves
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")  # a server of this machine answers or is gone
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "10")  # one that hangs keeps no run from its end


def _named(config: Path | None) -> str | None:
    return None if config is None else str(config.absolute())
