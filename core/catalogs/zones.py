"""A table of positions on disk, sorted by declination zone and right ascension: one file a column.

A cone is one short run of rows in each zone that it touches, found by bisection in a memory-mapped
column; nothing else of the table is read. Beside one SQLite file with the primary key (zone, ra) a single
cone takes about as long; ten thousand take a twentieth of the time, for they are bisected together and no
row ever becomes an object (`benchmarks.known_sky` measures both).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.objects.sphere import ZONES_PER_DEGREE, unit_vectors

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

ZONES = 180 * ZONES_PER_DEGREE + 1  # the last one holds the pole alone
BLOCK = 2_000_000  # pairs that are held at once
STEPS = (1 / 16, 1 / 4, 1.0)  # of a radius: what lies near is found without looking far
MARGIN_DEG = 1e-9  # what rounding may take off a range; the exact distance decides
MAS_PER_DEG = 3.6e6

Measure = Callable[[Whole, Whole], Values]


def zones_of(dec: NDArray[Any]) -> Whole:
    """The zone of each declination in degrees, 0 at the south pole."""
    return np.clip(np.floor((dec + 90.0) * ZONES_PER_DEGREE), 0, ZONES - 1).astype(np.int64)


class ZoneTable:
    """One table of positions, its columns memory-mapped when they are asked for.

    Parameters
    ----------
    folder : Path
        Holds ``starts.npy``, the first row of each zone and the count of all, and ``NAME.npy`` for each
        column; ``ra`` and ``dec`` in degrees are always there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._columns: dict[str, NDArray[Any] | None] = {}

    @cached_property
    def starts(self) -> Whole:
        """The first row of each zone; one more entry than there are zones."""
        starts: Whole = np.load(self.folder / "starts.npy")
        return starts

    def __len__(self) -> int:
        return int(self.starts[-1])

    def column(self, name: str) -> NDArray[Any] | None:
        """A column, or none where the table has no such one."""
        if name not in self._columns:
            path = self.folder / f"{name}.npy"
            # A plain array over the map: numpy's own class for maps costs more than a cone does.
            found = np.asarray(np.load(path, mmap_mode="r")) if path.is_file() else None
            self._columns[name] = found
        return self._columns[name]

    def values(self, name: str, rows: Whole) -> Values:
        """Numbers of some rows; NaN where there is no such column."""
        column = self.column(name)
        if column is None:
            return np.full(len(rows), np.nan)
        return np.asarray(column[rows], dtype=np.float64)

    def pairs(self, ra: Values, dec: Values, radius_deg: Values) -> Iterator[tuple[Whole, Whole]]:
        """Points and rows that may lie within each point's radius: all that do, and few others.

        Parameters
        ----------
        ra, dec, radius_deg : (n,) float64
            Degrees.

        Yields
        ------
        (points, rows)
            Indices of both, pair by pair, about `BLOCK` at a time; a point may go on in the next block.
        """
        point, first, last = self._runs(ra, dec, radius_deg)
        count = last - first
        total = np.cumsum(count)
        begin = 0
        while begin < len(count):
            done = int(total[begin - 1]) if begin else 0
            end = max(int(np.searchsorted(total, done + BLOCK, side="right")), begin + 1)
            here = count[begin:end]
            run = np.arange(here.sum()) - np.repeat(np.cumsum(here) - here, here)
            yield np.repeat(point[begin:end], here), np.repeat(first[begin:end], here) + run
            begin = end

    def least(
        self, ra: Values, dec: Values, radius_deg: Values, measure: Measure, limit: float
    ) -> tuple[Whole, Values]:
        """The row of the least measure for each point, of the rows within its radius.

        Parameters
        ----------
        measure : callable
            Told points and rows pair by pair; a NaN is no match.
        limit : float
            A greater measure is no match either.

        Returns
        -------
        rows, measures : (n,) arrays
            -1 and infinity where there is none.
        """
        rows = np.full(len(ra), -1, dtype=np.int64)
        best = np.full(len(ra), np.inf)
        for points, near in self.pairs(ra, dec, radius_deg):
            values = measure(points, near)
            kept = np.flatnonzero(values <= limit)
            order = kept[np.lexsort((near[kept], values[kept], points[kept]))]
            first = np.flatnonzero(np.diff(points[order], prepend=-1))
            chosen = order[first]
            chosen = chosen[values[chosen] < best[points[chosen]]]
            rows[points[chosen]] = near[chosen]
            best[points[chosen]] = values[chosen]
        return rows, best

    def nearest(
        self, ra: Values, dec: Values, radius_deg: float, years: Values, drift_deg: float = 0.0
    ) -> tuple[Whole, Values]:
        """The nearest row to each point within a radius, with the proper motion since its epoch.

        Parameters
        ----------
        ra, dec : (n,) float64
            Degrees.
        radius_deg : float
        years : (n,) float64
            From the table's epoch to the point's.
        drift_deg : float
            How far any row moves in the most of those years.

        Returns
        -------
        rows, distances_deg : (n,) arrays
            -1 and infinity where there is none.
        """
        rows = np.full(len(ra), -1, dtype=np.int64)
        distance = np.full(len(ra), np.inf)
        places = unit_vectors(ra, dec)
        left = np.arange(len(ra))
        for step in STEPS:
            here, limit = left, step * radius_deg

            def measure(points: Whole, near: Whole, here: Whole = here) -> Values:
                return self.distance(places[here[points]], near, years[here[points]])

            reach = np.full(len(left), limit + drift_deg)
            rows[left], distance[left] = self.least(ra[left], dec[left], reach, measure, limit)
            left = left[rows[left] < 0]
            if len(left) == 0:
                break
        return rows, distance

    def distance(self, places: Values, rows: Whole, years: Values) -> Values:
        """From points of the unit sphere, (n, 3), to rows moved by some years, in degrees."""
        chords = np.linalg.norm(places - self.places(rows, years), axis=1)
        return np.asarray(np.degrees(2.0 * np.arcsin(np.minimum(chords / 2.0, 1.0))))

    def places(self, rows: Whole, years: Values) -> Values:
        """Rows as points of the unit sphere, (n, 3), moved along great circles by their proper motion."""
        ra, dec = self.values("ra", rows), self.values("dec", rows)
        still = unit_vectors(ra, dec)
        if self.column("pmra") is None:
            return still
        a, d = np.radians(ra), np.radians(dec)
        east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
        north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
        shift = np.radians(np.nan_to_num(np.stack([self.values(n, rows) for n in ("pmra", "pmdec")])))
        shift *= years / MAS_PER_DEG
        moved = still + east * shift[0][:, None] + north * shift[1][:, None]
        placed: Values = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return placed

    def _runs(self, ra: Values, dec: Values, radius: Values) -> tuple[Whole, Whole, Whole]:
        """Runs of rows for each point: the point, its first row and the row after its last."""
        radius = radius + MARGIN_DEG
        low, high = zones_of(dec - radius), zones_of(dec + radius)
        count = high - low + 1
        point = np.repeat(np.arange(len(ra)), count)
        zone = np.repeat(low, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        half = half_width(dec, radius)[point]
        left, right = ra[point] % 360.0 - half, ra[point] % 360.0 + half
        whole = half >= 180.0
        left[whole], right[whole] = 0.0, 360.0
        below, above = left < 0.0, right > 360.0  # what crosses RA 0 goes on at the other end
        starts = [np.maximum(left, 0.0), left[below] + 360.0, np.zeros(np.count_nonzero(above))]
        ends = [np.minimum(right, 360.0), np.full(np.count_nonzero(below), 360.0), right[above] - 360.0]
        return self._bisected(
            np.concatenate([point, point[below], point[above]]),
            np.concatenate([zone, zone[below], zone[above]]),
            np.concatenate(starts),
            np.concatenate(ends),
        )

    def _bisected(self, point: Whole, zone: Whole, low: Values, high: Values) -> tuple[Whole, Whole, Whole]:
        occupied = self.starts[zone + 1] > self.starts[zone]
        point, zone, low, high = point[occupied], zone[occupied], low[occupied], high[occupied]
        order = np.argsort(zone, kind="stable")
        bounds = np.flatnonzero(np.diff(zone[order], prepend=-1, append=ZONES))
        first, last = np.zeros(len(zone), dtype=np.int64), np.zeros(len(zone), dtype=np.int64)
        ra = self.column("ra")
        for start, end in itertools.pairwise(bounds):
            mine = order[start:end]
            begin = int(self.starts[zone[mine[0]]])
            along = ra[begin : int(self.starts[zone[mine[0]] + 1])] if ra is not None else np.zeros(0)
            first[mine] = begin + np.searchsorted(along, low[mine], side="left")
            last[mine] = begin + np.searchsorted(along, high[mine], side="right")
        kept = np.flatnonzero(last > first)
        kept = kept[np.argsort(point[kept], kind="stable")]
        return point[kept], first[kept], last[kept]


def half_width(dec: Values, radius: Values) -> Values:
    """Half the right ascension that cones touch, ``asin(sin r / cos dec)``; 180 where one holds a pole."""
    half = np.full(len(dec), 180.0)
    plain = (np.abs(dec) + radius < 90.0) & (radius < 90.0)
    share = np.sin(np.radians(radius[plain])) / np.cos(np.radians(dec[plain]))
    half[plain] = np.degrees(np.arcsin(np.minimum(share, 1.0))) + MARGIN_DEG
    return half
