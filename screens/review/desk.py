"""What the review screen asks of the store. Every method blocks: call it from a thread."""

import getpass
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from core import cards, settings, verdicts
from core.settings import ReviewSettings
from core.status import status
from core.store import Store, open_store
from core.vocabulary import Label, ObservationState


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is waiting."""

    awaiting: int  # objects without a verdict
    queued: int  # frames that `astrid run` would process
    failed: int  # frames that a person should look at


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
    review : ReviewSettings
        How this reviewer likes the screen.
    reviewer : str
    """

    def __init__(self, store: Store, review: ReviewSettings, reviewer: str) -> None:
        self._store = store
        self.review = review
        self.reviewer = reviewer
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._session = f"{reviewer}-{started}-{uuid4().hex[:8]}"

    @classmethod
    def open(cls, settings_path: Path | None, *, read_only: bool) -> "Desk":
        """Read the settings and open the store they name.

        Raises
        ------
        AstridError
            Either cannot be used.
        """
        found = settings.load(settings_path)
        store = open_store(found.store_url, read_only=read_only)
        return cls(store, found.review, found.review.reviewer or _login())

    def counts(self) -> Counts:
        """How much is waiting now."""
        now = status(self._store, limit=1)
        states = now["counts"]
        return Counts(
            awaiting=now["awaiting_verdict"],
            queued=states.get(ObservationState.QUEUED, 0) + states.get(ObservationState.RUNNING, 0),
            failed=states.get(ObservationState.QUARANTINED, 0),
        )

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

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


def _login() -> str:
    """The login name; some containers have users without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"
