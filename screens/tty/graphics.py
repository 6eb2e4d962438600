"""Pictures on the terminal's cells: which are to be seen, which were sent, and what makes the two equal.

A picture under Kitty's protocol lies beneath the text, whatever is written there. One by Sixel is drawn on
the cells themselves: it goes where it is written over, so what is written across it follows it at once, and
the cells that it leaves are sent again. Both are only sent when the picture or its place is another.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from screens.tty.cells import Cells

if TYPE_CHECKING:
    from core.cells import Image  # numpy comes with it, and with the first picture

KEPT = 12  # pictures that the terminal keeps: the last card costs nothing to come back to
_FIRST = 7301  # the number of the first, away from those that others may use


class Placed(NamedTuple):
    """A picture on cells, from row and column 0.

    ``cell``, the height and width of a cell in pixels, makes it one by Sixel; none, by Kitty's protocol.
    """

    row: int
    column: int
    rows: int
    columns: int
    image: "Image"
    cell: tuple[int, int] | None = None

    @property
    def name(self) -> int:
        """A number above 0 that no picture elsewhere on the screen has."""
        return self.row * 10_000 + self.column + 1


class Graphics:
    """The pictures as they are to be, and as they were sent."""

    def __init__(self) -> None:
        self._wanted: tuple[Placed, ...] = ()
        self._sent: tuple[Placed, ...] = ()
        self._numbers: dict[Image, int] = {}  # of what the terminal keeps, the last used at the end

    def want(self, pictures: Sequence[Placed]) -> bool:
        """Say what is to be seen; whether that is something else than before."""
        before, self._wanted = self._wanted, tuple(pictures)
        return self._wanted != before

    def forget(self) -> str:
        """What the terminal shows is not known any more; what leaves nothing of ours in it."""
        numbers = [*self._numbers.values()]
        self._sent = ()
        self._numbers.clear()
        return "".join(map(_deletion, numbers))

    @property
    def is_shown(self) -> bool:
        """Whether all that is wanted was sent."""
        return len(self._sent) == len(self._wanted)

    def difference(self, cells: Cells, room: int | None = None) -> str:
        """What makes the terminal show what is wanted; to be sent before the cells that differ.

        Parameters
        ----------
        cells : Cells
        room : int, optional
            Bytes after which no other picture is begun; those left come with the next difference.
        """
        wanted = self._wanted
        gone = [each for each in self._sent if each not in wanted]
        new = [
            each
            for each in wanted
            if each not in self._sent or (each.cell is not None and cells.differ(*each[:4]))
        ]
        out: list[str] = []
        self._sent = tuple(each for each in wanted if each not in new)
        for each in gone:
            if each.cell is None:
                out.append(_removal(self._numbers[each.image], each))
            else:
                cells.lose(*each[:4])
        for each in new:
            if room is not None and sum(map(len, out)) >= room:
                break
            place = f"\x1b[{each.row + 1};{each.column + 1}H"
            if each.cell is None:
                out += [self._kept(each.image), place, _placement(self._numbers[each.image], each)]
            else:
                out += [place, _sixel(each), cells.across(*each[:4])]
            self._sent += (each,)
        return "".join(out)

    def _kept(self, image: "Image") -> str:
        """What gives a picture to the terminal, unless it keeps it already."""
        from core.cells.kitty import transmission

        if (number := self._numbers.pop(image, None)) is not None:
            self._numbers[image] = number
            return ""
        number = _FIRST + len(self._numbers)
        if len(self._numbers) >= KEPT:
            wanted = {each.image for each in self._wanted}
            number = self._numbers.pop(next(kept for kept in self._numbers if kept not in wanted))
        self._numbers[image] = number
        return transmission(number, image)


def _placement(number: int, placed: Placed) -> str:
    from core.cells.kitty import placement

    return placement(number, placed.name, placed.rows, placed.columns)


def _removal(number: int, placed: Placed) -> str:
    from core.cells.kitty import removal

    return removal(number, placed.name)


def _deletion(number: int) -> str:
    from core.cells.kitty import deletion

    return deletion(number)


def _sixel(placed: Placed) -> str:
    from core.cells.sixel import sixel

    if placed.cell is None:
        raise ValueError("Sixel needs the size of a cell in pixels")
    return sixel(placed.image, placed.rows * placed.cell[0], placed.columns * placed.cell[1])
