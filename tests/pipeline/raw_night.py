"""Calibration frames of a night, whose bias, dark current and response are known."""

import numpy as np
from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator
from pipeline.files.readout import readout_of
from pipeline.frame import Exposure, RawFrame

SHAPE = (40, 60)
RNG = np.random.default_rng(11)
PATTERN = RNG.normal(0.0, 4.0, SHAPE).astype(np.float32)
RATE = np.abs(RNG.normal(0.2, 0.02, SHAPE)).astype(np.float32)
RATE[5, 6] = 30.0
RESPONSE = RNG.normal(1.0, 0.05, SHAPE).astype(np.float32)
RESPONSE[7, 8] = 0.0


def calibrator(kind, number, data, exposure_s=0.0, filter_name=None, instrument="cam", header=None):
    header = Header(header or {})
    exposure = Exposure(
        f"{kind}{number}", kind, exposure_s=exposure_s, filter=filter_name, instrument=instrument,
        readout=readout_of(header),
    )  # fmt: skip
    raw = RawFrame(data.astype(np.float32), np.zeros(data.shape, np.uint16), exposure, header)
    return Calibrator(exposure, data.shape, f"{kind}-{number}", lambda: raw)


def night():
    bias = 500.0 + PATTERN
    frames = [calibrator(FrameKind.BIAS, n, bias + RNG.normal(0, 3, SHAPE)) for n in range(12)]
    for n, seconds in enumerate((100.0, 200.0, 100.0, 200.0, 300.0)):
        dark = bias + RATE * seconds + RNG.normal(0, 3, SHAPE)
        frames.append(calibrator(FrameKind.DARK, n, dark, seconds))
    for n, light in enumerate((20000.0, 25000.0, 15000.0, 22000.0)):
        lit = bias + RATE * 10.0 + light * RESPONSE + RNG.normal(0, 30, SHAPE)
        frames.append(calibrator(FrameKind.FLAT, n, lit, 10.0, "r"))
    return frames
