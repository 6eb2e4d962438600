"""The settings take every keyword that headers are asked for as one that AstrID reads."""

import sys

import numpy as np
import pytest
from astropy.io.fits import Header, PrimaryHDU

from core.header_words import unread
from core.settings import Settings
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.masters import Masters
from pipeline.files.doubts import doubts
from pipeline.files.fits_files import read_frame
from pipeline.files.headers import unreadable_cards
from pipeline.files.zeropoint import header_zeropoint

SKY = np.random.default_rng(1).normal(900.0, 30.0, (128, 128)).astype(np.float32)
OF_THE_FILE = {"BITPIX", "TFIELDS", "ZNAXIS"}  # how its bytes are to be read: nobody calls these otherwise


@pytest.mark.parametrize("section", [{}, {"TRIMSEC": "[9:128,1:128]", "BIASSEC": "[1:8,1:128]"}])
def test_whatever_a_header_is_asked_for_may_be_called_otherwise(tmp_path, monkeypatch, section):
    header = Header({"BUNIT": "adu", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", **section})
    PrimaryHDU(SKY, header).writeto(tmp_path / "a.fits")
    asked, get = set(), Header.get

    def recording(self, key, default=None):
        if sys._getframe(1).f_globals["__name__"].startswith("pipeline."):
            asked.add(key)
        return get(self, key, default)

    monkeypatch.setattr(Header, "get", recording)
    raw = read_frame(tmp_path / "a.fits")
    doubts(raw)
    unreadable_cards(raw.header)
    header_zeropoint(raw.header, raw.exposure)
    calibrate(raw, Masters(bias=np.full((128, 128 - 8 * bool(section)), 9.0, np.float32)), Settings())
    assert len(asked) > 150
    assert {word for word in asked - OF_THE_FILE if unread([word]) is not None} == set()
