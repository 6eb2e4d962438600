"""Drawn images as raw frames: what the product would read from a file of them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.frame import Exposure, RawFrame

SCALE_DEG = 0.4 / 3600.0


class Shot(Protocol):
    """An image of a detector: its data units, and what turns these into electrons."""

    @property
    def data(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def gain(self) -> float: ...  # noqa: D102
    @property
    def read_noise(self) -> float: ...  # noqa: D102
    @property
    def saturation(self) -> float: ...  # noqa: D102


def raw_frame(shot: Shot, name: str, off_px: float) -> RawFrame:
    """A frame as it is read from a file, its WCS some pixels off along both axes."""
    header = Header()
    header["OBJECT"], header["EXPTIME"], header["FILTER"] = "FIELD", 60.0, "r"
    header["GAIN"], header["RDNOISE"], header["SATURATE"] = shot.gain, shot.read_noise, shot.saturation
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 20.0]
    wcs.wcs.crpix = [shot.data.shape[1] / 2.0 + off_px, shot.data.shape[0] / 2.0 - off_px]
    wcs.wcs.cdelt = [-SCALE_DEG, SCALE_DEG]
    header.update(wcs.to_header())
    exposure = Exposure(
        name=name,
        exposure_s=60.0,
        filter="r",
        gain=shot.gain,
        read_noise=shot.read_noise,
        saturation=shot.saturation,
    )
    return RawFrame(shot.data.copy(), np.zeros(shot.data.shape, np.uint16), exposure, header, wcs)
