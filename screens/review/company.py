"""Who else has the card open, and telling them that it is open here."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import AstridError
from screens.frame.work import start

if TYPE_CHECKING:
    from screens.review.screen import ReviewScreen

SETTLE_S = 2.0  # a card that is before the reviewer for so long is told to others as open


class Company:
    """Other reviewers at the card of one screen.

    Attributes
    ----------
    others : tuple of str
        Who else has the card open.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self.others: tuple[str, ...] = ()

    def follow(self) -> None:
        """Look at the card at the queue's place from now on."""
        start(self._screen, self._tell, group="open card", exclusive=True)

    async def leave(self) -> None:
        """The sitting is over."""
        if (desk := self._screen.desk) is not None:
            with suppress(AstridError):  # then the time that was told runs out
                await asyncio.to_thread(desk.put_away, for_good=True)

    async def _tell(self) -> None:
        """Say who else has this card open; and, once it has been looked at for a while, that it is here.

        Cards that are decided at once are told to nobody: that would be a write for each.
        """
        screen = self._screen
        desk, entry = screen.desk, screen.queue.current
        if desk is None:
            return
        try:
            if entry is None:
                self.others = ()
                await asyncio.to_thread(desk.put_away)
                return
            while True:
                others = tuple(await asyncio.to_thread(desk.others, entry.object_id))
                if others != self.others:
                    self.others = others
                    screen.paint()
                await asyncio.sleep(SETTLE_S)
                if not screen.host.read_only:
                    await asyncio.to_thread(desk.keep_open, entry.object_id)
                await asyncio.sleep(desk.habits.open_card_s / 3)
        except AstridError:  # whoever decides is told that the store does not answer
            return
