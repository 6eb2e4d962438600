"""The console: which screen is open, in which theme, and what works everywhere.

Until the first frame is out nothing is imported but Textual and the standard library; the store, its
libraries and numpy follow in a thread.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

import screens
from screens.actions import ACTIONS, BY_ID, Where, actions_on, key_sign
from screens.help.view import help_lines
from screens.review.guard import RepeatGuard
from screens.review.screen import ReviewScreen
from screens.terminal import Terminal, probe
from screens.themes import THEMES
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from screens.review.desk import Desk
    from screens.review.viewing import Viewing

_SCREENS = Path(screens.__file__).parent


class Console(App[None]):
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
    """

    TITLE = "AstrID"
    CSS_PATH: ClassVar[list[str | Path]] = [  # type: ignore[assignment] # a list of either is what Textual takes
        _SCREENS / "review" / "screen.tcss",
        _SCREENS / "widgets" / "sheet.tcss",
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(action.keys), f"do('{action.id}')", action.label, show=False, priority=False)
        for action in actions_on(Where.EVERYWHERE)
        if action.keys
    ]

    def __init__(
        self,
        settings_path: Path | None = None,
        read_only: bool = False,
        terminal: Terminal | None = None,
        guard: RepeatGuard | None = None,
    ) -> None:
        found = terminal or probe(os.environ)  # before Textual takes NO_COLOR out of the environment
        super().__init__(ansi_color=True)  # or the palette's greys are sent as true colours, thrice the bytes
        self._settings_path = settings_path
        self._read_only = read_only
        self._terminal = found
        self._guard = guard
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = "dark"

    def on_mount(self) -> None:
        """Images follow the theme: they are drawn again when it changes."""
        self.theme_changed_signal.subscribe(self, self._redraw)

    def get_default_screen(self) -> Screen[None]:
        """The review screen is the root."""
        return ReviewScreen(self._open_desk, self._terminal, read_only=self._read_only, guard=self._guard)

    def _open_desk(self) -> "tuple[Desk, Viewing]":
        """Open the store, with all that needs more than the standard library; runs in a thread."""
        from core.cells import Look
        from screens.review.desk import Desk
        from screens.review.viewing import Viewing

        desk = Desk.open(self._settings_path, read_only=self._read_only)
        chosen = desk.review.drawing
        drawing = self._terminal.drawing if chosen == "auto" else chosen
        return desk, Viewing.begin(Look(drawing=drawing, stretch=desk.review.stretch))

    def _redraw(self, _: object) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, ReviewScreen):
                screen.refresh_theme()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: every action of the registry that can be used here."""
        here = {Where.EVERYWHERE, Where.REVIEW} if isinstance(screen, ReviewScreen) else {Where.EVERYWHERE}
        for action in ACTIONS:
            if action.where in here and action.id != "commands":
                keys = " ".join(key_sign(key) for key in action.keys)
                yield SystemCommand(
                    f"{action.help}",
                    f"{action.group}  {keys}",
                    lambda id_=action.id: self._command(screen, id_),
                )

    def _command(self, screen: Screen[object], action_id: str) -> None:
        if BY_ID[action_id].where is Where.REVIEW and isinstance(screen, ReviewScreen):
            screen.action_do(action_id)
        else:
            self.action_do(action_id)

    def action_do(self, action_id: str) -> None:
        """Do one of the actions that work everywhere."""
        if action_id.startswith("theme:"):
            self.theme = action_id.removeprefix("theme:")
        elif action_id == "help":
            lines = help_lines(
                [a for a in ACTIONS if not (self._read_only and a.dangerous)], self.size.width - 3
            )
            self.push_screen(Sheet("Help: every key", lines))
        elif action_id == "commands":
            self.action_command_palette()
        elif action_id == "back":
            self._back()
        elif action_id == "quit":
            self._leave()

    def _back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif isinstance(self.screen, ReviewScreen):
            self.screen.step_back()

    def _leave(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif isinstance(self.screen, ReviewScreen) and self.screen.is_busy:
            self.bell()  # a verdict is on its way to the disk: its failure must be seen
        else:
            self.exit()


def run_console(settings_path: Path | None = None, read_only: bool = False) -> None:
    """Open the console and stay in it until the user leaves."""
    Console(settings_path, read_only).run(mouse=False)
