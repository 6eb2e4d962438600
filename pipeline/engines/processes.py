"""Workers as processes of this machine, each told over a pipe to take one frame at a time.

So a worker that is killed takes nothing with it but the frame in its hands, which returns to the queue at
once.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import cast

from sqlmodel import col

from core.database.patience import OnTrouble, patiently
from core.database.store import Store, open_store
from core.database.tables import Observation
from core.errors import AstridError
from core.frames import queue
from core.operations import runs
from core.operations.garbage import look_seldom
from core.operations.logs import log_to_file
from core.operations.threads import THREAD_VARIABLES, threads_of, with_threads
from core.settings import Settings
from pipeline.engines.signals import TERMINALS, held_back, interrupt
from pipeline.engines.worker import FrameBegun, FrameEvent, OnBegin, OnEvent, Worker

log = logging.getLogger(__name__)


class WorkerDied(AstridError):
    """Worker processes cannot live on this machine."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of what the workers' processes say."""

    begun: OnBegin
    seen: OnEvent
    trouble: OnTrouble


@dataclass(slots=True)
class _Process:
    """A worker's process and the pipe to it; ``busy`` from being told to take a frame until it reports."""

    number: int
    process: SpawnProcess
    pipe: Connection
    busy: bool = False
    holding: bool = False  # it has said which frame it took
    proven: bool = False  # it has reported before

    def take_one(self) -> None:
        """Tell it to; that it is no more shows when it should report."""
        with suppress(BrokenPipeError):
            self.pipe.send("next")
        self.busy = True

    def report(self) -> FrameBegun | FrameEvent | str | None:
        """What it took in hand, then what it did; none where no frame was due; trouble in a sentence.

        Raises
        ------
        EOFError, ConnectionResetError
            The process is no more.
        """
        told: FrameBegun | FrameEvent | AstridError | str | None = self.pipe.recv()
        if isinstance(told, str):
            return told
        self.busy = self.holding = isinstance(told, FrameBegun)
        self.proven = True
        if isinstance(told, AstridError):
            raise told
        return told


def with_processes(
    store: Store,
    settings: Settings,
    run_id: int,
    workers: int,
    limit: int | None,
    stop: threading.Event,
    heard: Told,
) -> None:
    """Hand out frames to processes until none is due; a process is started when a frame waits for it."""
    left = math.inf if limit is None else limit
    settings = with_threads(settings, threads_of(settings, workers))
    awaited = partial(patiently, wait_s=settings.queue.store_wait_s, on_trouble=heard.trouble)
    with _crew() as crew:
        while True:
            if not stop.is_set():
                for _ in range(awaited(partial(_wanted, store, crew, workers, left))):
                    crew.append(_started(settings, run_id, len(crew)))
            for idle in [each for each in crew if not each.busy]:
                if left > 0 and not stop.is_set():
                    idle.take_one()
                    left -= 1
            busy = {each.pipe: each for each in crew if each.busy}
            if not busy:
                return
            for pipe in wait(list(busy)):
                each = busy[cast(Connection, pipe)]
                try:
                    told = each.report()
                except (EOFError, ConnectionResetError):
                    awaited(partial(_bury, store, run_id, each))
                    crew[each.number] = _started(settings, run_id, each.number)
                    left += 1
                    continue
                if isinstance(told, FrameBegun):
                    heard.begun(told)
                elif isinstance(told, str):
                    heard.trouble(told)
                elif told is None:
                    left = 0
                else:
                    heard.seen(told)


def _wanted(store: Store, crew: list[_Process], workers: int, left: float) -> int:
    """How many processes more there are frames for: those beyond what idle and asked workers take."""
    room = int(min(workers - len(crew), left))
    if room <= 0:
        return 0
    served = sum(not each.holding for each in crew)
    return max(queue.count_takeable(store, room + served) - served, 0)


@contextmanager
def _crew() -> Iterator[list[_Process]]:
    """Workers' processes, all ended at the end; there are none at first."""
    crew: list[_Process] = []
    try:
        yield crew
    finally:
        for each in crew:
            each.pipe.close()  # an idle worker ends by this
            if each.busy:
                each.process.terminate()  # and a busy one gives its frame back
        for each in crew:
            each.process.join()


def _started(settings: Settings, run_id: int, number: int) -> _Process:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_work, args=(theirs, settings, run_id, number), name=f"worker-{number}", daemon=True
    )
    with _workers_environment(), held_back(TERMINALS):
        process.start()
    theirs.close()  # so that the pipe ends with the process
    return _Process(number, process, ours)


def _bury(store: Store, run_id: int, dead: _Process) -> None:
    """A worker was killed: its frame returns to the queue, which quarantines one that kills many.

    Raises
    ------
    WorkerDied
        It died before it took its first frame: another would, too.
    """
    dead.process.join()
    dead.pipe.close()
    code = dead.process.exitcode
    how = ended_how(code)
    log.error("run %d: worker %d %s", run_id, dead.number, how)
    with store.write() as session:
        freed = queue.interrupt(session, col(Observation.lease_owner) == runs.owner(run_id, dead.number))
    if not (freed or dead.proven):
        raise WorkerDied(f"a worker {how} before it took its first frame")


def ended_how(code: int | None) -> str:
    """How a process ended, in words, by its exit code."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was stopped by {signal.Signals(-code).name}"
    except ValueError:
        return f"was stopped by signal {-code}"


def _work(pipe: Connection, settings: Settings, run_id: int, number: int) -> None:
    """A worker's process: one frame for each message, until the pipe is closed."""
    look_seldom()
    for each in TERMINALS:
        signal.signal(each, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINALS)  # as it was started: those that came are ignored
    signal.signal(signal.SIGTERM, interrupt)
    log_to_file(settings)
    try:
        wait_s = settings.queue.store_wait_s
        try:
            store = patiently(lambda: open_store(settings.store_url), wait_s=wait_s, on_trouble=pipe.send)
        except AstridError as error:
            pipe.send(error)
            return
        worker = Worker(store, settings, run_id, number, on_trouble=pipe.send)
        while True:
            pipe.recv()
            try:
                pipe.send(worker.one(pipe.send))
            except AstridError as error:
                pipe.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return  # the engine is gone, or wants no more


@contextmanager
def _workers_environment() -> Iterator[None]:
    """Processes that start within use one thread each in numerical libraries; several share the cores.

    Nor do they run what lies in the folder that one stands in, where Python looks first as it begins.
    """
    wanted = dict.fromkeys([*THREAD_VARIABLES, "PYTHONSAFEPATH"], "1")
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
