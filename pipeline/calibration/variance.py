"""The variance of a calibrated frame: of photons, of reading, and of what it was calibrated with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.masters import Masters
from pipeline.calibration.noise import Detector, SkyNoise
from pipeline.frame import Exposure, Image
from pipeline.neighbourhood import blurred

MODEL_SMOOTHING_PX = 1.0


def dark_current(masters: Masters | None, exposure: Exposure) -> Image:
    """What was subtracted as such, in data units: its Poisson noise is still there; (1, 1) where it is none.

    Without any bias a dark holds that too, which has no such noise: then it is not known.
    """
    if masters is None or masters.dark is None or masters.dark_holds_bias:
        return np.zeros((1, 1), dtype=np.float32)
    current: Image = np.maximum(masters.dark * np.float32(exposure.exposure_s or 0.0), np.float32(0.0))
    return current


def noise_of_masters(masters: Masters | None, exposure: Exposure) -> tuple[float, float]:
    """What few biases and darks add to the variance, in data units squared, and flats to the relative one."""
    if masters is None:
        return 0.0, 0.0
    has_bias, has_dark = masters.bias is not None, masters.dark is not None
    added = masters.noise.added(exposure.exposure_s or 0.0, has_bias=has_bias, has_dark=has_dark)
    return added, 0.0 if masters.flat is None else masters.noise.flat


def with_masters(noise: SkyNoise, current: float, added: float, of_flat: float) -> SkyNoise:
    """The noise of the sky, with what is in it of a dark current (data units) and of the masters."""
    lit = max(noise.level, 0.0)
    return replace(noise, level=lit + current, beside=added + of_flat * lit**2)


def under_flat(sources: Image, level: Image, response: Image, of_flat: float) -> Image:
    """What the noise of a flat adds to the variance where sources are: it is in them and in their sky."""
    both = np.maximum(level, np.float32(0.0))
    both *= np.float32(2.0)
    both += sources
    both *= sources
    both /= response
    both *= np.float32(of_flat)
    return both


def sky_variance(
    level: Image, beside: Image, response: Image | None, of_flat: float, detector: Detector
) -> Image:
    """Electrons squared: read noise and Poisson noise of sky and dark current, and noise of the masters.

    Under a flat ``f`` a calibrated signal ``S`` was ``S f`` electrons: its Poisson variance is
    ``S / f``, that of the dark current ``D / f**2`` and the read noise ``r**2 / f**2``. A flat whose own
    variance is ``v f`` adds ``S**2 v / f``.
    """
    sky = np.maximum(level, np.float32(0.0))
    noise_of_flat = np.square(sky) * np.float32(of_flat) if of_flat > 0.0 else None
    beside = beside + np.float32(detector.read_noise**2)
    sky += beside if response is None else beside / response
    if noise_of_flat is not None:
        sky += noise_of_flat
    if response is not None:
        sky /= response
    sky *= np.float32(detector.sky_variance_factor)
    variance: Image = np.maximum(sky, np.float32(1e-3), out=sky)
    return variance


def source_model(signal: Image, noise: Image, unknown: NDArray[np.bool_]) -> Image:
    """The light of the sources as the noise model takes it: never negative, hardly noisy.

    A variance that follows the noise of its own pixel would favour the pixels that scattered low. So
    faint light is smoothed. In the cores of bright stars, where smoothing would lose half the peak of
    a sharp PSF and the noise is a small part of the light, the pixel itself counts; between 5 and 15
    sigma the one passes into the other.

    Parameters
    ----------
    signal, noise : (height, width) float32
        Light above the sky and the sky's standard deviation, in electrons.
    unknown : (height, width) bool
        Pixels whose values mean nothing.
    """
    smooth = blurred(np.where(unknown, np.float32(0.0), signal), MODEL_SMOOTHING_PX)
    if unknown.any():
        weight = blurred((~unknown).astype(np.float32), MODEL_SMOOTHING_PX)
        smooth /= np.maximum(weight, np.float32(1e-3))
    np.maximum(smooth, np.float32(0.0), out=smooth)
    # Nothing fainter than 5 sigma of the sky is more significant than that.
    bright = np.flatnonzero(smooth > np.float32(5.0) * noise)
    light = smooth.ravel()[bright]
    significance = light / np.sqrt(np.square(noise.ravel()[bright]) + light)
    sharp = np.clip(np.float32(0.1) * significance - np.float32(0.5), 0.0, 1.0)
    own = np.where(unknown.ravel()[bright], light, signal.ravel()[bright])
    model: Image = smooth
    model.ravel()[bright] = np.maximum(light + sharp * (own - light), np.float32(0.0))
    return model
