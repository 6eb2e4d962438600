"""A table that fits a terminal: columns that are worth least give way, and long words are shortened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

Columns = tuple[str, ...]  # what is of use together alone, such as the two coordinates of a place
GAP = 2  # blanks between columns
_FAIR = 18  # letters that tell most names from others
_SHORTEST = 10
_PROSE = 24  # letters in which a sentence can be read
_CUT = ".."
# Numbers, times and intervals, which would mean something else when shortened.
_NUMBER = re.compile(r"(?:[\d\s.,:+\-eTZ<>±%()]|\bto\b|\btoo few\b)*")


@dataclass(frozen=True, slots=True)
class Fitted:
    """Which columns are shown, in their order, and the cells of all columns, shortened where need was.

    Attributes
    ----------
    prose : int, optional
        Letters of a line in which the last column is to be told, where it is sentences too long for one.
    """

    shown: tuple[int, ...]
    cells: list[list[str]]
    prose: int | None = None


def fitted(
    headings: Sequence[str], cells: Sequence[Sequence[str]], width: int, least: Sequence[Columns] = ()
) -> Fitted:
    """Fit a table into a width, as far as that goes.

    Parameters
    ----------
    headings : sequence of str
    cells : sequence of sequence of str
        Rows.
    width : int
        Cells in a line: a letter takes one, a wide character such as a Chinese one two.
    least : sequence of tuple of str
        Columns that may give way, those of a tuple together, what is worth least first; of them empty ones
        do before all others. The last one is not left out but shortened: at first to `_FAIR` letters, and
        further when all others are gone. By default no column gives way, and names are shortened at once.

    Notes
    -----
    Sentences in the last column are not shortened but go on in the next line. Where all that may give way
    is gone, other names are shortened too, the longest first; without a word on worth only if it fits then.
    """
    *others, last = [tuple(headings.index(name) for name in names) for names in least] or [()]
    widths = [max([len(name), *(cell_len(row[i]) for row in cells)]) for i, name in enumerate(headings)]
    widest = list(widths)
    for place in last:
        widths[place] = min(widths[place], max(_FAIR, len(headings[place])))
    prose = _prose(cells, widest)
    if prose is not None:
        widths[prose] = _PROSE
    shown = list(range(len(headings)))
    empty = [places for places in others if not any(row[place] for row in cells for place in places)]
    for places in dict.fromkeys((*empty, *others)):
        if _total(widths, shown) <= width:
            break
        shown = [place for place in shown if place not in places]
    names = [place for place in shown if place != prose and _is_name(cells, place)]
    whole = list(widths)
    _shorten(widths, shown, [place for place in names if place in last] or names, headings, width)
    _shorten(widths, shown, names, headings, width)
    if not least and _total(widths, shown) > width:  # it takes several tables: words can stay whole
        widths = whole
    _widen(widths, shown, [*last, *([] if prose is None else [prose])], widest, width)
    told = [
        [shortened(cell, widths[place]) if place in names else cell for place, cell in enumerate(row)]
        for row in cells
    ]
    is_cut = prose is not None and widths[prose] < widest[prose]
    return Fitted(tuple(shown), told, widths[prose] if prose is not None and is_cut else None)


def in_lines(cells: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Rows whose last cell goes on in rows of its own, where it is longer than a width."""
    found: list[list[str]] = []
    for row in cells:
        first, *rest = _in_lines(row[-1], width) or [""]
        found.append([*row[:-1], first])
        found += [[*[""] * (len(row) - 1), each] for each in rest]
    return found


def parts(widths: Sequence[int], shown: Sequence[int], width: int) -> list[list[int]]:
    """Columns in tables that fit, one below another, each beginning with the first column."""
    found: list[list[int]] = [[]]
    for place in shown:
        if len(found[-1]) > 1 and _total(widths, [*found[-1], place]) > width:
            found.append([shown[0]])
        found[-1].append(place)
    return found


def shortened(word: str, longest: int) -> str:
    """A word without its middle, for names of frames differ at their ends."""
    if cell_len(word) <= longest:
        return word
    kept = longest - len(_CUT)
    tail = (kept + 1) // 2
    return set_cell_size(word, kept - tail) + _CUT + set_cell_size(word[::-1], tail)[::-1]


def _in_lines(text: str, width: int) -> list[str]:
    """A sentence in lines; `textwrap` takes every character for one cell wide."""
    if cell_len(text) == len(text):
        return wrap(text, width, break_on_hyphens=False)
    from screens.lines import folded

    return folded(text, width)


def _prose(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> int | None:
    """The last column, where it holds sentences."""
    place = len(widths) - 1
    holds = any(cell_len(row[place]) > _PROSE and " " in row[place] for row in cells)
    return place if holds else None


def _is_name(cells: Sequence[Sequence[str]], place: int) -> bool:
    return not all(_NUMBER.fullmatch(row[place]) for row in cells)


def _shorten(
    widths: list[int], shown: Sequence[int], names: Sequence[int], headings: Sequence[str], width: int
) -> None:
    """Take from the widest of some columns what is too much."""
    least = {place: max(_SHORTEST, len(headings[place])) for place in names}
    while (over := _total(widths, shown) - width) > 0:
        free = sorted((place for place in names if widths[place] > least[place]), key=widths.__getitem__)
        if not free:
            return
        next_widest = widths[free[-2]] if len(free) > 1 else 0
        widths[free[-1]] = max(
            least[free[-1]], widths[free[-1]] - over, min(next_widest, widths[free[-1]] - 1)
        )


def _widen(
    widths: list[int], shown: Sequence[int], places: Sequence[int], widest: Sequence[int], width: int
) -> None:
    """Give what is left to columns that can do with it, in their order."""
    for place in places:
        left = width - _total(widths, shown)
        if place in shown and left > 0:
            widths[place] = min(widest[place], widths[place] + left)


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] + GAP for place in shown) - GAP
