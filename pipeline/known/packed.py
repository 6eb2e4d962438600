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
MOST_DICTIONARY = 256 << 20  # bytes; that of xz -9 is 64 MiB
_BLOCK = 1 << 16
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
    from pipeline.files.fits_selection import may_inflate_to
    from pipeline.files.safe_tiles import MOST_GROWTH

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
    return bz2.open(path) if magic.startswith(BZIP2) else cast(IO[bytes], _Xz(path))


class _Xz(io.RawIOBase):
    """What is packed by xz, with a bound on the memory that this takes, which the file says itself.

    `lzma.open` has none: a file of a hundred bytes may ask for gigabytes.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._inflater, self._done = _xz_inflater(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size != 0:
            packed = b""
            if self._inflater.eof:  # another stream may follow, after zeros
                packed = self._inflater.unused_data.lstrip(b"\0")
                while not packed:
                    block = self._file.read(_BLOCK)
                    if not block:
                        return b""
                    packed = block.lstrip(b"\0")
                self._inflater = _xz_inflater()
            elif self._inflater.needs_input and not (packed := self._file.read(_BLOCK)):
                raise EOFError("it ends before its end")
            try:
                found = self._inflater.decompress(packed, size)
            except lzma.LZMAError as error:
                if "limit" in str(error).lower():
                    most = MOST_DICTIONARY >> 20
                    raise OSError(f"its dictionary takes more than {most} MiB: pack it by xz -9") from error
                raise
            if found:
                self._done += len(found)
                return found
        return b""

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("places are told from the beginning")
        if place < self._done:
            self._begin()
        while self._done < place and self.read(min(_BLOCK, place - self._done)):
            pass
        return self._done

    def tell(self) -> int:
        return self._done

    def close(self) -> None:
        self._file.close()
        super().close()


def _xz_inflater() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MOST_DICTIONARY)


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
