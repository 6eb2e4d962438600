"""Where a catalogue has looked: only there does it say something that it knows no source.

Few catalogues say what they cover. Where one does not, the sky is parted into cells of the smallest
size at which an occupied cell holds `ENOUGH` rows in the median: an empty cell is then one of which the
catalogue knows nothing, and not chance. A catalogue too sparse for the largest cells covers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.objects.sphere import separation_deg

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

FINEST_DEG = 0.125
SCALES = tuple(FINEST_DEG * 2**k for k in range(8))  # up to 16 degrees
ENOUGH = 10  # rows: a covered cell is empty by chance once in exp(10)


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
        self._counts: Whole = np.zeros(int(_grid(FINEST_DEG)[0][-1]), dtype=np.int64)

    def add(self, ra: Values, dec: Values) -> None:
        """Count some rows, degrees."""
        self._counts += np.bincount(cells_of(ra, dec, FINEST_DEG), minlength=len(self._counts))

    def coverage(self) -> Coverage:
        """What the rows cover, at the smallest scale that can be trusted."""
        finest = np.flatnonzero(self._counts)
        ra, dec = centres(finest, FINEST_DEG)
        for scale in SCALES:
            counts = np.bincount(cells_of(ra, dec, scale), weights=self._counts[finest])
            cells = np.flatnonzero(counts)
            if len(cells) and float(np.median(counts[cells])) >= ENOUGH:
                return Coverage("rows", cell_deg=scale, cells=cells.astype(np.int64))
        return Coverage("unknown")


def cells_of(ra: Values, dec: Values, scale: float) -> Whole:
    """The cell of each position: bands of declination, each parted into cells of about equal width."""
    first, number = _grid(scale)
    band = np.clip(np.floor((dec + 90.0) / scale), 0, len(number) - 1).astype(np.int64)
    across = np.minimum(np.floor((ra % 360.0) / 360.0 * number[band]), number[band] - 1).astype(np.int64)
    return np.asarray(first[band] + across)


def centres(cells: Whole, scale: float) -> tuple[Values, Values]:
    """The middles of cells, degrees."""
    first, number = _grid(scale)
    band = np.searchsorted(first, cells, side="right") - 1
    ra: Values = (cells - first[band] + 0.5) * 360.0 / number[band]
    dec: Values = np.asarray((band + 0.5) * scale - 90.0, dtype=np.float64)
    return ra, dec


@lru_cache(maxsize=len(SCALES))
def _grid(scale: float) -> tuple[Whole, Whole]:
    """The first cell of each band of declination, with the count of all at the end; how many each has."""
    middles = (np.arange(round(180.0 / scale)) + 0.5) * scale - 90.0
    number = np.maximum(np.floor(360.0 * np.cos(np.radians(middles)) / scale), 1.0).astype(np.int64)
    return np.concatenate([[0], np.cumsum(number)]), number
