"""The cards of a FITS header, read as text alone, to be shown to people.

A header is blocks of 2880 bytes of 36 cards of 80 characters (FITS Standard 4.0, sections 3.3 and 4).
Nothing is interpreted but the few keywords that say how many bytes of data follow, so that damaged and
unusual files can be looked at as well. The pipeline reads headers with astropy; the console must not.
"""

from __future__ import annotations

import bz2
import gzip
import math
import zlib
from pathlib import Path
from typing import IO

from core.errors import AstridError

CARD, BLOCK = 80, 2880
MAX_CARDS = 3600  # of one header; real ones have a few hundred
MAX_HDUS = 512
MAX_AXES = 999


class HeaderUnreadable(AstridError):
    """The header cannot be shown; the message says why."""


def read_cards(path: Path, extension: int = 0) -> tuple[str, ...]:
    """The cards of one header of a file, blank ones and the END card left out.

    Parameters
    ----------
    path : Path
        A FITS file, also one that gzip or bzip2 packed.
    extension : int
        The index of the header, 0 for the primary one.

    Returns
    -------
    tuple of str
        As they stand in the file, bytes beyond ASCII as Latin-1: not fit to be shown as they are.

    Raises
    ------
    HeaderUnreadable
        There is no such file or header here, or it is no FITS header.
    """
    if not 0 <= extension < MAX_HDUS:
        raise HeaderUnreadable(f"a header number {extension} is not possible")
    try:
        with _opened(path) as file:
            for number in range(extension + 1):
                cards = _header(file, number)
                if number < extension:
                    file.seek(_padded(_data_bytes(cards)), 1)
    except (OSError, EOFError, zlib.error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HeaderUnreadable(f"the file cannot be read from here: {said}") from error
    return tuple(card.rstrip() for card in cards if card.strip())


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise HeaderUnreadable("it is not a regular file")
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.open(path, "rb")
    if suffix == ".bz2":
        return bz2.open(path, "rb")
    if suffix == ".z":
        raise HeaderUnreadable("the header of a file that `compress` packed is not shown")
    return path.open("rb")


def _header(file: IO[bytes] | gzip.GzipFile, number: int) -> list[str]:
    cards: list[str] = []
    while len(cards) <= MAX_CARDS:
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            if not cards and not block and number:
                raise HeaderUnreadable(f"the file has no header number {number}")
            raise HeaderUnreadable("the file ends within its header")
        text = block.decode("latin-1")
        if not cards and not text.startswith("XTENSION" if number else "SIMPLE"):
            raise HeaderUnreadable("this is no FITS header")
        for start in range(0, BLOCK, CARD):
            card = text[start : start + CARD]
            if card.rstrip() == "END":
                return cards
            cards.append(card)
    raise HeaderUnreadable(f"the header has no end within {MAX_CARDS} cards")


def _data_bytes(cards: list[str]) -> int:
    """How many bytes of data follow a header (equations 1 and 2 of the standard)."""
    axes = _integer(cards, "NAXIS", 0)
    if not 0 <= axes <= MAX_AXES:
        raise HeaderUnreadable(f"an image of {axes} axes is not possible")
    if axes == 0:
        return 0
    lengths = [_integer(cards, f"NAXIS{axis}", 0) for axis in range(1, axes + 1)]
    if lengths[0] == 0 and _value(cards, "GROUPS") == "T":
        lengths = lengths[1:]  # random groups
    pixels = math.prod(lengths)
    bits = abs(_integer(cards, "BITPIX", 8))
    size = bits // 8 * _integer(cards, "GCOUNT", 1) * (_integer(cards, "PCOUNT", 0) + pixels)
    if not 0 <= size < 2**62:
        raise HeaderUnreadable("the header says nothing possible of its data's size")
    return size


def _integer(cards: list[str], keyword: str, default: int) -> int:
    text = _value(cards, keyword)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise HeaderUnreadable(f"{keyword} is no number") from None


def _value(cards: list[str], keyword: str) -> str | None:
    start = f"{keyword:8}= "
    for card in cards:
        if card.startswith(start):
            return card[10:].partition("/")[0].strip()
    return None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
