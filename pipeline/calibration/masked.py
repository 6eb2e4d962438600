"""Pixels of which calibration frames have no value: not finite, or left out by their own mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import MaskPlane
from pipeline.frame import RawFrame


class Masked:
    """Counts, pixel by pixel, of how many exposures have no value."""

    def __init__(self) -> None:
        self._count: NDArray[np.uint32] | None = None
        self._exposures = 0

    def add(self, raw: RawFrame, exposures: int) -> None:
        """A frame without its overscan, that is the mean of so many exposures."""
        self._exposures += exposures
        bad = (raw.mask & np.uint16(MaskPlane.BAD)) != 0
        if not bad.any():
            return
        if self._count is None:
            self._count = np.zeros(bad.shape, dtype=np.uint32)
        if self._count.shape == bad.shape:  # else it is refused as soon as they are combined
            self._count[bad] += np.uint32(exposures)

    @property
    def pixels(self) -> NDArray[np.bool_] | None:
        """Those that half of all exposures do not have: the others are outliers, of which means are freed."""
        return None if self._count is None else 2 * self._count >= self._exposures
