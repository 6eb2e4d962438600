"""Pixels of a reference as positions on the sky, and fluxes as magnitudes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Frame

MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10.0)


def magnitude(flux: float, flux_err: float, zeropoint: float | None) -> tuple[float | None, float | None]:
    """The magnitude of a difference flux's size, and its error; none without a zeropoint."""
    if zeropoint is None or not math.isfinite(flux) or flux == 0:
        return None, None
    return zeropoint - 2.5 * math.log10(abs(flux)), MAG_PER_RELATIVE_ERROR * flux_err / abs(flux)


def sky_positions(
    frame: Frame, x: NDArray[np.float64], y: NDArray[np.float64]
) -> list[tuple[float | None, float | None]]:
    """Right ascension and declination of places on a frame, degrees; none without a WCS."""
    if frame.wcs is None or len(x) == 0:
        return [(None, None)] * len(x)
    ra, dec = frame.wcs.all_pix2world(x, y, 0)
    return [
        (float(a) % 360.0, float(d)) if np.isfinite(a) and np.isfinite(d) else (None, None)
        for a, d in zip(ra, dec, strict=True)
    ]
