"""What the Transient Name Server gives out becomes a catalogue of transients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.catalogs.coverage import Coverage
from core.catalogs.library import Library
from core.catalogs.near import near
from core.objects.known import known_lines
from core.settings_sections import CatalogSettings
from pipeline.known.match import KnownSky
from tests.pipeline.catalogs import added


def quoted(*rows: str) -> str:
    return "".join(",".join(f'"{cell}"' for cell in row.split("|")) + "\n" for row in rows)


TNS_OBJECTS = '"2026-09-21 00:00:00"\n' + quoted(
    "objid|name_prefix|name|ra|declination|redshift|typeid|type|reporting_group|discoverydate|discoverymag"
    "|discmagfilter|filter|reporters|internal_names|lastmodified",
    "100|SN|2026yly|138.43|76.475277|0.0055|11|SN II|ATLAS|2026-09-20 04:48:00.000|15.4|71|orange|A, B"
    "|ATLAS26abc|2026-09-20 12:00:00",
    "101|AT|2026abbx|267.5|-23.722419||||ZTF|2026-09-08 23:59:59.9|19.6|110|g|C|ZTF26aaa|2026-09-09 12:00:00",
)
TNS_FOUND = quoted(
    "ID|Name|RA|DEC|Obj. Type|Redshift|Host Name|Host Redshift|Reporting Group/s|Discovery Mag/Flux"
    "|Discovery Filter|Discovery Date (UT)|Sender|Remarks",
    "100|SN 2026yly|09:13:43.2|+76:28:31.0|SN II|0.0055|NGC2748||ATLAS|15.4|orange-ATLAS|2026-09-20 04:48:00"
    "|bot|a, b\nof two lines",
    "101|AT 2026abbx|17:50:00.0|-23:43:20.71|||||ZTF|19.6|g-ZTF|2026-09-08 23:59:59.9|bot|",
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (TNS_OBJECTS, (138.43, 76.475277)),
        (TNS_OBJECTS.replace('00:00:00"', '00:00:00 - 23:59:59"', 1), (138.43, 76.475277)),
        (TNS_OBJECTS.partition("\n")[2], (138.43, 76.475277)),
        (TNS_FOUND, (138.43, 76.475278)),
    ],
    ids=["all objects", "of one day", "without its date", "search results"],
)
def test_tables_of_the_transient_name_server_are_transients(
    tmp_path: Path, text: str, place: tuple[float, float]
) -> None:
    (tmp_path / "tns.csv").write_text(text)
    library = Library(tmp_path / "home")
    catalog = added(library, tmp_path / "tns.csv", coverage=Coverage("all-sky"))
    assert (catalog.kind, catalog.rows, catalog.skipped, catalog.epoch) == ("transients", 2, 0, None)
    sources = near(library, *place, 1e-5)
    assert sources.names == ["SN 2026yly"]
    known = KnownSky(library, CatalogSettings())
    found = known.match(np.array([138.43, 267.5]), np.array([76.4753, -23.7224]), np.array([61300.0] * 2))
    first, second = (each["transient"] for each in found)
    assert (first["name"], first["type"], first["discovered"]) == ("SN 2026yly", "SN II", "2026-09-20")
    assert (first["redshift"], first["mag"], first["band"]) == (0.0055, 15.4, None)
    assert (second["name"], second["type"], second["discovered"]) == ("AT 2026abbx", None, "2026-09-08")
    ((_, told),) = known_lines({"transient": first})
    assert told == 'SN 2026yly, 0.08", mag 15.40, z 0.0055, SN II, discovered 2026-09-20; tns'
    assert all(each["galaxy"]["status"] == "unknown" for each in found)
