"""All alerts that a file holds, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from core.surveys.alert import AlertFacts
from core.text import size_told
from pipeline.surveys.archive import read_archive
from pipeline.surveys.decode import decode
from pipeline.surveys.refusal import PacketError, Refused
from pipeline.surveys.survey import Survey

AVRO, PARQUET = b"Obj\x01", b"PAR1"
MOST_IN_MEMORY = 256 * 2**20  # bytes
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
SUFFIXES = (".avro", ".parquet", *TAR_SUFFIXES)
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257


def holds_alerts(path: Path) -> bool:
    """Whether a file is one of alerts, by its name or else by its first bytes."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(TAR_MAGIC_AT + len(TAR_MAGIC))
    except OSError:
        return False  # its reader says why in a sentence
    return start.startswith((AVRO, PARQUET)) or start[TAR_MAGIC_AT:] == TAR_MAGIC


def read_alerts(path: Path, *, cutout_px: int, radius_arcsec: float) -> Iterator[AlertFacts | Refused]:
    """The alerts in a file, one after the other, and what cannot be used of it.

    Parameters
    ----------
    path : Path
        An Avro or Parquet file, or an archive of such files.
    cutout_px : int
        The most pixels a side that are kept of a cutout.
    radius_arcsec : float
        How far the object of an alert is at least looked for.
    """
    if path.exists() and not path.is_file():
        yield Refused("", "it is no plain file")  # a pipe would be waited for without end
        return
    try:
        for name, stream in _streams(path):
            if isinstance(stream, Refused):
                yield stream
            else:
                yield from _alerts(name, stream, cutout_px, radius_arcsec)
    except OSError as error:
        yield Refused("", f"it cannot be read: {error.strerror or error}", damaged=True)


def _streams(path: Path) -> Iterator[tuple[str, BinaryIO | Refused]]:
    """The streams that may hold alerts: the file itself, or the entries of an archive by name."""
    if not _is_archive(path):
        with path.open("rb") as file:
            yield "", file
        return
    for entry in read_archive(path):
        if isinstance(entry, Refused):
            yield "", entry
        else:
            yield entry


def _is_archive(path: Path) -> bool:
    if path.name.lower().endswith(TAR_SUFFIXES):
        return True
    with path.open("rb") as file:
        return file.read(TAR_MAGIC_AT + len(TAR_MAGIC))[TAR_MAGIC_AT:] == TAR_MAGIC


def _alerts(
    name: str, stream: BinaryIO, cutout_px: int, radius_arcsec: float
) -> Iterator[AlertFacts | Refused]:
    count = 0
    try:
        for found in _records(name, stream):
            if isinstance(found, Refused):
                where = ", ".join(part for part in (name, found.where) if part)
                yield Refused(where, found.reason, found.damaged)
                continue
            count += 1
            survey, record = found
            try:
                yield decode(survey, record, cutout_px=cutout_px, radius_arcsec=radius_arcsec)
            except PacketError as error:
                yield Refused.of(_alert(name, count), error)
            except (TypeError, ValueError, ArithmeticError) as error:
                # A field is of a kind that no packet has; those that follow are none the worse for it.
                yield Refused(_alert(name, count), f"it cannot be read: {error}"[:200], damaged=True)
    except PacketError as error:
        yield Refused.of(name, error)


def _alert(name: str, number: int) -> str:
    return ", ".join(part for part in (name, f"alert {number}") if part)


def _records(name: str, stream: BinaryIO) -> Iterator[tuple[Survey, dict[str, Any]] | Refused]:
    """The records of a stream, whichever of the two formats it has."""
    from pipeline.surveys.avro_file import read_avro

    if cast("_Peeked", stream).peek(len(PARQUET))[: len(PARQUET)] != PARQUET:
        return read_avro(stream)
    from pipeline.surveys.parquet_file import read_parquet

    return read_parquet(_in_memory(stream) if name else stream)


class _Peeked(Protocol):
    """What `open` and an archive's entries have beyond a binary stream."""

    def peek(self, size: int, /) -> bytes:
        """The next bytes, which are still to be read."""


def _in_memory(entry: BinaryIO) -> BinaryIO:
    """An entry of an archive, which is read once from its start: Parquet is read from its end."""
    content = entry.read(MOST_IN_MEMORY + 1)
    if len(content) > MOST_IN_MEMORY:
        raise PacketError(
            f"a Parquet file of more than {size_told(MOST_IN_MEMORY)} within an archive: unpack it there"
        )
    return BytesIO(content)
