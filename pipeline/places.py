"""Pixels of a reference as positions on the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Frame


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
