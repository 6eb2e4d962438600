"""A run as a Prefect flow, a task a frame: a history that an operator can read, and schedules.

The loop is the local engine's, and so are signals and worker processes. Prefect is told of each
frame as it begins and as it ends, and the work never waits for that. Importing this imports Prefect:
its environment must be set before (`core.operations.prefect_server.client_environment`).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.futures import PrefectFuture
from prefect.states import Failed
from prefect.task_runners import ThreadPoolTaskRunner

from core.database.store import open_store
from core.errors import AstridError
from core.operations.status import frames_status
from core.settings import Settings, load
from core.settings_file import CONFIG_VARIABLE
from core.text import safe_text
from pipeline.engines import local as engine_local
from pipeline.engines.flow_words import frame_state, report_markdown, run_state
from pipeline.engines.local import RunSummary
from pipeline.engines.prefect import Call, current_call
from pipeline.engines.worker import FrameBegun, FrameEvent, OnEvent

logging.raiseExceptions = False  # Prefect's log would complain on the terminal of a server that is away

LOOK_S = 5.0  # so often a frame in hand looks whether its run was cancelled
TELLERS: Any = ThreadPoolTaskRunner(max_workers=64)  # wait for frames to end; more than there are workers


class _Cancelled:
    """Whether somebody cancelled the flow run in Prefect, which itself stops none in a process like this."""

    def __init__(self) -> None:
        self._flow_run_id = runtime.flow_run.id
        self._heeded = threading.Lock()  # taken for good: of frames that look at the same time, one stops it

    def heed(self) -> None:
        """Stop the run as a first signal does, once: a second one would give back what is in hand."""
        if self._heeded.locked():
            return
        with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
            state = client.read_flow_run(self._flow_run_id).state
            is_cancelled = state is not None and (state.is_cancelling() or state.is_cancelled())
            if is_cancelled and self._heeded.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGTERM)


@task(
    name="frame",
    task_run_name="{name}",
    retries=0,  # the store's leases alone decide what is tried again
    cache_policy=NO_CACHE,
    persist_result=False,
)
def frame(name: str, ended: Future[FrameEvent | None], cancelled: _Cancelled) -> State[Any]:  # noqa: ARG001 its name is told by it
    """One frame, until it has ended."""
    while True:
        cancelled.heed()
        with suppress(TimeoutError):
            return frame_state(ended.result(LOOK_S))


@flow(
    name="process",
    retries=0,
    persist_result=False,
    validate_parameters=False,
    task_runner=TELLERS,
)
def process(
    config: str | None = None,  # noqa: ARG001
    workers: int = 1,
    limit: int | None = None,
) -> State[Any]:
    """Process what is queued.

    Parameters
    ----------
    config : str, optional
        The configuration file, for the record. None is read that a caller names: whoever can reach the
        server would choose what runs. A schedule's process knows its file by `CONFIG_VARIABLE`.
    workers : int
        Processes.
    limit : int, optional
        Frames at most.
    """
    call = current_call() or Call(load(_own_file()))
    tellers = _Tellers(call.on_event)
    try:
        call.summary = engine_local.run(
            call.settings,
            limit=limit,
            workers=workers,
            on_start=None if call.run_id else _named,
            on_begin=tellers.begin,
            on_event=tellers.end,
            engine="prefect",
            run_id=call.run_id,
            flow_run_id=runtime.flow_run.id,
        )
    except AstridError as error:
        call.error = error
        return Failed(message=str(error))
    finally:
        tellers.close()
    _report(call.settings, call.summary)
    return run_state(call.summary)


def _own_file() -> Path | None:
    """The configuration file of the process that serves the schedule."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else None


class _Tellers:
    """One task a frame in hand, which ends when its frame does."""

    def __init__(self, on_event: OnEvent | None) -> None:
        self._on_event = on_event
        self._open: dict[int, Future[FrameEvent | None]] = {}
        self._told: list[PrefectFuture[Any]] = []
        self._cancelled = _Cancelled()

    def begin(self, begun: FrameBegun) -> None:
        self._end(begun.observation_id, None)  # a worker died with it, and another has it now
        ended: Future[FrameEvent | None] = Future()
        self._open[begun.observation_id] = ended
        self._told.append(frame.submit(safe_text(begun.frame), ended, self._cancelled))

    def end(self, event: FrameEvent) -> None:
        self._end(event.observation_id, event)
        if self._on_event:
            self._on_event(event)

    def close(self) -> None:
        """End what was left in hand, and wait until Prefect knows of all."""
        for key in list(self._open):
            self._end(key, None)
        for told in self._told:
            told.wait()

    def _end(self, observation_id: int, event: FrameEvent | None) -> None:
        ended = self._open.pop(observation_id, None)
        if ended is not None:
            ended.set_result(event)


def _named(run_id: int) -> None:
    """Let a flow run that a schedule made be called what the store calls the run."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=f"run {run_id}")


def _report(settings: Settings, summary: RunSummary) -> None:
    store = open_store(settings.store_url, read_only=True)
    try:
        frames = frames_status(store, [event.observation_id for event in summary.frames])
    finally:
        store.close()
    create_markdown_artifact(
        report_markdown(summary, frames), key="night-report", description=f"run {summary.run_id}"
    )
