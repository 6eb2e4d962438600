"""Sources drawn into the pixels of a synthetic frame, to be compared with what linear response says."""

from dataclasses import replace

import numpy as np

from pipeline.depth.injection import Sources
from pipeline.frame import Aligned
from tests.pipeline.synthetic import Truth

HALF = 25


def grid_of_sources(shape: tuple[int, int], step: int, flux: float, seed: int = 1) -> Sources:
    """Sources all over a frame, at random places within their pixels."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[step : shape[0] - step // 2 : step, step : shape[1] - step // 2 : step]
    x, y = (axis.ravel() + random.uniform(-0.5, 0.5, axis.size) for axis in (x, y))
    return Sources(x, y, np.full(x.size, flux))


def drawn_into_pixels(new: Aligned, truth: Truth, sources: Sources, gain: float) -> Aligned:
    """The frame with each source under its true PSF, without the noise of its photons.

    The variance is what a calibration with a perfect model of the light would say.
    """
    data, variance = new.frame.data.astype(float), new.frame.variance.astype(float)
    height, width = new.frame.shape
    for x, y, flux in zip(sources.x, sources.y, sources.flux, strict=True):
        rows = np.arange(max(round(y) - HALF, 0), min(round(y) + HALF + 1, height))
        columns = np.arange(max(round(x) - HALF, 0), min(round(x) + HALF + 1, width))
        light = flux * gain * truth.psf.stamp(x, y, rows, columns)
        place = np.ix_(rows, columns)
        data[place] += light
        variance[place] += light
    frame = replace(new.frame, data=data.astype(np.float32), variance=variance.astype(np.float32))
    return replace(new, frame=frame)
