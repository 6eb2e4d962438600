"""A page of lines over the screen, to be read and closed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from screens.action import Where
from screens.actions import Registry
from screens.frame.actions import SCREEN_PREFIX
from screens.lines import Line, Tone, span
from screens.widgets.rows import Rows

if TYPE_CHECKING:
    from screens.frame.host import Host


_CLOSING = ("back", "open", "quit")
_ROWS = {
    "next": 1,
    "previous": -1,
    "page-down": 15,
    "mark": 15,
    "page-up": -15,
    "first": -1_000_000,
    "last": 1_000_000,
}


class Sheet(ModalScreen[None]):
    """Lines to scroll through, by the keys that move in lists; ``back``, ``open`` and ``quit`` close it.

    So does the key of a screen, which leads there.
    """

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__()
        self._heading = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """A heading, and the lines in a scrolling container."""
        yield Rows(id="sheet-heading")
        with VerticalScroll(id="sheet-body", can_focus=False):
            yield Rows(id="sheet-lines", scrollable=True)

    def on_mount(self) -> None:
        """Fill in what was given."""
        self.show(self._heading, self._lines)

    def show(self, title: str, lines: Sequence[Line]) -> None:
        """Fill in something else; the reader stays at the line where he is."""
        self._heading, self._lines = title, lines
        back, down, up = (self._registry.sign(action) for action in ("back", "next", "previous"))
        heading = (
            span(f" {self._heading}", Tone.BAR),
            span(f"  {back} back · {down} {up} scroll ", Tone.BAR),
        )
        self.query_one("#sheet-heading", Rows).show([heading])
        self.query_one("#sheet-lines", Rows).show(self._lines)

    def on_key(self, event: events.Key) -> None:
        """Scroll, or go back."""
        action = self._registry.find(Where.REVIEW, event.key)  # what moves in lists is alike on all screens
        event.stop()
        event.prevent_default()
        if action is not None and action.id in _CLOSING:
            self.dismiss()
        elif action is not None and action.id.startswith(SCREEN_PREFIX):  # a number leads there from anywhere
            self.dismiss()
            self.app.call_later(cast("Host", self.app).act, action.id)
        elif action is not None and action.id in _ROWS:
            # Without animation: on a thin line each frame costs. At once: else the next key, which may
            # come before that is done, would begin where this one did.
            body = self.query_one("#sheet-body", VerticalScroll)
            body.scroll_relative(y=_ROWS[action.id], animate=False, immediate=True)

    @property
    def _registry(self) -> Registry:
        return cast("Host", self.app).registry
