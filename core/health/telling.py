"""Who is told of which trouble in the store, one message to one receiver at a time, by one process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, and_, col, or_, select

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import HealthEvent
from core.database.turns import take_turn
from core.health import deliveries
from core.health.deliveries import GRAVITY, HOUR_S, Delivery, Failing, Trouble
from core.health.events import LOOK, Event, event_of
from core.settings_sections import AlertSettings

CHECK = "alerts"  # the check that finds receivers failing: its causes are their names
FORGOTTEN_S = 2 * 86400.0  # a receiver that nobody has tried for so long is not named any more


@dataclass(frozen=True, slots=True)
class Message:
    """What this process is to send now.

    Attributes
    ----------
    event : Event
    receiver : str
    at : float
        When it was taken on, Unix seconds.
    """

    event: Event
    receiver: str
    at: float


def claim(
    store: Store, receivers: Sequence[str], settings: AlertSettings, *, now: float | None = None
) -> Message | None:
    """Take on the next message that is due; no other process takes it too. None: there is none.

    Say by `settle` what became of it: what is not said to be taken is taken on again later.
    """
    at = time.time() if now is None else now

    def due(session: Session) -> tuple[HealthEvent, Trouble, str] | None:
        rows = _rows(session, at)
        troubles = [_trouble(row, settings.least, receivers) for row in rows]
        found = deliveries.next_due(troubles, receivers, settings, at)
        return None if found is None else (rows[found[0]], troubles[found[0]], found[1])

    with store.read() as session:
        if due(session) is None:
            return None
    with store.write() as session:
        take_turn(session, LOOK)
        if (found := due(session)) is None:
            return None
        row, trouble, receiver = found
        sending = deliveries.being_sent(trouble.deliveries, receiver, row.severity, at)
        row.alerted_at, row.alert_problem = at, deliveries.encoded(sending)
        return Message(event_of(row), receiver, at)


def settle(store: Store, message: Message, problem: str | None) -> None:
    """Say that a message was taken, or why not."""
    with store.write() as session:
        take_turn(session, LOOK)  # another process may say so of another receiver
        row = session.get(HealthEvent, message.event.id)
        if row is not None:
            known = deliveries.decoded(row.alert_problem)
            row.alert_problem = deliveries.encoded(
                deliveries.settled(known, message.receiver, message.at, storable(problem))
            )


def failing(session: Session, now: float) -> list[Failing]:
    """The receivers that do not take what they are sent."""
    tried = select(HealthEvent).where(_IS_OPEN, col(HealthEvent.alerted_at) > now - FORGOTTEN_S)
    return deliveries.failing([_trouble(row, "warning") for row in session.exec(tried)])


_IS_OPEN = and_(col(HealthEvent.closed_at).is_(None), col(HealthEvent.acknowledged_at).is_(None))


def _rows(session: Session, at: float) -> Sequence[HealthEvent]:
    """What may have to be told, the gravest first, and whatever was told within an hour."""
    return session.exec(
        select(HealthEvent)
        .where(or_(_IS_OPEN, col(HealthEvent.alerted_at) > at - HOUR_S))
        .order_by(col(HealthEvent.severity), col(HealthEvent.opened_at), col(HealthEvent.id))
    ).all()  # "failed" is before "warning"


def _trouble(row: HealthEvent, least: str, receivers: Sequence[str] = ()) -> Trouble:
    known = deliveries.decoded(row.alert_problem)
    if row.alerted_at is not None and row.alert_problem is None:  # an older program told all of them
        taken = Delivery(taken_at=row.alerted_at, severity=row.severity, tried_at=row.alerted_at)
        known = dict.fromkeys(receivers, taken)
    return Trouble(
        severity=row.severity,
        opened_at=row.opened_at,
        is_open=row.closed_at is None
        and row.acknowledged_at is None
        and GRAVITY.index(row.severity) >= GRAVITY.index(least),
        deliveries=known,
        about=row.cause if row.check == CHECK else None,
    )
