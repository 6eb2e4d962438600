"""Who has a card open: told to others for a while, so that two need not decide the same."""

from sqlalchemy import delete, select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import OpenCard


def others(store: Store, object_id: int, *, session: str) -> list[str]:
    """The reviewers of other sittings who have the card of an object open."""
    query = (
        select(col(OpenCard.reviewer))
        .where(
            col(OpenCard.sky_object_id) == object_id,
            col(OpenCard.session) != session,
            col(OpenCard.until) > store.clock(),
        )
        .distinct()
        .order_by(col(OpenCard.reviewer))
    )
    with store.read() as db:
        return list(db.scalars(query))


def keep_open(store: Store, object_id: int, *, session: str, reviewer: str, seconds: float) -> None:
    """Tell others that a sitting has a card open; a sitting has one row, and so one card."""
    with store.write() as db:
        now = store.now(db)
        db.merge(OpenCard(session=session, reviewer=reviewer, sky_object_id=object_id, until=now + seconds))
        db.execute(delete(OpenCard).where(col(OpenCard.until) < now - seconds))


def close_card(store: Store, *, session: str) -> None:
    """Tell others that a sitting has no card open any more."""
    with store.write() as db:
        db.execute(delete(OpenCard).where(col(OpenCard.session) == session))
