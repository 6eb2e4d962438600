"""The review screen: it reads ahead, draws one card, and writes what is decided before it moves on."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from core.errors import AstridError
from core.text import SafeText, safe_text
from core.vocabulary import Label
from screens.actions import BY_ID, Situation, Where, actions_on, verdict_label
from screens.clipboard import copy
from screens.lines import Line, Tone, span
from screens.review import view
from screens.review.facts import detail_lines
from screens.review.guard import RepeatGuard
from screens.review.layout import arrange
from screens.review.queue import Queue
from screens.review.reader import CardReader
from screens.review.view_menu import ViewMenu
from screens.terminal import Terminal
from screens.widgets.prompt import Prompt
from screens.widgets.rows import Rows
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.cards import Card
    from screens.review.desk import Counts, Desk, Undone
    from screens.review.viewing import Viewing

AHEAD = 3  # cards read before they are needed
POLL_S = 10.0
BLINK_S = 0.6
PAGE_STEP = 10

OpenDesk = Callable[[], "tuple[Desk, Viewing]"]


class ReviewScreen(Screen[None]):
    """One card at a time, the highest score first.

    Parameters
    ----------
    open_desk : callable
        Opens the store; called in a thread after the first paint, raises `AstridError`.
    terminal : Terminal
    read_only : bool
    guard : RepeatGuard, optional
        What tells a held key; tests bring one with a clock of their own.
    """

    AUTO_FOCUS = ""  # keys belong to the card; the prompt has them only while it is open

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(action.keys), f"do('{action.id}')", action.label, show=False)
        for action in actions_on(Where.REVIEW)
    ]

    def __init__(
        self, open_desk: OpenDesk, terminal: Terminal, *, read_only: bool, guard: RepeatGuard | None = None
    ) -> None:
        super().__init__()
        self._open_desk = open_desk
        self._terminal = terminal
        self._read_only = read_only
        self._guard = guard or RepeatGuard()
        self._host = safe_text(socket.gethostname(), 24)
        self._desk: Desk | None = None
        self._reader: CardReader | None = None
        self._viewing: Viewing | None = None
        self._counts: Counts | None = None
        self._queue = Queue()
        self._filter = ""
        self._card: Card | None = None
        self._drawn: int | None = None  # the candidate of the card that has reached the terminal
        self._is_writing = False
        self._blink: Timer | None = None
        self._blinked = False
        self._failure: SafeText | None = None  # why there is no store
        self._notice: Line = (span("opening the store …", Tone.DIM),)
        self._last_decision: Line = ()
        self._submit: Callable[[str], None] | None = None
        self._handlers = self._make_handlers()

    # -- what is on the screen -------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """A page of lines, and the prompt that may lie over its last one."""
        yield Rows(id="page")
        yield Prompt(id="prompt", disabled=True)

    def on_mount(self) -> None:
        """Open the store once the first frame is out."""
        self.call_after_refresh(self.run_worker, self._begin, group="begin")
        self.set_interval(POLL_S, self._poll)

    def on_resize(self) -> None:
        """Share the new size out."""
        self._paint()

    @property
    def situation(self) -> Situation:
        """What decides which actions make sense now."""
        card = self._card
        return Situation(
            is_open=self._desk is not None,
            has_card=card is not None,
            is_drawn=card is not None and self._drawn == card.candidate_id,
            is_writing=self._is_writing,
            read_only=self._read_only,
            epochs=len(card.epochs) if card else 0,
            has_cutouts=card is not None and card.cutouts is not None,
        )

    def refresh_theme(self) -> None:
        """Draw again: images follow the theme as well."""
        self.query_one("#page", Rows).refresh()
        self._paint()

    def _paint(self) -> None:
        """Show the state as it is; what did not change is not sent again."""
        width, height = self.size
        layout = arrange(width, height, full_size=self._viewing is not None and self._viewing.full_size)
        rows = self.query_one("#page", Rows)
        if layout is None:
            self._drawn = None
            rows.show(view.too_small(width, height))
            return
        page = view.Page(
            host=self._host,
            now=time.time(),
            counts=self._counts,
            read_only=self._read_only,
            filter=self._filter,
            queue=self._queue,
            card=self._card,
            viewing=self._viewing,
            theme=self.app.theme,
            blinked=self._blinked,
            notice=self._notice,
            last_decision=self._last_decision,
            failure=self._failure,
        )
        rows.show(view.page_lines(page, layout))
        self.call_after_refresh(self._reached_the_terminal, self._card.candidate_id if self._card else None)

    def _reached_the_terminal(self, candidate_id: int | None) -> None:
        self._drawn = candidate_id

    def _say(self, text: object, tone: Tone = Tone.PLAIN) -> None:
        self._notice = (span(text, tone),)
        self._paint()

    # -- reading -----------------------------------------------------------------------------------

    async def _begin(self) -> None:
        try:
            desk, self._viewing = await asyncio.to_thread(self._open_desk)
        except AstridError as error:
            self._failure = safe_text(error, 400)
            self._say("", Tone.BAD)
            return
        self._desk, self._reader = desk, CardReader(desk)
        self._notice = ()
        self.app.theme = desk.review.theme
        await self._count()
        await self._restart("")

    async def _restart(self, filters: str) -> None:
        """Read the queue from its start; a filter that cannot be understood leaves everything as it was."""
        if self._desk is None:
            return
        try:
            page = await asyncio.to_thread(self._desk.page, after=None, filters=filters)
            total = await asyncio.to_thread(self._desk.total, filters)
        except AstridError as error:
            self._say(error, Tone.BAD)
            return
        self._filter = filters
        self._queue = Queue(total=total)
        self._queue.extend((row.object_id for row in page.rows), page.next)
        self._close_prompt()
        await self._show_place()

    def _go(self) -> None:
        """Show the entry at the queue's place; a newer call takes over from an unfinished one."""
        self._stop_blinking()
        self._drawn = None
        entry = self._queue.current
        self._card = self._reader.have(entry) if self._reader and entry else None
        self._paint()
        self.run_worker(self._show_place(), group="card", exclusive=True)

    async def _show_place(self) -> None:
        """Read the card at the queue's place, then what will be needed next."""
        if self._desk is None or self._reader is None:
            return
        try:
            if self._queue.needs_page(0):
                await self._read_page()
            entry = self._queue.current
            self._card = await self._reader.read(entry) if entry else None
            self._paint()
            if self._queue.needs_page(AHEAD):
                await self._read_page()
                self._paint()
            for ahead in self._queue.upcoming(AHEAD):
                await self._reader.read(ahead)
        except AstridError as error:
            self._say(error, Tone.BAD)

    async def _read_page(self) -> None:
        if self._desk is not None:
            page = await asyncio.to_thread(self._desk.page, after=self._queue.after, filters=self._filter)
            self._queue.extend((row.object_id for row in page.rows), page.next)

    async def _count(self) -> None:
        if self._desk is None:
            return
        try:
            self._counts = await asyncio.to_thread(self._desk.counts)
        except AstridError as error:
            self._notice = (span(error, Tone.BAD),)
        self._paint()

    async def _poll(self) -> None:
        """Keep clock and counts true; at the end of the queue, look for what came in since."""
        await self._count()
        waiting = self._counts.awaiting if self._counts else 0
        if self._queue.current is None and waiting > self._queue.undecided and not self._filter:
            await self._restart(self._filter)

    # -- deciding ----------------------------------------------------------------------------------

    def action_do(self, action_id: str) -> None:
        """Do one action of the registry, or say why not."""
        action = BY_ID[action_id]
        label = verdict_label(action_id)
        if label is not None and self._guard.is_held(action.keys[0]):
            return
        if reason := action.why_disabled(self.situation):
            self.app.bell()
            self._say(f"{action.label}: {reason}", Tone.WARN)
        elif label is not None:
            self._guard.accept()
            self._write(self._decide, label)
        elif action_id in self._handlers:
            self._handlers[action_id]()
        else:
            self._change_view(action_id)

    def _make_handlers(self) -> dict[str, Callable[[], None]]:
        return {
            "next": lambda: self._move(1),
            "previous": lambda: self._move(-1),
            "page-down": lambda: self._move(PAGE_STEP),
            "page-up": lambda: self._move(-PAGE_STEP),
            "first": lambda: self._move(-len(self._queue.entries)),
            "last": lambda: self._move(len(self._queue.entries) - 1 - self._queue.place),
            "undo": lambda: self._write(self._take_back),
            "redo": lambda: self._write(self._give_again),
            "note": lambda: self._ask("a note on this candidate", "", self._note),
            "filter": lambda: self._ask(
                "filter, such as: score>0.8 mag<20 filter:r", self._filter, self._choose
            ),
            "blink": self._toggle_blinking,
            "epoch-before": lambda: self._step_epoch(-1),
            "epoch-after": lambda: self._step_epoch(1),
            "view": self._open_view_menu,
            "detail": self._show_detail,
            "copy": self._copy,
        }

    def _write(self, write: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Write something; until it is on disk no other verdict is taken, and the place stays."""
        self._is_writing = True

        async def until_written() -> None:
            try:
                await write(*arguments)
            except AstridError as error:
                self.app.bell()
                self._say(f"NOT written: {error}", Tone.BAD)
            finally:
                self._is_writing = False

        self.run_worker(until_written(), group="write")

    async def _decide(self, label: Label) -> None:
        card, entry = self._card, self._queue.current
        if (
            self._desk is None
            or self._reader is None
            or self._viewing is None
            or card is None
            or entry is None
        ):
            return
        shown = view.shown_record(card, self._viewing, self.app.theme, self.size)
        await asyncio.to_thread(self._desk.decide, card.candidate_id, label, shown)
        entry.label = label
        self._reader.forget(entry.object_id)
        self._notice = self._last_decision = view.decided(label, card.name)
        self._lower_count()
        self._queue.move(1)
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
        if row is None:
            self._say(nothing, Tone.WARN)
            return
        entry = self._queue.go_to(row.object_id, row.candidate_id)
        entry.label = row.label
        if self._reader is not None:
            self._reader.forget(row.object_id)
        self._notice = self._last_decision = view.changed_back(done, row.label)
        self._go()
        self.run_worker(self._count(), group="count", exclusive=True)

    def _lower_count(self) -> None:
        """One object fewer awaits a verdict; the next poll puts it right where it was not so."""
        if self._counts is not None:
            self._counts = replace(self._counts, awaiting=max(self._counts.awaiting - 1, 0))

    # -- moving and looking ------------------------------------------------------------------------

    def _move(self, steps: int) -> None:
        if self._queue.move(steps):
            self._notice = ()
            self._go()

    def _change_view(self, action_id: str) -> None:
        if self._viewing is not None:
            self._viewing = self._viewing.changed(action_id)
            self._paint()

    def _open_view_menu(self) -> None:
        self.app.push_screen(ViewMenu(self._change_view))

    def _step_epoch(self, step: int) -> None:
        """Show the object's detection before or after this one."""
        card, entry = self._card, self._queue.current
        if card is None or entry is None:
            return
        epochs = [epoch.candidate_id for epoch in reversed(card.epochs)]
        place = epochs.index(card.candidate_id) + step if card.candidate_id in epochs else -1
        if 0 <= place < len(epochs):
            entry.candidate_id = epochs[place]
            self._go()
        else:
            self._say("there is no detection " + ("before" if step < 0 else "after") + " this one", Tone.WARN)

    def _toggle_blinking(self) -> None:
        if self._blink is not None:
            self._stop_blinking()
            self._paint()
        else:
            self._blink = self.set_interval(BLINK_S, self._flip)
            self._flip()

    def _flip(self) -> None:
        self._blinked = not self._blinked
        self._paint()

    def _stop_blinking(self) -> None:
        if self._blink is not None:
            self._blink.stop()
        self._blink, self._blinked = None, False

    def _show_detail(self) -> None:
        if self._card is not None:
            lines = detail_lines(self._card, self.size.width - 2)
            self.app.push_screen(Sheet(view.heading(self._card), lines))

    def _copy(self) -> None:
        async def to_clipboard(text: str) -> None:
            way = await copy(self.app, self._terminal, text)
            self._say(f"copied to {way}: {text}")

        if self._card is not None:
            self.run_worker(to_clipboard(view.copied_text(self._card)), group="copy")

    def step_back(self) -> bool:
        """One step back towards the plain card; whether there was one to take."""
        if self._submit is not None:
            self._close_prompt()
        elif self._blink is not None:
            self._toggle_blinking()
        elif self._viewing is not None and self._viewing.full_size:
            self._change_view("full")
        elif self._filter:
            self.run_worker(self._restart(""), group="card", exclusive=True)
        else:
            return False
        return True

    @property
    def is_busy(self) -> bool:
        """Whether a verdict is on its way to the disk."""
        return self._is_writing

    # -- the prompt --------------------------------------------------------------------------------

    def _ask(self, question: str, before: str, submit: Callable[[str], None]) -> None:
        """Let the user type a line; ``enter`` submits it, ``esc`` forgets it."""
        prompt = self.query_one(Prompt)
        prompt.placeholder = question
        prompt.value = safe_text(before, prompt.max_length or 500)
        prompt.add_class("-open")
        prompt.disabled = False
        prompt.focus()
        self._submit = submit

    def _close_prompt(self) -> None:
        self._submit = None
        prompt = self.query_one(Prompt)
        prompt.remove_class("-open")
        prompt.disabled = True
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand the line to who asked for it."""
        if self._submit is not None:
            self._submit(event.value.strip())

    def _choose(self, filters: str) -> None:
        self.run_worker(self._restart(filters), group="card", exclusive=True)

    def _note(self, text: str) -> None:
        self._close_prompt()
        if text:
            self._write(self._annotate, text)

    async def _annotate(self, text: str) -> None:
        card, entry = self._card, self._queue.current
        if self._desk is None or self._reader is None or card is None or entry is None:
            return
        await asyncio.to_thread(self._desk.annotate, card.candidate_id, text)
        self._reader.forget(entry.object_id)
        self._notice = (span("note kept: ", Tone.GOOD), span(text))
        self._go()
