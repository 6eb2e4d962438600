"""The review screen: it reads ahead, draws one card, and writes what is decided before it moves on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.text import SafeText
from core.vocabulary import Label
from screens.action import Situation, Where
from screens.frame.base import MARGINS
from screens.frame.commands import Command
from screens.frame.host import Target
from screens.frame.work import start
from screens.lines import Line, Tone, span
from screens.review import view
from screens.review.actions import ACTIONS, verdict_label
from screens.review.blinking import Blinking
from screens.review.bulk import ask_bulk, mark
from screens.review.choosing import Choosing
from screens.review.commands import review_commands
from screens.review.company import Company
from screens.review.deciding import Deciding
from screens.review.detail_sheet import DetailSheet
from screens.review.facts import PAST
from screens.review.filtering import Filtering
from screens.review.guard import RepeatGuard
from screens.review.header_sheet import show_header
from screens.review.liking import Liking
from screens.review.looking import Looking
from screens.review.past import Past
from screens.review.queue import Queue
from screens.review.reading import Reading
from screens.review.seen import Picture, PictureScreen

if TYPE_CHECKING:
    from core.review.cards import Card
    from screens.review.desk import Desk
    from screens.review.viewing import Viewing

SENT_S = 0.05  # a card that was read is on its way to the terminal by then


class ReviewScreen(PictureScreen):
    """One card at a time, the highest score first.

    Parameters
    ----------
    guard : RepeatGuard, optional
        What tells a held key; tests bring one with a clock of their own.
    """

    WHERE = Where.REVIEW

    def __init__(self, guard: RepeatGuard | None = None) -> None:
        super().__init__()
        self._guard = guard or RepeatGuard()
        self._desk: Desk | None = None
        self._reading: Reading | None = None
        self._held: Line = ()  # what was said of a key that is held
        self._refused: tuple[Line, bool, bool] | None = None  # of an open store, and of a card
        self.choosing, self.filtering = Choosing(self), Filtering(self)
        self.deciding, self.company, self.blinking = Deciding(self), Company(self), Blinking(self)
        self.liking, self.past = Liking(self), Past(self)
        self.looking, self.details = Looking(self), DetailSheet(self)
        self._arriving: Target | None = None  # where a jump leads that came before the store was open

    # -- what is on the screen -------------------------------------------------------------------

    @property
    def card(self) -> "Card | None":
        """The card under review."""
        return self._reading.card if self._reading else None

    @property
    def desk(self) -> "Desk | None":
        """The sitting, none until the store is open."""
        return self._desk

    @property
    def reading(self) -> Reading | None:
        """The queue and the cards around its place, none until the store is open."""
        return self._reading

    @property
    def viewing(self) -> "Viewing | None":
        """How cards are drawn, none until the store is open."""
        return self.looking.viewing

    @property
    def queue(self) -> Queue:
        """The entries under review."""
        return self._reading.queue if self._reading else Queue()

    @property
    def situation(self) -> Situation:
        """What decides which actions make sense now."""
        card = self.card
        return self.base_situation(
            is_open=self._desk is not None,
            has_card=card is not None,
            is_drawn=self.is_seen,
            epochs=len(card.epochs) if card else 0,
            has_cutouts=card is not None and card.cutouts is not None,
            has_colours=self.host.terminal.colours > 0,
        )

    @property
    def is_busy(self) -> bool:
        """Whether a verdict is on its way to the disk."""
        return self.deciding.is_writing

    def body(self, width: int, height: int) -> list[Line]:
        """The card, as far as the terminal has room for it."""
        page = self._page_with(self.card)
        layout = view.layout_of(page, width, height)
        self.show_pictures(self.looking.drawing.pictures(page, layout))
        return view.page_lines(page, layout)

    def _page_with(self, card: "Card | None") -> view.Page:
        return view.Page(
            headline=self.host.headline,
            filter=self.filter,
            is_visit=self.is_visit,
            queue=self.queue,
            card=card,
            viewing=self.viewing,
            theme=self.app.theme,
            blinked=self.blinking.is_turned,
            notice=self.notice or self.deciding.last,
            order=self.choosing.order,
            like=self.liking.shown,
            measuring=self.past.chip,
            others=self.company.others,
            said=self.company.said,
            nothing=self.choosing.nothing,
            is_owed=self.choosing.is_owed,
            width=self.size.width,
            past="" if self.host.read_only else PAST,
        )

    def notice_line(self) -> Line:
        """What is being typed means; what happened last; where there is no card the page says it."""
        if self.filtering.hint:
            return (span(" "), *self.filtering.hint)
        return view.last_line(self.notice, self.card, self.deciding.last) if self.card else ()

    @property
    def picture(self) -> Picture | None:
        """What is to be seen; none where there is no card."""
        card = self.card
        if card is None:
            return None
        return Picture(card.candidate_id, self.viewing, self.app.theme, (self.size.width, self.size.height))

    # -- reading -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """Begin the sitting; what needs numpy is imported in a thread."""
        opened = self.host.opened
        if opened is None:
            return

        def sit_down() -> "tuple[Desk, Viewing]":
            from core.cells import Look
            from screens.review.desk import Desk, Habits
            from screens.review.viewing import Viewing

            review = opened.settings.review
            look = Look(drawing=self.host.terminal.drawing, stretch=review.stretch)
            habits = Habits.of(review, read_only=self.host.read_only)
            return Desk(opened.store, opened.reviewer, habits), Viewing.begin(look)

        async def begin() -> None:
            desk, self.looking.viewing = await asyncio.to_thread(sit_down)
            self._desk, self._reading = desk, Reading(desk)
            self.terminal_known()
            start(self, self._begin_reading, group="card", exclusive=True)

        start(self, begin, group="begin")

    def terminal_known(self) -> None:
        """Draw by what the terminal can show, if nobody chose how."""
        self.looking.suit()

    async def _begin_reading(self) -> None:
        """Begin where a jump leads that came before the store was open, else where the last sitting ended."""
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            await self.choosing.restart(arriving.filter or "")
            self.arrive(replace(arriving, filter=None))
        else:
            await self.choosing.begin_again()

    def store_changed(self) -> None:
        """Read what is missing; at the end of the queue, look for what came in since."""
        self.catch_up()
        self.choosing.look_for_more()

    def catch_up(self) -> None:
        """Read what the store did not answer for."""
        self.choosing.catch_up()

    def on_screen_resume(self) -> None:
        """The store may have come back while another screen was open."""
        self.catch_up()

    @property
    def filter_to_come(self) -> str:
        """The filter of the queue that is being read, else of the one that is here."""
        return self.choosing.filter_to_come

    def choose(self, filters: str) -> None:
        """Begin at the start of what passes a filter, once the store is open."""
        if self._reading is None:
            self._arriving = Target(filter=filters)
            return
        self.wait_for_answer()
        self.choosing.restart_soon(filters)

    def show_place(self) -> None:
        """Show the entry at the queue's place; a newer call takes over from an unfinished one."""
        self.blinking.stop()
        self.look_ahead()

    def look_ahead(self) -> None:
        """Show the state, and read what it lacks: the card that is here may stay, and another come next."""
        self.paint()
        if not self.choosing.is_restarting:  # else that would be given up, and it ends with its own card
            start(self, self._read_on, group="card", exclusive=True)

    async def _read_on(self) -> None:
        """Read what comes next; what is there already is sent before, for threads share one processor."""
        if self.card is not None:
            await asyncio.sleep(SENT_S)
        await self.read_place()

    async def read_place(self) -> None:
        """Read the card at the queue's place, and those that come next."""
        if self._reading is None:
            return
        try:
            await self._reading.read(self.paint)
            await self._draw_ahead()
        except AstridError as error:
            self.choosing.went_wrong(error)
        self.company.follow()

    async def _draw_ahead(self) -> None:
        """Draw the images of the card that comes next: a key then has only to show them."""
        card = self._reading.next_card if self._reading else None
        if card is not None and self.is_large_enough:
            page = self._page_with(card)
            layout = view.layout_of(page, self.size.width, self.size.height - MARGINS)
            self._rows.draw_ahead(await asyncio.to_thread(view.picture_lines, page, layout))

    # -- deciding ----------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """Verdicts, what is written, and how cards are looked at."""
        does: dict[str, Callable[[], None]] = {
            "undo": self.deciding.take_back,
            "redo": self.deciding.give_again,
            "note": self.deciding.ask_note,
            "filter": self.ask_filter,
            "mark": partial(mark, self),
            "bulk": partial(ask_bulk, self),
            "order": self.choosing.in_next_order,
            "like": self.liking.more,
            "blink": self.blinking.toggle,
            "epoch-before": partial(self.looking.step_epoch, -1),
            "epoch-after": partial(self.looking.step_epoch, 1),
            "view": self.looking.open_menu,
            "curve": self.looking.turn_curve,
            "detail": self.details.show,
            "open": self.details.show,
            "header": partial(show_header, self),
            "pane": self.looking.next_plane,
        }
        for action in ACTIONS:
            if label := verdict_label(action.id):
                does[action.id] = partial(self._give, label)
            elif action.id not in does:
                does[action.id] = partial(self.looking.change, action.id)
        return does

    def do(self, action_id: str, count: int | None = None) -> None:
        """A key that is held gives no second verdict."""
        label = verdict_label(action_id)
        if label is not None and self._guard.is_held(action_id):
            self._tell_held(action_id)
            return
        if action_id != "undo":
            self.deciding.forget_asked()
        was_told, self.notice = bool(self.notice), ()  # what is done now has its own to say
        super().do(action_id, count)
        if was_told and not self.notice:
            self.paint()

    def _tell_held(self, action_id: str) -> None:
        """Say once that a key gives no second verdict while it is held, behind what is said already."""
        if self.notice is not self._held or not self._held:
            said = self.notice or self.deciding.last
            key = self.host.registry.sign(action_id)
            self.notice = self._held = (*said, span(f"  {key} held: ignored", Tone.DIM))
            self.paint()

    def refuse_key(self, text: object) -> None:
        """Say why a key did nothing, for as long as that is true; what was typed is refused for longer."""
        super().refuse_key(text)
        self._refused = self.notice, self._desk is not None, self.card is not None

    def paint(self) -> None:
        """Show the state as it is; a reason that holds no more is not told any longer."""
        if self._refused is not None:
            notice, *then = self._refused
            if notice is self.notice and then != [self._desk is not None, self.card is not None]:
                self.notice, self._refused = (), None
        super().paint()

    def _give(self, label: Label) -> None:
        self._guard.accept()
        self.deciding.give(label)

    # -- choosing ----------------------------------------------------------------------------------

    def ask_filter(self) -> None:
        """Let the user type a filter, with what it means and how it can go on."""
        self.filtering.ask()

    def say_line(self, line: Line) -> None:
        """Tell the user something in several tones."""
        self.notice = line
        self.paint()

    async def on_unmount(self) -> None:
        """The console closes."""
        self.liking.stop()
        self.past.stop()
        await self.company.leave()

    # -- moving and looking ------------------------------------------------------------------------

    def move_by(self, steps: int) -> None:
        """Go on or back by some cards."""
        if self.queue.move(steps):
            self.notice = ()
            self.show_place()
        elif steps > 0 and self.queue.came_in:
            self.choosing.restart_soon(self.filter_to_come)

    def move_to(self, place: int | None) -> None:
        """Go to a card of those that were read."""
        last = self.queue.reach - 1
        self.move_by((last if place is None else min(place, last)) - self.queue.place)

    def arrive(self, target: Target) -> None:
        """Go to an object, or to what passes a filter."""
        self.liking.leave()
        if self._reading is None:
            if not self.is_visit:
                self._filter_before = self.filter_to_come
            self._arriving = target
        elif target.object_id is not None:
            self.choosing.stay()
            self._reading.queue.go_to(target.object_id)
            self.show_place()
        else:
            super().arrive(target)

    def commands(self) -> Sequence[Command]:
        """Export, orders, a given time, pace, saved filters, experts."""
        return review_commands(self)

    def copied_text(self) -> SafeText | None:
        """Name and position."""
        return view.copied_text(self.card) if self.card else None

    def step_back(self) -> bool:
        """One step back towards the plain card; whether there was one to take."""
        if self.blinking.is_on:
            self.blinking.toggle()
        elif self.viewing is not None and self.viewing.full_size:
            self.looking.change("full")
        elif not self.liking.step_back() and not self.past.step_back():
            return super().step_back()
        return True

    def remembered(self) -> dict[str, Any]:
        """The filter, the order and the object."""
        return super().remembered() | {"object": self.choosing.place, "order": self.choosing.order}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Taken up once the store is open."""
        self.choosing.recall(state)
