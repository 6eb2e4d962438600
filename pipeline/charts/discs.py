"""A field that is drawn, not seen: stars as discs, the brighter the larger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

SMALLEST_PX, LARGEST_PX = 1.6, 14.0  # radii
PX_A_MAG = 1.5


def discs(x: Values, y: Values, mag: Values, side: int) -> NDArray[np.float32]:
    """Discs of 1 on a ground of 0, with soft edges.

    Parameters
    ----------
    x, y : (n,) float64
        Centres, pixels from the lower left.
    mag : (n,) float64
        Radii go with it, from the faintest of the field on; NaN is drawn as the faintest.
    side : int
        Of the square field, pixels.

    Returns
    -------
    (side, side) float32
    """
    field = np.zeros((side, side), dtype=np.float32)
    faintest = float(np.nanmax(mag)) if np.isfinite(mag).any() else 0.0
    above = np.nan_to_num(faintest - mag)
    for column, row, radius in zip(x, y, np.minimum(SMALLEST_PX + PX_A_MAG * above, LARGEST_PX), strict=True):
        low = np.maximum(np.floor([row - radius - 1, column - radius - 1]), 0).astype(int)
        high = np.minimum(np.ceil([row + radius + 2, column + radius + 2]), side).astype(int)
        if (high <= low).any():
            continue
        rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
        inside = np.clip(radius + 0.5 - np.hypot(rows - row, columns - column), 0.0, 1.0)
        part = field[low[0] : high[0], low[1] : high[1]]
        np.maximum(part, inside, out=part, casting="same_kind")
    return field
