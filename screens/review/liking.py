"""More like this: the search of one screen, and the order that it gives the queue.

Whenever something was found the reader stays at the card that is here: only what comes next is another. So no
key falls on a card that came by itself, however long a search takes.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from core.errors import AstridError
from screens.frame.commands import Command, CommandRefused, Words
from screens.frame.work import start
from screens.lines import Line, Tone, span
from screens.review.like_lines import Likeness
from screens.review.likeness import ANSWERS, LOOKS, Found, Wish, search

if TYPE_CHECKING:
    from core.operations.search_process import SearchProcess
    from screens.review.screen import ReviewScreen

TOLD_S = 1.0  # how often it is told how far the measuring is: each time a line is sent


@dataclass(slots=True, eq=False)
class Sought:
    """A search that is under way."""

    wish: Wish
    filters: str
    process: "SearchProcess"
    is_renewal: bool  # of the order that is in force
    done: int = 0
    total: int = 0  # to be measured; 0: nothing, or it is not known yet
    told_at: float = field(default=0.0)


class Liking:
    """The searches of one screen.

    Attributes
    ----------
    wish : Wish or None
        By the likeness to which the queue is ordered, none where it is not.
    sought : Sought or None
        What is looked for now.
    taught : Found or None
        What the order in force came from.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self.wish: Wish | None = None
        self.sought: Sought | None = None
        self.taught: Found | None = None
        self._most = LOOKS  # entries of the queue
        self._answers: set[int] = set()  # objects of which something was said since the last search began

    @property
    def shown(self) -> Likeness:
        """What the page says of it."""
        wish, sought, taught = self.wish, self._told, self.taught
        sign = self._screen.host.registry.sign
        return Likeness(
            name=wish.name if wish else "",
            examples=taught.examples if taught else 0,
            others=taught.others if taught else 0,
            sought=sought.wish.name if sought else "",
            done=sought.done if sought else 0,
            total=sought.total if sought else 0,
            back=sign("back"),
            more=sign("like"),
        )

    @property
    def _told(self) -> Sought | None:
        """What is looked for before the reader's eyes: not where the order is made anew behind a card."""
        sought = self.sought
        return sought if sought and not (sought.is_renewal and self._screen.queue.current) else None

    # -- to look for something ---------------------------------------------------------------------

    def more(self) -> None:
        """Look for more like the marked cards, else like the one that is here; at the end go on."""
        screen = self._screen
        card, entry, marks = screen.card, screen.queue.current, screen.queue.marks
        if marks:
            self._seek(Wish.of_cards(self._name_of_marked(), tuple(marks.items())))
        elif entry is not None and card is not None:
            self._seek(Wish.of_cards(card.name, ((entry.object_id, card.candidate_id),)))
        elif self.wish is not None and entry is None:
            self._most = len(screen.queue.entries) + LOOKS
            self._seek(self.wish, is_renewal=True)
        else:
            screen.refuse_key("like: there is no card to look for more of")

    def like_word(self, words: Words) -> None:
        """Look for more of what bears a tag or a verdict; without a word as the key does.

        Raises
        ------
        CommandRefused
        """
        if len(words) > 1:
            raise CommandRefused("like takes one tag or one verdict, or nothing: more like this card")
        if self._screen.desk is None:
            raise CommandRefused("the store is not open")
        if not words:
            self.more()
        elif not words[0].lstrip("#"):
            raise CommandRefused("like takes a tag, such as: like ghost")
        else:
            self._seek(Wish.of_word(words[0]))

    def _name_of_marked(self) -> str:
        card, marks = self._screen.card, self._screen.queue.marks
        is_this = len(marks) == 1 and card is not None and card.object_id in marks
        return card.name if is_this and card is not None else "1 marked card"

    def _seek(self, wish: Wish, *, is_renewal: bool = False) -> None:
        screen, opened = self._screen, self._screen.host.opened
        reading, desk = screen.reading, screen.desk
        if opened is None or reading is None or desk is None:
            return
        from core.operations.search_process import SearchProcess

        self._give_up()
        process = SearchProcess(opened.settings_path, read_only=screen.host.read_only)
        sought = self.sought = Sought(wish, reading.filter, process, is_renewal)
        self._answers.clear()
        if not is_renewal:
            self._most = LOOKS
        limit = min(self._most + len(reading.queue.entries), 1000)
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            loop.call_soon_threadsafe(self._tell, sought, done, total)

        async def seek() -> None:
            asked = (desk, wish, sought.filters, limit, process, report)
            try:
                found = await asyncio.to_thread(search, *asked)
            except AstridError as error:
                self._failed(sought, error)
            else:
                screen.choosing.once_here(partial(self._take, sought, *found))

        start(screen, seek, group="like")
        screen.paint()

    def _tell(self, sought: Sought, done: int, total: int) -> None:
        sought.done, sought.total = done, total
        now = monotonic()
        if sought is self.sought and now - sought.told_at >= TOLD_S:
            sought.told_at = now
            self._screen.paint()

    # -- what became of it -------------------------------------------------------------------------

    def _failed(self, sought: Sought, error: AstridError) -> None:
        if sought is not self.sought:
            return
        self.sought = None
        self._screen.refuse(f"like {sought.wish.name}: {error}")

    def _take(self, sought: Sought, wish: Wish, found: Found) -> None:
        """Let the likeliest come next, unless something else was asked for meanwhile."""
        screen, reading = self._screen, self._screen.reading
        if sought is not self.sought or reading is None:
            return
        self.sought = None
        if not found.cards and not sought.is_renewal:
            screen.refuse(f"like {wish.name}: nothing else that awaits a verdict can be compared")
            return
        self.wish, self.taught = wish, found
        reading.rank([key for key, _ in wish.marked], found.cards, self._most)
        if screen.queue.current is None:
            screen.refuse(f"like {wish.name}: no other card that awaits a verdict is left")
        elif not sought.is_renewal:
            screen.notice = _found_line(screen.host.registry.sign("back"))
        screen.look_ahead()
        self._look_again()

    def answered(self, objects: Iterable[int]) -> None:
        """Some were given a verdict or a tag: after a few answers the order is made anew."""
        self._answers.update(objects)
        self._look_again()

    def _look_again(self) -> None:
        if self.wish is not None and self.sought is None and len(self._answers) >= ANSWERS:
            self._seek(self.wish, is_renewal=True)

    # -- the ways back -----------------------------------------------------------------------------

    def step_back(self) -> bool:
        """Give up what is looked for, else go back to the order before; whether there was either."""
        sought = self._told
        if sought is not None:
            self._give_up()
            self._screen.say(f"the search for more like {sought.wish.name} is given up")
            return True
        if self.wish is None:
            return False
        name = self.wish.name
        self.leave()
        self._screen.say(f"the queue is as it was before more like {name} was looked for")
        self._screen.show_place()
        return True

    def leave(self) -> None:
        """Another order, filter or jump is wanted: neither is the queue one of likeness nor is any sought."""
        self._give_up()
        self.wish = self.taught = None
        if self._screen.reading is not None:
            self._screen.reading.unrank()

    def begin_anew(self) -> None:
        """Another queue was read: what was wanted is looked for in it."""
        wish = self.sought.wish if self.sought is not None else self.wish
        self._give_up()
        self.wish = self.taught = None
        if wish is not None:
            self._seek(wish)

    def stop(self) -> None:
        """The console closes."""
        self._give_up()

    def _give_up(self) -> None:
        sought, self.sought = self.sought, None
        if sought is not None:
            sought.process.stop()


def _found_line(back: str) -> Line:
    """What is before the reader now, and the way back."""
    return (
        span("the likeliest come next", Tone.GOOD),
        span(f", made anew after {ANSWERS} answers; "),
        span(back, Tone.KEY),
        span(" leads back", Tone.DIM),
    )


def like_command(screen: "ReviewScreen") -> Command:
    """The command for it."""

    def complete(_: Words) -> tuple[str, ...]:
        return screen.filtering.words_known()

    return Command(
        "like",
        "more like this card, the marked ones or what bears a tag or verdict: the likeliest first",
        screen.liking.like_word,
        "[TAG|VERDICT]",
        complete,
        keys=screen.host.registry["like"].keys,
    )
