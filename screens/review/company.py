"""Who else has the card open, what came to it meanwhile, and telling them that it is open here."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import AstridError
from screens.frame.work import start
from screens.review import view

if TYPE_CHECKING:
    from screens.review.desk import Desk
    from screens.review.queue import Entry
    from screens.review.screen import ReviewScreen

SETTLE_S = 2.0  # a card that is before the reviewer for so long is told to others as open
LOOK_S = 3.0  # how often others are looked for while a card is open


class Company:
    """Other reviewers at the card of one screen."""

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._seen_at: Entry | None = None  # of which card the rest is true
        self._others: tuple[str, ...] = ()
        self._said: Mapping[str, str] = {}

    @property
    def others(self) -> tuple[str, ...]:
        """Who else has the card open."""
        return self._others if self._screen.queue.current is self._seen_at else ()

    @property
    def said(self) -> Mapping[str, str]:
        """What others decided of it, by reviewer; empty while that would sway who works blind."""
        entry, desk = self._screen.queue.current, self._screen.desk
        if entry is None or desk is None or entry is not self._seen_at:
            return {}
        return {} if entry.is_blind or (desk.habits.blind and entry.label is None) else self._said

    def follow(self) -> None:
        """Look at the card at the queue's place from now on."""
        start(self._screen, self._accompany, group="open card", exclusive=True)

    async def leave(self) -> None:
        """The sitting is over."""
        if (desk := self._screen.desk) is not None:
            with suppress(AstridError):  # then the time that was told runs out
                await asyncio.to_thread(desk.put_away, for_good=True)

    async def _accompany(self) -> None:
        """Show who else is at this card; once it has been looked at for a while, tell them that it is open.

        Cards that are decided at once are told to nobody: that would be a write for each.
        """
        screen = self._screen
        desk, entry = screen.desk, screen.queue.current
        if desk is None:
            return
        if entry is None:
            self._seen_at = None
            with suppress(AstridError):
                await asyncio.to_thread(desk.put_away)
            return
        tell_at = math.inf if screen.host.read_only else time.monotonic() + SETTLE_S
        while True:
            with suppress(AstridError):  # whoever decides is told that the store does not answer
                if time.monotonic() >= tell_at:
                    tell_at = time.monotonic() + LOOK_S  # where it does not answer
                    await asyncio.to_thread(desk.keep_open, entry.object_id)
                    tell_at = time.monotonic() + desk.habits.open_card_s / 3
                await self._look(desk, entry)
                await self._renew(desk, entry)
            await asyncio.sleep(min(LOOK_S, max(tell_at - time.monotonic(), 0.01)))

    async def _look(self, desk: "Desk", entry: "Entry") -> None:
        is_here = self._screen.queue.current is entry  # else the reader has gone on
        card = self._screen.card if is_here else None
        others = tuple(await asyncio.to_thread(desk.others, entry.object_id))
        said = await asyncio.to_thread(desk.said_by_others, card.objects if card else [entry.object_id])
        before = self.others, self.said
        self._seen_at, self._others, self._said = entry, others, said
        if before != (self.others, self.said):
            self._screen.paint()

    async def renew(self, objects: Sequence[int]) -> None:
        """Read again what is known of some objects; the card that is open stays until that is there."""
        screen, desk, entry = self._screen, self._screen.desk, self._screen.queue.current
        if desk is None or screen.reading is None:
            return
        for each in objects:
            if entry is None or each != entry.object_id:
                screen.reading.forget(each)
        if entry is not None and entry.object_id in objects:
            with suppress(AstridError):  # then what is here stays until the store answers
                await self._renew(desk, entry, is_other=True)
        screen.look_ahead()

    async def _renew(self, desk: "Desk", entry: "Entry", *, is_other: bool = False) -> None:
        """Show what came to the card since it was read: detections, and what others said or noted.

        The former card stays until the new one is there, so that no key meets a page without a card. While
        something is written here nothing is compared: the card is read again after that anyway. With
        ``is_other`` it is known already that there is more to it.
        """
        screen, reading, card = self._screen, self._screen.reading, self._screen.card
        if reading is None or card is None or screen.is_busy or screen.queue.current is not entry:
            return
        is_other = is_other or await asyncio.to_thread(desk.stamp, entry.object_id) != card.stamp
        if not is_other or screen.is_busy or screen.card is not card:
            return
        now = await reading.renew(entry, card)
        if now is None:
            return
        screen.details.renew()
        screen.paint()  # its light curve may have grown, of which nothing is said
        if view.says_more(card, now):
            screen.say_line(view.changed_meanwhile(screen.notice, now, screen.deciding.last))
