"""Which cards are under review: the queue by its filter, and the cards around the reader's place."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from screens.review.queue import Entry, Queue
from screens.review.steering import MODEL_ORDERS

if TYPE_CHECKING:
    from core.review.cards import Card
    from core.review.waiting import CardPage
    from screens.review.desk import Desk

KEPT = 24
AHEAD = 3  # cards read before they are needed


class Reading:
    """Reads pages of the queue and cards of the store in threads, and keeps the latest cards.

    A card is known by its object and the detection that is shown, none for the best one.

    Attributes
    ----------
    queue : Queue
    filter : str
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._kept: OrderedDict[tuple[int, int | None], Card] = OrderedDict()
        self.queue = Queue()
        self._plain: Queue | None = None  # the queue in its order, while another is before the reader
        self.filter = ""
        self.order = "score"

    @property
    def is_ranked(self) -> bool:
        """Whether the queue is one of likeness."""
        return self._plain is not None

    @property
    def entry(self) -> Entry | None:
        """The entry under review, none at the end."""
        return self.queue.current

    @property
    def card(self) -> "Card | None":
        """The card under review, if it was read."""
        return self._card_of(self.entry)

    @property
    def next_card(self) -> "Card | None":
        """The card after it, if it was read."""
        return self._card_of(next(iter(self.queue.upcoming(1)), None))

    async def restart(self, filters: str, order: str = "score") -> None:
        """Read the queue from its start; its length is only known once it was counted.

        Raises
        ------
        FilterError
            The filter cannot be understood: everything is as it was.
        StoreError
        """
        from core.review.card_terms import (
            holds_decided,
        )  # SQLAlchemy comes with it: not before the first paint

        labels = {entry.object_id: entry.label for entry in self.queue.entries}
        filters = await asyncio.to_thread(self._desk.expanded, filters)
        page = await asyncio.to_thread(self._desk.page, after=None, filters=filters, order=order)
        before, is_same = self.queue, filters == self.filter
        left, self._plain = (self._plain or before).left, None
        self.filter, self.order = filters, order
        self._kept.clear()  # whoever begins anew wants what is true now
        self.queue = Queue(
            total=len(page.rows),
            is_counted=page.next is None,
            is_waiting=not holds_decided(filters),
            without=None if order in MODEL_ORDERS else 0,
            cut=left if is_same else None,  # a given time holds in any order
            marks=before.marks,
        )
        await self._take(page)
        for entry in before.entries:
            if entry.label != labels.get(entry.object_id):  # it was decided while this was read
                self.queue.decide([entry.object_id], entry.label)
        while (here := self.queue.current) is not None and here.label is not None:
            self.queue.move(1)
        if self.queue.cut is not None:
            self.queue.cut_after(self.queue.cut)  # what was decided already takes none of the time

    def rank(self, first: Collection[int], cards: Sequence[tuple[int, int | None]], most: int) -> None:
        """Put the likeliest before the reader, who stays at the card that is here.

        Parameters
        ----------
        first : collection of int
            Objects that come before these, those that were read and await a verdict.
        cards : sequence of (int, int or None)
            Objects, the likeliest first, with the detection to show where it is not the best one.
        most : int
            Entries of the queue at most, those that were met included.
        """
        if self._plain is None:
            self._plain, now = self.queue, self.queue.current
            self.queue = self.queue.ranked([now] if now else [])
        known = {each.object_id: each for each in (*self._plain.entries, *self.queue.entries)}
        here = {each.object_id for each in self.queue.entries[: self.queue.place + 1]}
        here |= {key for key, entry in known.items() if entry.label}  # also since the search began
        ahead = [known[key] for key in first if key in known and key not in here]
        here |= {each.object_id for each in ahead}
        ahead += [known.get(key) or Entry(key, candidate_id=one) for key, one in cards if key not in here]
        self.queue.go_on_with(ahead, most)

    def unrank(self) -> None:
        """Go back to the queue in its order, and to where the reader left it; what was decided stays so."""
        if self._plain is not None:
            self._plain.take_over(self.queue)
            self.queue, self._plain = self._plain, None

    def decide(self, objects: Collection[int], label: str | None) -> None:
        """Keep what was decided of some objects, in the queue in its order too."""
        for queue in self._queues:
            queue.decide(objects, label)

    def put_back(self, objects: Collection[int]) -> None:
        """Let what awaits a verdict again be met, in the queue in its order too."""
        for queue in self._queues:
            queue.put_back(objects)

    async def count(self) -> None:
        """Learn how many pass the filter, and how many have no value in this order.

        Among a million it takes longer than to read the first.

        Raises
        ------
        StoreError
        """
        queue, order = self.queue, self.order
        if queue.is_counted and queue.without is not None:
            return
        here = sum(entry.label is not None or entry.is_again for entry in queue.entries)
        total = await asyncio.to_thread(self._desk.total, self.filter, order)
        if not queue.is_counted:
            queue.total, queue.is_counted = max(total + here, len(queue.entries)), True
        if queue.without is None:
            awaiting = await asyncio.to_thread(self._desk.total, self.filter)
            queue.without = max(awaiting - total, 0)

    async def look_for_more(self) -> None:
        """Learn how many came in since all of the queue was read.

        Raises
        ------
        StoreError
        """
        queue = self.queue
        total = await asyncio.to_thread(self._desk.total, self.filter, self.order)
        queue.came_in = max(total - queue.awaiting, 0)

    async def read(self, shown: Callable[[], None]) -> None:
        """Read the card at the queue's place, and then what will be needed next.

        Parameters
        ----------
        shown : callable
            Called as soon as the card is there, and when the queue grew.

        Raises
        ------
        AstridError
        """
        self.queue.is_begun = True
        if self.queue.needs_page(0):
            await self._read_page()
        if self.entry is not None:
            await self._read_card(self.entry)
        shown()
        if self.queue.needs_page(AHEAD):
            await self._read_page()
            shown()
        for entry in self.queue.upcoming(AHEAD):
            await self._read_card(entry)

    def forget(self, object_id: int) -> None:
        """Drop what is known of an object: something was written of it."""
        for key in [key for key in self._kept if key[0] == object_id]:
            del self._kept[key]

    async def renew(self, entry: Entry, before: "Card") -> "Card | None":
        """Read a card again of which the store holds more by now.

        The reader keeps the detection that is before him, though a newer one may be the best, unless it
        counts no longer.

        Returns
        -------
        Card or None
            None where the card was forgotten or left meanwhile: then nothing is changed.
        """
        shown = before.candidate_id
        best = card = await self._ask(entry, None)
        counted, counts = (shown in {each.candidate_id for each in one.epochs} for one in (before, best))
        if shown != best.candidate_id and (counts or not counted):
            card = await self._ask(entry, shown)
        if self._card_of(entry) is not before:
            return None
        self.forget(entry.object_id)
        entry.candidate_id = None if card is best else shown
        self._kept[entry.object_id, entry.candidate_id] = card
        return card

    @property
    def _queues(self) -> tuple[Queue, ...]:
        return (self.queue,) if self._plain is None else (self.queue, self._plain)

    def _card_of(self, entry: Entry | None) -> "Card | None":
        return self._kept.get((entry.object_id, entry.candidate_id)) if entry else None

    async def _read_page(self) -> None:
        queue = self.queue
        page = await asyncio.to_thread(
            self._desk.page, after=queue.after, filters=self.filter, order=self.order
        )
        if queue is self.queue:
            await self._take(page)

    async def _take(self, page: "CardPage") -> None:
        """Append a page, and among its cards some that were decided before."""
        queue, before = self.queue, len(self.queue.entries)
        chosen = {row.object_id: row.candidate_id for row in page.rows if row.is_chosen}
        queue.extend((row.object_id for row in page.rows), page.next, chosen)
        if self.filter or queue.cut is not None or not self._desk.habits.again_share:
            return
        among = [entry.object_id for entry in queue.entries[before:]]
        due = await asyncio.to_thread(self._desk.again, among, self.order)
        queue.put_in([(object_id, before + place) for object_id, place in due])

    async def _read_card(self, entry: Entry) -> None:
        key = entry.object_id, entry.candidate_id
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        self._kept[key] = await self._ask(entry, entry.candidate_id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def _ask(self, entry: Entry, candidate_id: int | None) -> "Card":
        return await asyncio.to_thread(self._desk.card, entry.object_id, candidate_id, again=entry.is_blind)
