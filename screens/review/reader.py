"""Cards read from the store, some ahead of their need."""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.cards import Card
    from screens.review.desk import Desk
    from screens.review.queue import Entry

KEPT = 24


class CardReader:
    """Reads cards in threads and keeps the latest.

    A card is known by its object and the detection that is shown, none for the best one.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._kept: OrderedDict[tuple[int, int | None], Card] = OrderedDict()

    def have(self, entry: "Entry") -> "Card | None":
        """The card, if it was read."""
        return self._kept.get((entry.object_id, entry.candidate_id))

    async def read(self, entry: "Entry") -> "Card":
        """The card, from memory or from the store."""
        key = entry.object_id, entry.candidate_id
        card = self._kept.get(key)
        if card is None:
            card = await asyncio.to_thread(self._desk.card, *key)
            self._kept[key] = card
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return card

    def forget(self, object_id: int) -> None:
        """Drop what is known of an object: something was written of it."""
        for key in [key for key in self._kept if key[0] == object_id]:
            del self._kept[key]
