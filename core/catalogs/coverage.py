"""Where a catalogue has looked: only there does it say something that it knows no source.

Few catalogues say what they cover. Where one does not, the sky is parted into cells of the smallest
size at which an occupied cell holds `ENOUGH` rows in the median: an empty cell is then one of which the
catalogue knows nothing, and not chance. A catalogue too sparse for the largest cells covers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.objects.sky import separation_deg

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

FINEST_DEG = 0.125
SCALES = tuple(FINEST_DEG * 2**k for k in range(8))  # up to 16 degrees
ENOUGH = 10  # rows: a covered cell is empty by chance once in exp(10)
STRIDE = 1 << 20  # cells of one band of declination at most


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a catalogue covers.

    Attributes
    ----------
    how : str
        ``all-sky``, ``cone``, ``rows`` (it was read from the rows) or ``unknown``.
    cone : (float, float, float) or None
        Right ascension, declination and radius in degrees.
    cell_deg : float or None
        The size of a cell, where the rows told.
    cells : (n,) int64 or None
        The occupied ones, sorted.
    """

    how: str
    cone: tuple[float, float, float] | None = None
    cell_deg: float | None = None
    cells: Whole | None = None

    def covers(self, ra: Values, dec: Values) -> NDArray[np.bool_]:
        """Which positions (degrees) are covered."""
        if self.how == "all-sky":
            return np.ones(len(ra), dtype=bool)
        if self.how == "cone" and self.cone is not None:
            return np.asarray(separation_deg(ra, dec, *self.cone[:2]) <= self.cone[2])
        if self.how == "rows" and self.cell_deg is not None and self.cells is not None:
            return np.isin(cells_of(ra, dec, self.cell_deg), self.cells)
        return np.zeros(len(ra), dtype=bool)

    def record(self) -> dict[str, Any]:
        """All but the cells, as JSON can hold it."""
        return {"how": self.how, "cone": self.cone and list(self.cone), "cell_deg": self.cell_deg}


class RowCounter:
    """Counts rows in the finest cells as they stream by, and says what they cover."""

    def __init__(self) -> None:
        self._cells: Whole = np.zeros(0, dtype=np.int64)
        self._counts: Whole = np.zeros(0, dtype=np.int64)

    def add(self, ra: Values, dec: Values) -> None:
        """Count some rows, degrees."""
        cells, counts = np.unique(cells_of(ra, dec, FINEST_DEG), return_counts=True)
        merged, place = np.unique(np.concatenate([self._cells, cells]), return_inverse=True)
        both = np.concatenate([self._counts, counts])
        self._cells = merged
        self._counts = np.bincount(place, weights=both, minlength=len(merged)).astype(np.int64)

    def coverage(self) -> Coverage:
        """What the rows cover, at the smallest scale that can be trusted."""
        ra, dec = centres(self._cells, FINEST_DEG)
        for scale in SCALES:
            cells, place = np.unique(cells_of(ra, dec, scale), return_inverse=True)
            counts = np.bincount(place, weights=self._counts)
            if len(cells) and float(np.median(counts)) >= ENOUGH:
                return Coverage("rows", cell_deg=scale, cells=cells)
        return Coverage("unknown")


def cells_of(ra: Values, dec: Values, scale: float) -> Whole:
    """The cell of each position: bands of declination, each parted into cells of about equal width."""
    band = np.clip(np.floor((dec + 90.0) / scale), 0, round(180.0 / scale) - 1).astype(np.int64)
    number = _cells_in(band, scale)
    across = np.minimum(np.floor((ra % 360.0) / 360.0 * number), number - 1).astype(np.int64)
    return np.asarray(band * STRIDE + across)


def centres(cells: Whole, scale: float) -> tuple[Values, Values]:
    """The middles of cells, degrees."""
    band, across = np.divmod(cells, STRIDE)
    return (across + 0.5) * 360.0 / _cells_in(band, scale), (band + 0.5) * scale - 90.0


def _cells_in(band: Whole, scale: float) -> Values:
    width = np.cos(np.radians((band + 0.5) * scale - 90.0))
    return np.asarray(np.maximum(np.floor(360.0 * width / scale), 1.0))
