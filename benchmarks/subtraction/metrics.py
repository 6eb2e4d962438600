"""What a score image is worth against the truth. Arrays in, numbers out.

Truth
    A peak of the score belongs to a change if it lies within one FWHM of it, or so near that the change's
    own light (the autocorrelation of the PSF times its signal-to-noise ratio) still lifts the score by more
    than half a sigma. Other peaks are false.
Sky
    Pixels that are not masked, beside no change, and away from constant sources brighter than 5 sigma.
White noise
    A Gaussian random field of unit variance has ``2 (2 pi)^(-3/2) |L|^(1/2) u exp(-u^2 / 2)`` peaks beyond
    u a pixel, of both signs, L the covariance of its gradient (Adler 1981, The Geometry of Random Fields);
    L is measured on the sky of the score, and that pixels sample the field is allowed for. The most that a
    sixteenth of an image deviates is found in such fields themselves, on the same sky.
Chi squared of bright stars
    The mean of the score squared within one FWHM of a constant star, the median over the stars, divided
    by the same of places on the empty sky where the score has unit variance. One is a star that left no
    more than the score expects; the score's own errors are judged, so it is the same for every method.
    What the median is for noise alone, a little less, is told by `benchmarks.subtraction.by_noise`; the mean
    is one for all that are right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, stats
from scipy.spatial import KDTree

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FAINTEST_PEAK = 2.5
LIFTED = 0.5  # sigma
BRIGHT_SNR = 100.0
FORCED_SNR = 20.0
REGIONS = 4
DRAWS = 4  # of white noise, an image
BOOTSTRAPS = 1000
CAUSES = ("mask", "source", "sky")  # what a false peak lies beside


@dataclass(frozen=True)
class Truth:
    """What is in a field: changes and constant sources, on the grid of the score.

    ``snr`` of changes is positive, ``sign`` apart; ``star_snr`` is that of constant sources in the
    shallower image; ``fwhm`` the wider PSF's; ``reach`` the autocorrelation of the PSF by whole radius.
    """

    x: Array
    y: Array
    snr: Array
    sign: Array
    kind: NDArray[np.int64]
    flux: Array
    star_x: Array
    star_y: Array
    star_snr: Array
    star_flux: Array
    usable_star: Mask  # a point source, nowhere near full well
    fwhm: float
    reach: Array


@dataclass(frozen=True)
class Judged:
    """One score image as judged; what is pooled over pairs."""

    area: float  # pixels in which false peaks are counted
    masked: float
    masked_changes: float
    sigma: float
    worst_region: float
    chance_region: float  # the same of white noise
    expected: float  # false peaks of white noise beyond 5 sigma
    false_peaks: Array  # |score| of all false peaks beyond FAINTEST_PEAK
    cause: NDArray[np.int64]  # of each, an index into CAUSES
    found: Array  # of each unmasked change: the score of its peak, 0 without one
    snr: Array
    kind: NDArray[np.int64]
    chi2: Array  # of each bright constant star
    chi2_sky: float


def judge(score: NDArray[np.float32], good: Mask, truth: Truth) -> Judged:
    """Judge a score image.

    Parameters
    ----------
    score : (h, w) float32
        Signed significance.
    good : (h, w) bool
        Where it means something.
    truth : Truth
    """
    radius = change_radius(truth)
    near = discs(score.shape, truth.x, truth.y, radius)
    free = good & ~near
    bright = truth.star_snr > 5.0
    sources = discs(
        score.shape,
        truth.star_x[bright],
        truth.star_y[bright],
        _star_radius(truth.star_snr[bright], truth.fwhm),
    )
    sky = free & ~sources
    sigma = deviation(score[sky])
    px, py, value = peaks(score, good)
    rows, columns = np.rint(py).astype(int), np.rint(px).astype(int)
    false = free[rows, columns]
    edge = discs_around(~good, 2.0 * truth.fwhm)
    cause = np.where(edge[rows, columns], 0, np.where(sources[rows, columns], 1, 2))
    inside = _inside(good, truth.x, truth.y)
    found = np.zeros(len(truth.x))
    if len(px):
        tree = KDTree(np.column_stack([px, py]))
        for i, at in enumerate(tree.query_ball_point(np.column_stack([truth.x, truth.y]), truth.fwhm)):
            found[i] = max((value[k] * truth.sign[i] for k in at), default=0.0)
    return Judged(
        area=float(free.sum()),
        masked=1.0 - float(good.mean()),
        masked_changes=1.0 - float(inside.mean()) if len(inside) else 0.0,
        sigma=sigma,
        worst_region=worst_region(score, sky),
        chance_region=white_noise_region(score, sky),
        expected=float(free.sum()) * white_noise_peaks(score, sky),
        false_peaks=np.abs(value[false]),
        cause=cause[false],
        found=np.maximum(found[inside], 0.0),
        snr=truth.snr[inside],
        kind=truth.kind[inside],
        chi2=star_chi2(score, good, truth),
        chi2_sky=sky_chi2(score, sky, truth.fwhm) / sigma**2,
    )


def change_radius(truth: Truth) -> Array:
    """How far from each change a peak is not false."""
    lifted = truth.snr[:, None] * truth.reach[None, :] > LIFTED
    last = lifted.shape[1] - np.argmax(lifted[:, ::-1], axis=1) - 1
    return np.maximum(truth.fwhm, np.where(lifted.any(axis=1), last, 0.0))


def _star_radius(snr: Array, fwhm: float) -> Array:
    """How far a constant source's light matters to what is called sky."""
    return np.asarray(fwhm * np.clip(1.0 + np.log2(snr / 5.0) / 2.0, 1.0, 6.0))


def discs(shape: tuple[int, ...], x: Array, y: Array, radius: Array) -> Mask:
    """Pixels within a radius of any of some places."""
    out = np.zeros(shape, dtype=bool)
    for a, b, r in zip(x, y, np.broadcast_to(radius, x.shape), strict=True):
        rows, columns = (
            np.arange(max(int(np.ceil(at - r)), 0), min(int(np.floor(at + r)) + 1, length))
            for at, length in ((b, shape[0]), (a, shape[1]))
        )
        if len(rows) and len(columns):
            part = out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            part |= (rows[:, None] - b) ** 2 + (columns[None, :] - a) ** 2 <= r * r
    return out


def discs_around(bad: Mask, radius: float) -> Mask:
    """Pixels within a radius of bad ones."""
    if not bad.any():
        return bad
    return np.asarray(ndimage.distance_transform_edt(~bad) <= radius)


def peaks(score: NDArray[np.float32], good: Mask) -> tuple[Array, Array, Array]:
    """Pixels whose score is the largest of its sign within a pixel: x, y, score."""
    size = np.where(good, np.abs(score), np.float32(0.0))
    top = (size >= FAINTEST_PEAK) & (size >= ndimage.maximum_filter(size, 3))
    rows, columns = np.nonzero(top)
    return columns.astype(float), rows.astype(float), score[top].astype(float)


def deviation(values: NDArray[np.float32]) -> float:
    """Half of the range that holds 68.27 % of the values."""
    if values.size == 0:
        return float("nan")
    low, high = np.percentile(values, [15.865525, 84.134475])
    return float(high - low) / 2.0


def worst_region(score: NDArray[np.float32], sky: Mask) -> float:
    """The most that the deviation differs from 1 in a sixteenth of the image."""
    worst = 0.0
    for rows in np.array_split(np.arange(score.shape[0]), REGIONS):
        for columns in np.array_split(np.arange(score.shape[1]), REGIONS):
            part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            values = score[part][sky[part]]
            if values.size > 2000:
                worst = max(worst, abs(deviation(values) - 1.0))
    return worst


def white_noise_region(score: NDArray[np.float32], sky: Mask) -> float:
    """`worst_region` of white noise of unit variance, filtered as the score is, the mean of some draws."""
    # Gaussian kernels of width s make neighbours exp(-1 / (4 s^2)) alike.
    widths = [math.sqrt(0.5 / max(each, 1e-6)) for each in _gradients(score, sky)]
    random = np.random.default_rng(0)
    worst = []
    for _ in range(DRAWS):
        field = ndimage.gaussian_filter(random.normal(size=score.shape).astype(np.float32), widths)
        worst.append(worst_region(field / field.std(), sky))
    return float(np.mean(worst))


def _gradients(score: NDArray[np.float32], sky: Mask) -> list[float]:
    """The variance of the gradient of the score down and across, in units of its own."""
    found = []
    for axis in (0, 1):
        both = np.logical_and(*_neighbours(sky, axis))
        first, second = _neighbours(score, axis)
        likeness = np.corrcoef(first[both], second[both])[0, 1]
        # Two samples of a smooth field are exp(-L / 2) alike, to the order that matters here.
        found.append(float(-2.0 * np.log(max(likeness, 1e-3))))
    return found


def white_noise_peaks(score: NDArray[np.float32], sky: Mask, threshold: float = 5.0) -> float:
    """Peaks a pixel of either sign beyond a threshold, if the score were white noise, filtered alike."""
    gradients = _gradients(score, sky)
    # A peak between pixels is seen on the nearest one, where it is so much lower.
    off = (np.arange(9) - 4) / 9.0
    seen = np.exp(-0.5 * (gradients[0] * off[:, None] ** 2 + gradients[1] * off[None, :] ** 2))
    u = threshold / seen
    density = 2.0 * (2.0 * np.pi) ** -1.5 * np.sqrt(gradients[0] * gradients[1]) * u * np.exp(-0.5 * u**2)
    return float(np.mean(density))


def _neighbours(image: NDArray[np.generic], axis: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    one, other = [slice(None)] * 2, [slice(None)] * 2
    one[axis], other[axis] = slice(None, -1), slice(1, None)
    return image[tuple(one)], image[tuple(other)]


def star_chi2(score: NDArray[np.float32], good: Mask, truth: Truth) -> Array:
    """The mean square of the score within one FWHM of each bright constant star, no change beside it."""
    good = good & ~discs(score.shape, truth.x, truth.y, change_radius(truth))
    bright = bright_stars(truth)
    return mean_square(score, good, truth.star_x[bright], truth.star_y[bright], truth.fwhm)


def bright_stars(truth: Truth) -> Mask:
    """Which of the constant sources are bright stars."""
    return np.asarray((truth.star_snr > BRIGHT_SNR) & truth.usable_star)


def sky_chi2(score: NDArray[np.float32], sky: Mask, fwhm: float) -> float:
    """The median of the same over places on the sky."""
    step = int(4 * fwhm) + 1
    y, x = np.mgrid[step : score.shape[0] - step : step, step : score.shape[1] - step : step]
    values = mean_square(score, sky, x.ravel().astype(float), y.ravel().astype(float), fwhm)
    return float(np.median(values)) if len(values) else float("nan")


def mean_square(score: NDArray[np.float32], good: Mask, x: Array, y: Array, radius: float) -> Array:
    """The mean square of the score within a radius of places, of those around which all is good."""
    half = int(np.ceil(radius))
    offset = np.arange(-half, half + 1)
    out = []
    for a, b in zip(x, y, strict=True):
        column, row = round(a), round(b)
        if not (half <= row < score.shape[0] - half and half <= column < score.shape[1] - half):
            continue
        box = np.s_[row - half : row + half + 1, column - half : column + half + 1]
        disc = (offset[:, None] - (b - row)) ** 2 + (offset[None, :] - (a - column)) ** 2 <= radius**2
        if good[box][disc].all():
            out.append(float(np.mean(score[box][disc].astype(float) ** 2)))
    return np.array(out)


def _inside(good: Mask, x: Array, y: Array) -> Mask:
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    return np.asarray(good[rows, columns], dtype=bool)


def threshold_for(false_peaks: Array, area: float, rate: float = 1.0) -> float:
    """The score beyond which there are ``rate`` false peaks a megapixel."""
    allowed = max(int(rate * area / 1e6), 1)
    ordered = np.sort(false_peaks)[::-1]
    return float(ordered[allowed]) if len(ordered) > allowed else FAINTEST_PEAK


def half_complete(snr: Array, found: Mask) -> float:
    """The signal-to-noise ratio at which half is found: a logistic function of its logarithm, most likely."""
    if len(snr) < 10 or not found.any():
        return float("nan")
    x = np.log(snr)

    def minus_log_likelihood(parameters: Array) -> float:
        z = (x - parameters[0]) * np.exp(parameters[1])
        return float(np.sum(np.logaddexp(0.0, np.where(found, -z, z))))

    best = optimize.minimize(minus_log_likelihood, [np.log(6.0), np.log(8.0)], method="Nelder-Mead")
    return float(np.exp(np.clip(best.x[0], np.log(0.1), np.log(1e3))))


def poisson_interval(count: int, level: float = 0.68) -> tuple[float, float]:
    """The central interval of a Poisson mean (Gehrels 1986, ApJ 303, 336)."""
    tail = (1.0 - level) / 2.0
    low = 0.0 if count == 0 else float(stats.chi2.ppf(tail, 2 * count) / 2.0)
    return low, float(stats.chi2.ppf(1.0 - tail, 2 * count + 2) / 2.0)


@dataclass(frozen=True)
class Forced:
    """Forced fluxes of changes: (measured - true) / true, the true SNR, and the error over the true flux."""

    relative: Array
    snr: Array
    error: Array

    def summary(self) -> dict[str, float]:
        """Their median error, and what scatters around it over the best error and over the error given."""
        bias = float(np.median(self.relative)) if len(self.relative) else float("nan")
        off = self.relative - bias
        return {
            "n": len(off),
            "bias": bias,
            "over_ideal": robust_std(off * self.snr),
            "pull": robust_std(off / self.error),
        }

    @classmethod
    def joined(cls, parts: Sequence[Forced]) -> Forced:
        """Those of several pairs in one."""
        return cls(*(np.concatenate([getattr(each, one.name) for each in parts]) for one in fields(cls)))


def flux_intervals(pairs: Sequence[Forced]) -> dict[str, list[float]]:
    """Of each figure of a summary the 95 % between which it lies, where pairs are drawn anew with repeats.

    A median deviation of a thousand fluxes is known to some .035 of itself (one standard deviation).
    """
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(BOOTSTRAPS):
        chosen = random.integers(len(pairs), size=len(pairs))
        drawn.append(Forced.joined([pairs[each] for each in chosen]).summary())
    return {
        name: [float(each) for each in np.nanpercentile([one[name] for one in drawn], [2.5, 97.5])]
        for name in ("bias", "over_ideal", "pull")
    }


def forced(flux: Array, error: Array, true: Array, snr: Array) -> Forced:
    """Compare measured fluxes with signed true ones; masked ones are NaN and left out."""
    known = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    flux, error, true, snr = flux[known], error[known], true[known], snr[known]
    return Forced(flux / true - 1.0, snr, error / np.abs(true))


def robust_std(values: Array) -> float:
    """From the median absolute deviation."""
    if len(values) == 0:
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
