"""How values become brightness: limits that follow the sky, and six stretches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRETCHES = ("asinh", "linear", "log", "zscale", "percentile", "histogram")

_PERCENT = 99.0  # of the pixels lie within the limits of `percentile`
_RANKS = np.linspace(0, 1, 65)  # where a histogram is equalised exactly
_LOG_GAIN = 1000.0  # the exponent of DS9's logarithmic scale


@dataclass(frozen=True, slots=True)
class Limits:
    """Where black and white lie, in the plane's own units (sigma for cutouts).

    ``soft`` is where asinh turns from linear to logarithmic. ``symmetric`` puts 0 at middle grey.
    ``ladder`` has, for a histogram that is equalised, the values below which 0, 1/64, 2/64 ... 1 of the
    pixels lie; of a symmetric one, of their absolute values.
    """

    low: float
    high: float
    soft: float
    symmetric: bool = False
    ladder: tuple[float, ...] = ()


def sky_limits(values: NDArray[np.float32], stretch: str, contrast: float = 1.0) -> Limits:
    """Limits for planes that show a sky: from just under it to the brightest that is there.

    Parameters
    ----------
    values : float32 array, any shape
        The pixels to be shown; NaN is left out.
    stretch : str
        One of `STRETCHES`.
    contrast : float
        Above 1 brings white nearer to the sky.
    """
    good = values[np.isfinite(values)]
    if not good.size:
        return Limits(0.0, 1.0, 1.0)
    sky, spread = _sky_and_spread(good)
    if stretch == "zscale":
        low, high = zscale(good)
    elif stretch == "percentile":
        low, high = _apart(*np.percentile(good, [(100 - _PERCENT) / 2, (100 + _PERCENT) / 2]))
    elif stretch == "histogram":
        low, high = _apart(good.min(), good.max())
    else:
        low = sky - 2 * spread
        high = max(float(np.percentile(good, 99.8)), sky + 8 * spread)
    high = low + (high - low) / contrast
    ladder = _ladder(np.clip(good, low, high)) if stretch == "histogram" else ()
    return Limits(low, high, 2 * spread, ladder=ladder)


def symmetric_limits(values: NDArray[np.float32], stretch: str, contrast: float = 1.0) -> Limits:
    """Limits for a difference: as far below 0 as above; parameters as in `sky_limits`."""
    good = values[np.isfinite(values)]
    if not good.size:
        return Limits(-1.0, 1.0, 1.0, symmetric=True)
    _, spread = _sky_and_spread(good)
    if stretch == "zscale":
        reach = max(abs(limit) for limit in zscale(good))
    elif stretch == "percentile":
        reach = float(np.percentile(np.abs(good), _PERCENT)) or 1.0
    elif stretch == "histogram":
        reach = float(np.abs(good).max()) or 1.0
    else:
        reach = max(float(np.percentile(np.abs(good), 99.8)), 5 * spread)
    reach /= contrast
    ladder = _ladder(np.minimum(np.abs(good), reach)) if stretch == "histogram" else ()
    return Limits(-reach, reach, 2 * spread, symmetric=True, ladder=ladder)


def brightness(values: NDArray[np.float32], limits: Limits, stretch: str) -> NDArray[np.float32]:
    """Values as brightness from 0 to 1; NaN stays NaN."""
    if limits.ladder:
        return _equalised(values, limits)
    if limits.symmetric:
        share = np.clip(values / limits.high, -1, 1)
        level = 0.5 + 0.5 * np.sign(share) * _curve(np.abs(share), limits.high, limits.soft, stretch)
        return np.asarray(level, dtype=np.float32)
    span = limits.high - limits.low
    share = np.clip((values - limits.low) / span, 0, 1)
    return _curve(share, span, limits.soft, stretch)


def zscale(values: NDArray[np.float32], contrast: float = 0.25) -> tuple[float, float]:
    """IRAF's display limits: the slope of the sorted pixels about their median, outliers left out.

    A line is fitted to the sorted values with 2.5-sigma rejection; the limits are where that line,
    steepened by ``1 / contrast``, meets the ends of the sample.
    """
    ordered = np.sort(values, axis=None)
    ordered = ordered[np.linspace(0, ordered.size - 1, min(ordered.size, 1000)).astype(int)].astype(float)
    size = ordered.size
    median = float(np.median(ordered))
    position = np.arange(size) - (size - 1) / 2
    kept = np.ones(size, dtype=bool)
    slope = 0.0
    for _ in range(5):
        slope, offset = np.polyfit(position[kept], ordered[kept], 1)
        residual = ordered - (slope * position + offset)
        still = np.abs(residual) <= 2.5 * residual[kept].std()
        if still.sum() < max(5, size // 2) or (still == kept).all():
            break
        kept = still
    reach = slope / contrast * (size - 1) / 2
    low, high = max(ordered[0], median - reach), min(ordered[-1], median + reach)
    return (low, high) if high > low else (median - 1.0, median + 1.0)


def _equalised(values: NDArray[np.float32], limits: Limits) -> NDArray[np.float32]:
    """The share of the pixels that are fainter; of a symmetric plane of one sign, nearer to 0."""
    if not limits.symmetric:
        share = _share_below(np.clip(values, limits.low, limits.high), limits.ladder)
        return np.asarray(share, dtype=np.float32)
    share = _share_below(np.minimum(np.abs(values), limits.high), limits.ladder)
    return np.asarray(0.5 + 0.5 * np.sign(values) * share, dtype=np.float32)


def _share_below(values: NDArray[np.float32], ladder: tuple[float, ...]) -> NDArray[np.float64]:
    """Equal rungs, of values that are quantised or clipped, count as the highest of them."""
    rungs, first = np.unique(ladder[::-1], return_index=True)
    shares = _RANKS[::-1][first]
    shares[0] = 0.0
    share: NDArray[np.float64] = np.interp(values, rungs, shares)
    return share


def _ladder(values: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(np.quantile(values, _RANKS).tolist())


def _apart(low: float, high: float) -> tuple[float, float]:
    """Limits between which there is something."""
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(low) + 1.0)


def _sky_and_spread(good: NDArray[np.float32]) -> tuple[float, float]:
    """Median and 1.4826 times the median absolute deviation, which is 1 where all values agree."""
    sky = float(np.median(good))
    spread = 1.4826 * float(np.median(np.abs(good - sky)))
    return sky, spread if spread > 0 else 1.0


def _curve(share: NDArray[np.float32], span: float, soft: float, stretch: str) -> NDArray[np.float32]:
    """Brightness of a share (0 to 1) of the span."""
    if stretch == "asinh":
        return np.asarray(np.arcsinh(share * span / soft) / np.arcsinh(span / soft), dtype=np.float32)
    if stretch == "log":
        return np.asarray(np.log1p(_LOG_GAIN * share) / np.log1p(_LOG_GAIN), dtype=np.float32)
    return share
