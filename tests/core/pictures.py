"""What a terminal makes of pictures: small decoders of Kitty's protocol and of Sixel."""

import io
import re
from base64 import b64decode
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

KITTY = re.compile(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")
SIXEL = re.compile(r"\x1bP[0-9;]*q([^\x1b]*)\x1b\\")
_SIXEL_TOKEN = re.compile(
    r'"\d+;\d+;(?P<width>\d+);(?P<height>\d+)'
    r"|#(?P<defined>\d+);2;(?P<red>\d+);(?P<green>\d+);(?P<blue>\d+)"
    r"|#(?P<chosen>\d+)"
    r"|!(?P<count>\d+)(?P<repeated>[?-~])"
    r"|(?P<plain>[?-~])"
    r"|(?P<move>[$-])"
)


class Shown(NamedTuple):
    """A picture on cells of a screen, rows and columns from 0."""

    row: int
    column: int
    rows: int
    columns: int
    pixels: np.ndarray  # (height, width, 3) uint8


class KittyScreen:
    """The pictures of a terminal that understands Kitty's protocol; strict about what it is sent."""

    def __init__(self) -> None:
        self.images: dict[int, np.ndarray] = {}
        self.shown: dict[tuple[int, int], Shown] = {}
        self._parts: list[str] = []
        self._keys: dict[str, str] = {}

    def take(self, control: str, data: str, row: int, column: int) -> None:
        """One command, with the cursor at a place."""
        keys = dict(pair.split("=") for pair in control.split(","))
        if self._parts:
            assert set(keys) <= {"m", "q"}
        assert keys["q"] == "2"  # or the terminal would answer
        if self._parts or keys.get("a") == "t":
            self._receive(keys, data)
        elif keys["a"] == "p":
            assert keys["C"] == "1"  # or it would scroll
            number, place = int(keys["i"]), int(keys["p"])
            at = row, column, int(keys["r"]), int(keys["c"])
            self.shown[number, place] = Shown(*at, self.images[number])
        else:
            assert keys["a"] == "d"
            number = int(keys["i"])
            if keys["d"] == "I":
                del self.images[number]
            self.shown = {
                key: value for key, value in self.shown.items()
                if key[0] != number or ("p" in keys and key[1] != int(keys["p"]))
            }  # fmt: skip

    def _receive(self, keys: dict[str, str], data: str) -> None:
        assert len(data) <= 4096
        if not self._parts:
            self._keys = keys
        self._parts.append(data)
        if keys["m"] == "1":
            assert len(data) == 4096
            return
        whole, self._parts = b64decode("".join(self._parts), validate=True), []
        assert self._keys["f"] == "100"
        number = int(self._keys["i"])
        self.images[number] = np.asarray(Pillow.open(io.BytesIO(whole)).convert("RGB"))
        self.shown = {key: value for key, value in self.shown.items() if key[0] != number}


def sixel_pixels(body: str) -> np.ndarray:
    """What stands between introducer and terminator as pixels; -1 where nothing was drawn."""
    colours: dict[int, tuple[int, ...]] = {}
    colour, x, y = (0, 0, 0), 0, 0
    pixels = np.empty(0)
    taken = 0
    for token in _SIXEL_TOKEN.finditer(body):
        assert token.start() == taken, body[taken : taken + 20]
        taken = token.end()
        if token["width"]:
            height = int(token["height"])
            pixels = np.full((-(-height // 6) * 6, int(token["width"]), 3), -1)
        elif token["defined"]:
            hundredths = (int(token[name]) for name in ("red", "green", "blue"))
            colours[int(token["defined"])] = tuple(round(part * 2.55) for part in hundredths)
        elif token["chosen"]:
            colour = colours[int(token["chosen"])]
        elif token["move"]:
            x, y = 0, y + 6 * (token["move"] == "-")
        else:
            count = int(token["count"] or 1)
            bits = ord(token["repeated"] or token["plain"]) - 63
            rows = [y + bit for bit in range(6) if bits >> bit & 1]
            assert x + count <= pixels.shape[1]
            pixels[rows, x : x + count] = colour
            x += count
    assert taken == len(body)
    assert (pixels[height:] == -1).all()
    return pixels[:height]
