"""Tables in plain text: CSV, its relatives, VizieR's and ECSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.known.packed import opened
from pipeline.known.table_file import (
    UNREADABLE,
    CatalogRefused,
    Chunk,
    Column,
    from_arrow,
    refused,
)

HEAD_BYTES = 1 << 20  # of a file, where its header and first rows are
LOOKED_AT, LOOKED_THROUGH = 200, 5000  # rows, which tell what columns hold text, and limits such as >18.2
BLOCK_BYTES = 1 << 24
EMPTY = ["", "NaN", "nan", "NULL", "null", "None", "N/A", "NA", "n/a", "--", "---", "-", "masked", "INDEF"]
DELIMITERS = ",\t;|"
DATED = re.compile(r'"?\d{4}-\d\d-\d\d([ T][\d:.]+Z?)?( - [\d:. -]+)?"?')
_ECSV_NAME = re.compile(r"#\s*-\s*\{?\s*name:\s*([^,}]+)")
_ECSV_UNIT = re.compile(r"# {3,7}unit:\s*([^,}]+)")
WHOLE = {"source_id", "source", "objid", "obj_id", "ls_id"}  # numbers of up to 19 digits that name a source


class TextTable:
    """A CSV file, its columns parted by commas, tabs, semicolons, bars or spaces; also VizieR's and ECSV.

    Lines that begin with ``#`` before the header are its comments, and a date alone there is that of the
    table, as the Transient Name Server writes it; a line of dashes below the header ends a line of units.

    Raises
    ------
    CatalogRefused
        There is no table, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._read_head()
        except UNREADABLE as error:
            raise refused(path, error) from error

    def _read_head(self) -> None:
        with opened(self._path) as file:
            head = file.read(HEAD_BYTES)
        self._has_quotes = b'"' in head
        lines = head.decode("utf-8", errors="replace").removeprefix("\ufeff").splitlines()
        if len(head) == HEAD_BYTES and len(lines) > 1:
            lines.pop()  # cut somewhere
        start = next((i for i, line in enumerate(lines) if not _is_before_header(line)), None)
        if start is None:
            raise CatalogRefused(f"{self._path.name} holds no table")
        self._lines_before_names = start
        self._delimiter = _delimiter(lines[start])
        # As the header has them, spaces and all: Arrow asks for columns by these.
        self._raw = self._cells(lines[start])
        names = [name.strip() for name in self._raw]
        units = _ecsv_units(lines[:start])
        self._lines_after_names = 0
        for below in (1, 2):
            if len(lines) > start + below and _is_ruled(lines[start + below]):
                self._lines_after_names = below
                if below == 2:
                    given = [unit.strip() for unit in self._cells(lines[start + 1])]
                    units = dict(zip(names, given, strict=False))
        below_names = lines[start + 1 + self._lines_after_names :]
        rows = [self._cells(line) for line in below_names if line.strip()][:LOOKED_THROUGH]
        self.columns = tuple(
            Column(name, units.get(name) or None, _looks_like_text([row[i] for row in rows if len(row) > i]))
            for i, name in enumerate(names)
        )

    def chunks(self, names: Sequence[str], labels: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        kinds = self._kinds(names, labels)
        try:
            with opened(self._path) as file, pa.PythonFile(file, mode="r") as stream:
                reader = arrow_csv.open_csv(
                    stream,
                    read_options=arrow_csv.ReadOptions(
                        block_size=BLOCK_BYTES,
                        skip_rows=self._lines_before_names,
                        skip_rows_after_names=self._lines_after_names,
                        use_threads=False,
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=self._delimiter, newlines_in_values=self._has_quotes
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=list(kinds),
                        column_types=kinds,
                        null_values=EMPTY,
                        strings_can_be_null=True,
                    ),
                )
                done = 0
                for batch in reader:
                    done += batch.num_rows
                    found = dict(zip(names, batch.columns, strict=True))
                    columns = {
                        name: from_arrow(each, is_label=name in labels) for name, each in found.items()
                    }
                    yield Chunk(columns, done, 0)
        except (pa.ArrowException, *UNREADABLE) as error:
            raise refused(self._path, error) from error

    def _cells(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self._delimiter))

    def _kinds(self, names: Sequence[str], labels: Collection[str]) -> dict[str, Any]:
        """Arrow's type of each column to read, by its name in the header."""
        import pyarrow as pa

        texts = {each.name for each in self.columns if each.is_text}
        places = {each.name: i for i, each in reversed(list(enumerate(self.columns)))}
        kinds = {}
        for name in names:
            kind = pa.string() if name in texts or name in labels else pa.float64()
            if name.lower() in WHOLE and name not in texts:
                kind = pa.int64()  # as text they take twice the room
            kinds[self._raw[places[name]]] = kind
        return kinds


def _delimiter(header: str) -> str:
    """What parts the names of a header; a space only where there is none of the others."""
    most = max(DELIMITERS, key=header.count)
    return most if most in header else " "


def _is_before_header(line: str) -> bool:
    """Whether a line is empty, a comment, or the date or span of time that a table is of."""
    return not line.strip() or line.startswith("#") or DATED.fullmatch(line.strip()) is not None


def _is_ruled(line: str) -> bool:
    """Whether a line is one of dashes, as stands below the names and units of VizieR's tables."""
    return re.fullmatch(r"[-\s,;|]*-{2,}[-\s,;|]*", line) is not None


def _looks_like_text(cells: Sequence[str]) -> bool:
    """Whether a column holds anything but numbers; far down, whether it holds limits, which are rare."""
    for cell in cells[:LOOKED_AT]:
        stripped = cell.strip()
        if stripped in EMPTY:
            continue
        try:
            float(stripped)
        except ValueError:
            return True
    return any(cell.lstrip()[:1] in ("<", ">") for cell in cells[LOOKED_AT:])


def _ecsv_units(comments: Sequence[str]) -> dict[str, str]:
    """Units from the header of an ECSV file: a column's facts are on one line, or on one line each."""
    units: dict[str, str] = {}
    name = None
    for line in comments:
        if begun := _ECSV_NAME.match(line):
            name = begun[1].strip(" '\"")
            # A description may speak of units too; astropy has it behind them.
            unit = re.search(r"\bunit:\s*([^,}]+)", line.partition("description:")[0])
        else:
            unit = _ECSV_UNIT.match(line)
        if name is not None and unit and name not in units:
            units[name] = unit[1].strip(" '\"")
    return units
