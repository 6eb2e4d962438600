"""The light along a line that may be a streak: where it is lit, how much, how wide, and what is around it.

The light is integrated along the line, as by a matched filter (Nir, Zackay and Ofek 2018, AJ 156, 229): a
long streak may be far below the threshold of any one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.classify.unet import LogOdds
from pipeline.detection.unet_objects import StreakObject
from pipeline.frame import Aligned, Difference, Frame, PreparedReference
from pipeline.quantile import MAD_TO_SIGMA

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CORRELATED_FWHM = 1.5  # along a line: values of the score within it count as one
CLIP_SIGMA = 8.0  # a star on a line counts no more than this
SHORTEST_FWHM = 2.5  # of what is lit
FAINTEST = 5.0  # sigma, of the light of all its length
UNLIKELIEST = -2.5  # mean log-odds of its pixels,
CERTAIN = 8.0  # where its light is less than so many sigma
ROUNDS = 3  # in which a line is fitted, and lengthened by no more than its length to either side
SHIFTS_FWHM = (np.arange(-1.5, 1.6, 0.5), np.arange(-0.4, 0.5, 0.2))  # that are tried of its ends
DARK_SHARE = 0.4  # of the typical light along a line; what is darker is no part of it
STRIP_FWHM, STRIP_STEP_PX = 6.0, 0.5  # how far to either side it is looked at
GROUND_FWHM = 2.5  # from here on aside is its ground
LOBES_FWHM, CORE_FWHM = 3.0, 3.5
LOBES_SIGMA = 2.0  # by so much the deepest point of a profile lies below it by chance
STAR_SIGMA = 30.0  # in the reference; what is fainter has no spikes
FADED_SCORE = 0.5  # the least that quarters of a line are compared by
WIDTHS = (0.4, 0.55, 0.75, 1.0, 1.35, 1.8, 2.5, 3.5)  # of its profile, in that of the PSF
PIXEL_SIGMA = 0.4  # a pixel blurs the profile of the PSF by this, px
LIT_SIGMA = 3.0  # in the reference
NETWORK_LIMIT = 8.0  # log-odds


@dataclass(frozen=True, slots=True)
class Light:
    """What a line is like.

    Attributes
    ----------
    streak, point : float
        The network's mean log-odds along it.
    significance : float
        Of the light along it; what is bright is clipped.
    length : float
        FWHM.
    width : float
        Of its profile in that of the PSF, one of `WIDTHS`.
    lobes : float
        The deepest point of the profile beside the line by its height, as far as noise does not explain
        it; 0 where none is negative.
    lit_before : float
        The share of it that the reference shows lit.
    ground : float
        Of the new frame on both sides, above its sky, in sigma.
    angle_deg : float
        From the nearest of rows and columns of the new frame's own pixels.
    leaves : float
        How far its ends lie across that row or column from each other, FWHM.
    masked : float
        The share of it that is.
    spike : float
        How bright a star the reference has in its middle, times how much the light fades away from there; 0
        where either is nothing.
    """

    streak: float
    point: float
    significance: float
    length: float
    width: float
    lobes: float
    lit_before: float
    ground: float
    angle_deg: float
    leaves: float
    masked: float
    spike: float


class Scene:
    """All images of a frame that lines are looked at in.

    Parameters
    ----------
    maps : LogOdds
    difference : Difference
    new : Aligned
    reference : PreparedReference
    """

    def __init__(
        self, maps: LogOdds, difference: Difference, new: Aligned, reference: PreparedReference
    ) -> None:
        self.maps, self.difference, self.new = maps, difference, new
        self.masked: Mask = difference.mask != 0
        self.fwhm = max(difference.psf.fwhm, 1.5)
        self.now, self.before = new.frame, reference.frame
        self.noise_now = float(np.sqrt(np.median(new.frame.variance)))
        self.noise_before = float(np.sqrt(np.median(reference.frame.variance)))
        self._unmasked = (~self.masked).astype(np.float32)

    def seen(self, x: Array, y: Array) -> Mask:
        """Which places are of unmasked pixels."""
        height, width = self.masked.shape
        inside = (x >= 0.0) & (x <= width - 1.0) & (y >= 0.0) & (y <= height - 1.0)
        seen: Mask = inside & (at(self._unmasked, x, y) > 0.9)
        return seen

    def light(self, proposed: StreakObject) -> tuple[StreakObject, Light] | None:
        """The streak as its light has it, and what it is like; none where there is too little."""
        line = proposed
        for _ in range(ROUNDS):
            before = line
            line = self._lit(self._fitted(line))
            if line.length < SHORTEST_FWHM * self.fwhm:
                return None
            if abs(line.length - before.length) < self.fwhm:
                break
        line = self._fitted(line)
        along = np.arange(0.0, line.length + 1e-9)
        x, y = places(line, along, np.zeros(1))
        seen = self.seen(x, y)[:, 0]
        if np.count_nonzero(seen) < 3:
            return None
        x, y = x[seen], y[seen]
        independent = max(len(x) / (CORRELATED_FWHM * self.fwhm), 1.0)
        score = at(self.difference.score, x, y).clip(-CLIP_SIGMA, CLIP_SIGMA)
        significance = float(score.mean() * np.sqrt(independent))
        streak, point = (
            self._opinion(each, line, along[seen]) for each in (self.maps.streak, self.maps.point)
        )
        if significance < FAINTEST or (streak < UNLIKELIEST and significance < CERTAIN):
            return None
        return line, self._described(line, along, significance, streak, point)

    def _described(
        self, line: StreakObject, along: Array, significance: float, streak: float, point: float
    ) -> Light:
        reach = int(np.ceil(STRIP_FWHM * self.fwhm / STRIP_STEP_PX))
        across = STRIP_STEP_PX * np.arange(-reach, reach + 1, dtype=np.float64)
        x, y = places(line, along, across)
        seen = self.seen(x, y)
        ground = np.abs(across) > GROUND_FWHM * self.fwhm
        profile, noise = _median(np.where(seen, at(self.difference.data, x, y), np.nan)), 0.0
        if _any(profile[ground]):
            profile = profile - float(np.nanmedian(profile[ground]))
            noise = MAD_TO_SIGMA * float(np.nanmedian(np.abs(profile[ground])))
        height, width = self._width(line, profile, across)
        beside = profile[np.abs(across) < LOBES_FWHM * self.fwhm]
        deepest = min(float(np.nanmin(beside)) + LOBES_SIGMA * noise, 0.0) if _any(beside) else 0.0
        on = seen[:, reach]
        before = signal_at(self.before, x[on, reach], y[on, reach]) / self.noise_before
        around = np.where(seen, signal_at(self.now, x, y), np.nan)[:, ground] / self.noise_now
        leaves, onward = self._along_detector(line)
        return Light(
            streak=streak,
            point=point,
            significance=significance,
            length=line.length / self.fwhm,
            width=width,
            lobes=deepest / max(abs(height), 1e-30),
            lit_before=float(np.mean(before > LIT_SIGMA)),
            ground=float(np.nanmedian(around)) if _any(around) else 0.0,
            angle_deg=float(np.degrees(np.arctan2(leaves, onward))),
            leaves=leaves / self.fwhm,
            masked=1.0 - float(np.mean(on)),
            spike=self._spike(x[:, reach], y[:, reach], on),
        )

    def _spike(self, x: Array, y: Array, seen: Mask) -> float:
        """Of places along a line: whether it is the spikes of a star, whose light fades to both sides."""
        third = len(x) // 3
        middle = slice(third, len(x) - third)
        star = float(signal_at(self.before, x[middle], y[middle]).max()) / self.noise_before
        score = np.where(seen, at(self.difference.score, x, y), np.nan)
        quarters = np.array([_mean(each) for each in np.array_split(score, 4)])
        inner, outer = (max(_mean(quarters[which]), FADED_SCORE) for which in ([1, 2], [0, 3]))
        return max(float(np.log10(max(star, 1.0) / STAR_SIGMA)), 0.0) * max(float(np.log(inner / outer)), 0.0)

    def _fitted(self, line: StreakObject) -> StreakObject:
        """Both ends moved across to where the mean score between them is highest."""
        share = np.linspace(0.0, 1.0, max(8, int(line.length / (0.5 * self.fwhm))))
        x, y = places(line, share * line.length, np.zeros(1))
        _, aside = _ways(line)
        first = last = 0.0
        for steps in SHIFTS_FWHM:
            shifts = steps * self.fwhm
            begin, end = (each.ravel() for each in np.meshgrid(first + shifts, last + shifts, indexing="ij"))
            shift = begin * (1.0 - share[:, None]) + end * share[:, None]
            score = at(self.difference.score, x + shift * aside[0], y + shift * aside[1])
            # Where all are alike the line stays.
            mean = _clipped(score).mean(axis=0) - 1e-3 * np.hypot(begin, end) / self.fwhm
            best = int(np.argmax(mean))
            first, last = float(begin[best]), float(end[best])
        return replace(
            line,
            x_begin=line.x_begin + first * aside[0],
            y_begin=line.y_begin + first * aside[1],
            x_end=line.x_end + last * aside[0],
            y_end=line.y_end + last * aside[1],
        )

    def _lit(self, line: StreakObject) -> StreakObject:
        """The part of a line and of what lies beyond its ends that is lit: whose excess is largest."""
        beyond = max(line.length, 4.0 * self.fwhm)
        along = np.arange(-beyond, line.length + beyond)
        x, y = (each[:, 0] for each in places(line, along, np.zeros(1)))
        seen = self.seen(x, y)
        score = at(self.difference.score, x, y)
        within = score[seen & (along >= 0.0) & (along <= line.length)]
        if within.size < 3:
            return line
        lit = within[within > 0.5 * max(float(np.median(within)), 1.0)]
        typical = float(np.median(lit)) if lit.size else 1.0
        excess = np.where(seen, score.clip(-2.0 * typical, 2.0 * typical) - DARK_SHARE * typical, 0.0)
        total = np.concatenate([[0.0], np.cumsum(excess)])  # the largest sum of neighbours (Bentley 1984)
        end = int(np.argmax(total - np.minimum.accumulate(total)))
        begin = end - int(np.argmin(total[end::-1]))  # the last of equals
        if end - begin < 3:
            return line
        (x_begin, x_end), (y_begin, y_end) = x[[begin, end - 1]], y[[begin, end - 1]]
        return replace(
            line, x_begin=float(x_begin), y_begin=float(y_begin), x_end=float(x_end), y_end=float(y_end)
        )

    def _width(self, line: StreakObject, profile: Array, across: Array) -> tuple[float, float]:
        """Height of the PSF's profile fitted to that of a line, and the one of `WIDTHS` that fits best."""
        core = (np.abs(across) < CORE_FWHM * self.fwhm) & np.isfinite(profile)
        if not core.any():
            return 0.0, 1.0
        psf = self._psf_profile(line, across)
        fits = {}
        for width in WIDTHS:
            model = np.interp(across / width, across, psf, left=0.0, right=0.0)[core]
            height = float(model @ profile[core] / max(float(model @ model), 1e-30))
            fits[width] = height, float(np.sum(np.square(profile[core] - height * model)))
        return fits[1.0][0], min(WIDTHS, key=lambda width: fits[width][1])

    def _psf_profile(self, line: StreakObject, across: Array) -> Array:
        """The PSF of the difference summed along a line; its peak is 1."""
        x, y = line.middle
        stamp = np.asarray(self.difference.psf.at(x, y), dtype=np.float64)
        half = stamp.shape[0] // 2
        _, aside = _ways(line)
        rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
        place = (columns * aside[0] + rows * aside[1] - across[0]) / STRIP_STEP_PX
        low = np.floor(place).astype(int)
        profile = np.zeros(len(across))
        for index, weight in ((low, 1.0 - (place - low)), (low + 1, place - low)):
            inside = (index >= 0) & (index < len(across))
            np.add.at(profile, index[inside], (stamp * weight)[inside])
        smooth: Array = ndimage.gaussian_filter1d(profile, PIXEL_SIGMA / STRIP_STEP_PX)
        smooth /= smooth.max()
        return smooth

    def _opinion(self, map_: NDArray[np.float32], line: StreakObject, along: Array) -> float:
        """The mean of the network's largest log-odds on the line and half a pixel aside."""
        x, y = places(line, along, np.array([-STRIP_STEP_PX, 0.0, STRIP_STEP_PX]))
        return float(at(map_, x, y).max(axis=1).clip(-NETWORK_LIMIT, NETWORK_LIMIT).mean())

    def _along_detector(self, line: StreakObject) -> tuple[float, float]:
        """How far its ends lie apart across the row or column of the new frame nearest to it, and along."""
        x, y = self.new.map_to_new(np.array([line.x_begin, line.x_end]), np.array([line.y_begin, line.y_end]))
        across, along = sorted(np.abs([float(x[1] - x[0]), float(y[1] - y[0])]))
        return float(across), float(along)


def at(image: NDArray[np.float32] | Array, x: Array, y: Array) -> Array:
    """Bilinear values of an image at some places; 0 beyond it."""
    found = ndimage.map_coordinates(image, [y, x], order=1, mode="constant", prefilter=False)
    return np.asarray(found, dtype=np.float64)


def signal_at(frame: Frame, x: Array, y: Array, unit: float = 1.0) -> Array:
    """The same of the light above a frame's sky, in some unit."""
    # No image of the whole frame is made: there may be hundreds of lines in it.
    least, most = (
        np.clip([y.min(initial=np.inf), x.min(initial=np.inf)], 0, np.array(frame.shape) - 1).astype(int),
        np.clip([y.max(initial=0), x.max(initial=0)], 0, frame.shape).astype(int) + 2,
    )
    part = slice(least[0], most[0]), slice(least[1], most[1])
    signal = (frame.data[part] - frame.background[part]) / np.float32(unit)
    return at(signal, x - least[1], y - least[0])


def _ways(line: StreakObject) -> tuple[Array, Array]:
    """Unit vectors along and across."""
    way = np.array([line.x_end - line.x_begin, line.y_end - line.y_begin]) / max(line.length, 1e-9)
    return way, np.array([-way[1], way[0]])


def places(line: StreakObject, along: Array, across: Array) -> tuple[Array, Array]:
    """X and y of places by their distance from the begin of a line and from it: (along, across)."""
    way, aside = _ways(line)
    x = line.x_begin + along[:, None] * way[0] + across * aside[0]
    y = line.y_begin + along[:, None] * way[1] + across * aside[1]
    return x, y


def _clipped(score: Array) -> Array:
    """Scores along some lines (along, lines) without stars, but with all the light of the brightest line."""
    most = max(CLIP_SIGMA, 2.0 * float(np.median(score, axis=0).max()))
    return score.clip(-most, most)


def _mean(values: Array) -> float:
    """Of what is seen; 0 where nothing is."""
    return float(np.nanmean(values)) if _any(values) else 0.0


def _any(values: Array) -> bool:
    return bool(np.isfinite(values).any())


def _median(strip: Array) -> Array:
    """Along a strip, of what is seen; NaN where nothing is."""
    median = np.full(strip.shape[1], np.nan)
    some = np.isfinite(strip).any(axis=0)
    median[some] = np.nanmedian(strip[:, some], axis=0)
    return median
