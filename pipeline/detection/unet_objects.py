"""Objects in the U-Net's maps: point sources of both signs, and streaks, which may be broken by stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.classify.unet import LogOdds

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

TOUCHING = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner are connected
SHORTEST_FWHM = 2.0  # of a streak
ASIDE_FWHM = 1.0  # a piece of a streak lies so near its line
ELONGATION = 2.0  # a piece is at least so much longer than wide to tell a direction
GAP = 1.5  # a streak goes on over so much of the length that is seen of it
SMALLEST_GAP_FWHM = 10.0
MOST_STREAKS = 50  # in one frame; more are no streaks


@dataclass(frozen=True, slots=True)
class PointObject:
    """Connected pixels of a point source. ``sign`` is that of its flux; ``log_odds`` its largest."""

    x: float
    y: float
    sign: int
    log_odds: float
    pixels: int


@dataclass(frozen=True, slots=True)
class StreakObject:
    """A straight trail: its ends in 0-based pixel centres, its largest log-odds, its pixels seen."""

    x_begin: float
    y_begin: float
    x_end: float
    y_end: float
    log_odds: float
    pixels: int

    @property
    def middle(self) -> tuple[float, float]:
        """Half way between the ends."""
        return (self.x_begin + self.x_end) / 2.0, (self.y_begin + self.y_end) / 2.0

    @property
    def length(self) -> float:
        """Pixels."""
        return float(np.hypot(self.x_end - self.x_begin, self.y_end - self.y_begin))

    @property
    def angle_deg(self) -> float:
        """From the x axis towards the y axis, from 0 to 180."""
        return float(np.degrees(np.arctan2(self.y_end - self.y_begin, self.x_end - self.x_begin))) % 180.0

    def distance(self, x: Array, y: Array) -> Array:
        """Of places from the line between the ends, pixels."""
        dx, dy = self.x_end - self.x_begin, self.y_end - self.y_begin
        squared = max(dx * dx + dy * dy, 1e-12)
        along = np.clip(((x - self.x_begin) * dx + (y - self.y_begin) * dy) / squared, 0.0, 1.0)
        away: Array = np.hypot(x - self.x_begin - along * dx, y - self.y_begin - along * dy)
        return away


def point_objects(maps: LogOdds, masked: NDArray[np.bool_], threshold: float) -> list[PointObject]:
    """Point sources: connected unmasked pixels beyond a threshold that are no streak.

    Parameters
    ----------
    maps : LogOdds
    masked : (height, width) bool
    threshold : float
        Log-odds, not calibrated.

    Returns
    -------
    list of PointObject
        The surest first; centroids are weighted by what the log-odds are above the threshold.
    """
    found: list[PointObject] = []
    for sign, here, other in ((1, maps.point, maps.dark), (-1, maps.dark, maps.point)):
        chosen = (here > threshold) & (here >= other) & (here >= maps.streak) & ~masked
        labels, count = ndimage.label(chosen, TOUCHING)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            rows, columns = np.nonzero(labels[box] == number)
            rows, columns = rows + box[0].start, columns + box[1].start
            values = here[rows, columns].astype(np.float64)
            weight = values - threshold + 1e-3
            x, y = (float(np.sum(weight * at) / weight.sum()) for at in (columns, rows))
            found.append(PointObject(x, y, sign, float(values.max()), len(values)))
        assert count == sum(each.sign == sign for each in found)
    return sorted(found, key=lambda each: -each.log_odds)


def streak_objects(
    maps: LogOdds, masked: NDArray[np.bool_], threshold: float, fwhm: float
) -> list[StreakObject]:
    """Streaks: elongated connected pixels, with the other pieces that lie on the same line.

    Parameters
    ----------
    maps : LogOdds
    masked : (height, width) bool
    threshold : float
        Log-odds, not calibrated.
    fwhm : float
        Pixels.

    Returns
    -------
    list of StreakObject
        The longest first.
    """
    chosen = (maps.streak > threshold) & (maps.streak >= np.maximum(maps.point, maps.dark)) & ~masked
    labels, _ = ndimage.label(chosen, TOUCHING)
    pieces = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = np.nonzero(labels[box] == number)
        pieces.append(np.stack([columns + box[1].start, rows + box[0].start]).astype(np.float64))
    pieces.sort(key=lambda piece: -piece.shape[1])
    found: list[StreakObject] = []
    while pieces and len(found) < MOST_STREAKS:
        seed = pieces.pop(0)
        if seed.shape[1] < SHORTEST_FWHM * fwhm:
            break
        if _elongation(seed) < ELONGATION:
            continue
        line = seed
        for _ in range(2):  # the whole tells the direction better than its largest piece
            ours = [_on_line(line, piece, fwhm) for piece in pieces]
            line = np.concatenate(
                [line, *(piece for piece, mine in zip(pieces, ours, strict=True) if mine)], axis=1
            )
            pieces = [piece for piece, mine in zip(pieces, ours, strict=True) if not mine]
        streak = _streak(line, maps.streak)
        if streak.length >= SHORTEST_FWHM * fwhm:
            found.append(streak)
    return sorted(found, key=lambda each: -each.length)


def _axis(pixels: Array) -> tuple[Array, Array, Array]:
    """Centre (2, 1), unit vectors (2, 2) along and across, and standard deviations (2,) of some pixels."""
    centre = pixels.mean(axis=1, keepdims=True)
    offset = pixels - centre
    values, vectors = np.linalg.eigh(offset @ offset.T / pixels.shape[1])
    return centre, vectors[:, ::-1], np.sqrt(np.maximum(values[::-1], 1.0 / 12.0))


def _elongation(pixels: Array) -> float:
    _, _, spread = _axis(pixels)
    return float(spread[0] / spread[1])


def _on_line(line: Array, piece: Array, fwhm: float) -> bool:
    """Whether a piece continues a line: near it all along, and not too far beyond its ends."""
    centre, axes, _ = _axis(line)
    ours, theirs = axes.T @ (line - centre), axes.T @ (piece - centre)
    first, last = ours[0].min(), ours[0].max()
    gap = max(float(theirs[0].min() - last), float(first - theirs[0].max()), 0.0)
    reach = max(GAP * float(last - first), SMALLEST_GAP_FWHM * fwhm)
    return gap <= reach and float(np.abs(theirs[1]).mean()) <= ASIDE_FWHM * fwhm


def _streak(pixels: Array, map_: Maps) -> StreakObject:
    centre, axes, _ = _axis(pixels)
    along = (axes.T @ (pixels - centre))[0]
    begin, end = (centre[:, 0] + axes[:, 0] * at for at in (along.min(), along.max()))
    largest = float(map_[pixels[1].astype(int), pixels[0].astype(int)].max())
    return StreakObject(
        float(begin[0]), float(begin[1]), float(end[0]), float(end[1]), largest, pixels.shape[1]
    )
