"""Files that are compressed by gzip, bzip2 or xz, whatever they are called: opened as if they were not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import IO, Any, cast

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
ZIP = b"PK\x03\x04"
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what reading a damaged file raises


def is_packed(path: Path) -> bool:
    """Whether a file is compressed."""
    return _magic(path).startswith((GZIP, BZIP2, XZ))


def is_zip(path: Path) -> bool:
    """Whether a file is an archive of files, which must be unpacked first."""
    return _magic(path).startswith(ZIP)


def opened(path: Path, most: int | None = None) -> IO[bytes]:
    """Open a file for reading, inflated where it is compressed.

    Reading raises an OSError once more comes out of it than any table holds: than so many times its size as
    an image may be, or than `most` bytes.
    """
    if not is_packed(path):
        return path.open("rb")
    # It brings astropy along, which most files are read without.
    from pipeline.files.fits_selection import MOST_GROWTH, may_inflate_to

    limit, words = may_inflate_to(path), f"{MOST_GROWTH} times its size"
    if most is not None and most < limit:
        limit, words = most, f"{most >> 20} MiB"
    return cast(IO[bytes], io.BufferedReader(_Bounded(_inflating(path), limit, words), 1 << 16))


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(XZ))


def _inflating(path: Path) -> IO[bytes]:
    magic = _magic(path)
    if magic.startswith(GZIP):
        return cast(IO[bytes], gzip.open(path))
    return bz2.open(path) if magic.startswith(BZIP2) else cast(IO[bytes], lzma.open(path))


class _Bounded(io.RawIOBase):
    """What a file inflates to, up to a limit."""

    def __init__(self, stream: IO[bytes], limit: int, words: str) -> None:
        self._stream, self._limit, self._words = stream, limit, words
        self._done = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        self._done += len(block)
        if self._done > self._limit:
            raise OSError(f"it inflates to more than {self._words}")
        buffer[: len(block)] = block
        return len(block)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._done = self._stream.seek(place, whence)
        return self._done

    def tell(self) -> int:
        return self._done

    def close(self) -> None:
        self._stream.close()
        super().close()
