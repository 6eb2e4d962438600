"""What the readers of catalogue files share: columns, chunks of rows, and how values become plain ones."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.text import safe_text
from pipeline.known.packed import DAMAGED

CHUNK = 250_000  # rows
UNREADABLE = (*DAMAGED, csv.Error)  # what reading a damaged file raises


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

    def chunks(self, names: Sequence[str], labels: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows of some columns, from the first to the last.

        Parameters
        ----------
        names : sequence of str
            The columns to read.
        labels : collection of str
            Those of them that hold names, not quantities. They are read as text where the file does not
            say what they are. Whole numbers keep all their digits in each chunk, and are 0 where there is
            none: as floats they would lose the last digits of a Gaia source.

        Raises
        ------
        CatalogRefused
            The file is damaged, or a column holds something else than it said.
        """
        ...


def refused(path: Path, error: BaseException) -> CatalogRefused:
    """What a reader raised, as one sentence."""
    if isinstance(error, CatalogRefused):
        return error
    said = str(error).strip().splitlines() or [type(error).__name__]
    return CatalogRefused(f"cannot read {path.name}: {safe_text(said[0], 200)}")


def plain(values: NDArray[Any], missing: NDArray[np.bool_], *, is_label: bool) -> NDArray[Any]:
    """A column in the machine's byte order: float64, int64 or bytes.

    Parameters
    ----------
    values : (n,) array
    missing : (n,) bool
        Where there is no value.
    is_label : bool
        Whole numbers stay whole, 0 where they are missing; else a column with missing ones is float64.

    Raises
    ------
    ValueError
        Each cell holds several numbers.
    """
    if values.dtype.kind == "O":
        values = np.array([each if isinstance(each, bytes) else str(each).encode() for each in values])
    if values.dtype.kind == "U":
        return np.char.encode(values, "utf-8")
    if values.dtype.kind == "S":
        return values
    if values.ndim != 1:
        raise ValueError("a column of vectors holds no numbers of single sources")
    if values.dtype.kind in "iu" and is_label:
        return np.where(missing, 0, values.astype(np.int64))
    if values.dtype.kind in "iu" and not missing.any():
        return values.astype(np.int64)
    return np.where(missing, np.nan, values.astype(np.float64))


def from_arrow(column: Any, *, is_label: bool) -> NDArray[Any]:
    """A column of Arrow's as `plain` has it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if is_arrow_text(kind):
        filled = pc.fill_null(pc.cast(column, pa.binary()), b"")
        return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.bytes_)
    if pa.types.is_integer(kind) and (is_label or column.null_count == 0):
        whole = pc.fill_null(pc.cast(column, pa.int64(), safe=False), 0)
        return np.asarray(whole.to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        column = pc.cast(column, pa.float64())
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def is_arrow_text(kind: Any) -> bool:
    """Whether one of Arrow's types is text."""
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
