"""Which-key hints: after a pause in a key sequence the footer says how it may go on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.timer import Timer

from screens.action import Action
from screens.actions import Registry
from screens.frame.footer import count_line, footer_line, menu_line
from screens.frame.keys import KeyReader
from screens.lines import Line

if TYPE_CHECKING:
    from screens.frame.keyed import KeyedScreen

HINT_AFTER_S = 0.5  # a sequence that goes on at once needs no hint


class Hints:
    """The footer of one screen."""

    def __init__(self, screen: "KeyedScreen", keys: KeyReader) -> None:
        self._screen = screen
        self._keys = keys
        self._timer: Timer | None = None
        self._is_shown = False

    def follow(self) -> None:
        """A key was taken: hint later if a sequence is under way, and no more if none is."""
        if self._is_shown:
            self._is_shown = self._keys.is_pending
            self._screen.paint_footer()
        elif self._keys.is_pending:
            if self._timer is not None:
                self._timer.stop()
            self._timer = self._screen.set_timer(HINT_AFTER_S, self._show)

    def line(self, registry: Registry, usable: Sequence[Action], width: int) -> Line:
        """The footer as it should be now."""
        back = registry.sign("back")
        if self._is_shown and self._keys.menu is not None:
            return menu_line(self._keys.menu.value, registry.on(self._keys.menu), back, width)
        if self._is_shown and self._keys.digits:
            return count_line(self._keys.digits, usable, back, width)
        return footer_line(usable, width)

    def _show(self) -> None:
        if self._keys.is_pending:
            self._is_shown = True
            self._screen.paint_footer()
