"""Tables from CSV, FITS, VOTable and Parquet files, read in chunks: no file is ever held whole.

A VOTable is the exception, for its XML can only be read at once: large ones are refused.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from pipeline.known.packed import is_packed, is_zip, opened
from pipeline.known.table_file import (
    CHUNK,
    UNREADABLE,
    CatalogRefused,
    Chunk,
    Column,
    TableFile,
    from_arrow,
    is_arrow_text,
    plain,
    refused,
)
from pipeline.known.text_table import TextTable

MOST_VOTABLE = 1 << 30


def open_table(path: Path, scratch: Path) -> TableFile:
    """Open a file by what it holds, not by how it is called.

    Parameters
    ----------
    path : Path
    scratch : Path
        A folder where a compressed FITS file is unpacked.

    Raises
    ------
    CatalogRefused
    """
    try:
        if is_zip(path):
            raise CatalogRefused(f"{path.name} is a ZIP archive: unzip it, and add the file that it holds")
        with opened(path) as file:
            head = file.read(4096)
        if head.startswith(b"SIMPLE  ="):
            return FitsTable(_unpacked(path, scratch) if is_packed(path) else path)
    except UNREADABLE as error:
        raise CatalogRefused(f"cannot read {path}: {error}") from error
    if head.startswith(b"PAR1"):
        if is_packed(path):
            raise CatalogRefused(
                f"{path.name} is a Parquet file within a compressed one: decompress it, and add what it holds"
            )
        return ParquetTable(path)
    if _is_votable(head):
        return VOTable(path)
    if b"\0" in head:
        raise CatalogRefused(f"{path.name} is no CSV, FITS, VOTable or Parquet file")
    return TextTable(path)


def _is_votable(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"VOTABLE" in head.upper()


def _unpacked(path: Path, scratch: Path) -> Path:
    target = scratch / "unpacked.fits"
    with opened(path) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 22)
    return target


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._path = path
        try:
            self._file = parquet.ParquetFile(path, pre_buffer=False)  # else all of it is held
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise refused(path, error) from error
        self.columns = tuple(
            Column(each.name, _arrow_unit(each), is_arrow_text(each.type))
            for each in schema
            if not pa.types.is_nested(each.type)
        )

    def chunks(self, names: Sequence[str], labels: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns."""
        import pyarrow as pa

        total, done = self._file.metadata.num_rows, 0
        try:
            for batch in self._file.iter_batches(CHUNK, columns=list(names)):
                done += batch.num_rows
                columns = {name: from_arrow(batch.column(name), is_label=name in labels) for name in names}
                yield Chunk(columns, done, total)
        except (pa.ArrowException, OSError) as error:
            raise refused(self._path, error) from error


class FitsTable:
    """The first table of a FITS file."""

    def __init__(self, path: Path) -> None:
        from astropy.io import fits

        import pipeline.files.fits_selection  # noqa: F401 - with it astropy refuses columns without end

        self._path = path
        try:
            with warnings.catch_warnings(), fits.open(path, memmap=True) as hdus:
                warnings.simplefilter("ignore")
                kinds = (fits.BinTableHDU, fits.TableHDU)
                places = [i for kind in kinds for i, hdu in enumerate(hdus) if isinstance(hdu, kind)]
                self._place: int | None = next(iter(places), None)
                self.columns = tuple(
                    Column(str(each.name), str(each.unit) if each.unit else None, _is_fits_text(each.format))
                    for each in (hdus[self._place].columns if places else ())
                )
        except Exception as error:  # astropy raises nearly every kind
            raise refused(path, error) from error
        if self._place is None:
            raise CatalogRefused(f"{path.name} is a FITS file without a table")

    def chunks(self, names: Sequence[str], labels: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns."""
        from astropy.io import fits

        try:
            with warnings.catch_warnings(), fits.open(self._path, memmap=True) as hdus:
                warnings.simplefilter("ignore")
                table = hdus[self._place]
                rows = table.data
                nulls = {each.name: each.null for each in table.columns if isinstance(each.null, int)}
                for start in range(0, len(rows), CHUNK):
                    part = rows[start : start + CHUNK]
                    columns = {}
                    for name in names:
                        values = np.asarray(part[name])
                        missing = values == nulls[name] if name in nulls else np.zeros(len(values), bool)
                        columns[name] = plain(values, missing, is_label=name in labels)
                    yield Chunk(columns, start + len(part), len(rows))
        except Exception as error:  # astropy raises nearly every kind
            raise refused(self._path, error) from error


class VOTable:
    """The first table of a VOTable."""

    def __init__(self, path: Path) -> None:
        from astropy.io import votable

        if path.stat().st_size > MOST_VOTABLE:
            raise CatalogRefused(
                f"{path.name} is a VOTable of more than 1 GiB, which must be read at once:"
                " convert it to Parquet or FITS"
            )
        try:
            _refuse_elsewhere(path)
            with warnings.catch_warnings(), opened(path, MOST_VOTABLE) as file:
                warnings.simplefilter("ignore")
                self._table = votable.parse_single_table(file, verify="ignore")
        except CatalogRefused:
            raise
        except Exception as error:  # its parser raises whatever the XML and its parts do
            raise refused(path, error) from error
        self._path = path
        self.columns = tuple(
            Column(
                str(each.name),
                str(each.unit) if each.unit else None,
                each.datatype in {"char", "unicodeChar"},
            )
            for each in self._table.fields
        )
        self._ids = {str(each.name): each.ID for each in self._table.fields}

    def chunks(self, names: Sequence[str], labels: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns."""
        array = self._table.array
        for start in range(0, len(array), CHUNK):
            part = array[start : start + CHUNK]
            columns = {}
            for name in names:
                cells = part[self._ids[name]]
                missing = np.ma.getmaskarray(cells)
                try:
                    columns[name] = plain(np.asarray(cells.data), missing, is_label=name in labels)
                except ValueError as error:
                    raise refused(self._path, error) from error
            yield Chunk(columns, start + len(part), len(array))


def _refuse_elsewhere(path: Path) -> None:
    """Refuse a VOTable whose data are elsewhere: astropy would fetch them, from any server or file."""

    def begins(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2].upper() == "STREAM" and "href" in map(str.lower, attributes):
            raise CatalogRefused(
                f"{path.name} holds no data but says where they are, which is not followed:"
                " save the table with its data in it"
            )

    parser = expat.ParserCreate()
    parser.StartElementHandler = begins
    with opened(path, MOST_VOTABLE) as file:
        parser.ParseFile(file)


def _arrow_unit(column: Any) -> str | None:
    told = {key.lower(): value for key, value in (column.metadata or {}).items()}
    unit = told.get(b"unit") or told.get(b"units")
    return unit.decode("utf-8", errors="replace") if unit else None


def _is_fits_text(form: object) -> bool:
    return re.match(r"\d*A|A\d*", str(form)) is not None
