"""A light curve as a table: a row an epoch, sources and bands side by side, in one unit where it is known."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from core import votable
from core.database.records import finite
from core.objects.light_curve import LightCurvePoint
from core.review.real_rows import RealObject
from core.surveys.alert import AB_ZEROPOINT_NJY
from core.text import csv_cell, whole_text

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, as VOTable describes one."""

    name: str
    type: type
    unit: str | None
    description: str


COLUMNS = (
    Column("mjd", float, "d", "time at mid-exposure, UTC"),
    Column("source", str, None, "who measured it: astrid, or a survey"),
    Column("filter", str, None, "band, as its source calls it"),
    Column("kind", str, None, "detection, forced or limit"),
    Column("is_limit", bool, None, "nothing was detected: mag is the 5 sigma limit"),
    Column("flux", float, None, "difference flux, new minus reference, in flux_unit"),
    Column("flux_err", float, None, "one sigma of flux, in flux_unit"),
    Column("flux_unit", str, None, "unit of flux and flux_err"),
    Column("mag", float, "mag", "magnitude of the difference flux without its sign, or of the limit"),
    Column("mag_err", float, "mag", "one sigma of mag, that of its zeropoint left out"),
    Column("mag_system", str, None, "of mag: ab, vega or instrumental"),
    Column("flux_njy", float, "nJy", "flux on the AB system; empty without a zeropoint of it"),
    Column("flux_err_njy", float, "nJy", "one sigma of flux_njy"),
    Column("calibration", str, None, "ab where a zeropoint of that system is known, else instrumental"),
    Column("candidate", int, None, "number of the detection in the store"),
    Column("reference", int, None, "number of the reference that was subtracted"),
)


UCDS = {
    "mjd": "time.epoch", "source": "meta.curation", "filter": "instr.bandpass", "kind": "meta.code",
    "is_limit": "meta.code;phot.mag", "flux": "phot.flux;arith.diff", "flux_err": "stat.error;phot.flux",
    "flux_unit": "meta.unit;phot.flux", "mag": "phot.mag;arith.diff", "mag_err": "stat.error;phot.mag",
    "mag_system": "meta.code;phot.mag", "flux_njy": "phot.flux.density;arith.diff",
    "flux_err_njy": "stat.error;phot.flux.density", "calibration": "meta.code.qual",
    "candidate": "meta.id.cross", "reference": "meta.id",
}  # fmt: skip


def curve_rows(found: RealObject) -> list[dict[str, Any]]:
    """The rows of an object's table, by the names of `COLUMNS`; what is unknown is none."""
    return [curve_row(point) for point in found.detail.light_curve]


def write_csv(rows: Sequence[dict[str, Any]], stream: IO[str], columns: Sequence[Column] = COLUMNS) -> None:
    """Write CSV with a line of names. No cell is one that a spreadsheet takes for a formula."""
    writer = csv.writer(stream, lineterminator="\n")
    names = [column.name for column in columns]
    writer.writerow(names)
    writer.writerows([csv_cell(row[name]) for name in names] for row in rows)


def write_json(rows: Sequence[dict[str, Any]], stream: IO[str]) -> None:
    """Write one JSON document, in ASCII."""
    stream.write(json.dumps(list(rows), allow_nan=False, indent=2) + "\n")


def write_votable(
    rows: Sequence[dict[str, Any]],
    stream: IO[str],
    columns: Sequence[Column] = COLUMNS,
    ucds: Mapping[str, str] = UCDS,
) -> None:
    """Write a VOTable, with the systems of its positions and times."""
    written = io.BytesIO()
    votable.write(astropy_table(rows, columns), written, ucds)
    stream.write(written.getvalue().decode("utf-8"))


def write_ecsv(
    rows: Sequence[dict[str, Any]],
    stream: IO[str],
    columns: Sequence[Column] = COLUMNS,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write ECSV, astropy's own text; what is said of the whole goes into its head."""
    table = astropy_table(rows, columns)
    table.meta.update(meta or {})
    table.write(stream, format="ascii.ecsv")


def curve_row(point: LightCurvePoint) -> dict[str, Any]:
    """One epoch by the names of `COLUMNS`; what is unknown is none."""
    scale = _nanojansky(point)
    flux = None if point.flux is None else finite(point.flux)
    error = None if point.flux_err is None else finite(point.flux_err)
    return {
        "mjd": finite(point.mjd),
        "source": point.source,
        "filter": point.filter,
        "kind": str(point.kind),
        "is_limit": point.is_limit,
        "flux": flux,
        "flux_err": error,
        "flux_unit": point.flux_unit,
        "mag": finite(point.mag),
        "mag_err": finite(point.mag_err),
        "mag_system": point.mag_system,
        "flux_njy": None if scale is None or flux is None else flux * scale,
        "flux_err_njy": None if scale is None or error is None else error * scale,
        "calibration": "instrumental" if scale is None else "ab",
        "candidate": point.candidate_id,
        "reference": point.reference,
    }


def astropy_table(rows: Sequence[dict[str, Any]], columns: Sequence[Column] = COLUMNS) -> Table:
    """The rows as a table of astropy, with units and descriptions; what is unknown is masked."""
    from astropy.table import MaskedColumn, Table

    blanks: dict[type, Any] = {float: math.nan, int: -1, str: "", bool: False}
    table = Table()
    for column in columns:
        values = [row[column.name] for row in rows]
        filled = [blanks[column.type] if value is None else value for value in values]
        dtype: Any = column.type
        if column.type is str:
            filled, dtype = [whole_text(value) for value in filled], None if rows else "U1"
        table[column.name] = MaskedColumn(
            filled,
            mask=[value is None for value in values] if column.type is not bool else False,
            dtype=dtype,
            unit=column.unit,
            description=column.description,
        )
    return table


def _nanojansky(point: LightCurvePoint) -> float | None:
    """What a flux of 1 is in nanojansky; none where no zeropoint on the AB system is known."""
    if point.zeropoint is None or point.mag_system != "ab" or not math.isfinite(point.zeropoint):
        return None
    return math.pow(10.0, 0.4 * (AB_ZEROPOINT_NJY - point.zeropoint))
