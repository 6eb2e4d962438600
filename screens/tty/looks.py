"""How cells look, and the shortest way for a terminal from one look to another.

Half a block over another colour looks like the other half the other way round; it is sent as whichever of
the two needs less. So is a space within a picture: as a full block where that needs no other colour.
"""

from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size

UPPER, LOWER, FULL = "▀▄█"
_OF_LETTERS = ("1", "2", "3", "5")  # bold, dim, italic, blinking
_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "8": "28", "9": "29"}
_PICTORIAL = 0x1F000
_GREYS = {str(8 + 10 * step): 232 + step for step in range(24)}

Cell = tuple[str, str]  # a character with what combines with it, and its attributes; "" behind a wide one


class Look(NamedTuple):
    """Attributes, as parameters of SGR."""

    other: tuple[str, ...]  # bold, reverse and so on
    fore: str
    back: str


@lru_cache(maxsize=8192)
def look_of(style: str) -> Look:
    """The parameters of one SGR sequence that follows a reset."""
    other: list[str] = []
    fore, back = "39", "49"
    parts = iter(style.split(";"))
    for part in parts:
        if part in ("38", "48"):
            kind = next(parts, "5")
            values = [next(parts, "0") for _ in range(3 if kind == "2" else 1)]
            colour = f"{part};{_colour(kind, *values)}"
            fore, back = (colour, back) if part == "38" else (fore, colour)
        elif part in ("39", "49"):
            fore, back = (part, back) if part == "39" else (fore, part)
        elif (len(part) == 2 and part[0] in "34") or (len(part) == 2 and part[0] == "9"):
            fore, back = (fore, part) if part[0] == "4" else (part, back)
        elif len(part) == 3 and part.startswith("10"):
            back = part
        elif part not in ("", "0"):
            other.append(part)
    return Look(tuple(other), fore, back)


def _colour(kind: str, *values: str) -> str:
    """A colour in the fewest bytes: the greys of the 256-colour palette are told by their index."""
    index = _GREYS.get(values[0]) if kind == "2" and len(set(values)) == 1 else None
    return f"{kind};{';'.join(values)}" if index is None else f"5;{index}"


@lru_cache(maxsize=65536)
def change(style: str, wanted: str) -> str:
    """The shortest SGR sequence from some attributes to others."""
    old, new = look_of(style), look_of(wanted)
    if old == new:
        return ""
    if new == look_of(""):
        return "\x1b[m"
    ends = dict.fromkeys(_ENDS.get(part, "0") for part in old.other if part not in new.other)
    if "0" in ends:
        colours = [part for part in new[1:] if part not in ("39", "49")]
        return f"\x1b[{';'.join(('0', *new.other, *colours))}m"
    begins = [part for part in new.other if part not in old.other or _ENDS.get(part) in ends]
    colours = [after for before, after in zip(old[1:], new[1:], strict=True) if after != before]
    return f"\x1b[{';'.join((*ends, *begins, *colours))}m"


@lru_cache(maxsize=8192)
def blank(style: str) -> Cell:
    """A space: where nothing is drawn across it, only its background is seen."""
    look = look_of(style)
    if any(part not in _OF_LETTERS for part in look.other):
        return " ", style
    return " ", "" if look.back == "49" else look.back


@lru_cache(maxsize=4096)
def is_plain(character: str) -> bool:
    """Whether every terminal gives a character one cell."""
    return get_character_cell_size(character) == 1 and ord(character) < _PICTORIAL


def plain_cells(text: str, style: str) -> tuple[Cell, ...]:
    """The cells of a text that every terminal gives one cell a character; none of any other."""
    if not (text.isascii() or all(map(is_plain, text))):
        return ()
    space = blank(style)
    return tuple(space if character == " " else (character, style) for character in text)


short_cells = lru_cache(maxsize=16384)(plain_cells)  # a picture's: the same again and again


@lru_cache(maxsize=65536)
def under(style: str, wanted: str) -> str:
    """Attributes that show a space as it is wanted, as near as can be to those that are in force."""
    now, new = look_of(style), look_of(wanted)
    if new.other or any(part not in _OF_LETTERS for part in now.other):
        return wanted
    return ";".join(part for part in (*now.other, now.fore, new.back) if part not in ("39", "49"))


@lru_cache(maxsize=65536)
def across(style: str, wanted: str, in_picture: bool) -> Cell:
    """A space after some attributes; in a picture a full block where that needs no other colour."""
    now, new = look_of(style), look_of(wanted)
    has_other = now.other or new.other or now.back == new.back
    if in_picture and not has_other and now.fore.startswith("38;") and now.fore[1:] == new.back[1:]:
        return FULL, style
    return " ", under(style, wanted)


@lru_cache(maxsize=65536)
def turned(style: str, wanted: str) -> Cell:
    """A half block by the upper or the lower half, whichever needs less after some attributes."""
    look = look_of(wanted)
    if look.other or not (look.fore.startswith("38;") and look.back.startswith("48;")):
        return UPPER, wanted
    other = f"3{look.back[1:]};4{look.fore[1:]}"
    if len(change(style, other)) < len(change(style, wanted)):
        return LOWER, other
    return UPPER, wanted
