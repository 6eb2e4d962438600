"""The review screen: it reads ahead, draws one card, and writes what is decided before it moves on."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from textual import events
from textual.timer import Timer

from core.errors import AstridError
from core.text import SafeText
from core.vocabulary import Label
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.frame.commands import Command
from screens.frame.host import Target
from screens.lines import Line, Tone, span
from screens.review import view
from screens.review.actions import ACTIONS, verdict_label
from screens.review.commands import review_commands
from screens.review.facts import detail_lines
from screens.review.guard import RepeatGuard
from screens.review.layout import arrange
from screens.review.queue import Queue
from screens.review.reading import Reading
from screens.review.steering import FEW, NAMED_ORDERS, Remark, filter_hint, label_of, label_words
from screens.tty.sight import Sight
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.review.cards import Card
    from core.review.filter_help import Known
    from screens.review.desk import Desk, Undone
    from screens.review.viewing import Viewing

BLINK_S = 0.6
SETTLE_S = 2.0  # a card that is before the reviewer for so long is told to others as open


class Picture(NamedTuple):
    """What a verdict rests on: which card, how it is drawn, and how large."""

    candidate_id: int
    viewing: "Viewing | None"
    theme: str
    size: tuple[int, int]


class ReviewScreen(FrameScreen[None]):
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
        self._viewing: Viewing | None = None
        self._sight = Sight()
        self._painted: Picture | None = None  # what was handed to Textual last
        self._question: Timer | None = None  # rings when the terminal has not answered
        self._is_writing = False
        self._blink: Timer | None = None
        self._blinked = False
        self._last_decision: Line = ()
        self._recalled: Mapping[str, Any] = {}
        self.order = "score"
        self._others: tuple[str, ...] = ()  # who else has the card open
        self._offered: Known | None = None  # values that a filter can be completed with
        self._hint: Line = ()  # while a filter is typed
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
            is_drawn=self._sight.has_seen(self._picture()),
            epochs=len(card.epochs) if card else 0,
            has_cutouts=card is not None and card.cutouts is not None,
        )

    @property
    def is_busy(self) -> bool:
        """Whether a verdict is on its way to the disk."""
        return self._is_writing

    def body(self, width: int, height: int) -> list[Line]:
        """The card, as far as the terminal has room for it."""
        full_size = self._viewing is not None and self._viewing.full_size
        has_score = self.card is not None and view.has_score(self.card)
        layout = arrange(width, height, full_size=full_size, has_score=has_score)
        page = view.Page(
            headline=self.host.headline,
            filter=self.filter,
            queue=self.queue,
            card=self.card,
            viewing=self._viewing,
            theme=self.app.theme,
            blinked=self._blinked,
            notice=self.notice or self._last_decision,
            order=self.order,
            others=self._others,
        )
        return view.page_lines(page, layout)

    def notice_line(self) -> Line:
        """What is being typed means; what happened last; where there is no card the page says it."""
        if self._hint:
            return (span(" "), *self._hint)
        return view.last_line(self.notice, self.card, self._last_decision) if self.card else ()

    def _picture(self) -> Picture | None:
        """What is to be seen; none where there is no card."""
        card = self.card
        if card is None:
            return None
        return Picture(card.candidate_id, self._viewing, self.app.theme, (self.size.width, self.size.height))

    def paint(self) -> None:
        """Show the state as it is; while another card is on its way to the terminal, later."""
        if not (self.is_large_enough and self.is_mounted and self.is_current):
            self._sight.lose()
            super().paint()
            return
        picture = self._picture()
        if not self._sight.may_draw(picture):
            return
        self._painted = picture
        super().paint()
        self.call_after_refresh(self.displayed)

    def displayed(self) -> None:
        """Once the picture was sent: have the terminal say when it is drawn."""
        if not self._rows.is_rendered or not self.is_current or not self.is_large_enough:
            return
        serial = self._sight.drew(self._painted)
        if serial is None:
            return
        if not self.host.ask_terminal(self.size.height, serial):
            self._sight.answered(serial)  # there is no terminal at all
            return
        if self._question is not None:
            self._question.stop()
        self._question = self.set_timer(self._sight.patience_s, self.paint)

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """The terminal's answer; what had to wait for it is drawn now."""
        if event.y + 1 == self.size.height and self._sight.answered(event.x + 1):
            if self._question is not None:
                self._question.stop()
                self._question = None
            self.paint()

    def on_screen_suspend(self) -> None:
        """Something lies over the card, or another screen is shown."""
        self._sight.lose()

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
            drawing = self.host.terminal.drawing if review.drawing == "auto" else review.drawing
            look = Look(drawing=drawing, stretch=review.stretch)
            habits = Habits.of(review, read_only=self.host.read_only)
            return Desk(opened.store, opened.reviewer, habits), Viewing.begin(look)

        async def begin() -> None:
            desk, self._viewing = await asyncio.to_thread(sit_down)
            self._desk, self._reading = desk, Reading(desk)
            self.run_worker(self._begin_reading(), group="card", exclusive=True)

        self.run_worker(begin(), group="begin")

    async def _begin_reading(self) -> None:
        """Begin where a jump leads that came before the store was open, else where the last sitting ended."""
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            await self._restart(arriving.filter or "")
            self.arrive(replace(arriving, filter=None))
        else:
            await self._restart(self._remembered_filter())
            await self._go_back_to_remembered()

    def store_changed(self) -> None:
        """At the end of the queue, look for what came in since."""
        waiting = self.host.headline.awaiting if self.host.headline else 0
        if self._reading and self.card is None and not self.filter and waiting > self.queue.undecided:
            self._restart_soon("")
        else:
            self.paint()

    def choose(self, filters: str) -> None:
        """Begin at the start of what passes a filter."""
        self._restart_soon(filters)

    def _restart_soon(self, filters: str) -> None:
        self.run_worker(self._restart(filters), group="card", exclusive=True)

    async def _restart(self, filters: str) -> None:
        """Read the queue from its start; a filter that cannot be understood leaves everything as it was."""
        if self._reading is None:
            return
        try:
            await self._reading.restart(filters, self.order)
        except AstridError as error:
            self.order = self._reading.order
            self.say(error, Tone.BAD)
            return
        self.filter = self._reading.filter
        self.prompt.close()
        await self._show_place()

    def _go(self) -> None:
        """Show the entry at the queue's place; a newer call takes over from an unfinished one."""
        self._stop_blinking()
        self.paint()
        self.run_worker(self._show_place(), group="card", exclusive=True)

    async def _show_place(self) -> None:
        if self._reading is None:
            return
        try:
            await self._reading.read(self.paint)
        except AstridError as error:
            self.say(error, Tone.BAD)
        self.run_worker(self._tell_others(), group="open card", exclusive=True)

    async def _tell_others(self) -> None:
        """Say who else has this card open; and, once it has been looked at for a while, that it is here.

        Cards that are decided at once are told to nobody: that would be a write for each.
        """
        desk, entry = self._desk, self.queue.current
        if desk is None or entry is None:
            return
        try:
            while True:
                others = tuple(await asyncio.to_thread(desk.others, entry.object_id))
                if others != self._others:
                    self._others = others
                    self.paint()
                await asyncio.sleep(SETTLE_S)
                if not self.host.read_only:
                    await asyncio.to_thread(desk.keep_open, entry.object_id)
                await asyncio.sleep(desk.habits.open_card_s / 3)
        except AstridError:  # whoever decides is told that the store does not answer
            return

    # -- deciding ----------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """Verdicts, what is written, and how cards are looked at."""
        does: dict[str, Callable[[], None]] = {
            "undo": lambda: self._write(self._take_back),
            "redo": lambda: self._write(self._give_again),
            "note": lambda: self.ask_line("a note on this candidate, #words are tags", "", self._note),
            "filter": self.ask_filter,
            "mark": self._mark,
            "bulk": self._ask_bulk,
            "order": lambda: self.choose_order(
                NAMED_ORDERS[(NAMED_ORDERS.index(self.order) + 1) % len(NAMED_ORDERS)]
            ),
            "blink": self._toggle_blinking,
            "epoch-before": lambda: self._step_epoch(-1),
            "epoch-after": lambda: self._step_epoch(1),
            "view": lambda: self.open_menu(Where.VIEW_MENU, "view"),
            "detail": self._show_detail,
            "open": self._show_detail,
            "pane": lambda: self._change_view("pane"),
        }
        for action in ACTIONS:
            if label := verdict_label(action.id):
                does[action.id] = partial(self._give, label)
            elif action.id not in does:
                does[action.id] = partial(self._change_view, action.id)
        return does

    def do(self, action_id: str, count: int | None = None) -> None:
        """A key that is held gives no second verdict."""
        label = verdict_label(action_id)
        if label is not None and self._guard.is_held(action_id):
            return
        super().do(action_id, count)

    def _give(self, label: Label) -> None:
        self._guard.accept()
        self._write(self._decide, label)

    def _write(self, write: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Write something; until it is on disk no other verdict is taken, and the place stays."""
        self._is_writing = True

        async def until_written() -> None:
            try:
                await write(*arguments)
            except AstridError as error:
                self.app.bell()
                self.say(f"NOT written: {error}", Tone.BAD)
            finally:
                self._is_writing = False
                self.host.look()

        self.run_worker(until_written(), group="write")

    async def _decide(self, label: Label) -> None:
        card, reading = self.card, self._reading
        if self._desk is None or reading is None or self._viewing is None or card is None:
            return
        entry = reading.entry
        if entry is None:
            return
        shown = view.shown_record(card, self._viewing, self.app.theme, self.size)
        if entry.is_again:
            shown["again"] = True
        await asyncio.to_thread(self._desk.decide, card.candidate_id, label, shown)
        entry.label, entry.is_again = label, False
        reading.forget(entry.object_id)
        self.notice = self._last_decision = view.decided(label, card.name)
        reading.queue.move(1)
        self._go()

    async def _take_back(self) -> None:
        if self._desk is not None:
            self._land(
                await asyncio.to_thread(self._desk.undo), "taken back", "there is no verdict to take back"
            )

    async def _give_again(self) -> None:
        if self._desk is not None:
            self._land(
                await asyncio.to_thread(self._desk.redo), "given again", "there is nothing to give again"
            )

    def _land(self, row: "Undone | None", done: str, nothing: str) -> None:
        """Go to the card whose verdict changed."""
        if row is None or self._reading is None:
            self.say(nothing, Tone.WARN)
            return
        entry = self._reading.queue.go_to(row.object_id, row.candidate_id)
        objects = {row.object_id, *row.objects}
        for each in self._reading.queue.entries:
            if each.object_id in objects:
                each.label = row.label
        entry.label = row.label
        for object_id in objects:
            self._reading.forget(object_id)
        self.notice = self._last_decision = view.changed_back(done, row.label, len(objects))
        self._go()

    def _note(self, text: str) -> None:
        self.prompt.close()
        remark = Remark.read(text)
        if remark.note or remark.tags:
            self._write(self._annotate, remark)

    async def _annotate(self, remark: Remark) -> None:
        card, reading = self.card, self._reading
        if self._desk is None or reading is None or card is None or reading.entry is None:
            return
        await asyncio.to_thread(self._desk.annotate, card.candidate_id, remark.note, remark.tags)
        reading.forget(reading.entry.object_id)
        tags = " ".join(f"#{tag}" for tag in remark.tags)
        self.notice = (span("note kept: ", Tone.GOOD), span(f"{remark.note or ''} {tags}".strip()))
        self._offered = None
        self._go()

    # -- many at once ------------------------------------------------------------------------------

    def _mark(self) -> None:
        """Mark the card and go on, or take its mark away."""
        entry = self.queue.current
        if entry is None:
            self.refuse("there is no card to mark")
            return
        entry.is_marked = not entry.is_marked
        if entry.is_marked:
            self.move_by(1)
        self.paint()

    def _ask_bulk(self) -> None:
        """Ask for the one verdict that all marked cards get, or all that pass the filter."""
        marked = [entry.object_id for entry in self.queue.marked]
        if not marked and not self.filter:
            self.refuse("bulk: mark cards with space first, or choose them by a filter")
            return
        what = f"{len(marked)} marked" if marked else "all that pass the filter"
        self.ask_line(
            f"one verdict on {what}, such as: artefact",
            "",
            lambda text: self._prepare_bulk(text, marked),
            label_words,
        )

    def _prepare_bulk(self, text: str, marked: list[int]) -> None:
        """Count what would be decided, and let many be confirmed by a word."""
        desk, filters, order = self._desk, self.filter, self.order
        if desk is None or not text:
            self.prompt.close()
            return
        try:
            label = label_of(text)
        except AstridError as error:
            self.refuse(error)
            return
        self.prompt.close()

        def find() -> dict[int, int]:
            if not marked:
                return dict(desk.passing(filters, order))
            return desk.best_candidates(marked)

        def found(chosen: dict[int, int]) -> None:
            shown = {"by": "bulk", "filter": filters, "chosen": "marks" if marked else "filter"}

            def decide() -> None:
                self._write(self._decide_together, chosen, label, shown)

            if not chosen:
                self.refuse("bulk: no card passes the filter")
            elif len(chosen) <= FEW and marked:
                decide()
            else:
                question = f"{label.value} for {len(chosen)} objects, not looked at one by one"
                self.host.confirm(question, label.value, decide)

        self.in_background(find, found, "nothing was decided")

    async def _decide_together(self, chosen: dict[int, int], label: Label, shown: dict[str, Any]) -> None:
        desk, reading = self._desk, self._reading
        if desk is None or reading is None:
            return
        await asyncio.to_thread(desk.decide_together, list(chosen.values()), label, shown)
        for entry in reading.queue.entries:
            if entry.object_id in chosen:
                entry.label, entry.is_marked, entry.is_again = label, False, False
                reading.forget(entry.object_id)
        while (entry_here := reading.queue.current) is not None and entry_here.label is not None:
            reading.queue.move(1)
        self.notice = self._last_decision = view.decided(label, f"{len(chosen)} objects")
        self._go()

    # -- choosing ----------------------------------------------------------------------------------

    def ask_filter(self) -> None:
        """Let the user type a filter, with what it means and how it can go on."""

        def complete(line: str) -> Sequence[str]:
            from core.review.filter_help import Known, completions

            return completions(line, self._offered or Known())

        def hint(_: Sequence[str]) -> None:
            from core.review.filter_help import Known

            is_open = self.prompt.is_open
            line = self.prompt.value
            self._hint = filter_hint(line, self._offered or Known(), self.size.width) if is_open else ()
            self.paint()

        self.notice = ()
        question = "filter, such as: score>0.8 mag<20 filter:r"
        self.prompt.ask(question, self.filter, self._submit_filter, complete=complete, hint=hint)
        if self._desk is not None and self._offered is None:
            self.in_background(self._desk.offered, self._take_offered, "values cannot be offered")

    def _submit_filter(self, line: str) -> None:
        self._hint = ()
        self.choose(line)

    def _take_offered(self, offered: "Known") -> None:
        self._offered = offered

    def choose_order(self, order: str) -> None:
        """Begin at the start of the queue in another order."""
        self.order = order
        self._restart_soon(self.filter)

    def cut_at(self, rank: int | None, told: Line) -> None:
        """Cut the queue at a rank from here on, or read all of it again."""
        self.queue.cut_at(self.queue.place + rank if rank is not None else None)
        self.say_line(told)

    def say_line(self, line: Line) -> None:
        """Tell the user something in several tones."""
        self.notice = line
        self.paint()

    # -- moving and looking ------------------------------------------------------------------------

    def move_by(self, steps: int) -> None:
        """Go on or back by some cards."""
        if self.queue.move(steps):
            self.notice = ()
            self._go()

    def move_to(self, place: int | None) -> None:
        """Go to a card of those that were read."""
        last = len(self.queue.entries) - 1
        self.move_by((last if place is None else min(place, last)) - self.queue.place)

    def arrive(self, target: Target) -> None:
        """Go to an object, or to what passes a filter."""
        if self._reading is None:
            self._arriving, self._filter_before = target, ""
        elif target.object_id is not None:
            self._reading.queue.go_to(target.object_id)
            self._go()
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
        if self._blink is not None:
            self._toggle_blinking()
        elif self._viewing is not None and self._viewing.full_size:
            self._change_view("full")
        else:
            return super().step_back()
        return True

    def remembered(self) -> dict[str, Any]:
        """The filter, the order and the object."""
        entry = self.queue.current
        return super().remembered() | {"object": entry.object_id if entry else None, "order": self.order}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Taken up once the store is open."""
        self._recalled = state
        if (order := state.get("order")) in NAMED_ORDERS:
            self.order = str(order)

    def _remembered_filter(self) -> str:
        found = self._recalled.get("filter")
        return found if isinstance(found, str) else ""

    async def _go_back_to_remembered(self) -> None:
        """Go to the object of the last sitting, if it still awaits a verdict and is near the start."""
        wanted = self._recalled.get("object")
        places = [entry.object_id for entry in self.queue.entries]
        if wanted in places and self.queue.place == 0 and wanted != places[0]:
            self.queue.move(places.index(wanted))
            await self._show_place()

    def _change_view(self, action_id: str) -> None:
        if self._viewing is not None:
            self._viewing = self._viewing.changed(action_id)
            self.paint()

    def _step_epoch(self, step: int) -> None:
        """Show the object's detection before or after this one."""
        card, entry = self.card, self.queue.current
        if card is None or entry is None:
            return
        epochs = [epoch.candidate_id for epoch in reversed(card.epochs)]
        place = epochs.index(card.candidate_id) + step if card.candidate_id in epochs else -1
        if 0 <= place < len(epochs):
            entry.candidate_id = epochs[place]
            self._go()
        else:
            self.say("there is no detection " + ("before" if step < 0 else "after") + " this one", Tone.WARN)

    def _toggle_blinking(self) -> None:
        if self._blink is not None:
            self._stop_blinking()
            self.paint()
        else:
            self._blink = self.set_interval(BLINK_S, self._flip)
            self._flip()

    def _flip(self) -> None:
        self._blinked = not self._blinked
        self.paint()

    def _stop_blinking(self) -> None:
        if self._blink is not None:
            self._blink.stop()
        self._blink, self._blinked = None, False

    def _show_detail(self) -> None:
        if self.card is not None:
            lines = detail_lines(self.card, self.size.width - 2)
            self.app.push_screen(Sheet(view.heading(self.card), lines))
