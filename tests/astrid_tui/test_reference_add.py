"""`astrid reference add` of several files and of mosaics: each image becomes the reference of its chip."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.simulate.pair import simulate_pair
from tests.astrid_tui.command import Command


@pytest.fixture(scope="module")
def chips():
    """Pixels and headers of two chips at two places."""
    made = []
    for number in range(2):
        pair = simulate_pair(256, 50 + number, n_stars=300, n_transients=0)
        header = pair.wcs_ref.to_header()
        header["CRVAL2"] += 0.06 * number
        header["GAIN"], header["RDNOISE"], header["EXPTIME"] = 1.0, 6.0, 60.0
        header["FILTER"], header["MJD-OBS"] = "r", 60000.25
        made.append((pair.ref, header))
    return made


@pytest.fixture
def astrid(tmp_path, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    command = Command(monkeypatch, capsys.readouterr)
    command("init")
    return command


@pytest.fixture
def mosaic(chips, tmp_path) -> Path:
    images = [fits.ImageHDU(*chip, name=f"CCD{number}") for number, chip in enumerate(chips, start=1)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / "deep.fits")
    return tmp_path / "deep.fits"


def test_every_image_of_a_file_is_added_and_again_is_the_same(astrid, mosaic):
    told = astrid.json("reference", "add", mosaic)
    assert [each["id"] for each in told["references"]] == [1, 2]
    assert told["refused"] == {}
    first, second = (each["dec"] for each in told["references"])
    assert second - first == pytest.approx(0.06, abs=1e-3)
    again = astrid.json("reference", "add", mosaic)
    assert [each["id"] for each in again["references"]] == [1, 2]
    assert len(astrid.json("reference", "list")) == 2


def test_one_of_them_is_added_by_its_name(astrid, mosaic):
    assert astrid.json("reference", "add", f"{mosaic}[CCD2]")["chosen"] == "added from deep.fits[2]"
    assert len(astrid.json("reference", "list")) == 1


def test_one_that_cannot_be_used_stops_none_of_the_others(astrid, mosaic, chips, tmp_path):
    empty = fits.PrimaryHDU(np.full((256, 256), 7.0, dtype=np.float32), chips[0][1])
    empty.writeto(tmp_path / "empty.fits")
    told = astrid.json("reference", "add", "empty.fits", mosaic, "gone.fits", code=3)
    assert len(told["references"]) == 2
    assert "hold the one value 7" in told["refused"]["empty.fits"]
    assert set(told["refused"]) == {"empty.fits", "gone.fits"}
    said = astrid("reference", "add", "empty.fits", mosaic, code=3)
    assert said.count("reference ") == 2
    assert "left out empty.fits: " in astrid.said
    astrid("reference", "add", "empty.fits", "gone.fits", code=1)
    astrid("reference", "add", "empty.fits", code=1)
    assert "hold the one value 7" in astrid.said


def test_a_folder_is_for_another_command(astrid, tmp_path):
    astrid("reference", "add", tmp_path, code=1)
    assert "`astrid reference build` makes references of the frames in one" in astrid.said
