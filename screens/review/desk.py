"""What the review screen asks of the store. Every method blocks: call it from a thread."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from core.database.store import Store
from core.review import cards, verdicts
from core.vocabulary import Label


@dataclass(frozen=True, slots=True)
class Undone:
    """A verdict that was taken back, or given again."""

    object_id: int
    candidate_id: int
    label: str | None  # what stands now by this row: none after an undo


class Desk:
    """One reviewer's sitting at one store.

    Parameters
    ----------
    store : Store
    reviewer : str
    """

    def __init__(self, store: Store, reviewer: str) -> None:
        self._store = store
        self.reviewer = reviewer
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._session = f"{reviewer}-{started}-{uuid4().hex[:8]}"

    def page(self, *, after: str | None, filters: str, limit: int = 50) -> cards.CardPage:
        """The next objects that await a verdict, the highest score first."""
        return cards.queue_page(self._store, limit=limit, after=after, filters=filters)

    def total(self, filters: str) -> int:
        """How many objects that pass the filter await a verdict."""
        return cards.queue_count(self._store, filters=filters)

    def card(self, object_id: int, candidate_id: int | None = None) -> cards.Card:
        """Everything about one object, with the cutouts of its best or of the given detection."""
        return cards.read_card(self._store, object_id, candidate_id)

    def decide(self, candidate_id: int, label: Label, shown: Mapping[str, Any]) -> None:
        """Write a verdict; it is on disk when this returns."""
        verdicts.decide(
            self._store,
            session=self._session,
            reviewer=self.reviewer,
            candidate_id=candidate_id,
            label=label,
            shown=shown,
        )

    def annotate(self, candidate_id: int, note: str) -> None:
        """Write a note."""
        verdicts.annotate(
            self._store,
            session=self._session,
            reviewer=self.reviewer,
            candidate_id=candidate_id,
            note=note,
        )

    def undo(self) -> Undone | None:
        """Take back this reviewer's newest verdict that stands."""
        row = verdicts.undo(self._store, session=self._session, reviewer=self.reviewer)
        return Undone(row.sky_object_id, row.candidate_id, None) if row else None

    def redo(self) -> Undone | None:
        """Give again what was taken back last."""
        row = verdicts.redo(self._store, session=self._session, reviewer=self.reviewer)
        return Undone(row.sky_object_id, row.candidate_id, row.label) if row else None
