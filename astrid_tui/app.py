"""The console: six screens behind the keys 1 to 6, one store, and what works everywhere.

Until the first frame is out nothing is imported but Textual and the standard library; the store, its
libraries and numpy follow in a thread.
"""

import gc
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen

import screens
from astrid_tui.commands import CommandLine
from astrid_tui.crash import Crash
from astrid_tui.early import read_early
from astrid_tui.ending import Ending
from astrid_tui.opening import opened_up
from astrid_tui.picturing import Picturing
from astrid_tui.remembering import Remembering
from astrid_tui.screens_app import ScreensApp
from astrid_tui.watching import Watching
from core.charset import charset_of
from core.text import SafeText, safe_text
from core.vocabulary import ExitCode
from screens.action import Where
from screens.actions import Registry
from screens.frame.actions import SCREEN_PREFIX, THEME_PREFIX
from screens.frame.base import FrameScreen
from screens.frame.header import Clock, Surroundings, header_line
from screens.frame.notice import escape
from screens.help.view import help_lines
from screens.lines import Line, Tone
from screens.review.guard import RepeatGuard
from screens.review.screen import ReviewScreen
from screens.terminal import Terminal, is_in_browser, probe
from screens.themes import THEMES, filters
from screens.tty.driver import ReplyDriver, TerminalReply
from screens.tty.portions import ANSWERS
from screens.tty.probe import Probe
from screens.widgets.confirm import Confirm
from screens.widgets.palette import Palette
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.operations.headline import Headline
    from screens.frame.opened import Opened
    from screens.frame.opening import Opening

SAVE_S = 10.0
SETTLED_S = 3.0
_SCREENS = Path(screens.__file__).parent
_CLASSES = {
    Where.INGEST: "IngestScreen",
    Where.PIPELINE: "PipelineScreen",
    Where.MODELS: "ModelsScreen",
    Where.POWER: "PowerScreen",
    Where.HEALTH: "HealthScreen",
}  # imported when they are first shown


NO_SCREEN = "astrid: a terminal of TERM=dumb has no screen to draw on: use `astrid review --linear`"


class Console(ScreensApp):
    """AstrID's console.

    Parameters
    ----------
    settings_path : Path, optional
        The configuration file; none looks in the usual places.
    read_only : bool
        Show everything, change nothing.
    terminal : Terminal, optional
        What the terminal can do; by default what the environment says.
    guard : RepeatGuard, optional
        For tests that bring their own clock.
    at_review : bool
        Begin at the queue, wherever one was when one left.
    """

    TITLE = "AstrID"
    CSS_PATH: ClassVar[list[str | Path]] = [  # type: ignore[assignment] # a list of either is what Textual takes
        _SCREENS / "frame" / "frame.tcss",
        _SCREENS / "widgets" / "sheet.tcss",
    ]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", priority=True, show=False)]
    ENABLE_COMMAND_PALETTE = False  # its key is in the registry

    def __init__(
        self,
        settings_path: Path | None = None,
        read_only: bool = False,
        terminal: Terminal | None = None,
        guard: RepeatGuard | None = None,
        at_review: bool = False,
    ) -> None:
        # Before Textual takes NO_COLOR from the environment, and standard output.
        self.terminal = terminal or probe(os.environ, charset=charset_of(sys.stdout))
        # Without ansi_color the palette's greys are sent as true colours, thrice the bytes.
        super().__init__(driver_class=self._driver_of_terminal(), ansi_color=True)
        self.settings_path = settings_path
        self.read_only = read_only
        self.registry = Registry()
        self.opened: Opened | None = None
        self.failure: SafeText | None = None
        self.clock = Clock()
        self._host = safe_text(socket.gethostname(), 24)
        self._guard = guard
        self._is_led = at_review  # to a screen, whichever was left last
        self._watching = Watching(self)
        self._line = CommandLine(self)
        self._remembering = Remembering(self)
        self._crash = Crash()
        self._ending = Ending(self)
        self._picturing = Picturing(self)
        for theme in THEMES.values():
            self.register_theme(theme)
        self.early = read_early(settings_path, self.terminal)
        self.theme = self.early.theme

    # -- screens -----------------------------------------------------------------------------------

    def make_screen(self, where: Where) -> Screen[None]:
        """A screen that is shown for the first time, as it was left by an earlier console."""
        screen: FrameScreen[object]
        if where is Where.REVIEW:
            screen = ReviewScreen(self._guard)  # type: ignore[assignment]
        else:
            screen = getattr(import_module(f"screens.{where.value}.screen"), _CLASSES[where])()
        self._remembering.recall(screen)
        return screen

    def get_line_filters(self) -> Sequence[LineFilter]:
        """In the dome nothing but red reaches the terminal."""
        return filters(self.theme, super().get_line_filters(), self.no_color)

    def header(self, where: Where, width: int) -> Line:
        """The header line of a screen."""
        around = Surroundings(
            screen=where.value,
            key=self.registry.sign(SCREEN_PREFIX + where),
            host=self._host,
            now=time.time(),
            clock=self.clock,
            read_only=self.read_only,
            trouble=self._watching.trouble,
            is_silent=self._watching.is_silent,
            note=self._watching.note,
        )
        return header_line(around, self.headline, width)

    # -- the store ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Images follow the theme; the store is opened once the first frame is out."""
        self._ending.listen()
        self.theme_changed_signal.subscribe(self, lambda _: self._repaint())
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))  # others wrote there
        self.call_after_refresh(self.run_worker, self._open, group="open")

    async def _open(self) -> None:
        if (opening := await opened_up(self)) is None:
            return
        self._take(opening)
        await self._watching.begin(opening.opened, opening.pulse)
        for screen in self._made():
            screen.begin()
        self.set_interval(SAVE_S, self.save)
        if not self.is_headless:
            # What is there by then stays. To look through it for garbage takes 0.1 s, between two keys.
            self.set_timer(SETTLED_S, gc.freeze)

    def _take(self, opening: "Opening") -> None:
        self.opened, self.registry = opening.opened, opening.registry
        self._remembering.begin(opening.memory)
        settings = opening.opened.settings
        self._crash.folder = settings.home / "logs"
        self.clock = Clock(settings.console.clock, *settings.site.position[1:])
        self.theme = self._remembering.theme or settings.review.theme
        self._picturing.begin(settings.review.drawing)
        for screen in self._made():
            self._remembering.recall(screen)
        if not self._is_led and (left := self._remembering.elsewhere) is not None:
            self._switch(left)

    @property
    def headline(self) -> "Headline | None":
        """How things stood when the store was last looked at."""
        return self._watching.headline

    def look(self) -> None:
        """See at once what changed in the store, rather than with the next look."""
        self._watching.look()

    def warm_up(self) -> None:
        """Show for a while how the Prefect server warms up: a run was started that would use it."""
        self._watching.warm_up()

    def save(self) -> None:
        """Keep where one is, if that changed."""
        self._remembering.save(self._made())

    # -- actions and commands ----------------------------------------------------------------------

    def act(self, action_id: str) -> None:
        """Do one of the actions that work everywhere."""
        if action_id.startswith(SCREEN_PREFIX):
            self._is_led = True
            self.go(Where(action_id.removeprefix(SCREEN_PREFIX)))
        elif action_id.startswith(THEME_PREFIX):
            self.choose_theme(action_id.removeprefix(THEME_PREFIX))
        else:
            {
                "help": self._show_help,
                "command": self._line.ask,
                "palette": lambda: self.push_screen(Palette(id="--command-palette")),
                "back": self._back,
                "quit": self.leave,
            }[action_id]()

    def choose_theme(self, name: str) -> None:
        """Change the theme, now and for the next console."""
        self.theme = self._remembering.theme = name

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """The command palette: all that can be typed, by what it does."""
        return self._line.palette()

    def _show_help(self) -> None:
        actions = self.registry.offered(read_only=self.read_only)
        make = partial(help_lines, actions, self._line.typed(), here=Where(self.current_mode))
        self.push_screen(Sheet("Help: every key", make))

    def confirm(
        self, question: str | None, word: str, then: Callable[[], None], *, is_light: bool = False
    ) -> Confirm:
        """Do something that cannot be undone, or to many, once the user has typed a word."""

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                then()
            elif is_sure is not None:
                self.here.say("not done")

        asked = Confirm(question, word, is_light=is_light)
        self.push_screen(asked, answered)
        return asked

    # -- the terminal ------------------------------------------------------------------------------

    def _driver_of_terminal(self) -> type[Driver]:
        if self.terminal.in_browser:
            from screens.tty.browser import BrowserDriver

            return BrowserDriver
        return ReplyDriver

    def ask_terminal(self, row: int, column: int) -> bool:
        """Ask the terminal for its cursor's position, put there first; false: there is no terminal."""
        if self.is_headless or self._driver is None:
            return False
        self._driver.write(f"\x1b[{row};{column}H\x1b[6n")
        return True

    @property
    def probe(self) -> Probe:
        """What the terminal said of itself."""
        return self._picturing.probe

    @property
    def is_line_slow(self) -> bool:
        """Whether drawings reach the terminal in portions, so that what is late is never sent."""
        return isinstance(self._driver, ReplyDriver) and self._driver.is_slow

    def on_terminal_reply(self, reply: TerminalReply) -> None:
        """What the terminal can show, and that it has drawn what was sent so far."""
        if reply.text in ANSWERS and self.is_open:
            self.here.terminal_at_work()
        elif self._picturing.probe.take(reply.text):
            for screen in self._made():
                screen.terminal_known()

    def send_pictures(self) -> None:
        """Send the pictures that belong to what is on the screen, where they are not there yet."""
        self._picturing.send()

    def tell_arrival(self, text: SafeText) -> None:
        """Tell of what arrived: on the screen, and by a bell or on the desktop as the settings have it."""
        self.here.say(text, Tone.KEY)
        if self.opened is not None and self._driver is not None and not self.is_headless:
            self._driver.write(escape(text, self.opened.settings.review.notify, self.terminal))
            self._driver.flush()

    def on_resize(self, event: events.Resize) -> None:
        """A terminal of another size may show anything, and so may one that has its former size again."""
        if isinstance(self._driver, ReplyDriver):
            self._driver.forget(event.size if event.size != self._size else None)
            self._picturing.measure_again()
            if self.is_open and self._size != event.size == self.screen.outer_size:
                self.screen.refresh()  # Textual has not used the size between, and sees nothing to draw

    def post_display_hook(self) -> None:
        """Let the screen know that something was sent: Textual calls this after each update."""
        if self.is_open and isinstance(self._screen_stack[0], FrameScreen):
            self.here.displayed()

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """An answer goes the way that keys go: a key that was pressed before it is handled before it."""
        if self.is_open:
            self.here.post_message(events.CursorPosition(event.x, event.y))

    def _back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif not self.here.back():
            self.step_out()

    def leave(self) -> None:
        """Back to where a jump came from; with nothing to go back to, the end."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.step_out():
            return
        else:
            self._ending.leave()

    def on_terminal_closed(self) -> None:
        """Nobody can see the console any more."""
        self._ending.begin()

    async def action_quit(self) -> None:
        """Textual's own key for it, ctrl+q: but who had ctrl+s stop the terminal lets it go on by that."""
        self.action_help_quit()

    def action_help_quit(self) -> None:
        """Textual's own key for help on it, ctrl+c."""
        self.here.say(f"{self.registry.sign('quit')} quits")

    def _repaint(self) -> None:
        for screen in self._made():
            screen.repaint()

    # -- the end -----------------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """What nobody foresaw: one safe sentence and a log, never a traceback with text from outside."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._crash.keep(error)
        self._close_messages_no_wait()

    def broke_down(self, _: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        """Python's last resort, for what reaches nobody else: the same sentence and log."""
        self._crash.keep(error)
        self.say_last_words()

    def say_last_words(self) -> None:
        """Say on standard error why the console broke down, if it did."""
        if self._crash.sentence is not None:
            sys.stderr.write(self._crash.sentence + "\n")


def run_console(
    settings_path: Path | None = None, read_only: bool = False, *, at_review: bool = False
) -> int:
    """Open the console and stay in it until the user leaves; the exit code."""
    if os.environ.get("TERM") == "dumb" and not is_in_browser(os.environ):
        sys.stderr.write(NO_SCREEN + "\n")
        return ExitCode.USAGE
    console = Console(settings_path, read_only, at_review=at_review)
    sys.excepthook = console.broke_down
    console.run(mouse=console.early.mouse)
    console.say_last_words()
    return console.return_code or 0
