"""Files of each shape become catalogues, or one sentence says why not."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from core.catalogs.library import CatalogError, Library
from core.catalogs.near import names
from pipeline.known.add import Options, add
from pipeline.known.table_file import CatalogRefused
from tests.pipeline.catalogs import added, gaia, positions, scattered, write_csv, write_parquet

CERES = (
    "00001    3.4   0.15 K205V 162.68631   73.73161   80.28698   10.58862  0.0775571  0.21406009   2.7676569"
    "  0 MPO492748  6751 115 1801-2019 0.60 M-v 30h Williams   0000      (1) Ceres              20190915"
)  # of MPCORB.DAT, 2020


def test_the_same_sky_is_read_from_every_kind_of_file(library: Library, tmp_path: Path) -> None:
    ra, dec = scattered(500, (359.99, 70.0), 0.05)
    columns = gaia(ra, dec)
    paths = [write_csv(tmp_path / "text.csv", **columns), write_parquet(tmp_path / "parquet.pq", **columns)]
    table = Table(columns)
    table["ra"].unit = "deg"
    for name, form in (("fits.fits", "fits"), ("vo.xml", "votable"), ("ecsv.ecsv", "ascii.ecsv")):
        table.write(tmp_path / name, format=form)
        paths.append(tmp_path / name)
    for name in ("text.csv", "fits.fits", "vo.xml"):
        for packer in (gzip, bz2, lzma):
            packed = tmp_path / f"{packer.__name__}-{name}"  # not by their names are they known
            packed.write_bytes(packer.compress((tmp_path / name).read_bytes()))
            paths.append(packed)
    expected = {(round(a, 6), round(d, 6)) for a, d in zip(ra % 360.0, dec, strict=True)}
    for path in paths:
        catalog = added(library, path)
        assert (catalog.kind, catalog.epoch, catalog.bands, catalog.rows) == ("stars", 2016.0, ("G",), 500), (
            path
        )
        assert positions(library, catalog.name) == expected
        names = {str(n).strip("b'") for n in catalog.parts[0].table.column("name")}
        assert "4000000000000000017" in names  # all of its digits
    assert len(library.catalogs()) == len(paths)


def test_a_catalogue_is_added_once_and_another_of_its_name_only_in_its_place(
    library: Library, tmp_path: Path
) -> None:
    ra, dec = scattered(50, (10.0, 10.0), 0.05)
    first = write_csv(tmp_path / "gaia.csv", **gaia(ra, dec))
    assert add(first, library, Options()).is_new
    assert not add(first, library, Options()).is_new
    (tmp_path / "new").mkdir()
    second = write_csv(tmp_path / "new" / "gaia.csv", **gaia(ra[:40], dec[:40]))
    with pytest.raises(CatalogRefused, match="--replace"):
        add(second, library, Options())
    assert add(second, library, Options(replace=True)).catalog.rows == 40
    assert [each.rows for each in library.catalogs()] == [40]
    library.remove("gaia")
    assert library.catalogs() == []
    with pytest.raises(CatalogError, match="no catalogue 'gaia'"):
        library.named("gaia")


def test_the_epoch_of_a_light_curve_is_none_of_positions(library: Library, tmp_path: Path) -> None:
    """VSX has the Julian date of maximum as Epoch; with proper motions it would carry stars away."""
    text = (
        "OID,Name,RAJ2000,DEJ2000,Type,max,Epoch,Period\n1,o Cet,34.836611,-2.977639,M,2.0,2444839.0,331.96\n"
    )
    (tmp_path / "vsx.csv").write_text(text)
    assert added(library, tmp_path / "vsx.csv").epoch is None
    columns = {"ra": [10.0], "dec": [0.0], "pmra": [0.0], "pmdec": [1000.0], "vartype": ["M"]}
    moved = columns | {"period": [300.0], "epoch": [2444839.0]}
    added(library, write_csv(tmp_path / "moving.csv", **moved), epoch=2016.0)
    assert positions(library, "moving") == {(10.0, 0.0)}
    real = columns | {"period": [300.0], "ref_epoch": [2006.0]}
    added(library, write_csv(tmp_path / "gaia.csv", **real), epoch=2016.0)
    assert positions(library, "gaia") == {(10.0, round(10.0 / 3600.0, 6))}


def test_numbers_among_limits_keep_their_exponents_and_need_no_nought_before_the_point(
    library: Library, tmp_path: Path
) -> None:
    text = tmp_path / "limits.csv"
    text.write_text(
        "OID,Name,RAJ2000,DEJ2000,Type,max,Period\n"
        "1,one,10,1,RRAB,<1.25e1,5.66868E-01\n"
        "2,two,10,2,RRAB,9.5:,.25\n"
        "3,three,10,3,M,+.5,(3e2)\n"
        "4,four,10,4,M,7.e0 V,:\n"
    )
    table = added(library, text).parts[0].table
    order = np.argsort(table.column("dec"))
    assert table.values("mag_mag", order) == pytest.approx([12.5, 9.5, 0.5, 7.0], rel=1e-6)
    assert table.values("period", order) == pytest.approx([0.566868, 0.25, 300.0, np.nan], nan_ok=True)


def test_a_limit_far_down_a_catalogue_refuses_none_of_it(library: Library, tmp_path: Path) -> None:
    text = tmp_path / "vsx.csv"
    rows = [f"{i},V{i},{10.0 + i / 1000},20.0,M,{12.5 if i < 900 else '>18.2'},300" for i in range(1000)]
    text.write_text("\n".join(["OID,Name,RAJ2000,DEJ2000,Type,max,Period", *rows]) + "\n")
    assert added(library, text).rows == 1000


def test_a_fits_table_whose_header_cannot_be_parsed_is_refused(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    Table({"ra": [1.0], "dec": [2.0]}).write(path)
    path.write_bytes(path.read_bytes().replace(b"TFORM2  = 'D       '", b"TFORM2  = \x00D\xff      '"))
    with pytest.raises(CatalogRefused, match=r"table\.fits"):
        added(library, path)


@pytest.mark.parametrize(
    ("columns", "options", "sentence"),
    [
        ({"mag": [1.0], "dec": [2.0]}, {}, "no column of right ascension"),
        ({"ra_h": [150.0], "dec": [2.0]}, {"kind": "stars"}, "in hours and holds 150"),
        ({"ra": ["150:00:01"], "dec": ["2:00:00"]}, {"kind": "stars"}, "in hours and holds 150"),
        ({"ra": [361.0], "dec": [2.0]}, {"kind": "stars"}, "no right ascension in degrees"),
        ({"ra": [10.0], "dec": [-91.0]}, {"kind": "stars"}, "no declination in degrees"),
        ({"ra": ["M 31"], "dec": ["x"]}, {"kind": "stars"}, "text that is no position"),
        ({"ra": [None], "dec": [1.0]}, {"kind": "stars"}, "no row of .* has a position"),
        ({"ra": [1.0], "dec": [1.0]}, {}, "say --kind"),
        ({"ra": [1.0], "dec": [1.0]}, {"kind": "orbits"}, "no orbit"),
    ],
)
def test_what_is_no_catalogue_is_refused_in_one_sentence(
    library: Library, tmp_path: Path, columns: dict, options: dict, sentence: str
) -> None:
    path = write_csv(tmp_path / "bad.csv", **columns)
    with pytest.raises(CatalogRefused, match=sentence) as told:
        add(path, library, Options(**options))
    assert "\n" not in str(told.value)
    assert list(library.folder.glob("*")) == []
    assert list(library.folder.glob(".*")) == []


def test_a_row_that_is_no_number_names_itself(library: Library, tmp_path: Path) -> None:
    rows = "".join(f"{i * 0.001},{i * 0.001}\n" for i in range(400))
    path = tmp_path / "late.csv"
    path.write_text(f"ra,dec\n{rows}oops,1\n")
    with pytest.raises(CatalogRefused, match=r"late\.csv.*oops"):
        add(path, library, Options(kind="stars"))


def test_positions_of_several_epochs_are_brought_to_one(library: Library, tmp_path: Path) -> None:
    """One arcsec a year for 10 years, in three rows of which one is of another epoch."""
    columns = gaia([10.0, 11.0, 12.0], [0.0, 60.0, 0.0], pmra=[0.0, 1000.0, 0.0], pmdec=[1000.0] * 3)
    columns["ref_epoch"] = [2016.0, 2006.0, 2016.0]
    added(library, write_csv(tmp_path / "mixed.csv", **columns))
    moved = 10.0 / 3600.0
    assert (round(11.0 + moved / 0.5, 6), round(60.0 + moved, 6)) in positions(library, "mixed")
    assert library.named("mixed").epoch == 2016.0


def test_galaxies_bring_their_shapes_in_any_unit(library: Library, tmp_path: Path) -> None:
    leda = write_csv(
        tmp_path / "leda.csv",
        pgc=[2557],
        raj2000=[10.6847],
        dej2000=[41.269],
        logd25=[3.25],
        logr25=[0.5],
        pa=[35.0],
    )
    catalog = added(library, leda)
    part = catalog.parts[0]
    assert catalog.kind == "galaxies"
    rows = np.array([0])
    assert part.table.values("size", rows)[0] == pytest.approx(0.5 * 6.0 * 10**3.25, rel=1e-6)
    assert part.table.values("axis_ratio", rows)[0] == pytest.approx(10**-0.5, rel=1e-6)
    table = Table({"ra": [1.0], "dec": [1.0], "a": [0.5], "b": [0.25], "pa": [90.0], "z": [0.02]})
    table["a"].unit = table["b"].unit = "arcmin"
    table.write(tmp_path / "shapes.fits")
    part = added(library, tmp_path / "shapes.fits").parts[0]
    assert part.table.values("size", rows)[0] == pytest.approx(30.0)
    assert part.table.values("axis_ratio", rows)[0] == pytest.approx(0.5)
    assert part.table.values("redshift", rows)[0] == pytest.approx(0.02)


def test_orbits_are_read_in_both_formats_and_what_is_none_is_counted(
    library: Library, tmp_path: Path
) -> None:
    text = tmp_path / "MPCORB.DAT"
    text.write_text(f"MINOR PLANET CENTER\n{'-' * 80}\n{CERES}\n\n{CERES[:26]}  broken  {CERES[36:]}\n")
    catalog = added(library, text)
    assert (catalog.kind, catalog.rows, catalog.skipped) == ("orbits", 1, 1)
    one = np.load(catalog.folder / "orbits.npy")[0]
    assert (one["epoch"], one["a"], one["e"], one["name"]) == (59000.0, 2.7676569, 0.0775571, b"(1) Ceres")
    record = {
        "Number": "(1)", "Name": "Ceres", "Principal_desig": "A801 AA", "Epoch": 2459000.5, "M": 162.68631,
        "Peri": 73.73161, "Node": 80.28698, "i": 10.58862, "e": 0.0775571, "a": 2.7676569, "H": 3.4, "U": "0",
    }  # fmt: skip
    packed = tmp_path / "extended.json.gz"
    hyperbola = record | {"Name": "open", "e": 1.2, "a": -3.0, "M": 350.0}
    impossible = [record | {"e": e, "a": a} for e, a in ((1.2, 3.0), (0.2, -3.0), (1.0, 3.0))]
    records = [record, hyperbola, *impossible, {"Principal_desig": "none"}]
    packed.write_bytes(gzip.compress(json.dumps(records).encode()))
    catalog = added(library, packed)
    assert (catalog.kind, catalog.rows, catalog.skipped) == ("orbits", 2, 4)
    other = np.load(catalog.folder / "orbits.npy")[0]
    assert all(
        other[name] == one[name] for name in ("epoch", "mean", "peri", "node", "incl", "e", "a", "name")
    )


OTHER_ORBITS = {
    "astorb.dat": (
        "     1 Ceres              L.H. Wasserman   3.34  0.15 0.72 848.4 G?      0   0   0   2   0   7"
        " 82151 6914 20260917 295.937548  73.208090  80.248993 10.587505 0.07975072   2.76592189"
        " 20260606 1.2E-02  4.2E-05 20260815 2.5E-02 20270107 2.7E-02 20320221 2.7E-02 20320221"
    ),
    "ELEMENTS.NUMBR": (
        " Num   Name              Epoch      a          e        i         w        Node        M\n"
        "------ ----------------- ----- ---------- ---------- --------- --------- --------- -----------"
    ),
}


@pytest.mark.parametrize("name", OTHER_ORBITS)
@pytest.mark.parametrize("kind", [None, "orbits"])
def test_other_orbits_are_told_from_those_that_are_read(
    library: Library, tmp_path: Path, name: str, kind: str | None
) -> None:
    (tmp_path / name).write_text(OTHER_ORBITS[name] + "\n")
    with pytest.raises(CatalogRefused, match=f"{name} holds orbits .*: orbits are read from MPCORB.DAT"):
        add(tmp_path / name, library, Options(kind=kind))
    assert library.catalogs() == []


def test_a_killed_add_leaves_nothing_that_can_be_seen(library: Library, tmp_path: Path) -> None:
    """The writer dies by SIGKILL with its rows sorted; the next one finds an empty house."""
    ra, dec = scattered(2000, (10.0, 10.0), 0.5)
    path = write_csv(tmp_path / "gaia.csv", **gaia(ra, dec))
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom core.catalogs import build\n"
        "from core.catalogs.library import Library\nfrom pipeline.known import add as module\n"
        "module.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"module.add(Path({str(path)!r}), Library(Path({str(library.folder.parent)!r})), module.Options())\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == -9
    assert len(list(library.folder.glob(".unfinished-*"))) == 1
    assert library.catalogs() == []
    assert added(library, path).rows == 2000
    assert list(library.folder.glob(".unfinished-*")) == []


def test_a_damaged_catalogue_is_told(library: Library, tmp_path: Path) -> None:
    ra, dec = scattered(20, (10.0, 10.0), 0.5)
    catalog = added(library, write_csv(tmp_path / "gaia.csv", **gaia(ra, dec)))
    (catalog.folder / "catalog.json").write_text("{")
    with pytest.raises(CatalogError, match="damaged"):
        Library(library.folder.parent).catalogs()


def test_fits_with_several_tables_and_none(library: Library, tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "image.fits")
    with pytest.raises(CatalogRefused, match="without a table"):
        add(tmp_path / "image.fits", library, Options())


@pytest.mark.parametrize("form", ["votable", "fits"])
def test_whole_numbers_that_are_missing_are_none_and_names_keep_their_digits(
    library: Library, tmp_path: Path, form: str
) -> None:
    first = 4_000_000_000_000_000_001
    table = Table({"ra": [1.0, 2.0, 3.0], "dec": [1.0, 2.0, 3.0]})
    table["source_id"] = MaskedColumn([first, first + 1, first + 2], mask=[False, True, False])
    table["phot_g_mean_mag"] = MaskedColumn([12, 13, 14], mask=[True, False, False])
    table.write(tmp_path / "gaia", format=form)
    part = added(library, tmp_path / "gaia").parts[0].table
    assert names(part.column("name"), np.arange(3)) == [str(first), None, str(first + 2)]
    assert np.array_equal(part.values("mag_G", np.arange(3)), [np.nan, 13.0, 14.0], equal_nan=True)


def test_a_name_that_is_missing_in_a_later_chunk_alone_is_none(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.known.files.CHUNK", 2)
    path = write_parquet(
        tmp_path / "gaia.pq", source_id=[5, 6, 7, None], ra=[1.0, 2.0, 3.0, 4.0], dec=[0.0, 1.0, 2.0, 3.0]
    )
    part = added(library, path, kind="stars").parts[0].table
    assert names(part.column("name"), np.arange(4)) == ["5", "6", "7", None]


@pytest.mark.parametrize(("unit", "pa"), [("deg", 0.5), (None, 0.5), ("rad", 28.64788975654116)])
def test_the_position_angle_of_a_galaxy_is_in_its_unit(
    library: Library, tmp_path: Path, unit: str | None, pa: float
) -> None:
    table = Table({"ra": [1.0], "dec": [1.0], "a": [30.0], "b": [15.0], "pa": [0.5]})
    table["pa"].unit = unit
    table.write(tmp_path / "shapes.xml", format="votable")
    part = added(library, tmp_path / "shapes.xml").parts[0]
    assert part.table.values("pa", np.array([0]))[0] == pytest.approx(pa, rel=1e-6)


def test_a_column_of_one_letter_is_a_magnitude_where_the_user_says_its_band(
    library: Library, tmp_path: Path
) -> None:
    ra, dec = scattered(60, (150.0, 2.0), 0.1)
    path = write_csv(tmp_path / "field.csv", ra=ra, dec=dec, r=np.full(60, 17.25))
    found = add(path, library, Options(kind="stars", band="r", mag_system="ab")).catalog
    assert found.bands == ("r",)
    assert {float(mag) for part in found.parts for mag in part.table.column("mag_r")} == {17.25}


def test_which_of_two_columns_is_of_the_band_is_not_guessed(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text("ra,dec,mag,r\n10,20,15.5,17.25\n11,20,16.5,18.25\n")
    with pytest.raises(
        CatalogRefused, match="a column mag and a column r: call the one that --band r means rmag"
    ):
        add(path, library, Options(kind="stars", band="r"))
    assert library.catalogs() == []
    assert add(path, library, Options(kind="stars", band="V")).catalog.bands == ("V",)  # none is called V
    path.write_text("ra,dec,mag,rmag\n10,20,15.5,17.25\n11,20,16.5,18.25\n")
    named = add(path, library, Options(name="named", kind="stars", band="r")).catalog
    assert {float(mag) for part in named.parts for mag in part.table.column("mag_r")} == {17.25, 18.25}


def test_stars_without_a_magnitude_and_a_band_of_no_column_are_told(library: Library, tmp_path: Path) -> None:
    ra, dec = scattered(60, (150.0, 2.0), 0.1)
    path = write_csv(tmp_path / "field.csv", ra=ra, dec=dec, brightest=np.full(60, 17.25))
    with pytest.raises(
        CatalogRefused, match="no magnitude for --band r: a column called mag or rmag is needed"
    ):
        add(path, library, Options(kind="stars", band="r"))
    assert library.catalogs() == []
    (remark,) = add(path, library, Options(kind="stars")).remarks
    assert "no frame gets a zeropoint by it" in remark
    unnamed = write_csv(tmp_path / "plain.csv", ra=ra, dec=dec, mag=np.full(60, 17.25))
    (remark,) = add(unnamed, library, Options(kind="stars")).remarks
    assert "it names no band of its magnitudes, so no frame gets a zeropoint by it" in remark
    library.remove("plain")
    assert add(unnamed, library, Options(kind="stars", band="r")).remarks == ()


@pytest.mark.parametrize("form", ["BINARY", "BINARY2", "FITS"])
def test_a_votable_whose_data_are_elsewhere_is_refused_and_nothing_is_fetched(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda *given, **_: asked.append(given))
    path = tmp_path / "elsewhere.xml"
    path.write_text(
        '<VOTABLE version="1.4"><RESOURCE><TABLE>'
        '<FIELD name="ra" datatype="double"/><FIELD name="dec" datatype="double"/>'
        f'<DATA><{form}><STREAM href="file:///etc/passwd"/></{form}></DATA></TABLE></RESOURCE></VOTABLE>',
        encoding="ascii",
    )
    with pytest.raises(CatalogRefused, match="says where they are"):
        add(path, library, Options())
    assert asked == []
