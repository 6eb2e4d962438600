"""Pictures for terminals that understand Sixel (DEC STD 070), scaled to the pixels of their cells.

Six rows of pixels make a band. For each colour of a band a line of characters says, column by column, which
of the six pixels have it; ``!n`` repeats a character, ``$`` goes back to the start of the band, ``-`` to the
next.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.cells.image import Image

_BAND = 6
_BITS = 1 << np.arange(_BAND)
_NONE = 63  # the character of no pixel
_WORTH_REPEATING = 4  # a shorter run is written out


@lru_cache(maxsize=16)
def sixel(image: Image, height: int, width: int) -> str:
    """A picture scaled to a size in pixels, each the nearest of the image's.

    What the colours do not cover of the last band stays as it was.
    """
    pixels = np.frombuffer(image.pixels, dtype=np.uint8).reshape(image.height, image.width)
    shown = pixels[_nearest(image.height, height)]
    # A column that is repeated has the same characters: they are found once, for the image's own.
    columns = _nearest(image.width, width)
    kept, repeats = np.unique(columns, return_counts=True)
    shown = shown[:, kept]
    colours = "".join(_defined(index, image.colours[index]) for index in np.unique(shown).tolist())
    bands = [_band(shown[top : top + _BAND], repeats) for top in range(0, height, _BAND)]
    return f'\x1bP0;1q"1;1;{width};{height}{colours}{"-".join(bands)}\x1b\\'


def _nearest(pixels: int, samples: int) -> NDArray[np.intp]:
    return (2 * np.arange(samples) + 1) * pixels // (2 * samples)


def _defined(index: int, colour: int) -> str:
    """A colour register, in hundredths."""
    red, green, blue = (round((colour >> shift & 255) / 2.55) for shift in (16, 8, 0))
    return f"#{index};2;{red};{green};{blue}"


def _band(rows: NDArray[np.uint8], repeats: NDArray[np.intp]) -> str:
    """Up to six rows, (rows, columns)."""
    colours = np.unique(rows)
    bits = _BITS[: len(rows), None]
    lines = ((rows[None] == colours[:, None, None]) * bits).sum(axis=1)  # (colours, columns)
    return "$".join(
        f"#{colour}{_line(line, repeats)}" for colour, line in zip(colours.tolist(), lines, strict=True)
    )


def _line(line: NDArray[np.intp], repeats: NDArray[np.intp]) -> str:
    """The characters of one colour in a band; nothing after its last pixel."""
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    lengths = np.add.reduceat(repeats, starts).tolist()
    values = line[starts].tolist()
    if values[-1] == 0:
        del values[-1], lengths[-1]
    return "".join([_run(value, length) for value, length in zip(values, lengths, strict=True)])


@lru_cache(maxsize=1 << 14)
def _run(value: int, length: int) -> str:
    character = chr(_NONE + value)
    return character * length if length < _WORTH_REPEATING else f"!{length}{character}"
