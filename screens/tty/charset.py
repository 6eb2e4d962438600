"""What a terminal of another charset than UTF-8 is sent: every character keeps the cells that it takes."""

from rich.cells import get_character_cell_size

from core.charset import STAND_INS, UTF_8, has

_BLOCKS = range(0x2580, 0x25A0)
_DRAWN = {
    "●": "o", "○": "o", "◆": "*", "■": "x", "▲": "^", "▽": "v", "▿": "v", "▸": ">", "→": ">", "│": "|",
    "─": "-", "┌": "+", "┐": "+", "└": "+", "┘": "+", "┤": "+", "├": "+", "┬": "+", "┴": "+", "┼": "+",
    "▔": "-", "█": "#", "▇": "#",
}  # fmt: skip


def encoded(text: str, charset: str) -> bytes:
    """A text, and sequences that a terminal acts on, in its charset."""
    if charset == UTF_8:
        return text.encode(charset, "replace")
    return "".join(each if each.isascii() or has(charset, each) else _stand_in(each) for each in text).encode(
        charset
    )


def _stand_in(character: str) -> str:
    """As many cells of ASCII as a character takes: a sign like it, or a blank for part of a block."""
    cells = get_character_cell_size(character)
    for signs in (STAND_INS, _DRAWN):
        if len(found := signs.get(character, "")) == cells > 0:
            return found
    return (" " if ord(character) in _BLOCKS else "?") * cells
