"""A table that holds stars and galaxies is added once for each, and neither passes for the other."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from core.catalogs.library import Library
from pipeline.known.add import Options, add
from pipeline.known.table_file import CatalogRefused
from pipeline.simulate import simulate_night
from tests.pipeline.catalogs import scattered, write_csv


@pytest.mark.parametrize("form", ["csv", "fits"])
def test_point_sources_of_a_survey_are_no_host_galaxies(library: Library, tmp_path: Path, form: str) -> None:
    """As tractor catalogues have them: a profile for each, PSF and a radius of 0 for stars."""
    words = ["PSF", "REX", "psf ", "DEV", "EXP", "SER", "PSF", "DUP"] * 60
    ra, dec = scattered(len(words), (150.0, 2.0), 0.2)
    is_star = np.array([word.strip().upper() == "PSF" for word in words])
    rows = {"ra": ra, "dec": dec, "type": words, "shape_r": np.where(is_star, 0.0, 1.5), "rmag": ra * 0 + 20}
    path = tmp_path / f"tractor.{form}"
    write_csv(path, **rows) if form == "csv" else Table(rows).write(path)
    found = add(path, library, Options())
    assert (found.catalog.kind, found.catalog.rows) == ("galaxies", np.count_nonzero(~is_star))
    assert found.catalog.facts["skipped"] == 0
    left = f"{np.count_nonzero(is_star)} stars of the file are left out"
    assert found.remarks == (f"{left}: --kind stars adds them, by another --name",)
    stars = add(path, library, Options(kind="stars", name="stars"))
    assert stars.is_new
    assert stars.catalog.rows == np.count_nonzero(is_star) + 60  # of duplicates it is not said what they are
    assert "240 galaxies" in stars.remarks[0]


def test_a_file_without_any_of_the_kind_says_so(library: Library, tmp_path: Path) -> None:
    ra, dec = scattered(30, (150.0, 2.0), 0.1)
    path = write_csv(tmp_path / "s.csv", ra=ra, dec=dec, type=["STAR"] * 30, radius=ra * 0)
    with pytest.raises(CatalogRefused, match="is of galaxies, but of stars: say --kind stars"):
        add(path, library, Options())


def test_types_of_galaxies_in_letters_and_numbers_are_none_of_stars(library: Library, tmp_path: Path) -> None:
    ra, dec = scattered(60, (150.0, 2.0), 0.1)
    path = write_csv(tmp_path / "rc3.csv", ra=ra, dec=dec, type=["S", "6", "G2V"] * 20, d25=ra * 0 + 1)
    assert add(path, library, Options()).catalog.rows == 60


def test_the_sky_of_a_simulated_night_is_added_as_it_is(library: Library, tmp_path: Path) -> None:
    night = simulate_night(tmp_path / "night", frames=1, size=128, references=1)
    galaxies = add(night.catalogue, library, Options())
    stars = add(night.catalogue, library, Options(kind="stars", name="stars", band="r", mag_system="ab"))
    names = [str(name) for name in Table.read(night.catalogue)["id"]]
    counts = [sum(name.startswith(kind) for name in names) for kind in ("galaxy", "star")]
    assert [galaxies.catalog.rows, stars.catalog.rows] == counts
    assert min(counts) > 0
