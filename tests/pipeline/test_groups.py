"""Frames are sorted into those of which one reference is made: by filter, chip and place."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from core.settings import Settings
from pipeline.reference.groups import sort_frames

SIDE, SCALE = 40, 1.0 / 3600.0  # pixels, and degrees in each


@pytest.fixture
def frame(tmp_path):
    """Writes a frame, by default with a WCS; cards and a place in widths of the field east and north."""

    def write(name: str, east: float | None = 0.0, north: float = 0.0, **cards: object) -> Path:
        header = fits.Header({"FILTER": "r", "INSTRUME": "CAM", "OBJECT": "M 31", "MJD-OBS": 60000.3} | cards)
        if east is not None:
            for axis, (kind, value) in enumerate(
                (("RA---TAN", 30.0 + east * SIDE * SCALE), ("DEC--TAN", north * SIDE * SCALE)), 1
            ):
                header[f"CTYPE{axis}"], header[f"CRVAL{axis}"] = kind, value
                header[f"CRPIX{axis}"], header[f"CDELT{axis}"] = SIDE / 2, SCALE
        path = tmp_path / name
        fits.writeto(path, np.arange(SIDE**2, dtype=np.float32).reshape(SIDE, SIDE), header)
        return path

    return write


def names(files) -> list[list[str]]:
    return [[path.name for path, _ in group.frames] for group in sort_frames(files, Settings()).groups]


def test_dithers_are_together_and_the_next_field_is_another(frame):
    files = [frame("a.fits"), frame("b.fits", 0.3, -0.2), frame("next.fits", 1.0), frame("c.fits", -0.4)]
    assert names(files) == [["a.fits", "b.fits", "c.fits"], ["next.fits"]]


def test_the_place_counts_and_not_the_name_of_the_field(frame):
    files = [frame("a.fits"), frame("b.fits", OBJECT="M31 dither 2"), frame("c.fits", 5.0)]
    assert names(files) == [["a.fits", "b.fits"], ["c.fits"]]


def test_without_a_wcs_the_field_counts(frame):
    files = [frame("a.fits", None), frame("b.fits", None, OBJECT="M 33"), frame("c.fits", None)]
    assert names(files) == [["a.fits", "c.fits"], ["b.fits"]]
    assert names([frame("d.fits"), frame("e.fits", None)]) == [["d.fits", "e.fits"]]


def test_binned_frames_are_apart_where_no_wcs_tells_that_they_show_the_same(frame, tmp_path):
    """None of them would get a reference of the others' size."""
    files = [frame("a.fits", None), frame("b.fits", None)]
    for name in ("c.fits", "d.fits"):
        header = fits.getheader(files[0])
        fits.writeto(tmp_path / name, np.arange(6400, dtype=np.float32).reshape(80, 80), header)
    assert names([*files, tmp_path / "c.fits", tmp_path / "d.fits"]) == [
        ["a.fits", "b.fits"],
        ["c.fits", "d.fits"],
    ]


def test_a_frame_without_a_wcs_does_not_bring_two_places_together(frame):
    """Both are called the same, or nothing, as by a camera that names no field."""
    files = [frame("a.fits", None), frame("b.fits"), frame("far.fits", 8.0), frame("c.fits", 0.1)]
    assert names(files) == [["b.fits", "c.fits", "a.fits"], ["far.fits"]]


def test_filters_and_detectors_are_kept_apart(frame):
    files = [frame("a.fits"), frame("b.fits", FILTER="g"), frame("c.fits", CCDNUM=2), frame("d.fits")]
    assert names(files) == [["a.fits", "d.fits"], ["b.fits"], ["c.fits"]]


def test_calibrators_are_counted_and_what_is_no_frame_is_told(frame, tmp_path):
    text = tmp_path / "notes.fits"
    text.write_text("not a FITS file")
    found = sort_frames([frame("a.fits"), frame("flat.fits", IMAGETYP="flat"), text], Settings())
    assert (len(found.groups), found.calibrators) == (1, 1)
    assert "not a FITS file" in found.refused["notes.fits"]


def test_a_key_is_that_of_the_frames_and_settings_whatever_their_order(frame):
    files = [frame("a.fits"), frame("b.fits", **{"MJD-OBS": 60001.3})]
    (one,), (other,) = (sort_frames(order, Settings()).groups for order in (files, files[::-1]))
    assert one.key("settings") == other.key("settings")
    assert one.key("settings") != one.key("others")
    (fewer,) = sort_frames(files[:1], Settings()).groups
    assert one.key("settings") != fewer.key("settings")


def test_a_frame_that_was_reduced_anew_makes_another_key(frame):
    """Its file has the name, the time and the size of the one before."""
    path = frame("a.fits")
    (before,) = sort_frames([path], Settings()).groups
    size = path.stat().st_size
    with fits.open(path, mode="update") as file:
        file[0].data += 1.0
    (after,) = sort_frames([path], Settings()).groups
    assert path.stat().st_size == size
    assert before.key("settings") != after.key("settings")


def test_a_copy_in_another_folder_makes_no_other_key(frame, tmp_path):
    path = frame("a.fits")
    copy = tmp_path / "copies" / "a.fits"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    (one,), (both,) = (sort_frames(files, Settings()).groups for files in ([path], [path, copy]))
    assert one.key("settings") == both.key("settings")


def test_an_extension_that_is_no_exposure_leaves_the_others_of_its_file(tmp_path):
    pixels = np.arange(SIDE**2, dtype=np.float32).reshape(SIDE, SIDE)
    images = [fits.ImageHDU(pixels, fits.Header({"FILTER": "r"}), name=f"CCD{n}") for n in (1, 2, 3)]
    images[1].header["IMAGETYP"] = "focus"
    path = tmp_path / "mosaic.fits"
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    found = sort_frames([path], Settings())
    assert [group.frames for group in found.groups] == [[(path, 1)], [(path, 3)]]
    assert [*found.refused] == ["mosaic.fits[2]"]
