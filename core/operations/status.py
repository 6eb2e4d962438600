"""Where things stand: counts by state, and what became of each frame."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, func, select

from core.database.store import Store
from core.database.tables import Difference, Observation, Rejection, StageRun
from core.frames.queue import counts_by_state
from core.review.states import count_awaiting

BATCH = 1000  # frames of one query: a run may have processed more than databases take in one


def status(store: Store, *, limit: int = 100, after: int | None = None) -> dict[str, Any]:
    """Counts by state, the length of the review queue, and one page of frames, newest first.

    Parameters
    ----------
    store : Store
    limit : int
        Frames on the page.
    after : int, optional
        The ``id`` of the last frame of the page before.

    Returns
    -------
    dict
        ``counts``, ``awaiting_verdict``, ``frames`` (see `frame_records`) and ``next``: what to
        give as `after` for the next page, or ``None``.
    """
    counts = counts_by_state(store)
    with store.read() as session:
        query = select(Observation).order_by(col(Observation.id).desc()).limit(limit + 1)
        if after is not None:
            query = query.where(col(Observation.id) < after)
        rows = session.exec(query).all()
        return {
            "counts": counts,
            "awaiting_verdict": count_awaiting(session),
            "frames": frame_records(session, rows[:limit]),
            "next": rows[limit - 1].id if len(rows) > limit else None,
        }


def frames_status(store: Store, ids: Sequence[int]) -> list[dict[str, Any]]:
    """What became of the given observations, in the order of their ids."""
    wanted = sorted(set(ids))
    records: list[dict[str, Any]] = []
    with store.read() as session:
        for start in range(0, len(wanted), BATCH):
            some = col(Observation.id).in_(wanted[start : start + BATCH])
            rows = session.exec(select(Observation).where(some).order_by(col(Observation.id))).all()
            records += frame_records(session, rows)
    return records


def frame_records(session: Session, rows: Sequence[Observation]) -> list[dict[str, Any]]:
    """One record a frame: ``state, reason, seconds`` by stage of its last attempt, ``candidates, m50``.

    ``dropped`` are the detections that no candidate was made of, by their cause.

    ``m50`` (magnitudes, none without a zeropoint) with ``m50_err``, ``flux50`` (in ``flux_unit``) and
    ``snr50`` tell at what brightness half of the injected sources are found; ``depth_reason`` why that is
    not known, ``limit_mag`` five times the noise of the frame.
    """
    ids = [row.id for row in rows]
    seconds: dict[int, dict[str, float]] = defaultdict(dict)
    stages = select(StageRun).where(col(StageRun.observation_id).in_(ids)).order_by(col(StageRun.id))
    for stage in session.exec(stages):
        of_frame = seconds[stage.observation_id]
        if stage.stage in of_frame:  # a stage that comes again begins another attempt
            of_frame.clear()
        of_frame[stage.stage] = round(stage.seconds, 4)
    current = select(Difference).where(col(Difference.observation_id).in_(ids), col(Difference.is_current))
    differences = {difference.observation_id: difference for difference in session.exec(current)}
    dropped = _dropped(session, [each.id or 0 for each in differences.values()])
    return [
        _record(row, seconds.get(row.id or 0, {}), differences.get(row.id or 0), dropped.get(row.id or 0, {}))
        for row in rows
    ]


def _dropped(session: Session, differences: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many detections of each frame were dropped, by cause, the most frequent first."""
    times = func.count()
    query = (
        select(Rejection.observation_id, Rejection.cause, times)
        .where(col(Rejection.difference_id).in_(differences))
        .group_by(col(Rejection.observation_id), col(Rejection.cause))
        .order_by(times.desc(), col(Rejection.cause))
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for frame, cause, count in session.exec(query):
        found[frame][cause] = count
    return found


def _record(
    row: Observation, seconds: dict[str, float], difference: Difference | None, dropped: dict[str, int]
) -> dict[str, Any]:
    return {
        "id": row.id,
        "frame": row.frame,
        "state": row.state,
        "reason": row.reason,
        "kind": row.kind,
        "filter": row.filter,
        "field": row.field,
        "mjd": row.mjd,
        "attempts": row.attempts,
        "seconds": seconds,
        "seeing_px": row.seeing_px,
        "limit_mag": row.limit_mag,
        "zeropoint": row.zeropoint,
        "zeropoint_from": row.zeropoint_from,
        "zeropoint_scatter": row.zeropoint_scatter,
        "zeropoint_stars": row.zeropoint_stars,
        "mag_system": row.mag_system,
        "wcs_catalog": row.wcs_catalog,
        "wcs_dra_arcsec": row.wcs_dra_arcsec,
        "wcs_ddec_arcsec": row.wcs_ddec_arcsec,
        "wcs_rms_arcsec": row.wcs_rms_arcsec,
        "wcs_stars": row.wcs_stars,
        "candidates": difference.n_candidates if difference else 0,
        "dropped": dropped,
        "m50": difference.m50 if difference else None,
        "m50_err": difference.m50_err if difference else None,
        "flux50": difference.flux50 if difference else None,
        "snr50": difference.snr50 if difference else None,
        "flux_unit": difference.flux_unit if difference else None,
        "depth_reason": difference.depth_reason if difference else None,
        "score_std": difference.score_std if difference else None,
        "registration_rms_px": difference.registration_rms_px if difference else None,
        "registration_scatter_px": difference.registration_scatter_px if difference else None,
        "reference": difference.reference_id if difference else None,
    }
