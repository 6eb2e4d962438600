"""The part of an image that nothing was written to: what turns or joins frames leaves zeros there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Image

SIDE_PX = 8  # of a square of zeros: no measured one is so quiet, however little light there is
STEPS = (1, 2, 4)  # which add up to the other pixels of a side

Mask = NDArray[np.bool_]


def unfilled(data: Image) -> Mask:
    """The pixels that lie in a square of nothing but zeros, (height, width).

    Single zeros are numbers as any others, and common where few photons came.
    """
    zero: Mask = data == 0.0
    if np.count_nonzero(zero) < SIDE_PX**2:
        return np.zeros(data.shape, dtype=bool)
    first = zero  # the pixels with which such squares begin, once both axes are done
    for axis in (0, 1):
        along = np.moveaxis(first, axis, 0)
        for step in STEPS:
            along = along[step:] & along[:-step]
        first = np.moveaxis(along, 0, axis)
    height, width = first.shape
    found = np.zeros(zero.shape, dtype=bool)
    found[:height, :width] = first
    for axis in (0, 1):
        along = np.moveaxis(found, axis, 0)
        for step in STEPS:
            along[step:] |= along[:-step].copy()
    return found
