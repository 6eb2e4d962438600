"""What the models screen reads: the registry, and how much there is to learn from. Blocks."""

from __future__ import annotations

from dataclasses import dataclass

from core.database.store import Store
from core.models.registry import Registry, read_registry
from core.review.judged import Judged, judged
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read."""

    registry: Registry
    judged: Judged


def read(settings: Settings, known: Answer | None, store: Store) -> Answer:
    """Read it.

    Parameters
    ----------
    known : Answer or None
        The answer before: a registry that was not written to is not read again.

    Raises
    ------
    StoreError
    """
    return Answer(read_registry(settings, known.registry if known else None), judged(store))
