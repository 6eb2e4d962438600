"""Whoever wonders how a header was read is told."""

import numpy as np
from astropy.io import fits

from pipeline.files.fits_files import read_frame
from pipeline.files.taken import taken

SKY = np.random.default_rng(1).normal(1000.0, 20.0, (40, 50)).astype(np.float32)
PLACE = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 10.0,
    "CRVAL2": -20.0,
    "CRPIX1": 25.5,
    "CRPIX2": 20.5,
}


def lines(path, **cards):
    header = fits.Header()
    for name, value in cards.items():
        header[name.replace("__", "-")] = value
    fits.PrimaryHDU(SKY, header).writeto(path)
    return taken(read_frame(path))


def test_what_was_taken_of_a_header(tmp_path):
    told = lines(
        tmp_path / "a.fits", DATE__OBS="2020-01-01T06:00:00", EXPTIME=(60000.0, "[ms] open"), FILTER="r",
        INSTRUME="cam", GAIN=(0.5, "[adu/e-]"), RDNOISE=6.0, SATURATE=57000, AIRMASS=1.25,
        **PLACE, CDELT1=-2e-4, CDELT2=2e-4,
    )  # fmt: skip
    assert told == [
        "science, 60 s, middle at MJD 58849.25035 UTC, filter r, instrument cam",
        "gain 2 electrons a unit, read noise 6 electrons, full at 57000 units, airmass 1.25",
        "centre 10.00000 -20.00000, pixels of 0.72 x 0.72 arcsec",
    ]


def test_what_no_header_told_and_what_is_doubtful(tmp_path):
    told = lines(tmp_path / "a.fits", WHEEL2="r", **PLACE)
    assert told[:3] == [
        "science, of unknown length, at an unknown time, filter -, instrument -",
        "gain -, read noise -, full at -, airmass -",
        "no WCS",
    ]
    for line, begins in zip(told[3:], ("its WCS is left out", "its header names no f"), strict=True):
        assert line.startswith(begins)
