"""FITS files as tests write them, and what is read of them."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from pipeline.files.fits_files import read_frames
from pipeline.files.fits_selection import Refusal
from pipeline.frame import RawFrame

RNG = np.random.default_rng(1)
SKY = RNG.normal(1000.0, 20.0, (40, 50)).astype(np.float32)


def header(**cards):
    found = fits.Header()
    found["DATE-OBS"], found["EXPTIME"] = "2020-01-01T00:00:00", 10.0
    for key, value in cards.items():
        found[key] = value
    return found


def written(path: Path, *hdus) -> Path:
    fits.HDUList(list(hdus)).writeto(path)
    return path


def only(path: Path) -> RawFrame | Refusal:
    (found,) = read_frames(path)
    return found
