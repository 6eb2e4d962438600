"""Who is at work: the running runs, their workers, and the frames in their hands."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Observation, Run
from core.operations.runs import owner
from core.vocabulary import ObservationState


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker, as its frame and its run tell of it.

    Attributes
    ----------
    name : str
        Under which it claims frames: ``run-N/M``.
    run_id : int or None
        None for a frame in the hands of no run that is known to be running.
    host : str or None
    frame_id, frame : int, str or None
        What it has in hand; none between two frames.
    lease_until : float or None
        When the frame is taken from it unless the lease is renewed; Unix seconds.
    heard_at : float or None
        When its run last said that it is alive.
    """

    name: str
    run_id: int | None
    host: str | None
    frame_id: int | None = None
    frame: str | None = None
    lease_until: float | None = None
    heard_at: float | None = None


def crew(store: Store) -> tuple[Worker, ...]:
    """The workers of all running runs, and whoever else holds a frame."""
    with store.read() as session:
        runs = session.exec(select(Run).where(col(Run.state) == "running").order_by(col(Run.id))).all()
        query = (
            select(Observation)
            .where(col(Observation.state) == ObservationState.RUNNING.value)
            .order_by(col(Observation.id))
        )
        held = {row.lease_owner or "": row for row in session.exec(query)}
    workers = []
    for run in runs:
        for number in range(run.workers):
            name = owner(run.id or 0, number)
            workers.append(_worker(name, run, held.pop(name, None)))
    return (*workers, *(_worker(name, None, row) for name, row in held.items()))


def _worker(name: str, run: Run | None, row: Observation | None) -> Worker:
    return Worker(
        name,
        run.id if run else None,
        run.host if run else None,
        row.id if row else None,
        row.frame if row else None,
        row.lease_until if row else None,
        run.heartbeat_at if run else None,
    )
