"""Parquet files of alerts, as brokers archive them: one row an alert, records as structures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow
import pyarrow.parquet

from core.text import counted
from pipeline.surveys.avro_schema import recognised
from pipeline.surveys.refusal import PacketError, Refused
from pipeline.surveys.survey import Survey
from pipeline.surveys.tables import SURVEYS

BATCH = 16  # rows that are in memory at once
MOST_GROUP = 2**30  # bytes of a row group, inflated, as the file itself has it
MOST_METADATA = 16 * 2**20
LIST_STEPS = (".list.element", ".list.item", ".bag.array_element", ".bag.array", ".array")


def read_parquet(stream: BinaryIO) -> Iterator[tuple[Survey, dict[str, Any]] | Refused]:
    """The rows of a file, as far as a survey's table asks for their columns.

    Yields
    ------
    tuple or Refused
        A row as a record, with the survey that it is of; or a part that cannot be read.

    Raises
    ------
    PacketError
        It is no such file, or of no survey that is known.
    """
    try:
        file = pyarrow.parquet.ParquetFile(
            stream,
            thrift_string_size_limit=MOST_METADATA,
            thrift_container_size_limit=MOST_METADATA,
        )
        # What a column is called on the disk, and the path of its value in a record.
        columns = {
            column.path: _path(column.path) for column in map(file.schema.column, range(len(file.schema)))
        }
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise PacketError(
            f"it is no Parquet file that can be read: {_first_line(error)}", damaged=True
        ) from None
    paths = set(columns.values())
    survey = recognised(lambda mark: any(path == mark or path.startswith(f"{mark}.") for path in paths))
    if survey is None:
        known = ", ".join(each.name for each in SURVEYS)
        raise PacketError(f"its columns are those of no survey that is known here ({known})")
    wanted = [name for name, path in columns.items() if _is_wanted(survey, path)]
    yield from _rows(file, survey, wanted)


def _rows(file: Any, survey: Survey, wanted: list[str]) -> Iterator[tuple[Survey, dict[str, Any]] | Refused]:
    count = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).total_byte_size
        if not 0 <= size <= MOST_GROUP:
            yield Refused(f"row group {group}", f"{size} bytes are more than are read at once")
            continue
        try:
            for batch in file.iter_batches(BATCH, row_groups=[group], columns=wanted, use_threads=False):
                for row in batch.to_pylist():
                    count += 1
                    yield survey, row
        except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError, MemoryError) as error:
            where = f"after {counted(count, 'alert')}" if count else ""
            yield Refused(where, f"its rows cannot be read: {_first_line(error)}", damaged=True)


def _path(column: str) -> str:
    """The path of a value without the steps that Parquet puts between a list and its elements."""
    for step in LIST_STEPS:
        column = column.replace(step, "")
    return column


def _is_wanted(survey: Survey, path: str) -> bool:
    name, _, inner = path.partition(".")
    fields = survey.wanted()
    if name not in fields:
        return False
    within = fields[name]
    return inner == "" or (within is not None and inner in within)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
