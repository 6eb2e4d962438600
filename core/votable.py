"""VOTables that say what their columns are, and who wrote them: systems, descriptions, units and UCDs."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING
from xml.sax.saxutils import escape

from core.made_by import made_by
from core.text import whole_text

if TYPE_CHECKING:
    from astropy.io.votable.tree import VOTableFile
    from astropy.table import Table

MJD_ORIGIN = 2400000.5  # the Julian date at which modified ones begin
_VERSION = "1.4"  # the first that tells of time systems
_END = b"  </TABLE>"
_SKY, _TIME = "icrs", "utc"
_ON_THE_SKY = ("pos.eq.ra", "pos.eq.dec")


def write(table: Table, stream: IO[bytes], ucds: Mapping[str, str]) -> None:
    """Write a table as VOTable 1.4 (IVOA Recommendation 21 October 2019).

    Parameters
    ----------
    table : Table
        Of astropy, with units and descriptions. Positions are ICRS, times are MJD in UTC where they were
        observed.
    stream : binary stream
        Gets all of it at once: it is made in memory.
    ucds : mapping
        What each column is, by its name, as a UCD1+. By these columns are told to be positions and times.
    """
    stream.write(_bytes_of(_document(table, ucds)))


def write_rows(
    columns: Table, rows: Iterable[Sequence[object]], stream: IO[bytes], ucds: Mapping[str, str]
) -> int:
    """Write rows as VOTable 1.4, one at a time: astropy would take all into memory, and far longer.

    Parameters
    ----------
    columns : Table
        Without rows, as `write` takes it; texts may be of any length.
    rows : iterable of sequence
        A value a column; None, and a number that is not finite, is none.
    stream : binary stream
    ucds : mapping

    Returns
    -------
    int
        How many there were.
    """
    document = _document(columns, ucds)
    for column in document.get_first_table().fields:
        if column.datatype == "unicodeChar":
            column.arraysize = "*"
    before, end, after = _bytes_of(document).rpartition(_END)
    stream.write(before + b"   <DATA>\n    <TABLEDATA>\n")
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 the last one is the answer
        cells = "".join([f"<TD>{_cell(value)}</TD>" for value in row])
        stream.write(f"<TR>{cells}</TR>\n".encode())
    stream.write(b"    </TABLEDATA>\n   </DATA>\n" + end + after)
    return count


def _cell(value: object) -> str:
    """A value within XML, which knows no control characters."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value) if isinstance(value, int | float) else escape(whole_text(value))


def _document(table: Table, ucds: Mapping[str, str]) -> VOTableFile:
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import CooSys, Info, TimeSys

    document = from_table(table)
    document.version = _VERSION
    resource = document.resources[0]
    resource.infos.append(Info(name="server_software", value=made_by()))  # by the IVOA's note Data Origin
    used = set()
    for column in document.get_first_table().fields:
        column.ucd = ucds.get(column.name)
        if (column.ucd or "").startswith(_ON_THE_SKY):
            column.ref = _SKY
        elif (column.ucd or "").startswith("time.epoch"):
            column.ref = _TIME
        used.add(column.ref)
    if _SKY in used:
        resource.coordinate_systems.append(CooSys(ID=_SKY, system="ICRS"))
    if _TIME in used:
        resource.time_systems.append(
            TimeSys(
                ID=_TIME,
                timeorigin=MJD_ORIGIN,
                timescale="UTC",
                refposition="TOPOCENTER",
                config={"version_1_4_or_later": True},
            )
        )
    return document


def _bytes_of(document: VOTableFile) -> bytes:
    from astropy.io.votable import writeto

    written = io.BytesIO()  # astropy closes some streams that it is given
    writeto(document, written)
    return written.getvalue()
