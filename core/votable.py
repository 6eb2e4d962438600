"""VOTables that say what their columns are, and who wrote them: systems, descriptions, units and UCDs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from core.made_by import made_by

if TYPE_CHECKING:
    from astropy.table import Table

MJD_ORIGIN = 2400000.5  # the Julian date at which modified ones begin
_VERSION = "1.4"  # the first that tells of time systems
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
    from astropy.io.votable import from_table, writeto
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
    written = io.BytesIO()  # astropy closes some streams that it is given
    writeto(document, written)
    stream.write(written.getvalue())
