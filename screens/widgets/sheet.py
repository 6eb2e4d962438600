"""A page of lines over the screen, to be read and closed."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from screens.action import Where
from screens.actions import Registry
from screens.frame.actions import SCREEN_PREFIX
from screens.frame.on_top import is_on_top
from screens.lines import Line, Tone, cells_of, padded, shortened, span, wrapped
from screens.widgets.rows import Rows

if TYPE_CHECKING:
    from screens.frame.host import Host

Make: TypeAlias = Callable[[int], Sequence[Line]]  # the lines, for so many cells

_SIDES = 3  # cells beside the lines: a blank on either side, and the scroll bar
_INDENT = 4  # of what goes on below
_LEAST_TITLE = 16
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

    So does the key of a screen, which leads there. A line that is too long goes on below: nothing is cut.

    Parameters
    ----------
    title : str
    make : callable
        Gets how many cells a line has, and gives the lines: again whenever the terminal is resized.
    """

    def __init__(self, title: str, make: Make) -> None:
        super().__init__()
        self._heading, self._make = title, make
        self._width = 0  # that the lines were made for

    def compose(self) -> ComposeResult:
        """A heading, and the lines in a scrolling container."""
        yield Rows(id="sheet-heading")
        with VerticalScroll(id="sheet-body", can_focus=False):
            yield Rows(id="sheet-lines", scrollable=True)

    def on_mount(self) -> None:
        """Fill in what was given."""
        self.show(self._heading, self._make)

    def on_resize(self) -> None:
        """Fill it in anew; the reader stays at what he reads."""
        if not self.is_mounted or self._width == self.size.width:
            return
        body, lines = self.query_one("#sheet-body", VerticalScroll), self.query_one("#sheet-lines", Rows)
        share = body.scroll_y / max(len(lines.lines), 1)
        self.show(self._heading, self._make)
        place = round(share * len(lines.lines))
        # Only once it is laid out anew is there so much to scroll through.
        self.call_after_refresh(body.scroll_to, y=place, animate=False, immediate=True)

    def show(self, title: str, make: Make) -> None:
        """Fill in something else; the reader stays at the line where he is."""
        self._heading, self._make, self._width = title, make, self.size.width
        room = max(self._width - _SIDES, 8)
        self.query_one("#sheet-heading", Rows).show([self._heading_line()])
        lines = [part for line in make(room) for part in wrapped(line, room, indent=_INDENT)]
        self.query_one("#sheet-lines", Rows).show(lines)

    def _heading_line(self) -> Line:
        """The title as far as there is room beside the way back, which is always told."""
        back, down, up = (self._registry.sign(action) for action in ("back", "next", "previous"))
        ways: Line = (span(f"  {back} back ", Tone.BAR),)
        scrolling: Line = (span(f"  {back} back · {down} {up} scroll ", Tone.BAR),)
        if cells_of(scrolling) + _LEAST_TITLE <= self._width:
            ways = scrolling
        room = max(self._width - cells_of(ways), 0)
        title = shortened((span(f" {self._heading}", Tone.BAR),), room)
        return padded((*title, *ways), self._width, Tone.BAR)

    def on_key(self, event: events.Key) -> None:
        """Scroll, or go back; once it is closed keys that came with the one that closed it do nothing."""
        action = self._registry.find(Where.REVIEW, event.key)  # what moves in lists is alike on all screens
        event.stop()
        event.prevent_default()
        if not is_on_top(self):
            return
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
