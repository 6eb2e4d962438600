"""Searches by examples that tell what a story wants, as quickly or slowly as it wants."""

from threading import Event
from typing import Any

import numpy as np
import pytest
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Cutout, SkyObject
from core.operations.search_process import SearchFailed, SearchProcess, SearchStopped
from core.review.cutouts import Cutouts, pack
from core.review.states import AWAITING


class Searches:
    """Stands for the process: of what awaits a verdict the likeliest are those of an order, or all by number.

    Attributes
    ----------
    asked : list of list of str
        The words of each search.
    order : list of int
        Objects; the newest ones first where it is empty.
    measured : tuple of (int, int) or None
        What is told of the measuring.
    fails : str
        Why a search finds nothing.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        self.asked: list[list[str]] = []
        self.order: list[int] = []
        self.measured: tuple[int, int] | None = None
        self.fails = ""
        self._store, self._is_free = store, Event()
        self._is_free.set()

        def run(process: SearchProcess, words: list[str], report: Any) -> dict[str, Any]:
            return self._run(process, words, report)

        monkeypatch.setattr(SearchProcess, "run", run)

    def hold(self) -> None:
        """Let none end until `let_go`."""
        self._is_free.clear()

    def let_go(self) -> None:
        self._is_free.set()

    def given(self, option: str, search: int = -1) -> list[str]:
        """The values of an option of one search."""
        return [word.partition("=")[2] for word in self.asked[search] if word.startswith(f"--{option}=")]

    def _run(self, process: SearchProcess, words: list[str], report: Any) -> dict[str, Any]:
        self.asked.append(list(words))
        if self.measured is not None:
            report(*self.measured)
        like, unlike, tag = self.given("like"), self.given("unlike"), self.given("tag")
        with self._store.read() as db:
            waiting = select(SkyObject.id, SkyObject.best_candidate_id).where(
                SkyObject.review_state.in_(AWAITING)
            )
            best = {key: one for key, one in db.execute(waiting) if str(one) not in {*like, *unlike}}
        assert self._is_free.wait(20)  # what is written meanwhile it does not know of
        if process._is_stopped:
            raise SearchStopped("the search was given up")
        if self.fails:
            raise SearchFailed(self.fails)
        found = [key for key in (self.order or sorted(best, reverse=True)) if key in best]
        return {
            "examples": len(like) + len(tag),
            "others": len(unlike),
            "candidates": [{"id": best[key], "object_id": key} for key in found],
        }


def make_rings(store: Store, objects: list[int]) -> None:
    """Let some objects show rings."""
    rows, columns = np.mgrid[:63, :63] - 31
    ring = 30 * np.exp(-((np.hypot(rows, columns) - 9) ** 2) / 4)
    with store.write() as db:
        for key in objects:
            noise = np.random.default_rng(key).standard_normal((3, 63, 63))
            planes = (noise + np.stack([ring, np.zeros_like(ring), ring])).astype(np.float32)
            shown = db.get_one(SkyObject, key).best_candidate_id
            db.get_one(Cutout, shown).pixels = pack(Cutouts(*planes))
