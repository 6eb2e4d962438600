"""Which cards are under review: by a filter, in an order, from where the last sitting ended."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from screens.frame.work import start
from screens.lines import Line, Tone
from screens.review.steering import NAMED_ORDERS

if TYPE_CHECKING:
    from screens.review.screen import ReviewScreen


class Choosing:
    """The choice of one screen.

    Attributes
    ----------
    order : str
        One of `NAMED_ORDERS`.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._recalled: Mapping[str, Any] = {}
        self.order = "score"

    def restart_soon(self, filters: str) -> None:
        """Begin at the start of what passes a filter."""
        start(self._screen, partial(self.restart, filters), group="card", exclusive=True)

    async def restart(self, filters: str) -> None:
        """Read the queue from its start; a filter that cannot be understood leaves everything as it was."""
        screen, reading = self._screen, self._screen.reading
        if reading is None:
            return
        try:
            await reading.restart(filters, self.order)
        except AstridError as error:
            self.order = reading.order
            screen.say(error, Tone.BAD)
            return
        screen.filter = reading.filter
        screen.prompt.close()
        start(screen, self._count, group="count", exclusive=True)
        await screen.read_place()

    async def _count(self) -> None:
        if (reading := self._screen.reading) is not None:
            with suppress(AstridError):  # then the length stays unknown
                await reading.count()
            self._screen.paint()

    def look_for_more(self) -> None:
        """At the end of the queue, look for what came in since."""
        screen, headline = self._screen, self._screen.host.headline
        waiting = headline.awaiting if headline else 0
        if screen.reading and screen.card is None and not screen.filter and waiting > screen.queue.undecided:
            self.restart_soon("")
        else:
            screen.paint()

    def in_order(self, order: str) -> None:
        """Begin at the start of the queue in another order."""
        self.order = order
        self.restart_soon(self._screen.filter)

    def in_next_order(self) -> None:
        """Begin at the start of the queue in the order after this one."""
        self.in_order(NAMED_ORDERS[(NAMED_ORDERS.index(self.order) + 1) % len(NAMED_ORDERS)])

    def cut_at(self, rank: int | None, told: Line) -> None:
        """Cut the queue at a rank from here on, or read all of it again."""
        queue = self._screen.queue
        queue.cut_at(queue.place + rank if rank is not None else None)
        self._screen.say_line(told)

    # -- from one sitting to the next --------------------------------------------------------------

    def recall(self, state: Mapping[str, Any]) -> None:
        """Keep what was remembered, which may be damaged, until the store is open."""
        self._recalled = state
        if (order := state.get("order")) in NAMED_ORDERS:
            self.order = str(order)

    async def begin_again(self) -> None:
        """Begin where the last sitting ended: its object, if that still awaits a verdict near the start."""
        filters = self._recalled.get("filter")
        await self.restart(filters if isinstance(filters, str) else "")
        wanted, queue = self._recalled.get("object"), self._screen.queue
        places = [entry.object_id for entry in queue.entries]
        if wanted in places and queue.place == 0 and wanted != places[0]:
            queue.move(places.index(wanted))
            await self._screen.read_place()
