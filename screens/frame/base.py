"""What every screen is made of: a header, a page of lines, a footer, and keys that become actions.

A screen brings what it shows and what it can do; the frame brings the rest. To make one::

    class PowerScreen(FrameScreen[PowerPage]):
        WHERE = Where.POWER

        def question(self):                 # on the event loop: bind what is to be read ...
            return partial(power.page, span_s=self._span)   # ... called in a thread, with the store

        def body(self, width, height):      # lines from `self.data`, by the pure functions of view.py
            return view.page_lines(self.data, width, height)

        def handlers(self):                 # actions of actions.py, and common ones it takes part in
            return {"filter": self.ask_filter, "power:span": self._next_span}

and name it in `astrid_tui.app`. The question is asked again whenever the screen is opened, the store
changed, or `ask` is called; `answer` gets what was read. Nothing that blocks belongs on the event loop.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual.app import ComposeResult

from core.errors import AstridError
from core.text import safe_text
from screens.frame.asker import Asker
from screens.frame.host import Target
from screens.frame.keyed import KeyedScreen
from screens.frame.on_top import is_on_top
from screens.frame.size import is_large_enough, too_small
from screens.frame.work import start
from screens.lines import Line, Tone, indented, shortened, span, wrapped
from screens.widgets.prompt import Complete
from screens.widgets.rows import Rows

if TYPE_CHECKING:
    from core.database.store import Store
    from screens.frame.commands import Command
    from screens.tty.graphics import Placed
    from screens.widgets.sheet import Sheet

MARGINS = 3  # header, notice, footer
NOTICE_ROWS = 3  # of a notice that is too long for its line, over the end of the page

Data = TypeVar("Data")


class FrameScreen(KeyedScreen, Generic[Data]):
    """One of the screens behind the keys 1 to 6.

    Attributes
    ----------
    TICK_S : float or None
        How often the page is made anew although nothing happened, where it tells ages.
    data : Data or None
        The newest answer.
    filter : str
        What `question` should choose by; shown as a chip by `chip`.
    """

    TICK_S: ClassVar[float | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.data: Data | None = None
        self.filter = ""
        self._header, self._rows = Rows(id="header"), Rows(id="page")
        self._completions: Sequence[str] = ()
        self._asker: Asker[Data] = Asker(self)
        self._filter_before: str | None = None
        self._has_begun = False
        self._writes = 0  # under way
        self._page_to_come: Sheet | None = None

    # -- what a screen brings ----------------------------------------------------------------------

    def question(self) -> "Callable[[Store], Data] | None":
        """What to read now, bound to the values it needs; none: nothing."""
        return None

    def answer(self, data: Data) -> None:
        """Keep what was read."""
        self.data = data

    def body(self, width: int, height: int) -> list[Line]:
        """The page between header and notice, made of values by pure functions."""
        raise NotImplementedError

    def choose(self, filters: str) -> None:
        """Choose by a filter; one that cannot be understood leaves everything as it was."""
        self._asker.want(filters)
        self.wait_for_answer()
        self.ask()

    def choose_typed(self, filters: str) -> None:
        """Choose by a filter that was typed."""
        self.choose(filters)

    def step_back(self) -> bool:
        """One step back towards the plain screen; whether there was one to take."""
        if self._filter_before is not None:  # a jump brought the filter; the way back leaves the screen
            before, self._filter_before = self._filter_before, None
            self.choose(before)
            return False
        if not self.filter_to_come:
            return False
        self.choose("")
        return True

    @property
    def filter_to_come(self) -> str:
        """The filter that is being read by, else the one in force."""
        return self.filter if self._asker.wanted is None else self._asker.wanted

    @property
    def is_visit(self) -> bool:
        """Whether a jump brought the filter: then ``back`` leads to where it came from."""
        return self._filter_before is not None

    def arrive(self, target: Target) -> None:
        """Go to something; by default to what passes its filter."""
        if target.filter is not None:
            if not self.is_visit:
                self._filter_before = self.filter_to_come
            self.choose(target.filter)

    def commands(self) -> "Sequence[Command]":
        """What can be typed after ``:`` on this screen alone."""
        return ()

    def remembered(self) -> dict[str, Any]:
        """What to find again at the next start, as JSON has it."""
        return {"filter": self.filter_to_come}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take up what an earlier console remembered; it may be damaged or of another version."""
        if isinstance(found := state.get("filter"), str) and found:
            self._asker.want(found)

    def opened(self) -> None:
        """The store is open, for the first time for this screen."""

    def displayed(self) -> None:
        """Something was sent to the terminal."""

    @property
    def pictures(self) -> "tuple[Placed, ...] | None":
        """What lies on the cells; none: those that are there."""
        return ()

    def terminal_known(self) -> None:
        """The terminal said what it can show."""

    def terminal_at_work(self) -> None:
        """The terminal says that it works: so far it has drawn what was sent."""

    def store_changed(self) -> None:
        """Something was written to the store."""
        self.ask(at_once=False)

    def catch_up(self) -> None:
        """The store answers: read what it did not answer for, if there is anything."""
        if self._asker.is_owed:
            self.ask()

    # -- what the frame offers ---------------------------------------------------------------------

    def ask(self, *, at_once: bool = True) -> None:
        """Read again what is shown.

        Parameters
        ----------
        at_once : bool
            What is being read already is out of date, and not shown any more.
        """
        self._asker.ask(at_once=at_once)

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way to the disk: leaving waits for it, and stays if it fails."""
        return self._writes > 0

    @property
    def is_asking(self) -> bool:
        """Whether what is shown is being read anew."""
        return self._asker.is_asking

    def ask_line(
        self, question: str, before: str, submit: Callable[[str], None], complete: Complete | None = None
    ) -> None:
        """Let the user type a line; ``enter`` submits it, ``esc`` forgets it and what was said of it.

        `submit` closes the prompt. A question stands where nothing is typed: what stands there already hides
        it, and it is told above the line.
        """
        said = self.notice
        if before.strip():
            self.say(question, Tone.DIM)

        asked = self.notice

        def forgotten() -> None:
            if self.notice is not said:
                self.unsay()

        def answered(line: str) -> None:
            if self.notice is asked and asked is not said:
                self.unsay()
            submit(line)

        self.prompt.ask(
            question, before, answered, complete=complete, hint=self._show_completions, forgotten=forgotten
        )

    def ask_filter(self) -> None:
        """Let the user type a filter."""
        self.ask_line("filter, such as: name:value number>7", self.filter, self.choose_typed)

    def in_background(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        what: str,
        failed: Callable[[str], None] | None = None,
        *,
        is_write: bool = False,
    ) -> None:
        """Do something that blocks in a thread; what it returns goes to `then`, its failure on the screen.

        Parameters
        ----------
        what : str
            What was tried, for the sentence that says that it failed.
        failed : callable, optional
            What else is to be done then; given that sentence.
        is_write : bool
            Something is changed: until that is over nothing else is, and who leaves waits for it.
        """
        self._writes += is_write

        async def doing() -> None:
            try:
                done = await asyncio.to_thread(work)
            except AstridError as error:
                told = f"{what}: {error}"
                self.fail(told)
                if failed is not None:
                    failed(told)
            else:
                then(done)
            finally:
                self._writes -= is_write

        start(self, doing, group="work")

    def show_page(self, page: "Sheet") -> None:
        """Open a page that was made in the background; once nothing else is typed or read."""
        self._page_to_come = page
        self._show_page()

    def _show_page(self) -> None:
        if self._page_to_come is not None and is_on_top(self) and not self.prompt.is_open:
            page, self._page_to_come = self._page_to_come, None
            self.app.push_screen(page)

    def chip(self) -> Line:
        """The filter, and how to be rid of it."""
        if not self.filter:
            return ()
        back = self.host.registry.sign("back")
        return (
            span(f" {self.filter} ", Tone.CHIP, max(self.size.width - 30, 8)),
            span(f" {back} {'back' if self.is_visit else 'clears'} ", Tone.DIM),
        )

    # -- what is on the screen ---------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Header, page, footer, and the prompt that may lie over the last."""
        yield self._header
        yield self._rows
        yield self._footer
        yield self.prompt

    def on_mount(self) -> None:
        """Show what there is."""
        if self.TICK_S is not None:
            self.set_interval(self.TICK_S, self._tick)
        if self.host.opened is not None:
            self.call_after_refresh(self.begin)  # it is mounted only once this is over

    def on_screen_resume(self) -> None:
        """Show what became of things while another screen was open."""
        self.paint()
        self.ask()

    def on_screen_suspend(self) -> None:
        """What was said is told no longer once something else is shown."""
        if self.host.opened is not None:
            self.notice = ()

    def on_resize(self) -> None:
        """Share the new size out."""
        self.paint()

    def begin(self) -> None:
        """The store is open now, or was when this screen was first shown; the console calls it."""
        if self._has_begun or not self.is_mounted:
            return
        self._has_begun = True
        self.notice = ()
        self.opened()
        self.ask()
        self.paint()

    @property
    def is_large_enough(self) -> bool:
        """Whether the terminal has room for anything."""
        return is_large_enough(*self.size)

    def paint(self) -> None:
        """Show the state as it is; what did not change is not sent again."""
        if self._page_to_come is not None:
            self.call_after_refresh(self._show_page)  # after what an answer that was typed leads to
        if not self.is_mounted or not self.is_current:
            return
        width, height = self.size
        self.set_class(not self.is_large_enough, "-small")
        if not self.is_large_enough:
            self._rows.show(too_small(width, height, self.host.registry.sign("quit")))
            return
        self.paint_header()
        self._rows.show(self._page(width, height - MARGINS))
        self.paint_footer()

    def repaint(self) -> None:
        """Draw everything again: the theme is another."""
        for rows in (self._header, self._rows, self._footer):
            rows.refresh()
        self.paint()

    def paint_header(self) -> None:
        """Show the header as it is."""
        if self.is_mounted and self.is_large_enough:
            self._header.show([self.host.header(self.WHERE, self.size.width)])

    def notice_line(self) -> Line:
        """The line above the footer."""
        return (span(" "), *self.notice) if self.notice else ()

    def _page(self, width: int, height: int) -> list[Line]:
        if self.host.failure is not None:
            failure: Line = (span(self.host.failure, Tone.BAD, 400),)
            body, notice = [(), *indented(failure, width)], (span(" "), *self.notice)
        else:
            body, notice = self.body(width, height) or self._waiting(width), self.notice_line()
        if self._completions:
            notice = (span(" "), span("  ".join(self._completions), Tone.DIM))
        told = wrapped(notice, width, NOTICE_ROWS) if not self._completions else [shortened(notice, width)]
        page = (body + [()] * height)[: height + 1 - len(told)]
        return [*(shortened(line, width) for line in page), *told]

    def _waiting(self, width: int) -> list[Line]:
        """What is said where there is nothing to show because the store lets one wait."""
        since = self._asker.waiting_since(time.time()) if self.data is None else None
        if since is None:
            return []
        asked = time.strftime("%H:%M:%S", time.gmtime(since))
        told = f"The store has not answered since {asked} UTC: this page is read as soon as it does."
        return [(), *indented((span(told, Tone.WARN),), width)]

    def _tick(self) -> None:
        if self.is_current:
            self.paint()

    def _show_completions(self, lines: Sequence[str]) -> None:
        self._completions = [safe_text(line.strip().rpartition(" ")[2], 60) for line in lines[:12]]
        self.paint()
