"""What commands say of the frames of a night: once what is said of many."""

import numpy as np
from astropy.io import fits

WHEEL = "its header names no filter by a known word, but has WHEEL2: see [camera] keywords"


def expose(folder, name: str, **cards: object) -> None:
    sky = np.random.default_rng(len(name) + ord(name[0])).normal(1000.0, 20.0, (40, 50)).astype(np.float32)
    said = {"DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 10.0, "WHEEL2": "r", "INSTRUME": "cam"}
    fits.writeto(folder / f"{name}.fits", sky, fits.Header(said | cards))


def test_what_holds_for_all_frames_is_told_once_and_what_holds_for_one_with_it(astrid, tmp_path):
    for name in "abc":
        expose(tmp_path, name)
    expose(tmp_path, "d", EXPTIME=0.0)
    told = astrid("ingest", tmp_path)
    assert told.count(WHEEL) == 1
    assert f"4 frames: {WHEEL}\n" in told
    (row,) = (line for line in told.splitlines() if line.startswith("d.fits"))
    assert "no usable exposure time" in row
    status = astrid("status")
    assert f"of the frames above, 4 frames: {WHEEL}\n" in status
    assert status.count(WHEEL) == 1
    assert len([each for each in astrid.json("status")["frames"] if WHEEL in each["reason"]]) == 4


def test_flats_whose_filter_is_not_known_are_told_as_they_are_ingested(astrid, tmp_path):
    for name in "abc":
        expose(tmp_path, name, IMAGETYP="flat")
    assert f"3 frames: {WHEEL}\n" in astrid("ingest", tmp_path)
    expose(tmp_path, "z", IMAGETYP="bias")
    assert WHEEL not in astrid("ingest", tmp_path / "z.fits")
