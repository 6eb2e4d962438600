"""A widget of plain lines that repaints only those that changed."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from core.charset import UTF_8
from screens.lines import Line, Tinted, common_start, plain, shortened
from screens.spelling import spelled
from screens.terminal import Terminal
from screens.themes import tone_style


class Rows(Widget):
    """Shows a page of `screens.lines.Line`; what it is given is never parsed as markup.

    Of a line that changed only the cells from the first to the last change are sent again.
    """

    def __init__(self, *, id: str | None = None, scrollable: bool = False) -> None:
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._scrollable = scrollable
        self._base: Style | None = None  # while lines are rendered: Textual works it out anew for each
        self.is_rendered = True  # what is shown was handed on to be sent to the terminal

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Replace the page; lines that stayed the same cost nothing."""
        told = (
            lines if (charset := self._charset) == UTF_8 else [self._spelled(each, charset) for each in lines]
        )
        before, self._lines = self._lines, tuple(told)
        if self._scrollable and len(before) != len(self._lines):
            self.refresh(layout=True)
            return
        changed: list[Region] = []
        for row, (old, new) in enumerate(zip_longest(before, self._lines, fillvalue=())):
            if old != new:
                start, end = _changed_cells(old, new, self.size.width)
                if end > start:
                    changed.append(Region(start, row, end - start, 1))
        if changed:
            self.is_rendered = False
            self.refresh(*changed)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 Textual's
        """As many rows as there are lines, for a page inside a scrolling container."""
        return max(len(self._lines), 1)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Some lines as Textual draws them."""
        self._base = self.rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._base = None

    def render_line(self, y: int) -> Strip:
        """One line as Textual draws it."""
        self.is_rendered = True
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self._base or self.rich_style)
        return self._strip(self._lines[y], self._base or self.rich_style)

    def draw_ahead(self, lines: Sequence[Line]) -> None:
        """Do what takes time with lines that will be shown soon."""
        base = self.rich_style
        for line in lines:
            self._strip(line, base)

    @property
    def _charset(self) -> str:
        terminal = getattr(self.app, "terminal", None)  # an app of another kind, as of a test, has none
        return terminal.charset if isinstance(terminal, Terminal) else UTF_8

    def _spelled(self, line: Line, charset: str) -> Line:
        """The line as the charset lets it be; names may have made it longer than it was to be."""
        told = spelled(line, charset)
        return shortened(told, self.size.width) if self.size.width and told is not line else told

    def _strip(self, line: Line, base: Style) -> Strip:
        return _strip(line, base, self.size.width, self.app.theme, self.app.no_color)


@lru_cache(maxsize=256)
def _strip(line: Line, base: Style, width: int, theme: str, colourless: bool) -> Strip:
    segments = [
        Segment(
            piece.text,
            base + _tint(piece.fore, piece.back, piece.palette)
            if isinstance(piece, Tinted)
            else base + tone_style(theme, piece.tone, colourless),
        )
        for piece in line
    ]
    return Strip(Segment.simplify(segments)).adjust_cell_length(width, base)  # each costs its colours


def _changed_cells(old: Line, new: Line, width: int) -> tuple[int, int]:
    """The first cell in which two lines differ, and the one after the last."""
    start = min(_common_cells(old, new, 1), width)
    if cell_len(plain(old)) != cell_len(plain(new)):
        return start, width
    end = cell_len(plain(new)) - _common_cells(old[::-1], new[::-1], -1)
    return start, min(max(end, start), width)


def _common_cells(old: Line, new: Line, step: int) -> int:
    """How many cells two lines have in common from their start, or with step -1 from their end."""
    cells = 0
    for before, now in zip(old, new, strict=False):
        if before != now:
            same_look = before[1:] == now[1:] and type(before) is type(now)
            if same_look and before.text.isascii() and now.text.isascii():
                cells += common_start(before.text[::step], now.text[::step])
            break
        cells += cell_len(now.text)
    return cells


@lru_cache(maxsize=8192)
def _tint(fore: int | None, back: int | None, palette: bool) -> Style:
    return Style(color=_colour(fore, palette), bgcolor=_colour(back, palette))


def _colour(number: int | None, palette: bool) -> Color | None:
    if number is None:
        return None
    if palette:
        return Color.from_ansi(number)
    return Color.from_rgb(number >> 16, (number >> 8) & 255, number & 255)
