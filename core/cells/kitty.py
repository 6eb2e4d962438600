"""Pictures for terminals that understand the graphics protocol of Kitty.

A picture is sent once, as PNG, under a number, and then put on cells: the terminal scales it to them. It lies
under the text and over its background, so that marks can be written across it. Nothing of it is answered
(``q=2``). After https://sw.kovidgoyal.net/kitty/graphics-protocol/.
"""

import struct
import zlib
from base64 import b64encode
from functools import lru_cache

from core.cells.image import Image

_CHUNK = 4096  # characters of base64 in one sequence
_UNDER_TEXT = -1
_GREYSCALE, _PALETTE = 0, 3


def transmission(number: int, image: Image) -> str:
    """Give a picture to the terminal, which forgets what it had under the number."""
    return _sent(f"a=t,i={number}", image)


def display(image: Image, rows: int, columns: int) -> str:
    """Show a picture at the cursor, which stays there, under no number: it goes with the lines it is on."""
    return _sent(f"a=T,{_filling(rows, columns)}", image)


def placement(number: int, place: int, rows: int, columns: int) -> str:
    """Show a picture at the cursor, which stays there.

    Parameters
    ----------
    number : int
        Of the picture.
    place : int
        Of this showing of it, for `removal`.
    rows, columns : int
        Cells that it fills.
    """
    return f"\x1b_Ga=p,i={number},p={place},{_filling(rows, columns)},q=2\x1b\\"


def removal(number: int, place: int) -> str:
    """Show a picture no longer at a place."""
    return f"\x1b_Ga=d,d=i,i={number},p={place},q=2\x1b\\"


def deletion(number: int) -> str:
    """Have the terminal forget a picture."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"


@lru_cache(maxsize=16)
def png(image: Image) -> bytes:
    """A picture as PNG (ISO/IEC 15948): greys as such where they are evenly spaced, else with a palette."""
    greys = [colour & 255 for colour in image.colours]
    if all(colour == grey * 0x010101 for colour, grey in zip(image.colours, greys, strict=True)):
        kind, pixels, palette = _GREYSCALE, image.pixels.translate(bytes(greys).ljust(256, b"\0")), b""
    else:
        kind, pixels = _PALETTE, image.pixels
        palette = _chunk(b"PLTE", b"".join(colour.to_bytes(3, "big") for colour in image.colours))
    # No filter: noise has nothing that its neighbours foretell.
    lines = b"".join(
        b"\0" + pixels[start : start + image.width] for start in range(0, len(pixels), image.width)
    )
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + palette
        + _chunk(b"IDAT", zlib.compress(lines, 9))
        + _chunk(b"IEND", b"")
    )


def _sent(keys: str, image: Image) -> str:
    data = b64encode(png(image)).decode("ascii")
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    before = [f"{keys},f=100,q=2,", *["q=2,"] * (len(chunks) - 1)]
    return "".join(
        f"\x1b_G{key}m={int(place < len(chunks) - 1)};{chunk}\x1b\\"
        for place, (key, chunk) in enumerate(zip(before, chunks, strict=True))
    )


def _filling(rows: int, columns: int) -> str:
    return f"c={columns},r={rows},z={_UNDER_TEXT},C=1"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
