"""What went wrong, once for each trouble, until somebody has seen it.

A trouble that lasts is one open row; when it is gone the row is closed, but stays on the list until a
person acknowledges it; when it comes back, or becomes graver, the row is open and unseen again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import case, or_
from sqlmodel import Session, col, select

from core.database.storable import storable
from core.database.store import Store
from core.database.tables import HealthEvent
from core.database.turns import take_turn
from core.errors import AstridError
from core.health import deliveries
from core.health.check import Check
from core.health.deliveries import GRAVITY

LATER_S = 60.0  # a trouble that lasts is written again so often
LISTED = 200
BATCH = 2000  # of one statement
LOOK = 0x48454C54  # one look is recorded at a time, and one alert taken on


class NoSuchEvent(AstridError):
    """There is no event of that number."""


@dataclass(frozen=True, slots=True)
class Event:
    """One trouble. Times are Unix seconds; the message may hold text from outside.

    Attributes
    ----------
    id : int
    check, host, cause : str
        Which check found it, on which machine (empty: the whole store), and what it is about.
    severity : {"warning", "failed"}
    first_at, opened_at, last_at : float
        When it came first, when it came last, and when it was last seen.
    count : int
        How often it came.
    closed_at : float or None
        Since when it is gone; none: it lasts.
    acknowledged_at, acknowledged_by
        Who has seen it since it came last.
    alerted_at, alert_problem
        When others were told of it last, and who was not, and why.
    """

    id: int
    check: str
    host: str
    cause: str
    severity: str
    message: str
    first_at: float
    opened_at: float
    last_at: float
    count: int
    closed_at: float | None
    acknowledged_at: float | None
    acknowledged_by: str | None
    alerted_at: float | None
    alert_problem: str | None

    @property
    def state(self) -> str:
        """``open``, ``seen`` (it lasts, and somebody knows), ``over`` (unseen) or ``past``."""
        if self.closed_at is None:
            return "open" if self.acknowledged_at is None else "seen"
        return "over" if self.acknowledged_at is None else "past"

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "state": self.state}


def record(store: Store, checks: Sequence[Check], host: str, *, now: float | None = None) -> bool:
    """Write what a look at everything found; whether anything changed.

    Troubles of the checks that were made are opened, those that are gone are closed: those of the
    whole store and of this host. What could not be told (``unknown``) stays as it was.

    Parameters
    ----------
    checks : sequence of Check
        All that one look found.
    host : str
        Who looked.
    """
    at = time.time() if now is None else now
    kept = (_storable(each) for each in checks if each.is_trouble)
    troubles = {(each.name, each.host, each.cause): each for each in kept}
    told = {each.name for each in checks} - {each.name for each in checks if each.state == "unknown"}
    with store.read() as session:
        known = _of_host(session, host, told)
    if not _differs(known, troubles, at):
        return False
    with store.write() as session:
        take_turn(session, LOOK)
        known = _of_host(session, host, told)
        for key, check in troubles.items():
            row = known.pop(key, None)
            if row is None:
                session.add(_opened(check, at))
            else:
                _seen_again(row, check, at)
        for row in known.values():
            row.closed_at = at if row.closed_at is None else row.closed_at
    return True


def listed(store: Store, *, past: bool = False, limit: int = LISTED) -> list[Event]:
    """Troubles that last or that nobody has seen, the gravest first; all of them, newest first, if `past`."""
    query = select(HealthEvent).limit(limit)
    if past:
        query = query.order_by(col(HealthEvent.last_at).desc(), col(HealthEvent.id).desc())
    else:
        lasts = case((col(HealthEvent.closed_at).is_(None), 0), else_=1)
        unseen = case((col(HealthEvent.acknowledged_at).is_(None), 0), else_=1)
        grave = case((col(HealthEvent.severity) == "failed", 0), else_=1)
        query = query.where(
            or_(col(HealthEvent.closed_at).is_(None), col(HealthEvent.acknowledged_at).is_(None))
        ).order_by(unseen, lasts, grave, col(HealthEvent.opened_at).desc(), col(HealthEvent.id))
    with store.read() as session:
        return [event_of(row) for row in session.exec(query)]


def unseen(store: Store) -> list[int]:
    """The events that nobody has seen since they came last."""
    query = select(HealthEvent.id).where(col(HealthEvent.acknowledged_at).is_(None))
    with store.read() as session:
        return [key or 0 for key in session.exec(query.order_by(col(HealthEvent.id)))]


def acknowledge(store: Store, ids: Iterable[int], by: str, *, now: float | None = None) -> list[Event]:
    """Note who has seen some events; those that were seen already stay as they are.

    Raises
    ------
    NoSuchEvent
    """
    wanted = list(ids)
    at = time.time() if now is None else now
    with store.write() as session:
        rows = [
            row
            for start in range(0, len(wanted), BATCH)
            for row in session.exec(
                select(HealthEvent).where(col(HealthEvent.id).in_(wanted[start : start + BATCH]))
            )
        ]
        missing = set(wanted) - {row.id for row in rows}
        if missing:
            raise NoSuchEvent(f"there is no health event {min(missing)}: `astrid health list` shows them")
        for row in rows:
            if row.acknowledged_at is None:
                row.acknowledged_at, row.acknowledged_by = at, by
        return [event_of(row) for row in rows]


def _of_host(session: Session, host: str, names: set[str]) -> dict[tuple[str, str, str], HealthEvent]:
    query = select(HealthEvent).where(
        col(HealthEvent.host).in_(("", host)), col(HealthEvent.check).in_(names)
    )
    return {(row.check, row.host, row.cause): row for row in session.exec(query)}


def _differs(
    known: dict[tuple[str, str, str], HealthEvent], troubles: dict[tuple[str, str, str], Check], at: float
) -> bool:
    """Whether there is anything to write: most looks find what the last one found."""
    for key, check in troubles.items():
        row = known.get(key)
        if row is None or row.closed_at is not None or row.severity != check.state:
            return True
        if at - row.last_at >= LATER_S:
            return True
    return any(row.closed_at is None for key, row in known.items() if key not in troubles)


def _storable(check: Check) -> Check:
    """As the store gives it back, so that it is found again."""
    return replace(
        check, host=storable(check.host), cause=storable(check.cause), message=storable(check.message)
    )


def _opened(check: Check, at: float) -> HealthEvent:
    return HealthEvent(
        check=check.name,
        host=check.host,
        cause=check.cause,
        severity=check.state,
        message=check.message,
        first_at=at,
        opened_at=at,
        last_at=at,
    )


def _seen_again(row: HealthEvent, check: Check, at: float) -> None:
    came_back = row.closed_at is not None
    is_graver = GRAVITY.index(check.state) > GRAVITY.index(row.severity)
    if came_back or is_graver:
        row.opened_at, row.closed_at = at, None
        row.acknowledged_at, row.acknowledged_by = None, None
        row.count += came_back
    row.severity, row.message, row.last_at = check.state, check.message, at


def event_of(row: HealthEvent) -> Event:
    """A row as a value."""
    return Event(
        row.id or 0,
        row.check,
        row.host,
        row.cause,
        row.severity,
        row.message,
        row.first_at,
        row.opened_at,
        row.last_at,
        row.count,
        row.closed_at,
        row.acknowledged_at,
        row.acknowledged_by,
        row.alerted_at,
        deliveries.problems(row.alert_problem),
    )
