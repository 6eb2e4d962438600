"""The file that `astrid diff` leaves."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from core.settings import Settings
from pipeline.detection.detect import detect
from pipeline.diff_file import write
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair


@pytest.fixture(scope="module")
def made():
    new, reference, *_ = make_pair((128, 160), ref={"wcs": _wcs()}, new={"extra": [(60.0, 70.0, 9e3)]})
    taken = replace(new.frame.exposure, mjd=59000.5)
    new = replace(new, frame=replace(new.frame, exposure=taken))
    difference = subtract(new, reference, Settings())
    detections, _ = detect(difference, new, reference, Settings())
    return difference, detections, new, reference


def _wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 20.0], [64.0, 64.0]
    wcs.wcs.cdelt = [-2e-4, 2e-4]
    wcs.wcs.dateobs, wcs.wcs.mjdobs = "2000-01-01T00:00:00", 51544.0
    return wcs


def test_all_extensions_hold_what_they_are_named_for(made, tmp_path):
    difference, detections, new, reference = made
    path = tmp_path / "d.fits"
    write(path, *made)
    with fits.open(path, checksum=True) as files:
        assert [hdu.name for hdu in files[1:]] == ["DIFF", "SCORE", "MASK", "PSF", "SOURCES"]
        assert np.array_equal(files["DIFF"].data, difference.data)
        assert np.array_equal(files["SCORE"].data, difference.score)
        assert np.array_equal(files["MASK"].data, difference.mask)
        told = "".join(files["MASK"].header["COMMENT"])
        assert "32 streak" in told
        assert "64 stars not subtracted" in told
        assert files["PSF"].data.sum() == pytest.approx(1.0, abs=1e-4)
        assert files["DIFF"].header["BUNIT"] == "electron"
        assert files[0].header["METHOD"] == "zogy"
        assert files[0].header["SCORESTD"] == pytest.approx(difference.score_std)
        assert files[0].header["GAINRAT"] == pytest.approx(difference.gain_ratio)
        sky = WCS(files["DIFF"].header).all_pix2world(60.0, 70.0, 0)
        assert np.allclose(sky, reference.frame.wcs.all_pix2world(60.0, 70.0, 0), atol=1e-9)
        assert not {"DATE-OBS", "MJD-OBS"} & {*files["DIFF"].header}  # the reference's
        assert files["DIFF"].header["MJD-AVG"] == 59000.5
        (row,) = files["SOURCES"].data
        x_new, y_new = new.map_to_new(np.array([row["x"]]), np.array([row["y"]]))
        assert (row["x_new"], row["y_new"]) == (x_new[0], y_new[0])
        ra, dec = reference.frame.wcs.all_pix2world(row["x"], row["y"], 0)
        assert (row["ra"], row["dec"]) == (pytest.approx(float(ra)), pytest.approx(float(dec)))
        assert row["x"] == detections[0].x
        assert row["snr"] == detections[0].snr
        assert row["likeness"] == detections[0].features["likeness"]


def test_nothing_found_is_an_empty_table(made, tmp_path):
    difference, _, new, reference = made
    write(tmp_path / "d.fits", difference, [], new, reference)
    with fits.open(tmp_path / "d.fits") as files:
        assert len(files["SOURCES"].data) == 0
        assert "snr" in files["SOURCES"].columns.names


def test_a_file_is_replaced_whole_or_not_at_all(made, tmp_path):
    path = tmp_path / "d.fits"
    path.write_text("old")
    write(path, *made)
    assert path.stat().st_size > 1000
    assert [file.name for file in tmp_path.iterdir()] == ["d.fits"]
    with pytest.raises(OSError, match="missing"):
        write(tmp_path / "missing" / "d.fits", *made)
