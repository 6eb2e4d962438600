"""A whole search by examples: of a store's candidates those that are most like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.database.store import Store
from core.review.alike import Alike, SearchError, candidates_alike
from core.settings import Settings
from pipeline.classify.chosen import chosen
from pipeline.classify.classify import Classifier
from pipeline.training.measured import Report, measured
from pipeline.training.search import OTHER, UNKNOWN, WANTED, ranked, together

NEUTRAL = 0.5  # how odd a candidate is that no model asked


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for, and among what: as `core.review.alike.candidates_alike` has it."""

    tag: str | None = None
    like: tuple[int, ...] = ()
    unlike: tuple[int, ...] = ()
    filters: str = ""
    newest: int = 20_000
    is_queue: bool = False
    asker: str | None = None


@dataclass(frozen=True, slots=True)
class Likest:
    """What was found, the likeliest first, each with its likeness; and how many were learnt from."""

    found: tuple[tuple[Alike, float], ...]
    examples: int
    others: int


def likest(
    store: Store, settings: Settings, asked: Asked, limit: int, report: Report, *, is_kept: bool = True
) -> Likest:
    """Search for candidates that are like examples, or, without any, for the oddest.

    Parameters
    ----------
    store : Store
    settings : Settings
    asked : Asked
    limit : int
        How many to find.
    report : callable
        ``report(done, total)``, of those that must be measured.
    is_kept : bool
        Whether what is measured may be kept for the next search.

    Raises
    ------
    SearchError
        An example does not exist, or there is no candidate to search among.
    FilterError
    """
    rows = candidates_alike(
        store,
        tag=asked.tag,
        like=asked.like,
        unlike=asked.unlike,
        filters=asked.filters,
        limit=asked.newest,
        is_queue=asked.is_queue,
        asker=asked.asker,
    )
    classifier = Classifier.of(chosen(store, settings))
    kept, tables = measured(store, settings, classifier, rows, report, is_kept=is_kept)
    if not kept:
        raise SearchError("no candidate with cutouts passes the filter")
    labels = np.array([UNKNOWN if r.is_wanted is None else WANTED if r.is_wanted else OTHER for r in kept])
    oddness = np.array([NEUTRAL if r.oddness is None else r.oddness for r in kept])
    places, likeness = ranked(together(tables), labels, oddness)
    return Likest(
        tuple((kept[place], float(like)) for place, like in zip(places[:limit], likeness, strict=False)),
        int(np.count_nonzero(labels == WANTED)),
        int(np.count_nonzero(labels == OTHER)),
    )
