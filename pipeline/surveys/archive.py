"""Archives of packets (tar, also gzipped), read through from start to end without unpacking anything.

An archive can lie about everything it holds. Nothing of it is ever written to the disk; only plain files
are looked into, and a budget of bytes stops one that inflates without end.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from pipeline.surveys.refusal import PacketError, Refused

MOST_GROWTH = 100  # how many times its size an archive may have inflated
SLACK = 64 * 2**20  # bytes, on top of that
MOST_BETWEEN = 2**20  # bytes of headers between two entries
MOST_NAME = 200  # letters of an entry's name that are told
CHUNK = 2**16

DAMAGE = (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError)

Entry = tuple[str, BinaryIO]


def read_archive(path: Path) -> Iterator[Entry | Refused]:
    """The plain files in an archive, by name, each to be read before the next is asked for.

    Yields
    ------
    tuple or Refused
        A name with a stream; or an entry, or the rest of the archive, that is not read.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    with path.open("rb") as file:
        budget = _Budget(file, path.stat().st_size, gzipped=file.read(2) == b"\x1f\x8b")
        try:
            with tarfile.open(fileobj=cast(IO[bytes], budget), mode="r|", errorlevel=1) as archive:
                yield from _entries(archive, budget)
        except PacketError as error:
            yield Refused.of("", error)
        except DAMAGE as error:
            yield Refused("", f"the archive is damaged: {error}", damaged=True)


def _entries(archive: tarfile.TarFile, budget: _Budget) -> Iterator[Entry | Refused]:
    unread = 0
    while True:
        budget.allow(unread + MOST_BETWEEN)  # what is left of the last entry is stepped over
        member = archive.next()
        if member is None:
            return
        unread = member.size
        cast(Any, archive).members.clear()  # a list of all there were grows with the archive
        budget.allow(member.size + MOST_BETWEEN)
        problem = _why_not(member)
        if problem is not None:
            yield Refused(member.name[:MOST_NAME], problem)
        elif member.isreg():
            stream = archive.extractfile(member)
            if stream is not None:
                yield member.name[:MOST_NAME], cast(BinaryIO, _Whole(stream))


def _why_not(member: tarfile.TarInfo) -> str | None:
    """Why an entry is not looked into; none for plain files and folders."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        return "its name leads out of the archive"
    if member.issym() or member.islnk():
        return "it is a link"
    if member.issparse() or not (member.isreg() or member.isdir()):
        return "it is no plain file"
    return None


class _Whole:
    """An entry's bytes; that the archive ends or breaks within them is said in a sentence."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next bytes, which are still to be read; fewer at the end alone."""
        self._ahead += self._next(size - len(self._ahead))
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer at the end alone."""
        if not self._ahead:
            return self._next(size)
        given = self._ahead if size < 0 else self._ahead[:size]
        self._ahead = self._ahead[len(given) :]
        return given + self._next(size if size < 0 else size - len(given))

    def _next(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except DAMAGE as error:
            raise PacketError(f"the archive is damaged: {error}", damaged=True) from None


class _Budget:
    """The archive's bytes, inflated as they are asked for, so long as that stays within bounds."""

    def __init__(self, file: BinaryIO, size: int, *, gzipped: bool) -> None:
        file.seek(0)
        self._file = file
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzipped else None
        self._ready = b""
        self._in_all = MOST_GROWTH * size + SLACK
        self.allow(MOST_BETWEEN)

    def allow(self, size: int) -> None:
        """Let so many bytes be read before it is asked for the next time."""
        self._now = size + 2 * tarfile.RECORDSIZE

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer at the end alone."""
        size = min(size if size >= 0 else CHUNK, MOST_BETWEEN)
        self._now -= size
        self._in_all -= size
        if self._in_all < 0:
            raise PacketError(
                f"the archive inflates to more than {MOST_GROWTH} times its size; the rest is left"
            )
        if self._now < 0:
            raise PacketError("the header of an entry has no end; the rest of the archive is left")
        if self._inflater is None:
            return self._file.read(size)
        while len(self._ready) < size:
            piece = self._inflate(size)
            if piece == b"":
                break
            self._ready += piece
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def _inflate(self, size: int) -> bytes:
        """More bytes, at most so many; none at the end."""
        while self._inflater is not None:
            packed = self._inflater.unconsumed_tail or self._file.read(CHUNK)
            if self._inflater.eof:
                packed = self._inflater.unused_data + packed
                if not packed.startswith(b"\x1f\x8b"):
                    return b""
                self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
            plain = self._inflater.decompress(packed, size)
            if plain or not packed:
                if not plain and not self._inflater.eof:
                    raise EOFError("it ends in the middle")
                return plain
        return b""
