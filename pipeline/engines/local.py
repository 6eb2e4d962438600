"""The local engine: workers as processes of this machine, and nothing else needed.

With one worker the frames are processed in this very process, with more in
`pipeline.engines.processes`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.database.patience import OnTrouble, patiently
from core.database.store import Store, open_store
from core.errors import AstridError
from core.health.watch import watching
from core.operations import prefect_server, runs
from core.operations.kept import sweep_home
from core.operations.logs import log_to_file
from core.settings import Settings
from pipeline.clock import one_line
from pipeline.energy.sampler import sampling
from pipeline.engines.heartbeat import beating
from pipeline.engines.processes import Told, with_processes
from pipeline.engines.signals import stopped_by_signals
from pipeline.engines.tracklets import link_frames
from pipeline.engines.worker import LOST, FrameEvent, OnBegin, OnEvent, Worker


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

    told = Told(on_begin or _unheard, seen, on_trouble or _unheard)
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
            drive = with_processes if workers > 1 else _in_this_process
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


def _in_this_process(
    store: Store,
    settings: Settings,
    run_id: int,
    _workers: int,
    limit: int | None,
    stop: threading.Event,
    heard: Told,
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
