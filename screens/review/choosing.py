"""Which cards are under review: by a filter, in an order, from where the last sitting ended."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.text import counted, safe_text
from screens.frame.work import start
from screens.lines import Tone, plain, span
from screens.review.steering import NAMED_ORDERS, cut_line

if TYPE_CHECKING:
    from core.review.pace import Cut
    from screens.review.screen import ReviewScreen


class Choosing:
    """The choice of one screen.

    Attributes
    ----------
    order : str
        One of `NAMED_ORDERS`.
    wish : object or None
        Which given time is to cut the queue once it is known where.
    is_owed : bool
        The store did not answer: what is missing on the screen is read once it does.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._recalled: Mapping[str, Any] = {}
        self._looked_at: int | None = None  # how many awaited a verdict when more was looked for
        self._restart: object | None = None  # which one is under way
        self._coming: str | None = None  # the filter of that one, or of one that the store did not answer for
        self._then: list[Callable[[], None]] = []  # what is to be done in it
        self.order = "score"
        self.wish: object | None = None
        self.is_owed = False
        self.nothing: tuple[str, ...] = ()  # why no card passes the filter, as far as that is clear

    @property
    def is_restarting(self) -> bool:
        """Whether another queue is being read: no card of this one is read meanwhile."""
        return self._restart is not None

    @property
    def filter_to_come(self) -> str:
        """The filter of the queue that is being read, else of the one that is here or was last time."""
        if self._coming is not None:
            return self._coming
        return self._screen.filter if self._screen.queue.is_read else self._recalled_filter

    def restart_soon(self, filters: str) -> None:
        """Begin at the start of what passes a filter."""
        self._restart, self._coming = object(), filters
        start(self._screen, partial(self.restart, filters), group="card", exclusive=True)

    def once_here(self, land: Callable[[], None]) -> None:
        """Do something in the queue that is being read once it is here."""
        self._then.append(land)
        if not self.is_restarting:
            self._land()

    def _land(self) -> None:
        then, self._then = self._then, []
        for land in then:
            land()

    def stay(self) -> None:
        """Stay in the queue that is here, though another is being read."""
        self._restart = self._coming = None
        if (reading := self._screen.reading) is not None:
            self.order = reading.order
        self._land()

    async def restart(self, filters: str) -> None:
        """Read the queue from its start; a filter that cannot be understood leaves everything as it was."""
        screen, said = self._screen, self._screen.notice
        mine = self._restart = object()
        self._coming = filters
        try:
            is_there = await self._read_queue(filters)
        finally:
            if self._restart is mine:
                self._restart = None
        if not is_there:
            self._land()
            return
        if screen.notice is said:
            screen.notice = ()
        self.nothing = ()
        if screen.filter and not screen.queue.entries:
            start(screen, self._explain_nothing, group="nothing", exclusive=True)
        screen.prompt.close_answered()
        start(screen, self._count, group="count", exclusive=True)
        self._land()
        await screen.read_place()

    async def _read_queue(self, filters: str) -> bool:
        """Read another queue in place of the one that is here; whether that was possible."""
        screen, reading = self._screen, self._screen.reading
        if reading is None:
            return False
        try:
            await reading.restart(filters, self.order)
        except AstridError as error:
            self.order = reading.order
            from core.review.filter_words import FilterError

            is_typed, is_to_come = screen.prompt.is_waiting, False
            screen.prompt.ask_on()  # what was typed still stands in the prompt
            if not isinstance(error, FilterError):
                self.went_wrong(error)
                is_to_come = self.is_owed and not is_typed and filters != reading.filter
            elif not screen.prompt.is_given_up:
                screen.say(error.why, Tone.BAD)
            if not is_to_come:
                self._coming = None
            if screen.queue.is_read and not self.is_owed:
                await screen.read_place()  # where the reader went meanwhile
            return False
        screen.filter, self._looked_at, self._coming = reading.filter, None, None
        screen.liking.begin_anew()
        return True

    async def _explain_nothing(self) -> None:
        from core.review.filter_help import why_nothing
        from core.review.filters import parse

        filters, desk = self._screen.filter, self._screen.desk
        if desk is None:
            return
        with suppress(AstridError):  # then it stays unexplained
            found = why_nothing(parse(filters), await self._screen.filtering.known())
            if self._screen.queue.is_waiting and (decided := await asyncio.to_thread(desk.decided, filters)):
                passes = "passes" if decided == 1 else "pass"
                found.append(
                    f"{counted(decided, 'decided card')} {passes} it: add state:real, state:bogus, …"
                )
            self.nothing = tuple(found)
            self._screen.paint()

    async def _count(self) -> None:
        if (reading := self._screen.reading) is not None:
            with suppress(AstridError):  # then the length stays unknown
                await reading.count()
            self._screen.paint()

    def went_wrong(self, error: AstridError) -> None:
        """A card could not be read: say so, unless it is said already of something that was not written."""
        from core.database.store_errors import StoreError

        self.is_owed = isinstance(error, StoreError)
        if safe_text(error, 400) not in plain(self._screen.notice):
            self._screen.say(error, Tone.BAD)
        else:
            self._screen.paint()

    def catch_up(self) -> None:
        """Read what the store did not answer for."""
        if self.is_owed and not self.is_restarting:
            self.is_owed = False
            start(self._screen, self._catch_up, group="card", exclusive=True)

    async def _catch_up(self) -> None:
        if not self._screen.queue.is_read and self._coming in (None, self._recalled_filter):
            await self.begin_again()
        elif self._coming is not None:
            await self.restart(self._coming)
        else:
            await self._screen.read_place()
        if not self.is_owed:
            self._screen.say("the store answers again", Tone.GOOD)

    def look_for_more(self) -> None:
        """At the end of the queue, look for what came in since; what is taken back just now is none of it."""
        screen, headline = self._screen, self._screen.host.headline
        waiting, queue = headline.awaiting if headline else 0, screen.queue
        is_at_end = queue.is_waiting and queue.current is None and queue.is_complete
        is_at_end = is_at_end and screen.reading is not None and not screen.is_busy
        if is_at_end and queue.cut is None and waiting > queue.awaiting and waiting != self._looked_at:
            self._looked_at = waiting
            start(screen, self._look, group="count", exclusive=True)
        screen.paint()

    async def _look(self) -> None:
        """Show what came in; where cards were passed over, that would lead back to those: so say it alone."""
        screen, queue = self._screen, self._screen.queue
        if screen.reading is None:
            return
        with suppress(AstridError):  # the header says that the store does not answer
            await screen.reading.look_for_more()
        if screen.is_busy:
            self._looked_at = None  # once that is written it is looked again
        elif queue is screen.queue and queue.current is None:
            if queue.came_in and not queue.awaiting and not self.is_restarting:
                self.restart_soon(screen.filter)
            screen.paint()

    def in_order(self, order: str) -> None:
        """Begin at the start of the queue in another order."""
        self._screen.liking.leave()
        self.order = order
        self.restart_soon(self.filter_to_come)

    def in_next_order(self) -> None:
        """Begin at the start of the queue in the order after this one."""
        self.in_order(NAMED_ORDERS[(NAMED_ORDERS.index(self.order) + 1) % len(NAMED_ORDERS)])

    def cut(self, found: "Cut | None") -> None:
        """Let a given time end the queue, or nothing; said with what lies below."""
        screen, queue = self._screen, self._screen.queue
        if found is None or not found.below:
            queue.cut = None
            told = cut_line(found) if found else (span("all of the queue is read again", Tone.GOOD),)
        else:
            queue.cut_after(found.rank)
            if not queue.is_counted:
                queue.total, queue.is_counted = (queue.cut or 0) + found.below, True
            told = cut_line(replace(found, below=queue.below))
        screen.say_line(told)
        screen.show_place()

    # -- from one sitting to the next --------------------------------------------------------------

    def recall(self, state: Mapping[str, Any]) -> None:
        """Keep what was remembered, which may be damaged, until the store is open."""
        self._recalled = state
        if (order := state.get("order")) in NAMED_ORDERS:
            self.order = str(order)

    @property
    def place(self) -> int | None:
        """The object under review, that of the last sitting until the queue was read."""
        queue, wanted = self._screen.queue, self._recalled.get("object")
        if not queue.is_read:
            return wanted if isinstance(wanted, int) else None
        return queue.current.object_id if queue.current else None

    @property
    def _recalled_filter(self) -> str:
        return found if isinstance(found := self._recalled.get("filter"), str) else ""

    async def begin_again(self) -> None:
        """Begin where the last sitting ended: its object, if that still awaits a verdict near the start."""
        await self.restart(self._recalled_filter)
        if not self._screen.queue.is_read and not self.is_owed:  # it cannot be understood any more
            said = self._screen.notice
            await self.restart("")
            self._screen.say_line(said)
        wanted, queue = self._recalled.get("object"), self._screen.queue
        places = [entry.object_id for entry in queue.entries]
        if wanted in places and queue.place == 0 and wanted != places[0]:
            queue.move(places.index(wanted))
            await self._screen.read_place()
