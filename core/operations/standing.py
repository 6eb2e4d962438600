"""How the work goes, as records: what the ingest and pipeline screens show, for scripts."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from core.database.store import Store
from core.database.tables import Run
from core.frames.intake import Folder, read_intake
from core.frames.queue import counts_by_state
from core.operations import runs
from core.operations.causes import Cause, causes
from core.operations.crew import crew
from core.operations.stage_times import pace, recent_stages, stage_times, time_left_s
from core.vocabulary import ObservationState

MOST_AT_WORK = 1000  # runs at a time


def of_intake(store: Store, cadence_s: float | None = None) -> dict[str, Any]:
    """What waits and for how long, how fast it goes, where frames come from, and why some failed.

    Parameters
    ----------
    store : Store
    cadence_s : float, optional
        Of the camera, where it is known.

    Returns
    -------
    dict
        ``oldest_queued_s``, ``frames_per_hour``, ``work_s`` of a frame, ``cadence_s``, ``keeps_up`` (frames
        processed for each one taken), ``arrived_1h``, ``unlinked`` frames of runs that were broken off before
        their tracklets were looked for, ``folders`` that are or were watched, and ``causes`` of failure, that
        of most frames first.
    """
    now = time.time()
    found = read_intake(store, now, cadence_s)
    with store.read() as session:
        unlinked = runs.count_unlinked(session)
    return {
        "oldest_queued_s": None if found.oldest_at is None else max(now - found.oldest_at, 0.0),
        "frames_per_hour": found.pace.per_hour,
        "work_s": found.pace.work_s,
        "cadence_s": found.cadence_s,
        "keeps_up": found.keeps_up,
        "arrived_1h": found.arrived,
        "unlinked": unlinked,
        "folders": [_folder(each, now) for each in found.folders],
        "causes": [_cause(each) for each in causes(store)],
    }


def of_run(store: Store, run: Run) -> dict[str, Any]:
    """The times of a run's stages, its workers, and how long what is queued will take all runs at work.

    Returns
    -------
    dict
        ``stages`` with ``p50_s``, ``p95_s``, ``last_s`` and their ``share`` of all the time; ``crew``, the
        workers with the frames in their hands; ``frames_per_hour``; ``left`` frames and ``left_s``.
    """
    facts = recent_stages(store, run.id)
    at_work = runs.newest(store, limit=MOST_AT_WORK, running=True)
    counts, speed = counts_by_state(store), pace(facts)
    left = counts.get(ObservationState.QUEUED, 0) + counts.get(ObservationState.RUNNING, 0)
    is_at_work = run.state == "running"
    return {
        "stages": [
            {
                "stage": each.stage,
                "times": each.times,
                "p50_s": each.p50,
                "p95_s": each.p95,
                "last_s": each.last,
                "share": each.share,
                "refused": each.refused,
                "failed": each.failed,
            }
            for each in stage_times(facts)
        ],
        "crew": [asdict(each) for each in crew(store) if each.run_id == run.id],
        "frames_per_hour": speed.per_hour,
        "left": left if is_at_work else None,
        "left_s": time_left_s(left, speed, sum(each.workers for each in at_work)) if is_at_work else None,
    }


def _folder(folder: Folder, now: float) -> dict[str, Any]:
    return {**asdict(folder), "is_silent": folder.is_silent(now)}


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "state": cause.state,
        "frames": cause.frames,
        "filter": cause.filter,
        "newest_id": cause.newest_id,
        "newest_frame": cause.newest_frame,
        "newest_reason": cause.newest_reason,
    }
