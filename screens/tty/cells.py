"""What the terminal shows, cell by cell, so that only what differs is sent to it.

Textual writes whole lines of a widget again, each piece with all its attributes and a reset after it. Here
its output is drawn on cells in memory; `Cells.difference` then says what has to be sent to make the terminal
equal. Anything that is not text, a position or attributes is not drawn but passed on, in its place.

Text whose width terminals do not agree on (combining marks, wide and pictorial characters) makes its line
one that is sent whole whenever it changes, and the cursor is placed anew after each such character.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import get_character_cell_size

from screens.tty.looks import (
    FULL,
    LOWER,
    UPPER,
    Cell,
    across,
    change,
    is_plain,
    plain_cells,
    short_cells,
    turned,
    under,
)

_TOKEN = re.compile(
    r"(?P<run>\x1b\[(?P<of>[0-9;:]+)m(?P<piece>[^\x00-\x1f\x7f-\x9f]+)\x1b\[0?m)"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<style>[0-9;:]*)m"
    r"|\x1b\[(?P<place>[0-9;]*)H"
    r"|(?P<string>\x1b[P_\]^X].*?(?:\x1b\\|\x07))"
    r"|(?P<sequence>\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~])"
    r"|(?P<bell>\x07)"
    r"|(?P<line>\n)"
    r"|(?P<return>\r)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_SYNC = ("\x1b[?2026h", "\x1b[?2026l")
_MOVES_CELLS = re.compile(r"\x1b\[\??[0-9;]*(?:[JKLMSTPX@r]|1049[hl])\Z|\x1bc\Z")
_BLOCKS = frozenset((UPPER, LOWER, FULL))
_PICTURE = 16  # blocks in a row that is more of a picture than of words
_FEW = 6  # unchanged cells that cost less than to place the cursor behind them
_SHORT = 4  # characters of a text that may well come again in the same attributes

_UNKNOWN: Cell = ("\0", "")  # nothing was drawn there, or it is not known whether it is still there


class Pass(NamedTuple):
    """A sequence that is no drawing: it goes to the terminal as it is, after the drawing before it."""

    text: str
    forgets: bool  # what the terminal shows is not known after it


@dataclass(slots=True)
class _Pen:
    """Where the terminal stands within what is sent."""

    style: str = ""
    x: int = -1
    y: int = -1
    is_in_picture: bool = False


class Cells:
    """The screen as it is to be, and as it was sent.

    Parameters
    ----------
    columns, lines : int
        Its size. What is drawn beyond it, for a larger screen that is no more, is left out: a terminal would
        show it on its last line and in its last column.
    """

    def __init__(self, columns: int = sys.maxsize, lines: int = sys.maxsize) -> None:
        self._columns, self._lines = columns, lines
        self._wanted: list[list[Cell]] = []
        self._sent: list[list[Cell]] = []
        self._changed: set[int] = set()  # rows
        self._uneven: set[int] = set()  # rows with text whose width is not sure
        self._x = self._y = 0
        self._style = ""
        self._was_placed = False

    def forget(self) -> None:
        """What the terminal shows is not known any more: what is wanted will be sent again."""
        self._sent = [[_UNKNOWN] * len(row) for row in self._wanted]
        self._changed = set(range(len(self._wanted)))

    def clear(self, columns: int, lines: int) -> None:
        """Nothing is wanted, and nothing known: the screen has another size."""
        self.__init__(columns, lines)  # type: ignore[misc]

    def hold(self, row: int, column: int, rows: int, columns: int) -> bool:
        """Whether a rectangle lies within the screen."""
        return row + rows <= self._lines and column + columns <= self._columns

    def feed(self, data: str) -> Iterator[Pass | None]:
        """Draw on the cells.

        Yields
        ------
        Pass or None
            What is to be passed on; none where something was drawn since the last one.
        """
        has_drawn = False
        for token in _TOKEN.finditer(data):
            kind, text = token.lastgroup, token.group()
            if kind == "run":  # Textual's usual piece, taken at once: a picture has a thousand
                self._restyle(token["of"])
                self._write(token["piece"])
                self._style = ""
                has_drawn, self._was_placed = True, False
            elif kind == "text":
                self._write(text)
                has_drawn, self._was_placed = True, False
            elif kind == "style":
                self._restyle(token["style"])
            elif kind == "place":
                row, _, column = token["place"].partition(";")
                self._y, self._x = max(int(row or 1), 1) - 1, max(int(column or 1), 1) - 1
                self._was_placed = True
            elif kind == "line":
                self._y, self._x = self._y + 1, 0
            elif kind == "return":
                self._x = 0
            elif kind in ("string", "sequence", "bell") and text not in _SYNC:
                if has_drawn:
                    yield None
                    has_drawn = False
                yield Pass(self._placing() + text, bool(_MOVES_CELLS.match(text)))
        if has_drawn:
            yield None

    @property
    def is_shown(self) -> bool:
        """Whether the terminal shows all that is wanted, as far as it was sent."""
        return all(self._wanted[row] == self._sent[row] for row in self._changed)

    def difference(self, between: str = "", room: int | None = None) -> str:
        """What makes the terminal show what is wanted, from now on taken as sent.

        Rows of pictures come last: a thin line takes seconds for them, and words need not wait so long.

        Parameters
        ----------
        between : str
            To be sent between words and pictures, where there are both.
        room : int, optional
            Bytes after which no other cell is begun; a line of uncertain width is sent whole. What is left
            comes with the next difference.
        """
        out: list[str] = []
        pen = _Pen()
        self._changed = {row for row in self._changed if self._wanted[row] != self._sent[row]}
        for is_picture, row in sorted((self._is_picture(row), row) for row in self._changed):
            if room is not None and room <= 0:
                break
            if is_picture and between:
                out.append(between if out else "")
                between = ""
            pieces = self._row_difference(row, pen, room)
            out += pieces
            if room is not None:
                room -= _size(pieces)
            if self._sent[row] == self._wanted[row]:
                self._changed.discard(row)
        if pen.style:
            out.append(change(pen.style, ""))
        if out and not self._changed:
            out.append(self._placing())
        return "".join(out)

    def _row_difference(self, row: int, pen: "_Pen", room: int | None) -> list[str]:
        """What makes a row equal, or some of it, and is taken as sent."""
        out: list[str] = []
        wanted, sent, uneven = self._wanted[row], self._sent[row], row in self._uneven
        style, x, y, is_in_picture = pen.style, pen.x, pen.y, pen.is_in_picture
        end = len(wanted)
        for column in _stretches(wanted, sent, whole=uneven):
            text, look = wanted[column]
            if not text or wanted[column] is _UNKNOWN:
                continue  # not text is what lies behind a wide character
            begun = len(out)
            if (row, column) != (y, x):
                ahead = row == y and 0 <= x < column
                out.append(f"\x1b[{column - x}C" if ahead else f"\x1b[{row + 1};{column + 1}H")
            if text == " ":
                text, look = across(style, look, is_in_picture)
            elif text == UPPER and style:
                text, look = turned(style, look)
            if look != style:
                out.append(change(style, look))
                style = look
            is_in_picture = text in _BLOCKS
            out.append(text)
            y, x = row, column + 1
            if uneven:
                x = x if len(text) == 1 and is_plain(text) else -1
            elif room is not None and (room := room - _size(out[begun:])) <= 0:
                end = column + 1
                break
        sent[:end] = wanted[:end]
        if uneven and all(len(text) == 1 and is_plain(text) for text, _ in wanted):
            self._uneven.discard(row)
        pen.style, pen.x, pen.y, pen.is_in_picture = style, x, y, is_in_picture
        return out

    def _is_picture(self, row: int) -> bool:
        return sum(text in _BLOCKS for text, _ in self._wanted[row]) >= _PICTURE

    def differ(self, row: int, column: int, rows: int, columns: int) -> bool:
        """Whether anything in a rectangle is to be sent."""
        span = slice(column, column + columns)
        part = slice(row, row + rows)
        return any(
            wanted[span] != sent[span]
            for wanted, sent in zip(self._wanted[part], self._sent[part], strict=True)
        )

    def lose(self, row: int, column: int, rows: int, columns: int) -> None:
        """What the terminal shows in a rectangle is not known any more."""
        for y, sent in enumerate(self._sent[row : row + rows], row):
            sent[column : column + columns] = [_UNKNOWN] * len(sent[column : column + columns])
            self._changed.add(y)

    def across(self, row: int, column: int, rows: int, columns: int) -> str:
        """What writes the text of a rectangle, but no blanks, over a picture; all of it is taken as sent."""
        out: list[str] = []
        span = slice(column, column + columns)
        part = slice(row, row + rows)
        for y, (wanted, sent) in enumerate(zip(self._wanted[part], self._sent[part], strict=True), row):
            for x, (text, look) in enumerate(wanted[span], column):
                if text and text != " " and text != _UNKNOWN[0]:
                    out.append(f"\x1b[{y + 1};{x + 1}H{change('', look)}{text}\x1b[m")
            sent[span] = wanted[span]
        return "".join(out)

    def _placing(self) -> str:
        """The cursor's position, where it was set for what comes now."""
        was_placed, self._was_placed = self._was_placed, False
        return f"\x1b[{self._y + 1};{self._x + 1}H" if was_placed else ""

    def _restyle(self, style: str) -> None:
        if style in ("", "0"):
            self._style = ""
        else:
            self._style = f"{self._style};{style}" if self._style else style

    def _row(self, end: int) -> list[Cell]:
        """The cursor's row, at least so long."""
        while len(self._wanted) <= self._y:
            self._wanted.append([])
            self._sent.append([])
        row = self._wanted[self._y]
        if (missing := end - len(row)) > 0:
            row.extend([_UNKNOWN] * missing)
            self._sent[self._y].extend([_UNKNOWN] * missing)
        return row

    def _write(self, text: str) -> None:
        if self._y >= self._lines:
            return
        self._changed.add(self._y)
        self._draw(text)
        if self._x > self._columns:
            self._cut(self._wanted[self._y])

    def _draw(self, text: str) -> None:
        plain = short_cells(text, self._style) if len(text) <= _SHORT else plain_cells(text, self._style)
        if plain:
            end = self._x + len(text)
            row = self._row(end)
            self._part(row, self._x, end)
            row[self._x : end] = plain
            self._x = end
            return
        self._uneven.add(self._y)
        for character in text:
            width = get_character_cell_size(character)
            if width == 0:
                self._combine(character)
                continue
            row = self._row(self._x + width)
            self._part(row, self._x, self._x + width)
            row[self._x : self._x + width] = [(character, self._style), ("", self._style)][:width]
            self._x += width

    def _combine(self, mark: str) -> None:
        """Put a combining mark on the character before the cursor."""
        row = self._row(self._x)
        for column in (self._x - 1, self._x - 2):
            if column >= 0 and row[column][0]:
                row[column] = (row[column][0] + mark, row[column][1])
                return

    def _cut(self, row: list[Cell]) -> None:
        """Leave out what lies beyond the last column, and a wide character that is only half within."""
        if not row[self._columns][0]:
            row[self._columns - 1] = (" ", row[self._columns - 1][1])
        del row[self._columns :]
        del self._sent[self._y][self._columns :]

    def _part(self, row: list[Cell], start: int, end: int) -> None:
        """Half of a wide character that is written over leaves a blank of the other half."""
        if start > 0 and start < len(row) and not row[start][0]:
            row[start - 1] = (" ", row[start - 1][1])
        if end < len(row) and not row[end][0]:
            row[end] = (" ", row[end][1])


def _fits(cell: Cell, style: str) -> bool:
    """Whether a cell can be sent between others of a style without another change of attributes."""
    if cell is _UNKNOWN:
        return False
    return cell[1] == style or (cell[0] == " " and under(style, cell[1]) == style)


def _size(pieces: list[str]) -> int:
    """Bytes that some text takes in UTF-8."""
    return sum(len(each.encode(errors="replace")) for each in pieces)


def _stretches(wanted: list[Cell], sent: list[Cell], *, whole: bool) -> Iterator[int]:
    """The columns to send: those that differ, and a few that do not between them."""
    if whole:
        yield from range(len(wanted))
        return
    last = -_FEW - 1
    for column, (new, old) in enumerate(zip(wanted, sent, strict=True)):
        if new == old:
            continue
        between = wanted[last + 1 : column] if column - last <= _FEW else ()
        if between and all(_fits(each, new[1]) for each in between):
            yield from range(last + 1, column)
        yield column
        last = column
