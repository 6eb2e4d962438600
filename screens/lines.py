"""Lines of a screen as plain values: what is shown, without saying on which toolkit.

Views make them, `screens.widgets.rows` draws them, tests read them. Text that is shown is
`SafeText`, so that nothing from outside gets here unwashed.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size

from core.text import ELLIPSIS, SafeText, safe_text

MANY = 1_000_000  # lines: as many as it takes

_WORDS = re.compile(r"\s*\S+\s*|\s+")


class Tone(StrEnum):
    """What a piece of text means; themes decide how it looks."""

    PLAIN = "plain"
    DIM = "dim"  # labels, separators
    STRONG = "strong"  # values that are read first
    KEY = "key"
    BAR = "bar"  # the header line
    HERE = "here"  # in the header line, the screen one is on
    BAR_ALERT = "bar-alert"  # in the header line, what must be seen
    CHIP = "chip"
    GOOD = "good"  # real
    BAD = "bad"  # bogus, errors
    WARN = "warn"


class Span(NamedTuple):
    """Some text in one tone."""

    text: SafeText
    tone: Tone = Tone.PLAIN


class Tinted(NamedTuple):
    """Cells of an image; colours as in `core.cells.Run`."""

    text: str
    fore: int | None
    back: int | None
    palette: bool


Line: TypeAlias = tuple[Span | Tinted, ...]


def span(text: object, tone: Tone = Tone.PLAIN, limit: int = 200) -> Span:
    """Anything as a span, made safe and no longer than ``limit``."""
    return Span(safe_text(text, max(limit, 1)), tone)


def drawn(text: str, tone: Tone = Tone.PLAIN) -> Span:
    """A span of our own glyphs, such as braille dots, which `safe_text` would spell out."""
    return Span(SafeText(text), tone)


def toned(text: str, tones: Mapping[str, Tone]) -> Line:
    """Our own glyphs, each in the tone of its character, all others dim."""
    pieces: list[tuple[str, Tone]] = []
    for character in text:
        tone = tones.get(character, Tone.DIM)
        if pieces and pieces[-1][1] is tone:
            pieces[-1] = (pieces[-1][0] + character, tone)
        else:
            pieces.append((character, tone))
    return tuple(drawn(text, tone) for text, tone in pieces)


def indented(line: Line, width: int) -> list[Line]:
    """A sentence over as many lines as it needs, a blank before each; all in its last tone."""
    tone = next((piece.tone for piece in reversed(line) if isinstance(piece, Span)), Tone.PLAIN)
    return [(span(" "), drawn(text, tone)) for text in folded(plain(line), max(width - 2, 8))]


def folded(text: str, width: int) -> list[str]:
    """A text that was made safe over as many lines as it needs, by the cells that its characters take."""
    if not text.strip():
        return []
    return [plain(line) for line in wrapped((drawn(text.strip()),), width, indent=0)]


def plain(line: Line) -> str:
    """A line's characters alone."""
    return "".join(piece.text for piece in line)


def cells_of(line: Line) -> int:
    """How many cells of a terminal a line takes: wide characters, as of Chinese, take two."""
    text = plain(line)
    return len(text) if text.isascii() else cell_len(text)


def padded(line: Line, width: int, tone: Tone = Tone.PLAIN) -> Line:
    """A line filled up with blanks; a longer one stays as it is."""
    missing = width - cells_of(line)
    return (*line, drawn(" " * missing, tone)) if missing > 0 else line


def column(text: object, width: int, tone: Tone = Tone.PLAIN) -> Span:
    """Anything as a column of a table: so many cells, the last one blank; what is longer is cut."""
    cells = padded(shortened((span(text, tone),), max(width - 1, 1)), width, tone)
    return Span(SafeText(plain(cells)), tone)


def spread(left: Line, right: Line, width: int, tone: Tone = Tone.PLAIN) -> Line:
    """Two lines at the two ends of one; the right one is left out where both do not fit."""
    if cells_of(left) + cells_of(right) + 1 > width:
        return padded(left, width, tone)
    return (*padded(left, width - cells_of(right), tone), *right)


def shortened(line: Line, width: int) -> Line:
    """A line cut to a width, the cut marked."""
    if cells_of(line) <= width:
        return line
    kept: list[Span | Tinted] = []
    room = width - 1  # the mark takes one
    for piece in line:
        cells = cell_len(piece.text)
        if cells > room:
            cut = set_cell_size(piece.text, room) + ELLIPSIS if room >= 0 else ""
            return (*kept, piece._replace(text=SafeText(cut)))
        kept.append(piece)
        room -= cells
    return tuple(kept)


def wrapped(line: Line, width: int, rows: int = MANY, *, indent: int = 1) -> list[Line]:
    """A sentence over as many lines as it needs, up to ``rows``; only what does not fit into those is cut.

    Parameters
    ----------
    indent : int
        Blanks before every line but the first.
    """
    if cells_of(line) <= width or rows < 2 or width <= indent + 1:
        return [shortened(line, width)]
    words = _words(line, width - indent)[::-1]  # what comes next is at the end, where it is cheap to take
    found: list[Line] = []
    while words and len(found) < rows - 1:
        here: list[Span] = [drawn(" " * indent)] if found else []
        room = width - indent * len(here)
        while words and cell_len(plain(words[-1]).rstrip()) <= room:
            room -= cell_len(plain(words[-1]))
            here += words.pop()
        found.append(_trimmed(here))
    if words:
        rest = [piece for word in words[::-1] for piece in word]
        found.append(shortened(_trimmed([drawn(" " * indent), *rest]), width))
    return found


def _words(line: Line, room: int) -> list[tuple[Span, ...]]:
    """The words of a line with the blanks about them, each of as many spans as it has tones.

    A word goes on from one span to the next where no blank is between them; one that is longer than a
    line comes in pieces.
    """
    found: list[tuple[Span, ...]] = []
    is_open = False  # the last word may go on
    for piece in (each for each in line if isinstance(each, Span)):
        for text in _WORDS.findall(piece.text):
            word = Span(SafeText(text), piece.tone)
            if is_open and not text[0].isspace() and cell_len(plain((*found[-1], word)).rstrip()) <= room:
                found[-1] = (*found[-1], word)
            elif cell_len(text.rstrip()) <= room:
                found.append((word,))
            else:
                found += [(word._replace(text=SafeText(part)),) for part in chop_cells(text, room)]
            is_open = not text[-1].isspace()
    return found


def _trimmed(pieces: "list[Span]") -> Line:
    """Without blanks at the end."""
    last = pieces[-1]
    return (*pieces[:-1], Span(SafeText(last.text.rstrip()), last.tone))


def window(place: int, count: int, rows: int) -> range:
    """The rows to show so that the cursor's is among them, the last ones if it is the last."""
    fits = max(rows, 1)
    first = min(max(place - fits // 2, 0), max(count - fits, 0))
    return range(first, min(first + fits, count))


def common_start(one: str, other: str) -> int:
    """How many characters two texts have in common from their start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
