"""Raw frames whose electrons are known, as a camera would write them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from core.settings import Settings
from core.settings_sections import CalibrateSettings
from pipeline.frame import Exposure, RawFrame
from tests.pipeline.synthetic import star_frame

WITHOUT_COSMIC_RAYS = Settings(calibrate=CalibrateSettings(cosmic_rays=False))


@dataclass(frozen=True)
class RawTruth:
    """What is behind a raw frame: noiseless electrons of sky and sources before the flat."""

    sky: float
    model: NDArray[np.float64]
    gain: float
    read_noise: float


def raw_frame(
    shape: tuple[int, int] = (256, 256),
    seed: int = 0,
    *,
    sky: float = 400.0,
    gain: float = 2.0,
    read_noise: float = 6.0,
    flat: NDArray[np.float32] | float = 1.0,
    bias: NDArray[np.float32] | float = 0.0,
    fwhm: float = 3.0,
    n_stars: int = 40,
    flux_range: tuple[float, float] = (1e3, 3e5),
    told: bool = True,
    exposure_s: float = 60.0,
) -> tuple[RawFrame, RawTruth]:
    """Counts of a star field: Poisson electrons through a flat, read noise, gain, bias, rounding.

    ``told``: whether the header says gain and read noise.
    """
    _, truth = star_frame(shape, seed, n_stars=n_stars, fwhm=fwhm, flux_range=flux_range)
    rng = np.random.default_rng([seed, 7])
    electrons = rng.poisson((sky + truth.model) * flat) + rng.normal(0.0, read_noise, shape)
    counts = np.round(electrons / gain + bias).astype(np.float32)
    exposure = Exposure(
        name="raw.fits",
        exposure_s=exposure_s,
        mjd=59000.0,
        gain=gain if told else None,
        read_noise=read_noise if told else None,
    )
    raw = RawFrame(counts, np.zeros(shape, np.uint16), exposure, Header())
    return raw, RawTruth(sky, truth.model, gain, read_noise)


def pull(frame, truth, where=None):
    """(data - truth) / sigma of the good pixels."""
    good = frame.mask == 0 if where is None else (frame.mask == 0) & where
    residual = (frame.data - truth.sky - truth.model)[good]
    return residual / np.sqrt(frame.variance[good])
