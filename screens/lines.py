"""Lines of a screen as plain values: what is shown, without saying on which toolkit.

Views make them, `screens.widgets.rows` draws them, tests read them. Text that is shown is
`SafeText`, so that nothing from outside gets here unwashed.
"""

import re
import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from core.text import SafeText, safe_text

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
    return [(span(" "), span(text, tone)) for text in textwrap.wrap(plain(line), max(width - 2, 8))]


def plain(line: Line) -> str:
    """A line's characters alone."""
    return "".join(piece.text for piece in line)


def padded(line: Line, width: int, tone: Tone = Tone.PLAIN) -> Line:
    """A line filled up with blanks; a longer one stays as it is."""
    missing = width - len(plain(line))
    return (*line, drawn(" " * missing, tone)) if missing > 0 else line


def spread(left: Line, right: Line, width: int, tone: Tone = Tone.PLAIN) -> Line:
    """Two lines at the two ends of one; the right one is left out where both do not fit."""
    if len(plain(left)) + len(plain(right)) + 1 > width:
        return padded(left, width, tone)
    return (*padded(left, width - len(plain(right)), tone), *right)


def shortened(line: Line, width: int) -> Line:
    """A line cut to a width, the cut marked."""
    if len(plain(line)) <= width:
        return line
    kept: list[Span] = []
    room = width
    for piece in line:
        if isinstance(piece, Span) and room > 0:
            kept.append(span(piece.text, piece.tone, room))
            room -= len(kept[-1].text)
    if kept and not kept[-1].text.endswith("…"):  # it was cut between two pieces
        kept[-1] = Span(SafeText(kept[-1].text[:-1] + "…"), kept[-1].tone)
    return tuple(kept)


def wrapped(line: Line, width: int, rows: int) -> list[Line]:
    """A sentence over as many lines as it needs, up to ``rows``; only what does not fit into those is cut."""
    if len(plain(line)) <= width or rows < 2:
        return [shortened(line, width)]
    pieces = [piece for piece in line if isinstance(piece, Span)]
    words = [Span(SafeText(word), piece.tone) for piece in pieces for word in _WORDS.findall(piece.text)]
    found: list[Line] = []
    while words and len(found) < rows - 1:
        here: list[Span] = [span(" ")] if found else []
        room = width - len(here)
        while words and len(words[0].text.rstrip()) <= room:
            room -= len(words[0].text)
            here.append(words.pop(0))
        if len(here) <= bool(found):  # a word that is longer than a line
            break
        found.append(_trimmed(here))
    if words:
        found.append(shortened(_trimmed([*([span(" ")] if found else []), *words]), width))
    return found


def _trimmed(pieces: "list[Span]") -> Line:
    """Without blanks at the end."""
    last = pieces[-1]
    return (*pieces[:-1], Span(SafeText(last.text.rstrip()), last.tone))


def common_start(one: str, other: str) -> int:
    """How many characters two texts have in common from their start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
