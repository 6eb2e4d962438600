"""One worker: claim a frame, process it, commit what it yields. Engines differ only in who calls it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy.exc import StatementError

from core.database.patience import OnTrouble, patiently
from core.database.store import Store
from core.database.store_errors import StoreAway, StoreCannotHold, StoreError
from core.database.tables import Observation
from core.frames import queue, references
from core.frames.commit import CommitResult, commit_frame
from core.frames.content import was_written_over, why_folder_is_away
from core.frames.forced import newest_object, objects_of
from core.frames.injected import draw_of
from core.frames.observations import REFUSED, REPLACED, register
from core.frames.outcome import FrameOutcome
from core.frames.queue import Lease, LeaseLost
from core.frames.queue_history import waits_since
from core.frames.reference_frames import only_itself
from core.objects.seen_again import Rule
from core.operations import runs
from core.operations.freed_memory import keep_freed_memory
from core.settings import Settings
from core.text import SENTENCES, safe_text
from core.vocabulary import ObservationState
from pipeline.calibration.calibrators import masters_of, served
from pipeline.classify.chosen import chosen
from pipeline.clock import one_line
from pipeline.energy.meter import EnergyMeter
from pipeline.engines.signals import heed
from pipeline.frame import FrameRefused
from pipeline.intake.ingest import examine
from pipeline.intake.read_otherwise import read_otherwise
from pipeline.outcome_facts import known_objects
from pipeline.process import process
from pipeline.reference.prepare import prepare

log = logging.getLogger(__name__)

LOST = "lost"  # no state of the store's: another worker has the frame now
RENEWALS = 3  # within the length of one lease
AWAY_S = 86400.0  # so long from when it was registered or retried a frame whose folder is away has not failed
WRITTEN_OVER = "its file holds other content than when it was registered: `astrid ingest` takes that"


@dataclass(frozen=True, slots=True)
class FrameBegun:
    """A frame that a worker took in hand."""

    observation_id: int
    frame: str


@dataclass(frozen=True, slots=True)
class FrameEvent:
    """What became of one frame, for whoever watches a run."""

    observation_id: int
    frame: str
    state: str  # as the store has it now, or `LOST`
    reason: str | None
    seconds: float
    candidates: int

    @property
    def sentence(self) -> str:
        """What became of it in a line; it may hold text from outside."""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.frame} {self.state} in {self.seconds:.1f} s{reason}"


OnBegin = Callable[[FrameBegun], None]
OnEvent = Callable[[FrameEvent], None]


class Worker:
    """Takes frames from the queue of one store, one at a time.

    Parameters
    ----------
    store : Store
    settings : Settings
    run_id : int
        The run that its frames are counted under.
    number : int
        Which of the run's workers it is.
    on_trouble : callable, optional
        Told that the store's server is away and waited for.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        run_id: int,
        number: int = 0,
        on_trouble: OnTrouble | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.run_id = run_id
        self.owner = runs.owner(run_id, number)
        self._patiently = partial(patiently, wait_s=settings.queue.store_wait_s, on_trouble=on_trouble)
        self._meter = EnergyMeter.of_this_machine(settings.power)
        keep_freed_memory()

    def one(self, on_begin: OnBegin | None = None) -> FrameEvent | None:
        """Take the next frame all the way; none where no frame is due.

        An interrupt gives the frame back to the queue before it goes on its way.

        Parameters
        ----------
        on_begin : callable, optional
            Told which frame it is, once it is this worker's.

        Raises
        ------
        StoreError
            The store cannot be used, nor soon.
        """
        start = time.perf_counter()
        limits = self.settings.queue
        lease = self._patiently(
            lambda: queue.claim(self.store, self.owner, limits.lease_s, attempts=limits.attempts)
        )
        if lease is None:
            return None
        try:
            with self._kept_alive(lease):
                if on_begin:
                    on_begin(FrameBegun(lease.observation_id, lease.observation.frame))
                outcome = self._patiently(lambda: self._outcome(lease.observation))
                outcome = self._told_of_reading(lease.observation, outcome)
                if outcome.state == "failed":
                    heed()  # the frame did not break, somebody broke it off
                    outcome = self._patiently(lambda: self._away(lease.observation)) or outcome
                state, reason = self._patiently(lambda: self._commit(lease, outcome))
        except KeyboardInterrupt:
            with suppress(StoreAway):  # its lease ends by itself
                queue.release(self.store, lease)
            raise
        event = FrameEvent(
            observation_id=lease.observation_id,
            frame=lease.observation.frame,
            state=state,
            reason=reason,
            seconds=time.perf_counter() - start,
            candidates=outcome.n_candidates if state == outcome.state else 0,
        )
        self._log(event)
        return event

    def _log(self, event: FrameEvent) -> None:
        log.log(
            logging.INFO if event.state == ObservationState.DONE else logging.WARNING,
            "run %d: %s %s in %.1f s, candidates: %d%s",
            self.run_id,
            safe_text(event.frame, 200),
            event.state,
            event.seconds,
            event.candidates,
            f": {safe_text(event.reason, SENTENCES)}" if event.reason else "",
        )

    def _outcome(self, observation: Observation) -> FrameOutcome:
        if observation.width is None:
            return self._away(observation) or self._read_anew(observation)
        itself = only_itself(self.store, observation)
        reference = references.choose(self.store, observation)
        if itself is not None or reference is None:
            waits = FrameOutcome("waiting", references.missing(self.store, observation))
            return waits if itself is None else FrameOutcome("dropped", itself)
        try:
            prepared = prepare(reference, self.settings)
        except FrameRefused as refused:
            return FrameOutcome("failed", f"reference {reference.id}: {refused}")
        try:
            masters = masters_of(self.store, self.settings)(*served(observation, self.settings))
        except FrameRefused as refused:
            return FrameOutcome("failed", f"calibration frames: {refused}")
        path = Path(observation.path)
        if was_written_over(path, observation.content):  # its time and filter would be another frame's
            return FrameOutcome("failed", WRITTEN_OVER)
        with self.store.read() as session:
            # First the newest key: what is founded in between is then measured again, not forgotten.
            through = newest_object(session)
            objects = objects_of(session, reference)
            draw = draw_of(session, observation, reference)
        _, sharers = runs.sharers(self.store, self.run_id)
        outcome = process(
            path,
            observation.extension,
            prepared,
            masters,
            known_objects(objects),
            self.settings,
            partial(self._meter.begin, sharers),
            chosen(self.store, self.settings),
            draw,
        )
        return replace(outcome, forced_through=through)

    def _read_anew(self, observation: Observation) -> FrameOutcome:
        """What becomes of a frame that ingest had refused unread: nothing is known that a reference needs."""
        found = examine(Path(observation.path), self.settings)
        key = (observation.content, observation.extension)
        same = next((fact for fact in found if (fact.content, fact.extension) == key), None)
        if same is None:  # it is whole now, or another: its exposures are frames of their own
            register(self.store, found)
            return FrameOutcome("dropped", REPLACED)
        if same.state not in REFUSED:
            return FrameOutcome("rejected", "it can be read now: `astrid ingest` takes it")
        state = "failed" if same.state == ObservationState.QUARANTINED else "rejected"
        return FrameOutcome(state, same.reason)

    def _told_of_reading(self, observation: Observation, outcome: FrameOutcome) -> FrameOutcome:
        """What became of a frame, and whether ingest had read its header otherwise than it is read now."""
        if outcome.state in {"away", "failed", ObservationState.DROPPED} or observation.width is None:
            return outcome
        said = read_otherwise(observation, self.settings)
        if said is None:
            return outcome
        told = (
            f"{said[:1].upper()}{said[1:]}: `astrid queue retry` the frame, then `astrid ingest` its file"
            " before `astrid run`."
        )
        before = f"{outcome.reason.rstrip('.')}. " if outcome.reason else ""
        return replace(outcome, reason=f"{before}{told}")

    def _commit(self, lease: Lease, outcome: FrameOutcome) -> tuple[str, str | None]:
        """Commit, and say in which state the frame is now."""
        try:
            try:
                result = self._write(lease, outcome)
            except (StatementError, StoreCannotHold) as error:
                # Values that the database does not take are this frame's fault and must not end the night.
                log.exception("what %s yields cannot be stored", lease.observation.frame)
                failed = FrameOutcome("failed", f"commit: {one_line(error)}", stages=outcome.stages)
                result = self._write(lease, failed)
        except LeaseLost as lost:
            return LOST, str(lost)
        return result.state, result.reason

    def _write(self, lease: Lease, outcome: FrameOutcome) -> CommitResult:
        limits, review = self.settings.queue, self.settings.review
        return commit_frame(
            self.store,
            lease,
            outcome,
            attempts=limits.attempts,
            retry_s=limits.retry_s,
            run_id=self.run_id,
            seen_again=Rule(review.seen_again_score, review.seen_again_snr),
        )

    def _away(self, observation: Observation) -> FrameOutcome | None:
        """What becomes of a frame that failed as its folder is not there now; none where it is."""
        why = why_folder_is_away(Path(observation.path))
        if why is None:
            return None
        with self.store.read() as session:
            waits = time.time() - waits_since(session, observation) < AWAY_S
        return FrameOutcome("away" if waits else "failed", why)

    @contextmanager
    def _kept_alive(self, lease: Lease) -> Iterator[None]:
        """Renew the lease until the frame is done."""
        finished = threading.Event()
        lease_s = self.settings.queue.lease_s

        def renew() -> None:
            while not finished.wait(lease_s / RENEWALS):
                try:
                    if not queue.renew(self.store, lease, lease_s):
                        return  # the commit will say so
                except StoreError as error:
                    log.warning("lease of %s not renewed: %s", lease.observation.frame, error)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()
