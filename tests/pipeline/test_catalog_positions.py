"""Positions of catalogues in every unit and form, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from core.catalogs.library import Library
from pipeline.known.add import Options, add
from pipeline.known.angles import angles
from pipeline.known.table_file import CatalogRefused
from tests.pipeline.catalogs import added, gaia, positions, scattered, write_csv


def test_sexagesimal_text_and_units_say_what_right_ascension_is_in(library: Library, tmp_path: Path) -> None:
    text = tmp_path / "vsx.csv"
    text.write_text(
        "OID,Name,RAJ2000,DEJ2000,Type,max,Period\n"
        "1,RR Lyr,19:25:27.91,+42:47:03.7,RRAB,7.06,0.566868\n"
        "2,no place,,,EA,10.1,\n"
        "3,south,00 00 01.0,-00 30 00,M,<12.5:,300\n"
    )
    catalog = added(library, text)
    assert (catalog.kind, catalog.rows, catalog.skipped) == ("variables", 2, 1)
    assert positions(library, "vsx") == {(291.366292, 42.784361), (0.004167, -0.5)}
    hours = write_csv(tmp_path / "hours.csv", ra_hours=[12.5], dec=[3.0], vmag=[9.0])
    added(library, hours, kind="stars")
    assert positions(library, "hours") == {(187.5, 3.0)}
    said = write_csv(tmp_path / "said.csv", ra=[12.5], dec=[3.0])
    added(library, said, kind="stars", ra_unit="hours")
    assert positions(library, "said") == {(187.5, 3.0)}
    plain = write_csv(tmp_path / "plain.csv", ra=[12.5, -10.0], dec=[3.0, 4.0])
    added(library, plain, kind="stars")
    assert positions(library, "plain") == {(12.5, 3.0), (350.0, 4.0)}


@pytest.mark.parametrize("form", ["fits", "votable"])
@pytest.mark.parametrize(
    ("text", "unit", "ra"),
    [
        ("150.125", None, 150.125),  # a plain number is degrees, as a table of numbers would have it
        ("10.125", "deg", 10.125),
        ("10.125", "h", 151.875),
        ("10:07:30", None, 151.875),
        ("10h07m30s", None, 151.875),
        ("10.125h", None, 151.875),
    ],
)
def test_text_is_degrees_or_hours_by_its_unit_and_else_by_its_form(
    library: Library, tmp_path: Path, form: str, text: str, unit: str | None, ra: float
) -> None:
    table = Table({"name": ["a"], "ra": [text], "dec": ["-04.5"]})
    table["ra"].unit = unit
    table.write(tmp_path / "text", format=form)
    added(library, tmp_path / "text", kind="stars")
    assert positions(library, "text") == {(ra, -4.5)}


def test_the_user_says_that_plain_text_is_hours(library: Library, tmp_path: Path) -> None:
    Table({"ra": ["10.125"], "dec": ["1.0"]}).write(tmp_path / "text.fits")
    added(library, tmp_path / "text.fits", kind="stars", ra_unit="hours")
    assert positions(library, "text") == {(151.875, 1.0)}


def test_a_position_of_bytes_that_are_no_text_is_refused() -> None:
    with pytest.raises(CatalogRefused, match="no UTF-8"):
        angles(np.array([b"10:12:33.1", b"\xff\xfe"]), "ra", None, is_ra=True)


def test_vectors_are_no_positions(library: Library, tmp_path: Path) -> None:
    table = Table({"ra": np.ones((3, 2)), "dec": np.ones(3), "pmra": np.ones(3)})
    table.write(tmp_path / "vectors.xml", format="votable")
    with pytest.raises(CatalogRefused, match=r"vectors\.xml.*vectors"):
        add(tmp_path / "vectors.xml", library, Options())


def test_units_in_the_head_of_ecsv_count_however_astropy_writes_them(
    library: Library, tmp_path: Path
) -> None:
    """With more facts of a column, such as its UCD, each stands on a line of its own."""
    ra, dec = scattered(50, (200.0, -70.0), 0.05)
    table = Table(gaia(ra, dec))
    table["ra"], table["dec"] = np.radians(ra), np.radians(dec)
    for name in ("ra", "dec"):
        table[name].unit, table[name].meta["ucd"] = "rad", f"pos.eq.{name}"
    table["dec"].description = "of the source; unit: deg"
    table.write(tmp_path / "radians.ecsv", format="ascii.ecsv")
    added(library, tmp_path / "radians.ecsv")
    assert positions(library, "radians") == {(round(a, 6), round(d, 6)) for a, d in zip(ra, dec, strict=True)}


@pytest.mark.parametrize(("unit", "size"), [("arcmin", 60.0), ("arcsec", 3600.0), ("mas", 3.6e6)])
def test_positions_in_parts_of_a_degree_are_read(library, tmp_path: Path, unit: str, size: float) -> None:
    table = Table({"ra": [0.0125 * size], "dec": [-0.0125 * size], "pmra": [0.0], "pmdec": [0.0]})
    table["ra"].unit = table["dec"].unit = unit
    table.write(tmp_path / "small.fits")
    added(library, tmp_path / "small.fits")
    assert positions(library, "small") == {(0.0125, -0.0125)}


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        ("Name,RAh,RAm,RAs,DE-,DEd,DEm,DEs", "A,10,12,33.1,-,4,10,11", "ra in parts, RAh and RAm"),
        ("Name,RAdeg,DE-,DEd,DEm,DEs", "A,153.1,-,4,10,11", "dec in parts, DEd and DEm"),
        ("id,ra_h,ra_m,ra_s,dec", "1,10,12,33.1,-4.1", "ra in parts, ra_h and ra_m"),
    ],
)
def test_of_positions_in_parts_the_first_part_is_not_taken_for_all(
    library: Library, tmp_path: Path, head: str, row: str, words: str
) -> None:
    path = tmp_path / "cds.csv"
    path.write_text(f"{head}\n{row}\n")
    with pytest.raises(CatalogRefused, match=words):
        add(path, library, Options(kind="stars"))
    path.write_text("Name,RAh,RAm,RAs,DEd,DEm,_RAJ2000,_DEJ2000\nA,10,12,33.1,4,10,153.1,-4.2\n")
    added(library, path, kind="stars")
    assert positions(library, "cds") == {(153.1, -4.2)}
    path.write_text("Name,RAdeg,DEdeg,RAh,RAm,DEd,DEm\nA,153.1,-4.3,10,12,4,10\n")
    added(library, path, kind="stars", name="decimal")
    assert positions(library, "decimal") == {(153.1, -4.3)}
