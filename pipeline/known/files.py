"""Tables from CSV, FITS, VOTable and Parquet files, read in chunks: no file is ever held whole.

A VOTable is the exception, for its XML can only be read at once: large ones are refused.
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.text import safe_text

CHUNK = 250_000  # rows
HEAD_BYTES = 1 << 20  # of a text file, where its header and first rows are
MOST_VOTABLE = 1 << 30
EMPTY = ["", "NaN", "nan", "NULL", "null", "None", "N/A", "NA", "n/a", "--", "---", "-", "masked", "INDEF"]
DELIMITERS = ",\t;| "  # a space only where there is none of the others
WHOLE = {"source_id", "source", "objid", "obj_id", "ls_id"}  # numbers of up to 19 digits that name a source


class CatalogRefused(AstridError):
    """A file is no catalogue that can be added, for one reason."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: its name, its unit where the file says one, and whether it holds text."""

    name: str
    unit: str | None = None
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: numbers as float64 with NaN where there is none, whole numbers, or text as bytes."""

    columns: dict[str, NDArray[Any]]
    done: int  # rows so far, or bytes where the rows are not known before
    total: int  # 0 is unknown


class TableFile(Protocol):
    """A table that can be read in chunks."""

    columns: tuple[Column, ...]

    def chunks(self, names: Sequence[str], texts: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns, from the first to the last.

        `texts` are columns to be read as text where the file does not say what they are.
        """
        ...


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
        with path.open("rb") as file:
            head = file.read(4096)
        packed = head[:2] == b"\x1f\x8b"
        if packed:
            with gzip.open(path) as inner:
                head = inner.read(4096)
        if head.startswith(b"SIMPLE  ="):
            return FitsTable(_unpacked(path, scratch) if packed else path)
    except (OSError, EOFError) as error:
        raise CatalogRefused(f"cannot read {path}: {error}") from error
    if head.startswith(b"PAR1"):
        return ParquetTable(path)
    if _is_votable(head):
        return VOTable(path)
    if b"\0" in head:
        raise CatalogRefused(f"{path.name} is no CSV, FITS, VOTable or Parquet file")
    return TextTable(path)


def _is_votable(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"VOTABLE" in head.upper()


def _unpacked(path: Path, scratch: Path) -> Path:
    plain = scratch / "unpacked.fits"
    with gzip.open(path) as packed, plain.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 22)
    return plain


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
            raise _refused(path, error) from error
        self.columns = tuple(
            Column(each.name, _arrow_unit(each), _is_arrow_text(each.type))
            for each in schema
            if not pa.types.is_nested(each.type)
        )

    def chunks(self, names: Sequence[str], texts: Collection[str] = ()) -> Iterator[Chunk]:  # noqa: ARG002
        """The rows of some columns."""
        import pyarrow as pa

        total, done = self._file.metadata.num_rows, 0
        try:
            for batch in self._file.iter_batches(CHUNK, columns=list(names)):
                done += batch.num_rows
                yield Chunk({name: _from_arrow(batch.column(name)) for name in names}, done, total)
        except (pa.ArrowException, OSError) as error:
            raise _refused(self._path, error) from error


class TextTable:
    """A CSV file, its columns parted by commas, tabs, semicolons, bars or spaces; also VizieR's and ECSV.

    Lines that begin with ``#`` before the header are its comments; a line of dashes below the header ends
    a line of units.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = self._head()
        skip = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
        if skip is None:
            raise CatalogRefused(f"{path.name} holds no table")
        self._skip = skip
        header = lines[skip]
        self._delimiter = max(DELIMITERS[:-1], key=header.count)
        if self._delimiter not in header:
            self._delimiter = DELIMITERS[-1]
        names = [name.strip() for name in next(csv.reader([header], delimiter=self._delimiter))]
        units = _ecsv_units(lines[:skip])
        self._after_names = 0
        for below in (1, 2):
            if len(lines) > skip + below and re.fullmatch(r"[-\s,;|]*-{2,}[-\s,;|]*", lines[skip + below]):
                self._after_names = below
                if below == 2:
                    given = next(csv.reader([lines[skip + 1]], delimiter=self._delimiter))
                    units = dict(zip(names, [unit.strip() for unit in given], strict=False))
        rows = [line for line in lines[skip + 1 + self._after_names :] if line.strip()][:200]
        cells = list(csv.reader(rows, delimiter=self._delimiter))
        self._names = names
        self.columns = tuple(
            Column(name, units.get(name) or None, _looks_like_text([c[i] for c in cells if len(c) > i]))
            for i, name in enumerate(names)
        )

    def chunks(self, names: Sequence[str], texts: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        wanted = self._kinds(names, {each.name for each in self.columns if each.is_text} | set(texts))
        try:
            with pa.input_stream(str(self._path), compression="detect") as stream:
                reader = arrow_csv.open_csv(
                    stream,
                    read_options=arrow_csv.ReadOptions(
                        block_size=1 << 24,
                        skip_rows=self._skip,
                        skip_rows_after_names=self._after_names,
                        use_threads=False,
                    ),
                    parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=list(wanted),
                        column_types=wanted,
                        null_values=EMPTY,
                        strings_can_be_null=True,
                    ),
                )
                done = 0
                for batch in reader:
                    done += batch.num_rows
                    found = dict(zip(names, batch.columns, strict=True))
                    yield Chunk({name: _from_arrow(each) for name, each in found.items()}, done, 0)
        except (pa.ArrowException, OSError) as error:
            raise _refused(self._path, error) from error

    def _kinds(self, names: Sequence[str], texts: set[str]) -> dict[str, Any]:
        import pyarrow as pa

        kinds = {name: pa.string() if name in texts else pa.float64() for name in names}
        # As numbers they would lose their last digits, as text they take twice the room.
        kinds |= {name: pa.int64() for name in names if name.lower() in WHOLE and name not in self._texts()}
        return {self._raw(name): kind for name, kind in kinds.items()}

    def _texts(self) -> set[str]:
        return {each.name for each in self.columns if each.is_text}

    def _raw(self, name: str) -> str:
        """The column's name as the header has it, spaces and all."""
        header = next(csv.reader([self._head()[self._skip]], delimiter=self._delimiter))
        return header[self._names.index(name)].removeprefix("\ufeff")

    def _head(self) -> list[str]:
        with self._path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(self._path) if packed else self._path.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
        return head.decode("utf-8", errors="replace").removeprefix("\ufeff").splitlines()


class FitsTable:
    """The first table of a FITS file."""

    def __init__(self, path: Path) -> None:
        from astropy.io import fits

        from pipeline.files.fits_files import DAMAGE

        self._path = path
        try:
            with warnings.catch_warnings(), fits.open(path, memmap=True) as hdus:
                warnings.simplefilter("ignore")
                place = next((i for i, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU)), None)
                ascii_place = next((i for i, hdu in enumerate(hdus) if isinstance(hdu, fits.TableHDU)), None)
                if place is None and ascii_place is None:
                    raise CatalogRefused(f"{path.name} is a FITS file without a table")
                self._place = place if place is not None else ascii_place
                self.columns = tuple(
                    Column(str(each.name), str(each.unit) if each.unit else None, _is_fits_text(each.format))
                    for each in hdus[self._place].columns
                )
        except DAMAGE as error:
            raise _refused(path, error) from error

    def chunks(self, names: Sequence[str], texts: Collection[str] = ()) -> Iterator[Chunk]:  # noqa: ARG002
        """The rows of some columns."""
        from astropy.io import fits

        from pipeline.files.fits_files import DAMAGE

        try:
            with warnings.catch_warnings(), fits.open(self._path, memmap=True) as hdus:
                warnings.simplefilter("ignore")
                table = hdus[self._place]
                rows = table.data
                nulls = {each.name: each.null for each in table.columns if isinstance(each.null, int)}
                for start in range(0, len(rows), CHUNK):
                    part = rows[start : start + CHUNK]
                    found = {name: _plain(np.asarray(part[name]), nulls.get(name)) for name in names}
                    yield Chunk(found, start + len(part), len(rows))
        except DAMAGE as error:
            raise _refused(self._path, error) from error


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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._table = votable.parse_single_table(path, verify="ignore")
        except Exception as error:  # its parser raises whatever the XML and its parts do
            raise _refused(path, error) from error
        self.columns = tuple(
            Column(
                str(each.name),
                str(each.unit) if each.unit else None,
                each.datatype in {"char", "unicodeChar"},
            )
            for each in self._table.fields
        )
        self._ids = {str(each.name): each.ID for each in self._table.fields}

    def chunks(self, names: Sequence[str], texts: Collection[str] = ()) -> Iterator[Chunk]:  # noqa: ARG002
        """The rows of some columns."""
        array = self._table.array
        for start in range(0, len(array), CHUNK):
            part = array[start : start + CHUNK]
            found = {}
            for name in names:
                column = part[self._ids[name]]
                values = _plain(np.asarray(column.data), None)
                if values.dtype.kind == "f":
                    values = np.where(np.ma.getmaskarray(column), np.nan, values)
                found[name] = values
            yield Chunk(found, start + len(part), len(array))


def _refused(path: Path, error: BaseException) -> CatalogRefused:
    if isinstance(error, CatalogRefused):
        return error
    first = safe_text(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__, 200)
    return CatalogRefused(f"cannot read {path.name}: {first}")


def _plain(values: NDArray[Any], null: int | None) -> NDArray[Any]:
    """A column in the machine's byte order: float64, int64 or bytes."""
    if values.dtype.kind == "O":
        values = np.array([each if isinstance(each, bytes) else str(each).encode() for each in values])
    if values.dtype.kind == "U":
        return np.char.encode(values, "utf-8")
    if values.dtype.kind == "S":
        return values
    if values.ndim != 1:
        raise ValueError("a column of vectors holds no numbers of single sources")
    if values.dtype.kind in "iu":
        if null is None:
            return values.astype(np.int64)
        return np.where(values == null, np.nan, values.astype(np.float64))
    return values.astype(np.float64)


def _from_arrow(column: Any) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if _is_arrow_text(kind):
        filled = pc.fill_null(pc.cast(column, pa.binary()), b"")
        return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.bytes_)
    if pa.types.is_integer(kind) and column.null_count == 0:
        return np.asarray(pc.cast(column, pa.int64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        column = pc.cast(column, pa.float64())
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _is_arrow_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_string_view(kind)
    )


def _arrow_unit(column: Any) -> str | None:
    told = {key.lower(): value for key, value in (column.metadata or {}).items()}
    unit = told.get(b"unit") or told.get(b"units")
    return unit.decode("utf-8", errors="replace") if unit else None


def _is_fits_text(form: object) -> bool:
    return re.match(r"\d*A|A\d*", str(form)) is not None


def _looks_like_text(cells: Sequence[str]) -> bool:
    """Whether a column of a text file holds anything but numbers."""
    for cell in cells:
        plain = cell.strip()
        if plain in EMPTY:
            continue
        try:
            float(plain)
        except ValueError:
            return True
    return False


def _ecsv_units(comments: Sequence[str]) -> dict[str, str]:
    """Units from the header of an ECSV file, where each column's facts are on one line."""
    units = {}
    for line in comments:
        name = re.search(r"\bname:\s*([^,}]+)", line)
        unit = re.search(r"\bunit:\s*([^,}]+)", line)
        if name and unit:
            units[name[1].strip(" '\"")] = unit[1].strip(" '\"")
    return units
