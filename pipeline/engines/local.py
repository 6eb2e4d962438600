"""The local engine: workers as processes of this machine, and nothing else needed.

With one worker the frames are processed in this very process. With more, each worker is a process
of its own that is told over a pipe to take one frame at a time; so a worker that is killed takes
nothing with it but the frame in its hands, which returns to the queue at once.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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
from core.health.watch import watching
from core.operations import prefect_server, runs
from core.operations.garbage import look_seldom
from core.operations.kept import sweep_home
from core.operations.logs import log_to_file
from core.operations.threads import THREAD_VARIABLES, threads_of, with_threads
from core.settings import Settings
from pipeline.clock import one_line
from pipeline.energy.sampler import sampling
from pipeline.engines.heartbeat import beating
from pipeline.engines.signals import TERMINALS, held_back, interrupt, stopped_by_signals
from pipeline.engines.tracklets import link_frames
from pipeline.engines.worker import LOST, FrameBegun, FrameEvent, OnBegin, OnEvent, Worker

log = logging.getLogger(__name__)


class WorkerDied(AstridError):
    """Worker processes cannot live on this machine."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did.

    ``state`` is ``done``, or ``interrupted`` by a signal; ``counts`` are the frames by the state
    that the run left them in; ``frames`` what became of each, in the order in which they ended.
    """

    run_id: int
    state: str
    seconds: float
    counts: dict[str, int]
    frames: tuple[FrameEvent, ...] = field(repr=False)


def run(
    settings: Settings,
    *,
    limit: int | None = None,
    workers: int = 1,
    on_start: Callable[[int], None] | None = None,
    on_begin: OnBegin | None = None,
    on_event: OnEvent | None = None,
    on_trouble: OnTrouble | None = None,
    on_stop: Callable[[], None] | None = None,
    engine: str = "local",
    run_id: int | None = None,
    flow_run_id: str | None = None,
) -> RunSummary:
    """Process what is queued until no frame is due.

    A frame that fails is queued again for later and does not hold the run up. The first SIGINT,
    SIGTERM or SIGHUP lets the frames in hand be finished, the second gives them back; a SIGHUP that
    is ignored already, as by ``nohup``, stays so.

    Parameters
    ----------
    settings : Settings
    limit : int, optional
        Frames at most.
    workers : int
        Processes at most; no more are started than there are frames for them.
    on_start : callable, optional
        Told the number of the run.
    on_begin, on_event : callable, optional
        Told of each frame as a worker takes it in hand, and as it is done.
    on_trouble : callable, optional
        Told that the store's server is away and waited for.
    on_stop : callable, optional
        Told, within a signal's handler, that the run was asked to stop and finishes what is in hand.
    engine : str
        What drives the run, for the record.
    run_id : int, optional
        The run that this process was started for.
    flow_run_id : str, optional
        Prefect's, for the record.

    Raises
    ------
    StoreError
        The store cannot be used.
    RunRefused
        The run that this process was started for is over, or somebody else ended it while it was at work.
    """
    log_to_file(settings)
    store = patiently(
        lambda: open_store(settings.store_url), wait_s=settings.queue.store_wait_s, on_trouble=on_trouble
    )
    sweep_home(settings.home)
    runs.reconcile(store)
    prefect_server.settle(store, settings)
    row = runs.start(
        store,
        engine=engine,
        workers=workers,
        config_hash=settings.science_hash,
        config=settings.model_dump(mode="json", exclude={"store", "alerts"}),  # which may hold passwords
        run_id=run_id,
        flow_run_id=flow_run_id,
    )
    number, start = row.id or 0, time.perf_counter()
    events: list[FrameEvent] = []
    stop = threading.Event()

    def seen(event: FrameEvent) -> None:
        events.append(event)
        if on_event:
            on_event(event)

    told = _Told(on_begin or _unheard, seen, on_trouble or _unheard)
    state, reason = "failed", None
    try:
        with (
            stopped_by_signals(stop, on_stop),
            beating(store, number, stop),
            sampling(store, settings, number),
            watching(settings, store),
        ):
            if on_start:
                on_start(number)
            drive = _with_processes if workers > 1 else _in_this_process
            drive(store, settings, number, workers, limit, stop, told)
            found = {event.observation_id for event in events if event.candidates}
            patiently(
                lambda: link_frames(store, settings, found | runs.frames_broken_off(store, number)),
                wait_s=settings.queue.store_wait_s,
                on_trouble=on_trouble,
            )
        state = "interrupted" if stop.is_set() else "done"
    except KeyboardInterrupt:
        state, reason = "interrupted", runs.BROKEN_OFF
    except Exception as error:
        reason = str(error) if isinstance(error, AstridError) else one_line(error)
        raise
    finally:
        counts = _counted(events)
        # Who gave the store up already waits no more; the next run settles what this one could not say.
        wait_s = 0.0 if state == "failed" else settings.queue.store_wait_s
        patiently(lambda: runs.finish(store, number, state, counts, reason), wait_s=wait_s)
        store.close()
    return RunSummary(number, state, time.perf_counter() - start, counts, tuple(events))


def _counted(events: Sequence[FrameEvent]) -> dict[str, int]:
    """Frames by how they ended: a later attempt counts in place of an earlier one.

    A lease that was lost counts where no attempt of this run tells more: another worker of it may have done
    the frame before the one that lost it said so.
    """
    ended: dict[int, str] = {}
    for event in events:
        if event.state != LOST or event.observation_id not in ended:
            ended[event.observation_id] = event.state
    return dict(Counter(ended.values()))


def _unheard(_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class _Told:
    """Who is told of what the workers' processes say."""

    begun: OnBegin
    seen: OnEvent
    trouble: OnTrouble


def _in_this_process(
    store: Store,
    settings: Settings,
    run_id: int,
    _workers: int,
    limit: int | None,
    stop: threading.Event,
    heard: _Told,
) -> None:
    """Take one frame after the other until none is due."""
    worker = Worker(store, settings, run_id, on_trouble=heard.trouble)
    done = 0
    while not stop.is_set() and (limit is None or done < limit):
        event = worker.one(heard.begun)
        if event is None:
            return
        done += 1
        heard.seen(event)


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


def _with_processes(
    store: Store,
    settings: Settings,
    run_id: int,
    workers: int,
    limit: int | None,
    stop: threading.Event,
    heard: _Told,
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
