"""A table that fits a terminal: columns that are worth least give way, and long words are shortened."""

from collections.abc import Sequence
from dataclasses import dataclass

Columns = tuple[str, ...]  # what is of use together alone, such as the two coordinates of a place
GAP = 2  # blanks between columns
_FAIR = 18  # letters that tell most names from others
_SHORTEST = 10
_CUT = ".."


@dataclass(frozen=True, slots=True)
class Fitted:
    """Which columns are shown, in their order, and the cells of all columns, shortened where need was."""

    shown: tuple[int, ...]
    cells: list[list[str]]


def fitted(
    headings: Sequence[str], cells: Sequence[Sequence[str]], width: int, least: Sequence[Columns]
) -> Fitted:
    """Fit a table into a width, as far as that goes.

    Parameters
    ----------
    headings : sequence of str
    cells : sequence of sequence of str
        Rows.
    width : int
        Letters in a line.
    least : sequence of tuple of str
        Columns that may give way, those of a tuple together, what is worth least first; of them empty ones
        do before all others. The last one is not left out but shortened: at first to `_FAIR` letters, and
        further when all others are gone.
    """
    *others, (last,) = (tuple(headings.index(name) for name in names) for names in least)
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(headings)]
    widest, widths[last] = widths[last], min(widths[last], max(_FAIR, len(headings[last])))
    shown = list(range(len(headings)))
    empty = [places for places in others if not any(row[place] for row in cells for place in places)]
    for places in dict.fromkeys((*empty, *others)):
        if _total(widths, shown) <= width:
            break
        shown = [place for place in shown if place not in places]
    left = width - _total(widths, shown) + widths[last]
    longest = min(widest, max(left, _SHORTEST, len(headings[last])))
    told = [[*row[:last], shortened(row[last], longest), *row[last + 1 :]] for row in cells]
    return Fitted(tuple(shown), told)


def shortened(word: str, longest: int) -> str:
    """A word without its middle, for names of frames differ at their ends."""
    if len(word) <= longest:
        return word
    kept = longest - len(_CUT)
    tail = (kept + 1) // 2
    return word[: kept - tail] + _CUT + word[-tail:]


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] + GAP for place in shown) - GAP
