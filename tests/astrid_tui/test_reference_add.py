"""`astrid reference add` of several files and of mosaics: each image becomes the reference of its chip."""

import numpy as np
import pytest
from astropy.io import fits

from tests.astrid_tui.mosaics import SIDE


@pytest.fixture
def deep(mosaic):
    """A file of three extensions."""
    return mosaic / "exp0.fits"


def test_every_image_of_a_file_is_added_and_again_is_the_same(astrid, deep):
    told = astrid.json("reference", "add", deep)
    assert [each["id"] for each in told["references"]] == [1, 2, 3]
    assert told["refused"] == {}
    first, second, third = (each["dec"] for each in told["references"])
    assert second - first == pytest.approx(0.06, abs=1e-3)
    assert third - second == pytest.approx(0.06, abs=1e-3)
    again = astrid.json("reference", "add", deep)
    assert [each["id"] for each in again["references"]] == [1, 2, 3]
    assert len(astrid.json("reference", "list")) == 3


def test_one_of_them_is_added_by_its_name(astrid, deep):
    assert astrid.json("reference", "add", f"{deep}[CCD2]")["chosen"] == "added from exp0.fits[2]"
    assert len(astrid.json("reference", "list")) == 1


def test_one_that_cannot_be_used_stops_none_of_the_others(astrid, deep, chips, tmp_path):
    empty = fits.PrimaryHDU(np.full((SIDE, SIDE), 7.0, dtype=np.float32), chips["CCD1"][1])
    empty.writeto(tmp_path / "empty.fits")
    told = astrid.json("reference", "add", "empty.fits", deep, "gone.fits", code=3)
    assert len(told["references"]) == 3
    assert "hold the one value 7" in told["refused"]["empty.fits"]
    assert set(told["refused"]) == {"empty.fits", "gone.fits"}
    said = astrid("reference", "add", "empty.fits", deep, code=3)
    assert said.count("reference ") == 3
    assert "left out empty.fits: " in astrid.said
    astrid("reference", "add", "empty.fits", "gone.fits", code=1)
    astrid("reference", "add", "empty.fits", code=1)
    assert "hold the one value 7" in astrid.said


def test_a_folder_is_for_another_command(astrid, tmp_path):
    astrid("reference", "add", tmp_path, code=1)
    assert "`astrid reference build` makes references of the frames in one" in astrid.said


def test_what_is_doubtful_by_its_header_is_told_as_of_a_new_frame(astrid, deep):
    with fits.open(deep, mode="update") as hdus:
        hdus[0].header.rename_keyword("FILTER", "WHEEL2")
        del hdus[1].header["EXPTIME"]
    astrid("reference", "add", f"{deep}[CCD1]")
    length = "warning: its header has no exposure time (EXPTIME), so its time is that of its start"
    wheel = "names no filter by a known word, but has WHEEL2"
    assert length in astrid.said
    assert wheel in astrid.said
    astrid("reference", "add", f"{deep}[CCD2]", "--filter", "r")
    assert length not in astrid.said
    assert wheel not in astrid.said
    with fits.open(deep, mode="update") as hdus:
        hdus[0].header["MJD-OBS"] = 9.9e9
    astrid("reference", "add", f"{deep}[CCD3]", "--filter", "r")
    assert "warning: the date of its header cannot be used: " in astrid.said


def test_a_file_that_is_a_reference_is_told_at_ingest_and_not_queued(astrid, mosaic):
    astrid("reference", "add", mosaic / "exp0.fits")
    assert "is queued" not in astrid.said
    said = astrid("ingest", mosaic)
    assert said.startswith("3 dropped, 3 queued")
    assert "it is reference 2, and is not subtracted from itself" in said


def test_a_file_that_is_queued_already_is_told_and_a_run_drops_it(astrid, mosaic):
    first, _ = sorted(mosaic.iterdir())
    queued = [row["id"] for row in astrid.json("ingest", first)]
    astrid("reference", "add", f"{first}[CCD2]")
    assert (
        f"warning: frame {queued[1]} is queued, and is this exposure: `astrid run` does not subtract it from"
        " itself, and drops it"
    ) in " ".join(astrid.said.split())
    astrid("queue", "drop", queued[0], queued[2])
    (event,) = astrid.json("run")["frames"]
    assert (event["id"], event["state"], event["seconds"]) == (queued[1], "dropped", {})
    assert event["reason"].startswith("it is reference 1, and is not subtracted from itself")
