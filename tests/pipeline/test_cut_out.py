"""Frames of a part of the chip and calibration frames of all of it."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header

from core.settings import Settings
from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator, choose
from pipeline.calibration.kept_masters import masters_for
from pipeline.calibration.overscan import Section
from pipeline.files.readout import readout_of
from pipeline.frame import Exposure, FrameRefused, RawFrame

WHOLE, PART = (90, 120), (40, 50)
X, Y = 30, 20
CHIP = np.random.default_rng(5).uniform(0.7, 1.3, WHOLE).astype(np.float32)


def readout(x, y, binning=1):
    return readout_of(Header({"XORGSUBF": x, "YORGSUBF": y, "XBINNING": binning, "YBINNING": binning}))


SCIENCE = Exposure("s", exposure_s=10.0, filter="r", instrument="cam", mjd=60000.3, readout=readout(X, Y))


ALL_OF_IT = readout(0, 0)


def calibrator(kind, data, readout=ALL_OF_IT, header=None, filter="r"):
    exposure = Exposure(
        f"{kind}", kind, exposure_s=10.0, instrument="cam", mjd=60000.0, readout=readout, filter=filter
    )
    raw = RawFrame(data, np.zeros(data.shape, np.uint16), exposure, Header(header or {}))
    return Calibrator(exposure, data.shape, f"{kind}-{data.shape}-{float(data.sum())}", lambda: raw)


def whole_chip(**changes):
    return [
        calibrator(FrameKind.BIAS, 1000.0 * CHIP, **changes),
        calibrator(FrameKind.FLAT, 1000.0 * CHIP + 20000.0 * CHIP, **changes),
    ]


def test_the_part_that_was_read_is_cut_out_of_the_whole_chips_frames(tmp_path):
    masters = masters_for(whole_chip(), SCIENCE, PART, Settings(home=tmp_path))
    own = CHIP[Y : Y + PART[0], X : X + PART[1]]
    assert masters.bias == pytest.approx(1000.0 * own)
    assert masters.flat == pytest.approx(own / np.median(own), rel=1e-5)
    assert masters.notes == ()
    elsewhere = replace(SCIENCE, readout=readout(X + 1, Y))
    moved = masters_for(whole_chip(), elsewhere, PART, Settings(home=tmp_path))  # kept apart
    assert moved.bias == pytest.approx(1000.0 * CHIP[Y : Y + PART[0], X + 1 : X + 1 + PART[1]])


def test_frames_of_the_same_window_come_first_each_kind_by_itself():
    own = calibrator(FrameKind.BIAS, np.ones(PART, np.float32), readout(X, Y))
    found = choose([*whole_chip(), own], SCIENCE, PART).calibrators
    assert [(one.exposure.kind, one.content == own.content) for one in found] == [
        (FrameKind.BIAS, True),
        (FrameKind.FLAT, False),
    ]
    green = calibrator(FrameKind.FLAT, np.ones(PART, np.float32), readout(X, Y), filter="g")
    of_red = choose([*whole_chip(), green], SCIENCE, PART).calibrators
    assert [one.exposure.kind for one in of_red] == [FrameKind.BIAS, FrameKind.FLAT]


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (readout(40, 0), readout(X, Y)),  # begins behind it
        (readout(0, 0), readout(80, Y)),  # ends before it
        (readout(0, 0, binning=2), readout(X, Y)),
        ((), readout(X, Y)),
        (readout(0, 0), ()),
        (readout(0, 0), readout(X + 0.5, Y)),
        (readout(0, 0), (*readout(X, Y), ("flips", "Flip"))),
    ],
)
def test_what_does_not_hold_the_part_serves_no_frame_of_it(whole, part):
    assert not choose(whole_chip(readout=whole), replace(SCIENCE, readout=part), PART).calibrators


def test_for_a_frame_with_an_overscan_of_its_own_nothing_is_cut_out(tmp_path):
    """Its size is not that of what was lit; it goes on without, and is told so."""
    lit = Section(10, PART[1], 0, PART[0])
    masters = masters_for(whole_chip(), SCIENCE, PART, Settings(home=tmp_path), lit)
    assert masters is not None
    assert masters.shape is None
    assert masters.notes == (
        "it is 50 x 40 pixels and its camera's calibration frames (2) 120 x 90: none is applied",
    )


@pytest.mark.parametrize(("hot", "is_of_use"), [(5000.0, True), (0.9, False)])
def test_whether_a_master_is_scaled_is_asked_of_all_of_it(tmp_path, hot, is_of_use):
    data = 0.3 * CHIP
    data[0, 0] = hot
    dark = calibrator(FrameKind.DARK, data, header={"NCOMBINE": 50})
    if is_of_use:
        assert masters_for([dark], SCIENCE, PART, Settings(home=tmp_path)).dark is not None
    else:
        with pytest.raises(FrameRefused, match="scaled to 1"):
            masters_for([dark], SCIENCE, PART, Settings(home=tmp_path))


def test_pixels_are_counted_from_where_the_overscan_ends(tmp_path):
    strip = np.full((WHOLE[0], 10), 300.0, np.float32)
    header = {"TRIMSEC": "[11:130,1:90]", "BIASSEC": "[1:10,1:90]"}
    bias = calibrator(FrameKind.BIAS, np.hstack([strip, 300.0 + 1000.0 * CHIP]), header=header)
    masters = masters_for([bias], SCIENCE, PART, Settings(home=tmp_path))
    assert masters.bias == pytest.approx(1000.0 * CHIP[Y : Y + PART[0], X : X + PART[1]], rel=1e-5)
