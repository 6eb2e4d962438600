"""`astrid reference show`: what a reference is made of, how deep it is, and what was subtracted from it."""

from contextlib import closing
from pathlib import Path

import pytest

from core.database.store import open_store
from tests.core.frames import done, process


@pytest.fixture
def built(astrid, mosaic, tmp_path):
    """A coadd of two frames, both of which were subtracted from it, and two other frames in the queue."""
    images = [f"{mosaic}/exp{number}.fits[CCD1]" for number in range(2)]
    astrid("reference", "build", *images)
    astrid("ingest", mosaic)
    astrid("queue", "drop", 2, 3)
    with closing(open_store(f"sqlite:///{tmp_path}/home/astrid.db")) as store:
        for _ in range(2):
            process(store, done(1))
    return 1


def test_a_reference_tells_its_frames_and_what_was_subtracted_from_it(astrid, built):
    told = astrid.json("reference", "show", built)
    assert {(each["name"], each["id"], each["state"]) for each in told["frames"]} == {
        ("exp0.fits[1]", 1, "done"), ("exp1.fits[1]", 4, "done")
    }  # fmt: skip
    assert (told["served_by"], told["n_subtracted"], told["next"]) == (1, 2, None)
    assert [(each["id"], each["frame"], each["method"]) for each in told["subtracted"]] == [
        (4, "exp1.fits[1]", "zogy"), (1, "exp0.fits[1]", "zogy")
    ]  # fmt: skip
    said = astrid("reference", "show", built)
    assert "reference 1: coadd of 2 frames on the grid of exp" in said
    assert "epochs    2023-02-25 06:00 to 2023-02-26 06:00\n" in said
    assert "2 differences with it, the newest first:" in said


def test_it_is_told_in_pages(astrid, built):
    first = astrid.json("reference", "show", built, "--limit", 1)
    assert ([each["id"] for each in first["subtracted"]], first["next"]) == ([4], 2)
    assert "more: astrid reference show 1 --after 2" in astrid("reference", "show", built, "--limit", 1)
    second = astrid.json("reference", "show", built, "--limit", 1, "--after", first["next"])
    assert ([each["id"] for each in second["subtracted"]], second["next"]) == ([1], None)


def test_a_coadd_is_deeper_than_each_of_its_frames(astrid, built, mosaic):
    limits = [astrid.json("reference", "show", built)["limit_flux"]]
    for number in range(2):
        added = astrid.json("reference", "add", f"{mosaic}/exp{number}.fits[CCD1]")
        limits.append(astrid.json("reference", "show", added["id"])["limit_flux"])
    assert 0.5 * min(limits[1:]) < limits[0] < 0.9 * max(limits[1:])
    assert limits[0] < min(limits[1:])


def test_without_its_file_its_depth_is_not_known(astrid, built):
    Path(astrid.json("reference", "list")[0]["path"]).unlink()
    told = astrid.json("reference", "show", built)
    assert (told["limit_flux"], told["limit_mag"], told["n_subtracted"]) == (None, None, 2)
    assert "its depth is not known: the reference " in astrid.said


def test_one_that_is_not_there_is_told(astrid):
    astrid("reference", "show", 7, code=1)
    assert astrid.said == "astrid: there is no reference 7: `astrid reference list` shows them\n"
