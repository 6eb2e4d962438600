"""`astrid reference build` of folders: one command builds a reference of each field, filter and chip."""

import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlmodel import col, update

from core.database.store import open_store
from core.database.tables import Observation
from tests.astrid_tui.command import Command
from tests.astrid_tui.mosaics import CHIPS, SIDE
from tests.pipeline.measured import measured_once
from tests.room import files_of_at_most


@pytest.fixture(scope="module", autouse=True)
def _measured_once():
    with measured_once():
        yield


def changed(path: Path, extension: int, change) -> None:
    with fits.open(path, mode="update") as file:
        file[extension].data = change(file[extension].data)


def test_a_folder_of_mosaic_files_makes_a_reference_of_each_chip(astrid, mosaic, chips):
    said = astrid("reference", "build", mosaic)
    assert said.splitlines()[-1] == "3 references: 3 built"
    assert astrid.said == ""
    rows = sorted(astrid.json("reference", "list"), key=lambda row: row["dec"])
    assert [{*row["sources"]} for row in rows] == [{f"exp0.fits[{n}]", f"exp1.fits[{n}]"} for n in (1, 2, 3)]
    for row, (_, header) in zip(rows, chips.values(), strict=True):
        assert row["dec"] == pytest.approx(header["CRVAL2"], abs=0.01)
        assert (row["filter"], row["field"], row["n_frames"]) == ("r", "M 31", 2)


def test_single_files_are_sorted_by_filter_and_detector_and_calibrators_passed_over(astrid, chips, tmp_path):
    folder = tmp_path / "singles"
    for chip in CHIPS[:2]:
        pixels, header = chips[chip]
        for exposure, data in enumerate(pixels):
            for band in "gr":
                own = header.copy()
                own["INSTRUME"], own["CCDNAME"], own["FILTER"] = "WIDE", chip, band
                own["MJD-OBS"] = 60000.25 + exposure
                place = folder / band
                place.mkdir(parents=True, exist_ok=True)
                fits.writeto(place / f"{chip}-{exposure}.fits", data, own)
    bias = fits.Header({"IMAGETYP": "bias", "INSTRUME": "WIDE"})
    fits.writeto(folder / "bias.fits", np.arange(SIDE**2).reshape(SIDE, SIDE) % 7 + 300.0, bias)
    built = astrid.json("reference", "build", folder)
    assert "warning: 1 calibration frame passed over" in astrid.said
    assert [(row["filter"], {*row["sources"]}) for row in built["references"]] == [
        (band, {f"{chip}-0.fits", f"{chip}-1.fits"}) for band in "gr" for chip in CHIPS[:2]
    ]


def test_what_is_built_already_is_not_built_again_unless_asked(astrid, mosaic, monkeypatch):
    first = astrid.json("reference", "build", mosaic)
    assert [row["new"] for row in first["references"]] == [True, True, True]
    said = astrid("reference", "build", mosaic)
    assert said.splitlines()[0].startswith("reference 1 is there already: coadd of 2 frames")
    assert said.splitlines()[-1] == "3 references: 3 there already"
    assert "`--again` builds anew what is there already" in astrid.said
    astrid("reference", "retire", 2)
    second = astrid.json("reference", "build", mosaic)
    assert [(row["id"], row["new"]) for row in second["references"]] == [(1, False), (2, True), (3, False)]
    third = astrid.json("reference", "build", "--again", mosaic)
    assert all(row["new"] for row in third["references"])
    assert [row["id"] for row in third["references"]] == [1, 2, 3]  # the same pixels: no other reference
    monkeypatch.setenv("ASTRID_SUBTRACT__PSF_DEGREE", "0")
    assert all(row["new"] for row in astrid.json("reference", "build", mosaic)["references"])


def test_a_frame_more_makes_another_reference(astrid, mosaic):
    astrid("reference", "build", mosaic)
    pixels = np.random.default_rng(1)
    with fits.open(mosaic / "exp0.fits") as file:
        for extension in (1, 2, 3):
            file[extension].data += pixels.normal(size=(SIDE, SIDE)).astype(np.float32) * 20.0
        file[0].header["MJD-OBS"] = 60002.25
        file.writeto(mosaic / "exp2.fits")
    built = astrid.json("reference", "build", mosaic)
    assert [(row["new"], row["n_frames"]) for row in built["references"]] == [(True, 3)] * 3


def test_calibration_frames_that_came_later_make_another_reference(astrid, mosaic, tmp_path):
    assert all(row["new"] for row in astrid.json("reference", "build", mosaic)["references"])
    noise = np.random.default_rng(5)
    for number in range(3):
        bias = fits.Header({"IMAGETYP": "bias", "INSTRUME": "WIDE CCD2", "MJD-OBS": 60000.1, "GAIN": 1.0})
        pixels = noise.normal(100.0, 6.0, (SIDE, SIDE)).astype(np.float32)
        fits.writeto(tmp_path / f"bias{number}.fits", pixels, bias)
    astrid("ingest", *tmp_path.glob("bias*.fits"))
    built = astrid.json("reference", "build", mosaic)["references"]
    assert [row["new"] for row in built] == [False, True, False]
    built = astrid.json("reference", "build", mosaic)["references"]
    assert [row["new"] for row in built] == [False, False, False]


def test_one_bad_chip_does_not_stop_the_others(astrid, mosaic):
    noise = np.random.default_rng(3).normal(400.0, 20.0, (SIDE, SIDE)).astype(np.float32)
    changed(mosaic / "exp0.fits", 2, lambda _: noise)
    astrid("reference", "build", mosaic, code=3)
    assert "no reference of field M 31, filter r, WIDE CCD2: a coadd needs at least 2 frames" in astrid.said
    built = astrid.json("reference", "build", "--again", mosaic, code=3)
    assert [row["sources"][0][-2] for row in built["references"]] == ["1", "3"]
    (refused,) = built["refused"]
    assert (refused["instrument"], refused["frames"]) == ("WIDE CCD2", 2)
    assert "too few stars" in refused["reason"]
    rest = astrid.json("reference", "build", mosaic, code=3)
    assert [row["new"] for row in rest["references"]] == [False, False]


def test_of_what_is_there_already_frames_that_are_not_in_it_are_told(astrid, mosaic):
    (mosaic / "exp2.fits").write_bytes((mosaic / "exp0.fits").read_bytes())
    changed(mosaic / "exp2.fits", 2, lambda data: data * np.nan)
    first = astrid.json("reference", "build", mosaic, code=3)
    assert [*first["skipped"]] == ["exp2.fits[2]"]
    second = astrid.json("reference", "build", mosaic)
    assert not any(row["new"] for row in second["references"])
    assert "warning: reference 2 is of 2 of 3 frames: `--again` tells why" in astrid.said


def uses_listed(astrid: Command) -> dict[int, str]:
    """What the list says of each reference under "current"."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in astrid("reference", "list").splitlines()]
    column = rows[0].index("current")
    return {int(row[0]): row[column] for row in rows[1:]}


def test_a_newer_reference_that_frames_get_is_told(astrid, mosaic, monkeypatch):
    """As of the settings that were tried meanwhile."""
    astrid("reference", "build", mosaic)
    assert "frames get" not in astrid.said
    with monkeypatch.context() as tried:
        tried.setenv("ASTRID_SUBTRACT__PSF_DEGREE", "0")
        astrid("reference", "build", mosaic)
    assert "frames get" not in astrid.said
    astrid("reference", "build", mosaic)
    assert (
        "warning: frames get reference 4, which is newer than 1: `astrid reference retire 4`" in astrid.said
    )
    rows = {row["id"]: row for row in astrid.json("reference", "list")}
    assert {number: row["served_by"] for number, row in rows.items()} == {1: 4, 2: 5, 3: 6, 4: 4, 5: 5, 6: 6}
    assert all(row["is_current"] for row in rows.values())
    astrid("reference", "retire", 4)
    assert uses_listed(astrid) == {
        1: "yes", 2: "no, 5 is newer", 3: "no, 6 is newer", 4: "no, retired", 5: "yes", 6: "yes",
    }  # fmt: skip
    astrid("reference", "build", mosaic)
    assert "newer than 1" not in astrid.said


def test_a_folder_of_which_nothing_can_be_built_fails(astrid, mosaic):
    (mosaic / "exp1.fits").unlink()
    built = astrid.json("reference", "build", mosaic, code=1)
    assert (built["references"], len(built["refused"])) == ([], 3)
    assert "3 references: 3 not to be built" in astrid("reference", "build", mosaic, code=1)
    assert "name their images, as FILE[0]" in astrid.said


def test_a_damaged_file_is_left_out_and_told_of(astrid, mosaic):
    (mosaic / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    built = astrid.json("reference", "build", mosaic, code=3)
    assert [*built["skipped"]] == ["broken.fits"]
    assert len(built["references"]) == 3
    astrid("reference", "build", mosaic, code=3)
    assert "left out broken.fits: " in astrid.said


def test_a_part_of_a_frame_that_is_left_out_is_told(astrid, mosaic):
    changed(
        mosaic / "exp0.fits", 3, lambda data: np.vstack([data[:175], np.roll(data[175:], (9, 6), (0, 1))])
    )
    built = astrid.json("reference", "build", mosaic, code=3)
    assert {*built["partly"]} == {"exp0.fits[3]", "exp1.fits[3]"}
    assert [{*row["partly"]} for row in built["references"]] == [set(), set(), {*built["partly"]}]
    assert built["references"][2]["chosen"].endswith(", without parts of 2")
    astrid("reference", "build", "--again", mosaic, code=3)
    assert "exp0.fits[3]: " in astrid.said
    assert "it takes a third frame to tell which is right" in astrid.said


def test_frames_of_one_name_are_told_apart_by_their_folders(astrid, mosaic):
    """As cameras give the names of one night again in the next."""
    changed(
        mosaic / "exp0.fits", 3, lambda data: np.vstack([data[:175], np.roll(data[175:], (9, 6), (0, 1))])
    )
    for number in range(2):
        night = mosaic / f"night{number}"
        night.mkdir()
        (mosaic / f"exp{number}.fits").rename(night / "exp.fits")
        (night / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    built = astrid.json("reference", "build", mosaic, code=3)
    assert {*built["skipped"]} == {"night0/broken.fits", "night1/broken.fits"}
    assert {*built["partly"]} == {"night0/exp.fits[3]", "night1/exp.fits[3]"}
    assert [{*row["sources"]} for row in built["references"]] == [
        {f"night0/exp.fits[{n}]", f"night1/exp.fits[{n}]"} for n in (1, 2, 3)
    ]
    again = astrid.json("reference", "build", mosaic, code=3)
    assert [row["new"] for row in again["references"]] == [False] * 3
    mosaic.rename(mosaic.with_name("elsewhere"))
    moved = astrid.json("reference", "build", mosaic.with_name("elsewhere"), code=3)
    assert [row["new"] for row in moved["references"]] == [False] * 3


def test_frames_of_one_name_in_several_references_are_told_apart_too(astrid, chips, tmp_path):
    (new, ref), header = chips["CCD1"]
    header = header.copy()
    header["INSTRUME"] = "WIDE"
    for band in "gr":
        (tmp_path / "singles" / band).mkdir(parents=True)
        header["FILTER"] = band
        for exposure, data in enumerate([new, ref, new * np.nan]):
            header["MJD-OBS"] = 60000.25 + exposure
            fits.writeto(tmp_path / "singles" / band / f"{exposure}.fits", data, header)
    built = astrid.json("reference", "build", tmp_path / "singles", code=3)
    assert {*built["skipped"]} == {"g/2.fits", "r/2.fits"}
    assert [{*row["sources"]} for row in built["references"]] == [{"0.fits", "1.fits"}] * 2
    assert [row["chosen"] for row in built["references"]] == ["coadd of 2 frames on the grid of 1.fits"] * 2


def test_of_one_group_the_facts_stand_by_themselves(astrid, mosaic):
    """As they did when a command built one reference; images that are named make one."""
    built = astrid.json("reference", "build", f"{mosaic}/exp0.fits[CCD1]", f"{mosaic}/exp1.fits[1]")
    assert built | {"skipped": {}, "partly": {}} == built | built["references"][0]
    assert sorted(built["sources"]) == ["exp0.fits[1]", "exp1.fits[1]"]


def test_chips_that_no_wcs_tells_apart_are_told_of(astrid, mosaic):
    for path in mosaic.iterdir():
        with fits.open(path, mode="update") as file:
            for image in file[1:]:
                del image.header["CTYPE*"]
    astrid("reference", "build", mosaic)
    assert "3 references of field M 31, filter r have no WCS: frames find theirs by field" in astrid.said


def test_what_is_doubtful_by_the_headers_of_frames_is_told_once_of_all(astrid, mosaic):
    for path in sorted(mosaic.iterdir()):
        with fits.open(path, mode="update") as hdus:
            del hdus[1].header["EXPTIME"]
    astrid("reference", "build", *(f"{path}[1]" for path in sorted(mosaic.iterdir())))
    told = "warning: exp0.fits[1] and 1 more: its header has no exposure time (EXPTIME), so its time is that"
    assert astrid.said.count(told) == 1


def test_a_reference_without_room_is_told_of_with_what_to_do(astrid, mosaic, tmp_path):
    one = [f"{path}[1]" for path in sorted(mosaic.iterdir())]
    with files_of_at_most(SIDE**2):
        told = astrid.json("reference", "build", *one, code=1)["error"]
    assert told.startswith(f"the reference cannot be written to {tmp_path}/home/references: no file may be")
    assert told.endswith(", then give the command again")
    assert astrid.said == f"astrid: {told}\n"
    assert [each.name for each in (tmp_path / "home" / "references").iterdir()] == []
    assert astrid.json("reference", "build", *one)["n_frames"] == 2


def test_how_many_of_its_frames_are_queued_or_were_processed_is_told(astrid, mosaic, tmp_path):
    astrid("reference", "build", mosaic)
    assert "subtracted from itself" not in astrid.said
    ids = [row["id"] for row in astrid.json("ingest", mosaic)]
    astrid("queue", "drop", ids[1])
    with closing(open_store(f"sqlite:///{tmp_path}/home/astrid.db")) as store, store.write() as db:
        db.exec(update(Observation).where(col(Observation.id) == ids[0]).values(state="done"))
    astrid("reference", "build", mosaic)
    for number, counts in (1, "1 is queued and 1 was processed"), (2, "1 is queued"), (3, "2 are queued"):
        assert (
            f"warning: of the 2 frames of reference {number}, {counts}: what is new in a frame is subtracted"
            " from itself in part by a reference that it is in\n"
        ) in astrid.said
