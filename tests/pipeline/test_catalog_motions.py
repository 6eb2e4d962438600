"""Proper motions are in the unit that their file says, where sources are moved and where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy import units
from astropy.table import Table

from core.catalogs.library import Catalog, Library
from pipeline.known.motions import mas_a_year
from pipeline.known.table_file import CatalogRefused
from tests.pipeline.catalogs import added, gaia, write_csv


def catalogue(tmp_path: Path, form: str, unit: str | None, size: float) -> Catalog:
    """Three stars of which one is of ten years before; to the north they go by `size` a year."""
    columns = gaia([10.0, 11.0, 12.0], [0.0, 60.0, 0.0], pmra=[0.0] * 3, pmdec=[size] * 3)
    columns["ref_epoch"] = [2016.0, 2006.0, 2016.0]
    table = Table(columns)
    if unit is not None:
        table["pmra"].unit = table["pmdec"].unit = unit
    path = tmp_path / f"moving.{form}"
    table.write(path, format={"vot": "votable", "ecsv": "ascii.ecsv"}.get(form, form))
    return added(Library(tmp_path), path)


@pytest.mark.parametrize("form", ["fits", "vot", "ecsv"])
@pytest.mark.parametrize(
    ("unit", "size"),
    [(None, 1000.0), ("mas/yr", 1000.0), ("arcsec/yr", 1.0), ("deg/yr", 1.0 / 3600.0)],
)
def test_one_arcsec_a_year_is_the_same_in_any_unit(
    tmp_path: Path, form: str, unit: str | None, size: float
) -> None:
    catalog = catalogue(tmp_path, form, unit, size)
    (part,) = catalog.parts
    assert max(part.table.column("dec")) == pytest.approx(60.0 + 10.0 / 3600.0, abs=1e-8)
    assert list(part.table.column("pmdec")) == pytest.approx([1000.0] * 3, rel=1e-6)
    assert part.motion_mas == pytest.approx(1000.0, rel=1e-6)


@pytest.mark.parametrize("unit", ["mag", "ms/yr", "mas", "furlongs a fortnight"])
def test_a_unit_of_something_else_is_refused(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "odd.psv"
    path.write_text(
        f"ra|dec|pmra|pmdec\ndeg|deg|{unit}|{unit}\n---|---|---|---\n10.0|1.0|2.0|3.0\n11.0|1.0|2.0|3.0\n"
    )
    with pytest.raises(
        CatalogRefused, match=f"column pmra says it is in '{unit}', which is no unit of proper"
    ):
        added(Library(tmp_path), path, kind="stars")
    assert Library(tmp_path).catalogs() == []


def test_a_motion_that_lacks_its_other_half_is_left_out_in_any_unit(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "half.csv", ra=[10.0, 11.0], dec=[1.0, 2.0], pmra=[1.0, 2.0])
    assert added(Library(tmp_path), path, kind="stars").rows == 2


@pytest.mark.parametrize(
    "written", ["mas/yr", "mas.yr-1", "mas yr**-1", "MAS/YR", "mas/y", "mas/years", "marcsec/year", " mas/a "]
)
def test_a_unit_is_read_as_catalogues_write_it(written: str) -> None:
    assert mas_a_year("pmra", written) == pytest.approx(1.0)
    assert mas_a_year(
        "pmra", written.lower().replace("marcsec", "mas").replace("mas", "rad")
    ) == pytest.approx(units.rad.to(units.mas))
