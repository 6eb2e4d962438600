"""Avro object container files, read block by block without trust.

A block is read whole, so its size is bounded, inflated or not; what it holds is decoded one record at a
time. Damage costs the block it is in: reading goes on behind the next sync marker.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import fastavro

from core.text import counted
from pipeline.surveys.avro_schema import MOST_BLOCK, ReadingPlan, plan
from pipeline.surveys.refusal import PacketError, Refused
from pipeline.surveys.survey import Survey

MAGIC = b"Obj\x01"
MOST_SCHEMA = 4 * 2**20  # bytes
MOST_METADATA = 256  # entries
MOST_KEY = 1024
SYNC = 16
CHUNK = 2**16

# What the decoder raises on data that its schema does not fit.
DAMAGE = (ValueError, IndexError, KeyError, TypeError, EOFError, ArithmeticError, struct.error, MemoryError)


class _Inflater(Protocol):
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Stream:
    """A stream that bytes can be given back to."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._back = b""

    def read(self, size: int) -> bytes:
        """As many bytes, fewer at the end alone."""
        if not self._back:
            return self._raw.read(size)
        given, self._back = self._back[:size], self._back[size:]
        return given if len(given) == size else given + self._raw.read(size - len(given))

    def exactly(self, size: int) -> bytes:
        """As many bytes; fewer are an error, and given back."""
        got = self.read(size)
        if len(got) < size:
            self.give_back(got)
            raise PacketError("it ends in the middle: it is truncated or damaged", damaged=True)
        return got

    def give_back(self, data: bytes) -> None:
        """Let bytes be read once more."""
        self._back = data + self._back

    def skip_past(self, mark: bytes) -> bool:
        """Go on behind the next mark; whether there is one."""
        tail = b""
        while chunk := self.read(CHUNK):
            window = tail + chunk
            at = window.find(mark)
            if at >= 0:
                self.give_back(window[at + len(mark) :])
                return True
            tail = window[-(len(mark) - 1) :]
        return False


def read_avro(raw: BinaryIO) -> Iterator[tuple[Survey, dict[str, Any]] | Refused]:
    """The records of a file, as far as a survey's table asks for their fields.

    Yields
    ------
    tuple or Refused
        A record with the survey that it is of; or a part that cannot be read.

    Raises
    ------
    PacketError
        It is no such file, or its schema cannot be used.
    """
    stream = _Stream(raw)
    how, codec, sync = _header(stream)
    count = 0
    while (start := stream.read(1)) != b"":
        try:
            for record in _block(stream, start, how, codec, sync):
                count += 1
                yield how.survey, record
        except _NoBlock as error:
            yield Refused.of(_after(count), error)
            if not stream.skip_past(sync):
                return
        except PacketError as error:
            yield Refused.of(_after(count), error)


def _after(count: int) -> str:
    return f"after {counted(count, 'alert')}" if count else ""


def _header(stream: _Stream) -> tuple[ReadingPlan, str, bytes]:
    start = stream.read(len(MAGIC))
    if start != MAGIC:
        raise PacketError(_what_else(start))
    metadata: dict[str, bytes] = {}
    while (count := _long(stream)) != 0:
        if count < 0:  # its size in bytes follows, for readers in a hurry
            count, _ = -count, _long(stream)
        if count + len(metadata) > MOST_METADATA:
            raise PacketError("its header has no end", damaged=True)
        for _ in range(count):
            key = _sized(stream, MOST_KEY).decode("utf-8", errors="replace")
            metadata[key] = _sized(stream, MOST_SCHEMA)
    sync = stream.exactly(SYNC)
    if "avro.schema" not in metadata:
        raise PacketError("its header has no schema", damaged=True)
    codec = metadata.get("avro.codec", b"null").decode("utf-8", errors="replace")
    return plan(metadata["avro.schema"]), codec, sync


def _what_else(start: bytes) -> str:
    if not start:
        return "it is empty"
    if start[:1] == b"\0" and len(start) == len(MAGIC):
        return (
            "it is a message in Confluent's wire format, whose schema is kept by a registry: "
            "AstrID reads Avro files that hold their schema"
        )
    return "it is no Avro object container file: it does not hold its schema"


class _NoBlock(PacketError):
    """Where a block should begin there is none that could be stepped over."""


def _block(
    stream: _Stream, start: bytes, how: ReadingPlan, codec: str, sync: bytes
) -> Iterator[dict[str, Any]]:
    try:
        count, size = _long(stream, start), _long(stream)
        stored = stream.exactly(size + SYNC) if 0 <= size <= MOST_BLOCK else b""
    except PacketError as error:
        raise _NoBlock(str(error), damaged=True) from None
    if not stored or count < 0:
        raise _NoBlock(f"a block of {size} bytes and {count} alerts cannot be", damaged=True)
    if stored[size:] != sync:
        stream.give_back(stored)
        raise _NoBlock("a block is damaged: it does not end with the file's sync marker", damaged=True)
    yield from _records(stored[:size], count, how, codec)


def _records(stored: bytes, count: int, how: ReadingPlan, codec: str) -> Iterator[dict[str, Any]]:
    plain = _inflated(stored, codec, how.most_block)
    if count > len(plain):
        raise PacketError(f"a block of {len(plain)} bytes claims {count} alerts", damaged=True)
    block = io.BytesIO(plain)
    for _ in range(count):
        try:
            record = fastavro.schemaless_reader(
                block, how.writer, how.reader, handle_unicode_errors="replace"
            )
        except DAMAGE as error:
            reason = str(error) or ("it ends too early" if isinstance(error, EOFError) else repr(error))
            raise PacketError(f"a record does not fit its schema: {reason}", damaged=True) from None
        yield record  # type: ignore[misc]  # the schema is a record's
    if block.tell() != len(plain):
        raise PacketError("a block holds more than its alerts", damaged=True)


def _inflated(stored: bytes, codec: str, most: int) -> bytes:
    """The bytes of a block, if they are no more than they may be."""
    try:
        plain = _inflate(stored, codec, most)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise PacketError(f"a block cannot be inflated: {error}", damaged=True) from None
    if len(plain) > most:
        raise PacketError(f"a block holds more than the {most} bytes that are read at once")
    return plain


def _inflate(stored: bytes, codec: str, most: int) -> bytes:
    if codec == "null":
        return stored
    if codec == "snappy":
        return _unsnapped(stored, most)
    if codec == "zstandard":
        import pyarrow

        with pyarrow.CompressedInputStream(pyarrow.py_buffer(stored), "zstd") as zstd:
            return bytes(zstd.read(most + 1))
    inflater: _Inflater
    if codec == "deflate":
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    elif codec == "bzip2":
        inflater = bz2.BZ2Decompressor()
    elif codec == "xz":
        inflater = lzma.LZMADecompressor(memlimit=256 * 2**20)
    else:
        raise PacketError(f"its blocks are packed by {codec[:40]!r}, which is not understood")
    return inflater.decompress(stored, most + 1)


def _unsnapped(stored: bytes, most: int) -> bytes:
    """A block of snappy, which begins with its size inflated and ends with a checksum of Avro's."""
    import pyarrow

    if len(stored) < 5:
        raise ValueError("it is too short")
    packed, checksum = stored[:-4], stored[-4:]
    size = _unsigned(_Stream(io.BytesIO(packed)))
    if size > most:
        raise PacketError(f"a block holds more than the {most} bytes that are read at once")
    plain = pyarrow.Codec("snappy").decompress(packed, decompressed_size=size, asbytes=True)
    if zlib.crc32(plain).to_bytes(4, "big") != checksum:
        raise ValueError("its checksum is another")
    return bytes(plain)


def _unsigned(stream: _Stream, start: bytes = b"") -> int:
    """A number of variable length."""
    number, shift = 0, 0
    while True:
        byte = start or stream.exactly(1)
        start = b""
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
        shift += 7
        if shift > 63:
            raise PacketError("a number in it has no end", damaged=True)


def _long(stream: _Stream, start: bytes = b"") -> int:
    number = _unsigned(stream, start)
    return (number >> 1) ^ -(number & 1)


def _sized(stream: _Stream, most: int) -> bytes:
    size = _long(stream)
    if not 0 <= size <= most:
        raise PacketError(f"a value of {size} bytes in its header cannot be", damaged=True)
    return stream.exactly(size)
