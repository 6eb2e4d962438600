"""A night with failures in it, as a store has it: what the queue and pipeline screens are for."""

import time

import numpy as np

from core.database.store import Store
from core.database.tables import Run, WatchedFolder
from core.frames import queue, references
from core.frames.commit import commit_frame
from core.frames.observations import register
from core.frames.outcome import FrameOutcome, QualityFacts, StageRecord
from core.frames.thumbnail import pack
from core.operations import runs
from tests.copies import happened_later, made_once
from tests.core.frames import candidate, difference_facts, done, frame_facts, reference_facts

STAGES = ("read", "calibrate", "stars", "quality", "psf", "align", "subtract", "detect", "cutouts", "forced")
QUALITY = QualityFacts(
    seeing_px=3.1, seeing_arcsec=1.7, sky=812.0, sky_rms=14.2, zeropoint=25.3, limit_mag=20.9, n_stars=214,
    masked_fraction=0.012,
)  # fmt: skip


def troubled_night(store: Store) -> list[int]:
    """Three frames done, two rejected, three quarantined, one running, one waiting, four queued.

    Returns the ids of all frames, in the order in which they came.
    """
    made_at, ids = _troubled_night(store)
    happened_later(store, time.time() - made_at)
    return ids


@made_once
def _troubled_night(store: Store) -> tuple[float, list[int]]:
    """The same, with the time at which it was made."""
    now = time.time()
    reference = references.add(store, reference_facts())
    run = runs.start(store, engine="local", workers=2, config_hash="cafe")
    ids = _frames(store, *range(1, 10))
    small = pack(np.random.default_rng(1).normal(size=(48, 64)).astype(np.float32))
    for number in range(3):
        outcome = done(
            reference.id, *(candidate(20 + 9 * number, 30), candidate(70, 60)), quality=QUALITY,
            difference=difference_facts(
                reference.id, score_std=1.0 + 0.02 * number, m50=20.4 + 0.1 * number,
                registration_rms_px=0.05 + 0.01 * number,
            ),
            stages=stages(now - 600 + 60 * number), thumbnail=small,
        )  # fmt: skip
        _commit(store, outcome, run.id)
    for stars in (3, 7):
        reason = f"too few stars: {stars} found; 10 are needed"
        told = stages(now - 300, "quality", "rejected", reason)
        _commit(store, FrameOutcome("rejected", reason, stages=told, thumbnail=small), run.id)
    for rms in (0.71, 1.93, None):
        cause = f"rms of {rms} px" if rms else "[/red] \x1b[2Jno such plane"
        reason = f"align: FrameRefused: {cause}"
        told = stages(now - 200, "align", "failed", reason)
        _commit(store, FrameOutcome("failed", reason, stages=told), run.id)
    queue.claim(store, runs.owner(run.id, 1), 300.0)
    ids += _frames(store, 10, filter="z")
    other = queue.claim(store, runs.owner(run.id, 0), 300.0)
    commit_frame(store, other, FrameOutcome("waiting", "no reference in z covers it"), attempts=3, retry_s=1)
    ids += _frames(store, *range(11, 15))
    with store.write() as db:
        db.add(
            WatchedFolder(
                host="dome", path="/data/night1", watcher="here", pid=1, interval_s=5.0, heartbeat_at=now,
                last_file_at=now - 90, cadence_s=40.0, unsettled=1, files=14, refused=2,
            )
        )  # fmt: skip
        db.get_one(Run, run.id).counts = {"done": 3, "rejected": 2, "quarantined": 3}
    return now, ids


def stages(start: float, last: str = "forced", outcome: str = "done", reason: str | None = None):
    """Stages one after the other up to one, which ends as told."""
    records = []
    for number, name in enumerate(STAGES):
        seconds = 0.05 * (1 + number % 4) ** 2
        ended = (outcome, reason) if name == last else ("done", None)
        records.append(StageRecord(name, start, seconds, *ended[:1], reason=ended[1]))
        start += seconds
        if name == last:
            break
    return tuple(records)


def many_queued(store: Store, count: int) -> list[int]:
    """So many frames in the queue."""
    made = register(store, [frame_facts(number) for number in range(1, count + 1)])
    return [each.id for each in made]


def _frames(store: Store, *numbers: int, **changes) -> list[int]:
    """Frames every three minutes of one night."""
    facts = [frame_facts(number, mjd=60999.1 + 0.002 * number, **changes) for number in numbers]
    return [each.id for each in register(store, facts)]


def _commit(store: Store, outcome: FrameOutcome, run_id: int) -> None:
    lease = queue.claim(store, runs.owner(run_id, 0), 300.0)
    commit_frame(store, lease, outcome, attempts=1, retry_s=0.0, run_id=run_id)
