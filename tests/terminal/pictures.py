"""A terminal's screen as far as pictures go: which lie where, and what was written across them."""

import re

from tests.core.pictures import KITTY, KittyScreen, Shown, sixel_pixels

_TOKEN = re.compile(
    r"\x1b\[(?P<row>[0-9]+)(?:;(?P<column>[0-9]+))?H"
    r"|\x1b\[(?P<ahead>[0-9]*)C"
    r"|\x1b_G(?P<control>[^;\x1b]*)(?:;(?P<data>[^\x1b]*))?\x1b\\"
    r"|\x1bP[0-9;]*q(?P<sixel>[^\x1b]*)\x1b\\"
    r"|(?P<string>\x1b[P_\]].*?(?:\x1b\\|\x07))"
    r"|(?P<sequence>\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~])"
    r"|(?P<control_character>[\x00-\x1f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)
QUERY = "a=q"
# A sequence or a character whose rest is to come.
CUT = re.compile(rb"(?:\x1b(?:[P_\]][^\x1b\x07]*\x1b?|\[[0-9;?>=<$]*)?|[\xc0-\xff][\x80-\xbf]{0,2})\Z")


class PictureScreen:
    """Reads all that was sent so far.

    Attributes
    ----------
    kitty : KittyScreen
    sixels : list of Shown
        Of those that can still be seen in part.
    """

    def __init__(self, cell: tuple[int, int] = (20, 10)) -> None:
        self.kitty = KittyScreen()
        self._cell = cell
        self._read = 0
        self._row = self._column = 0
        self._sixels: list[Shown] = []
        self._covered: dict[tuple[int, int], int] = {}  # cells that show a part of a picture by Sixel
        self.text: dict[tuple[int, int], str] = {}

    def read(self, sent: bytes) -> "PictureScreen":
        """Read what is new of all that was sent, as far as it is whole."""
        new = CUT.sub(b"", sent[self._read :])
        self._read += len(new)
        for token in _TOKEN.finditer(new.decode()):
            self._take(token)
        return self

    @property
    def sixels(self) -> list[Shown]:
        return [self._sixels[number] for number in sorted(set(self._covered.values()))]

    def holes(self, shown: Shown) -> set[tuple[int, int]]:
        """The cells of a picture by Sixel that something was written over."""
        number = next(place for place, each in enumerate(self._sixels) if each is shown)
        cells = {
            (row, column)
            for row in range(shown.row, shown.row + shown.rows)
            for column in range(shown.column, shown.column + shown.columns)
        }
        return {cell for cell in cells if self._covered.get(cell) != number}

    def _take(self, token: "re.Match[str]") -> None:
        if token["row"]:
            self._row, self._column = int(token["row"]) - 1, int(token["column"] or 1) - 1
        elif token["ahead"] is not None:
            self._column += int(token["ahead"] or 1)
        elif token["control"]:
            if QUERY not in token["control"]:
                self.kitty.take(token["control"], token["data"] or "", self._row, self._column)
        elif token["sixel"] is not None:
            self._cover(token["sixel"])
        elif token["text"]:
            for character in token["text"]:
                self._covered.pop((self._row, self._column), None)
                self.text[self._row, self._column] = character
                self._column += 1

    def _cover(self, body: str) -> None:
        pixels = sixel_pixels(body)
        rows, columns = pixels.shape[0] // self._cell[0], pixels.shape[1] // self._cell[1]
        self._sixels.append(Shown(self._row, self._column, rows, columns, pixels))
        for row in range(self._row, self._row + rows):
            for column in range(self._column, self._column + columns):
                self._covered[row, column] = len(self._sixels) - 1


def commands(sent: bytes) -> list[str]:
    """The commands of Kitty's protocol, but for the question whether it is understood."""
    return [found[1] for found in KITTY.finditer(sent.decode()) if QUERY not in found[1]]
