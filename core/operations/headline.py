"""What the console's header says of the store: a few counts, the run at work, the worst open event."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, case
from sqlmodel import Session, col, func, select

from core.database.store import Store
from core.database.tables import HealthEvent, Run
from core.frames.queue import counts_by_state
from core.operations import power
from core.operations.runs import ASKED_TO_STOP
from core.review.states import count_awaiting
from core.vocabulary import ObservationState

_SEVERITIES = ("failed", "warning")  # the worst first


@dataclass(frozen=True, slots=True)
class RunAtWork:
    """A run that has not ended; ``others`` more are at work beside it."""

    run_id: int
    engine: str
    is_stopping: bool
    others: int


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """The worst trouble that lasts and that nobody has seen. The message may hold text from outside."""

    severity: str
    message: str
    others: int


@dataclass(frozen=True, slots=True)
class Headline:
    """Where things stand, in a line.

    Attributes
    ----------
    awaiting : int
        Objects that await a verdict.
    queued, running, failed, waiting, rejected : int
        Frames: due for processing, in hand, quarantined, without what they need yet, refused by quality.
    watts : float or None
        Drawn by all measured devices together; none where nothing is measured.
    """

    awaiting: int = 0
    queued: int = 0
    running: int = 0
    failed: int = 0
    waiting: int = 0
    rejected: int = 0
    watts: float | None = None
    run: RunAtWork | None = None
    event: OpenEvent | None = None


def headline(store: Store) -> Headline:
    """Read it.

    Raises
    ------
    StoreUnreachable
    """
    states = counts_by_state(store)
    with store.read() as session:
        awaiting = count_awaiting(session)
        run, event = _run(session), _event(session)
    return Headline(
        awaiting=awaiting,
        queued=states.get(ObservationState.QUEUED, 0),
        running=states.get(ObservationState.RUNNING, 0),
        failed=states.get(ObservationState.QUARANTINED, 0),
        waiting=states.get(ObservationState.WAITING, 0),
        rejected=states.get(ObservationState.REJECTED, 0),
        watts=power.draw_now(store),
        run=run,
        event=event,
    )


def _run(session: Session) -> RunAtWork | None:
    runs = session.exec(select(Run).where(col(Run.state) == "running").order_by(col(Run.id).desc())).all()
    if not runs:
        return None
    newest = runs[0]
    return RunAtWork(newest.id or 0, newest.engine, newest.reason == ASKED_TO_STOP, len(runs) - 1)


def _event(session: Session) -> OpenEvent | None:
    is_open = and_(col(HealthEvent.acknowledged_at).is_(None), col(HealthEvent.closed_at).is_(None))
    rank = case(
        {name: place for place, name in enumerate(_SEVERITIES)},
        value=col(HealthEvent.severity),
        else_=len(_SEVERITIES),
    )
    worst = session.exec(
        select(HealthEvent).where(is_open).order_by(rank, col(HealthEvent.last_at).desc()).limit(1)
    ).first()
    if worst is None:
        return None
    count = session.exec(select(func.count()).select_from(HealthEvent).where(is_open)).one()
    return OpenEvent(worst.severity, worst.message, count - 1)
