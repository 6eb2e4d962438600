"""A page of lines over the screen, to be read and closed."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from screens.lines import Line, Tone, span
from screens.widgets.rows import Rows


class Sheet(ModalScreen[None]):
    """Lines to scroll through; ``esc`` and ``q`` go back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "back", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
        Binding("ctrl+d,pagedown,space", "scroll(15)", "page down", show=False),
        Binding("ctrl+u,pageup", "scroll(-15)", "page up", show=False),
        Binding("g,home", "scroll(-100000)", "top", show=False),
        Binding("G,end", "scroll(100000)", "bottom", show=False),
    ]

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
        heading = (span(f" {self._heading}", Tone.BAR), span("  esc back · j k scroll ", Tone.BAR))
        self.query_one("#sheet-heading", Rows).show([heading])
        self.query_one("#sheet-lines", Rows).show(self._lines)

    def action_scroll(self, rows: int) -> None:
        """Scroll by some rows, without animation: on a thin line each frame costs."""
        self.query_one("#sheet-body", VerticalScroll).scroll_relative(y=rows, animate=False)
