"""A frame in small, for people who ask what happened to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.frames.thumbnail import SIDE
from pipeline.frame import Frame
from pipeline.quantile import MAD_TO_SIGMA


def miniature(frame: Frame, side: int = SIDE) -> NDArray[np.float32]:
    """The means of blocks of a frame, with its sky as it is: clouds, gradients and trails are to be seen.

    Returns
    -------
    (H, W) float32
        In sigma of the blocks, from their median; no side longer than `side` pixels. NaN where less
        than half of a block is good.
    """
    height, width = frame.shape
    step = -(-max(height, width) // side)
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)

    def summed(values: NDArray[np.float32]) -> NDArray[np.float32]:
        in_rows = np.add.reduceat(values, rows, axis=0, dtype=np.float32)
        return np.add.reduceat(in_rows, columns, axis=1)

    good = (frame.mask == 0).astype(np.float32)
    size = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    counted = summed(good)
    seen = 2 * counted >= size
    if not seen.any():
        return np.full(counted.shape, np.nan, dtype=np.float32)
    means = summed(frame.data * good) / np.maximum(counted, 1.0)
    sky = float(np.median(means[seen]))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(means[seen] - sky))) or 1.0
    return np.where(seen, (means - sky) / sigma, np.nan).astype(np.float32)
