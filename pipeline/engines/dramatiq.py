"""The Dramatiq engine: workers on many machines, woken by messages through Redis.

A message says only that frames are due. Whose a frame is, the leases of the store say, and what failed its
queue tries again: a message that is lost, or comes twice, changes nothing, and a worker that hears of
nothing looks by itself every `LOOK_S`. Messages are JSON and name nothing that would be run.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from redis.exceptions import RedisError

from core.database.patience import OnTrouble, patiently
from core.database.store import Store, open_store
from core.errors import AstridError
from core.frames import queue
from core.operations import broker, runs
from core.operations.broker import BrokerUnavailable
from core.operations.threads import with_threads
from core.settings import Settings
from pipeline.clock import one_line
from pipeline.engines import local
from pipeline.engines.signals import stopped_by_signals
from pipeline.engines.worker import OnEvent

log = logging.getLogger(__name__)

ENGINE = "dramatiq"
QUEUE = "astrid"
LOOK_S = 10.0  # a worker that hears of nothing looks into the queue so often
ANSWER_S = 10.0  # a worker that listens answers within that
QUIET_S = 30.0  # where no run is at work for so long, though each worker looks, it is asked who is there
WAKES = 64  # messages at most; who is not reached by one looks by himself
_TICK_S = 0.5
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the frames that were due when the workers were woken.

    ``state`` is ``done``, or ``interrupted``: then the workers go on alone.
    """

    state: str
    seconds: float
    counts: dict[str, int]
    observation_ids: tuple[int, ...]


@contextmanager
def connected(settings: Settings) -> Iterator[RedisBroker]:
    """The broker of the settings, which answers, until the end of the context.

    Raises
    ------
    BrokerUnavailable
        None is named, or it does not answer.
    """
    with closing(broker.connect(settings)) as client:  # which its broker leaves open
        # No middleware: the store's queue tries again, and nothing is cut off by time.
        yield RedisBroker(client=client, middleware=[], namespace=QUEUE)  # type: ignore[no-untyped-call]


def serve(
    settings: Settings,
    *,
    workers: int = 1,
    on_ready: Callable[[str], None] | None = None,
    on_event: OnEvent | None = None,
    on_trouble: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Process what is queued whenever there is something, until a signal.

    The first SIGINT, SIGTERM or SIGHUP lets the frames in hand be finished, the second gives them back.

    Parameters
    ----------
    settings : Settings
    workers : int
        Processes.
    on_ready : callable, optional
        Told where messages are listened for, and again when Redis is back.
    on_event : callable, optional
        Told of each frame as it is done.
    on_trouble : callable, optional
        Told why the store or Redis cannot be used for a while; the worker goes on trying.
    stop : Event, optional
        Set by whoever wants it to end when it has nothing in hand.

    Raises
    ------
    BrokerUnavailable
        None is named, or it does not answer. One that goes away later is waited for.
    """
    stop = stop or threading.Event()
    woken, idle = threading.Event(), threading.Event()
    with connected(settings) as redis, stopped_by_signals(stop):
        _declare(redis, woken, idle)
        _keep_off_the_terminal()
        listener = dramatiq.Worker(redis, worker_threads=1)
        listener.start()
        if on_ready:
            on_ready(broker.place(settings))
        away, of_store, of_redis = None, _Told(on_trouble), _Told(on_trouble)
        try:
            while not stop.is_set():
                idle.clear()
                if _process(settings, workers, on_event, of_store) == "interrupted":
                    return
                idle.set()
                _await(woken, stop)
                woken.clear()
                before, away = away, _away(settings)
                if away and not before:
                    of_redis(f"{away.rstrip('.')}; the queue is looked into every {LOOK_S:g} s without it")
                elif before and not away:
                    of_redis("")
                    if on_ready:
                        on_ready(broker.place(settings))
        finally:
            idle.set()
            listener.stop()


def wake(settings: Settings) -> int:
    """Tell the workers that frames are due; how many are.

    Raises
    ------
    BrokerUnavailable
        Redis does not answer, or no worker does.
    """
    with connected(settings) as redis, closing(open_store(settings.store_url)) as store:
        runs.reconcile(store)  # a worker that was killed is not at work, and what it held is due
        due = len(queue.due(store))
        if due:
            _send(redis, store, due, threading.Event())
    return due


def run(
    settings: Settings,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    on_trouble: OnTrouble | None = None,
) -> Followed:
    """Wake the workers and wait until none of the frames that are due now waits or is in hand.

    Parameters
    ----------
    on_progress : callable, optional
        Told how many of how many frames are through.
    on_trouble : callable, optional
        Told that the store's server is away and waited for.

    Raises
    ------
    BrokerUnavailable
        Redis does not answer, or no worker does, now or later. The frames stay queued.
    StoreError
        The store cannot be used.
    """
    start = time.perf_counter()
    stop = threading.Event()
    awaited = partial(patiently, wait_s=settings.queue.store_wait_s, on_trouble=on_trouble)
    with (
        connected(settings) as redis,
        closing(awaited(partial(open_store, settings.store_url))) as store,
        stopped_by_signals(stop),
    ):
        awaited(partial(runs.reconcile, store))  # as in `wake`
        ids = awaited(partial(queue.due, store))
        if ids:
            awaited(partial(_send, redis, store, len(ids), stop))
        left, heard = set(ids), time.monotonic()
        while left and not stop.is_set():
            left = awaited(partial(queue.unfinished, store, left))
            if on_progress:
                on_progress(len(ids) - len(left), len(ids))
            if left:
                heard = awaited(partial(_heard, redis, store, len(left), heard, stop))
                stop.wait(2 * _TICK_S)
        through = tuple(each for each in ids if each not in left)
        counts = dict(Counter(awaited(partial(queue.states, store, through)).values()))
    state = "interrupted" if left else "done"
    return Followed(state, time.perf_counter() - start, counts, through)


def _declare(redis: RedisBroker, woken: threading.Event, idle: threading.Event) -> None:
    """Take messages: answer, wake the main thread, and take no other while it is at work."""

    def wake_up(token: str) -> None:
        if _TOKEN.fullmatch(token):
            answers = f"{QUEUE}:answers:{token}"
            redis.client.lpush(answers, socket.gethostname())
            redis.client.expire(answers, round(6 * ANSWER_S))
        woken.set()
        idle.wait()

    dramatiq.actor(actor_name="wake_up", queue_name=QUEUE, broker=redis)(wake_up)


def _send(redis: RedisBroker, store: Store, due: int, stop: threading.Event) -> None:
    """Wake as many workers as there are frames; one must answer, unless one is at work and will look.

    Who is asked to stop waits for no answer.
    """
    token = uuid.uuid4().hex
    try:
        redis.declare_queue(QUEUE)
        for _ in range(min(due, WAKES)):
            redis.enqueue(
                dramatiq.Message(queue_name=QUEUE, actor_name="wake_up", args=(token,), kwargs={}, options={})
            )
        answered = _answered(redis, f"{QUEUE}:answers:{token}", stop)
    except (BrokerError, RedisError, OSError) as error:
        raise BrokerUnavailable(f"Redis went away: {one_line(error)}; the frames stay queued") from error
    at_work = any(row.engine == ENGINE for row in runs.newest(store, limit=100, running=True))
    if not (answered or at_work or stop.is_set()):
        raise BrokerUnavailable(
            f"no worker answered within {ANSWER_S:g} s: start one with `astrid worker`; frames stay queued"
        )


def _heard(redis: RedisBroker, store: Store, left: int, before: float, stop: threading.Event) -> float:
    """When somebody was last at work or answered; where that is long ago, one must answer now."""
    runs.reconcile(store)
    if not runs.newest(store, limit=1, running=True):
        if time.monotonic() - before < QUIET_S:
            return before
        _send(redis, store, left, stop)
    return time.monotonic()


def _answered(redis: RedisBroker, answers: str, stop: threading.Event) -> bool:
    until = time.monotonic() + ANSWER_S
    while time.monotonic() < until and not stop.is_set():
        if redis.client.brpop([answers], timeout=1) is not None:
            return True
    return False


def _process(settings: Settings, workers: int, on_event: OnEvent | None, told: Callable[[str], None]) -> str:
    """One run, if a frame is due; how it ended. Trouble with the store is told and is no end."""
    try:
        with closing(open_store(settings.store_url)) as store:
            runs.reconcile(store)  # first: the frames of a run that was killed are due by that
            due = queue.count_takeable(store, 1)
        told("")
        return _run(settings, workers, on_event, told).state if due else "done"
    except AstridError as error:
        told(f"{error}; trying again every {LOOK_S:g} s")
        return "failed"


class _Told:
    """Tells a trouble once, however long it lasts; an empty one is its end."""

    def __init__(self, on_trouble: Callable[[str], None] | None) -> None:
        self._on_trouble = on_trouble
        self._last = ""

    def __call__(self, trouble: str) -> None:
        if trouble and trouble != self._last:
            log.warning("%s", trouble)
            if self._on_trouble:
                self._on_trouble(trouble)
        self._last = trouble


def _away(settings: Settings) -> str | None:
    """Why Redis cannot be used now; none where it answers."""
    try:
        broker.connect(settings).close()
    except BrokerUnavailable as error:
        return str(error)
    return None


class _Unforeseen(logging.Handler):
    """Dramatiq's own log, of which AstrID's keeps what nobody foresaw; of lost connections `serve` tells."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and not isinstance(record.exc_info[1], RedisError | OSError):
            log.error("%s", record.getMessage(), exc_info=record.exc_info)


_unforeseen = _Unforeseen()


def _keep_off_the_terminal() -> None:
    """Let Dramatiq not say every few seconds, in its own words, that Redis is away."""
    its_own = logging.getLogger("dramatiq")
    its_own.addHandler(_unforeseen)  # once, however often
    its_own.propagate = False


def _run(
    settings: Settings, workers: int, on_event: OnEvent | None, on_trouble: Callable[[str], None]
) -> local.RunSummary:
    # Other workers may share this machine, which none of them knows.
    settings = with_threads(settings, settings.run.threads or 1)
    return local.run(settings, workers=workers, on_event=on_event, on_trouble=on_trouble, engine=ENGINE)


def _await(woken: threading.Event, stop: threading.Event) -> None:
    """Until a message comes, a signal, or the time for a look."""
    until = time.monotonic() + LOOK_S
    while time.monotonic() < until and not stop.is_set():
        if woken.wait(_TICK_S):
            return
