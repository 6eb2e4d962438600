"""Objects in the U-Net's maps: point sources of both signs, and streaks, which may be broken by stars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.classify.unet import LogOdds

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

TOUCHING = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner are connected
SHORTEST_FWHM = 3.0  # of a streak; shorter ones pass for point sources
# Pixels that streaks are made of: their log-odds and significance at least, and by how much they may be less
# likely a streak than a point source. What is faint or seldom seen shows by its light rather.
SELECTIONS = ((-1.0, -np.inf, 0.0), (2.0, -np.inf, 0.0), (-4.0, 2.5, 1.0))
ASIDE_FWHM = 0.8  # its pixels lie so near its line
ELONGATION = 2.0  # it is at least so much longer than wide
GAP_FWHM = 20.0  # so much of it may be hidden by a star
GAP_SHARE = 1.0  # of what is seen to one side of a gap: specks far from a short trail are no part of it
PIECE_FWHM = 1.0  # pixels that lie nearer along the line are of one piece
COVERED = 0.3  # of its length at least is seen
TILE_PX, TILE_OVERLAP_PX = 640, 96
DRAWS = 200  # pairs of pixels through which a line is tried
MOST_STREAKS = 50  # in one tile; more are no streaks
MOST_FAILURES = 6  # of lines one after the other that are no streak: those of fewer pixels are none either
MOST_PIXELS = 1_200  # of a tile on which lines are tried; they are fitted to all


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
    """A straight trail: its ends in 0-based pixel centres, and its evidence by `streak_check`."""

    x_begin: float
    y_begin: float
    x_end: float
    y_end: float
    evidence: float

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

    def longer(self, by: float) -> StreakObject:
        """The same with either end so many pixels farther out."""
        dx, dy = (
            by * (end - begin) / max(self.length, 1e-6)
            for begin, end in ((self.x_begin, self.x_end), (self.y_begin, self.y_end))
        )
        return replace(
            self,
            x_begin=self.x_begin - dx,
            y_begin=self.y_begin - dy,
            x_end=self.x_end + dx,
            y_end=self.y_end + dy,
        )

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
        labels, _ = ndimage.label(chosen, TOUCHING)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            rows, columns = np.nonzero(labels[box] == number)
            rows, columns = rows + box[0].start, columns + box[1].start
            values = here[rows, columns].astype(np.float64)
            weight = values - threshold + 1e-3
            x, y = (float(np.sum(weight * at) / weight.sum()) for at in (columns, rows))
            found.append(PointObject(x, y, sign, float(values.max()), len(values)))
    return sorted(found, key=lambda each: -each.log_odds)


def proposed_streaks(
    maps: LogOdds, score: Maps, masked: NDArray[np.bool_], fwhm: float
) -> list[StreakObject]:
    """What may be streaks: straight lines of pixels, whatever crosses or hides parts of them.

    The line that most pixels of a tile lie on is found from random pairs of them (Fischler and Bolles 1981),
    its pixels are taken away, and so on; for each of `SELECTIONS` of pixels anew. One streak may be proposed
    more than once, and most of what is proposed is none: `pipeline.detection.streak_check` tells.

    Parameters
    ----------
    maps : LogOdds
    score : (height, width) float32
        Significance of a point source.
    masked : (height, width) bool
    fwhm : float
        Pixels.

    Returns
    -------
    list of StreakObject
        Of evidence 0.
    """
    found: list[StreakObject] = []
    for log_odds, significance, less_than_other in SELECTIONS:
        for top in _origins(masked.shape[0]):
            for left in _origins(masked.shape[1]):
                tile = np.s_[top : top + TILE_PX, left : left + TILE_PX]
                other = np.maximum(maps.point[tile], maps.dark[tile])
                chosen = (maps.streak[tile] > log_odds) & (score[tile] > significance) & ~masked[tile]
                chosen &= maps.streak[tile] >= other - less_than_other
                rows, columns = np.nonzero(chosen)
                found += _lines(np.stack([columns + left, rows + top]).astype(np.float64), fwhm)
    return found


def _origins(length: int) -> range:
    """Where tiles begin that cover a length and overlap: few pairs of a large frame are of one line."""
    return range(0, max(length - TILE_OVERLAP_PX, 1), TILE_PX - TILE_OVERLAP_PX)


def _lines(pixels: Array, fwhm: float) -> list[StreakObject]:
    """Straight lines of some pixels (2, n), those of most pixels first."""
    aside = ASIDE_FWHM * fwhm
    random = np.random.default_rng(0)  # the same frame has the same streaks
    found: list[StreakObject] = []
    failed = 0
    while pixels.shape[1] >= SHORTEST_FWHM * fwhm and len(found) < MOST_STREAKS and failed < MOST_FAILURES:
        line = _best_line(pixels, aside, random)
        run = np.flatnonzero(line)[_longest_run(pixels[:, line], fwhm)]
        streak = _streak(pixels[:, run], fwhm)
        failed = failed + 1 if streak is None else 0
        if streak is not None:
            found.append(streak)
            # Its edges, and what else is on it, are no streaks of their own.
            run = np.flatnonzero(streak.distance(pixels[0], pixels[1]) <= 2.0 * aside)
        pixels = np.delete(pixels, run, axis=1)
    return found


def _best_line(pixels: Array, aside: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which pixels lie on the line that most lie on."""
    count = pixels.shape[1]
    tried = pixels[:, random.choice(count, MOST_PIXELS, replace=False)] if count > MOST_PIXELS else pixels
    tried = tried.astype(np.float32)
    ends = random.integers(tried.shape[1], size=(2, DRAWS))
    start, way = tried[:, ends[0]], tried[:, ends[1]] - tried[:, ends[0]]
    length = np.hypot(*way)
    start, way = start[:, length > 0], way[:, length > 0] / length[length > 0]
    if start.shape[1] == 0:
        return np.ones(count, dtype=bool)
    # A pair from the two rims of a streak is askew: the widest agreement wins, and is then fitted.
    off = np.abs(
        way[1][:, None] * (tried[0] - start[0][:, None]) - way[0][:, None] * (tried[1] - start[1][:, None])
    )
    best = int(np.argmax(np.count_nonzero(off <= aside, axis=1)))
    on: NDArray[np.bool_] = _aside(pixels, start[:, best], way[:, best]) <= aside
    for _ in range(2):
        centre, axes, _ = _axis(pixels[:, on])
        fitted = _aside(pixels, centre[:, 0], axes[:, 0]) <= aside
        if np.count_nonzero(fitted) < np.count_nonzero(on):
            break
        on = fitted
    return on


def _aside(pixels: Array, start: Array, way: Array) -> Array:
    away: Array = np.abs(way[1] * (pixels[0] - start[0]) - way[0] * (pixels[1] - start[1]))
    return away


def _longest_run(pixels: Array, fwhm: float) -> NDArray[np.intp]:
    """The largest piece of a line's pixels, and the pieces that follow on either side across small gaps."""
    centre, axes, _ = _axis(pixels)
    along = axes[:, 0] @ (pixels - centre)
    order = np.argsort(along)
    pieces = np.split(order, np.flatnonzero(np.diff(along[order]) > PIECE_FWHM * fwhm) + 1)
    first = last = max(range(len(pieces)), key=lambda each: len(pieces[each]))
    while True:
        begin, end = along[pieces[first][0]], along[pieces[last][-1]]
        least = min(GAP_FWHM * fwhm, GAP_SHARE * (end - begin))
        before = begin - along[pieces[first - 1][-1]] if first > 0 else np.inf
        after = along[pieces[last + 1][0]] - end if last + 1 < len(pieces) else np.inf
        if min(before, after) > least:
            return np.concatenate(pieces[first : last + 1])
        if before <= after:
            first -= 1
        else:
            last += 1


def _axis(pixels: Array) -> tuple[Array, Array, Array]:
    """Centre (2, 1), unit vectors (2, 2) along and across, and standard deviations (2,) of some pixels."""
    centre = pixels.mean(axis=1, keepdims=True)
    offset = pixels - centre
    values, vectors = np.linalg.eigh(offset @ offset.T / pixels.shape[1])
    return centre, vectors[:, ::-1], np.sqrt(np.maximum(values[::-1], 1.0 / 12.0))


def _streak(pixels: Array, fwhm: float) -> StreakObject | None:
    """The streak of some pixels on a line; none where they are too few, too round or too sparse."""
    centre, axes, spread = _axis(pixels)
    along = axes[:, 0] @ (pixels - centre)
    length = float(along.max() - along.min())
    covered = len(np.unique(np.floor(along)))
    if length < SHORTEST_FWHM * fwhm or spread[0] < ELONGATION * spread[1] or covered < COVERED * length:
        return None
    begin, end = (centre[:, 0] + axes[:, 0] * at for at in (along.min(), along.max()))
    return StreakObject(float(begin[0]), float(begin[1]), float(end[0]), float(end[1]), 0.0)
