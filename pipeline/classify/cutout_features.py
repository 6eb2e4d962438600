"""What a triplet of cutouts looks like, in numbers: what trees and outlier detectors judge by.

All come from the images alone, so that a survey's alert is measured as our own detections are. What
cannot be measured because a plane is absent or masked is NaN. The difference is turned to be positive
at its middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.triplets import SIDE, Triplets

Features = NDArray[np.float32]  # (n, F)
Values = NDArray[np.float32]
Array = NDArray[np.floating]

MEANING: dict[str, str] = {
    "sign": "1 where the difference is positive at its middle, -1 where it is negative",
    "core_snr": "light of the difference within 2.5 px over the sky's noise there, as asinh",
    "wide_snr": "the same within 6 px",
    "peak": "highest pixel of the difference within 2.5 px, in sigma, as asinh",
    "concentration": "light within 1.5 px over that within 4 px",
    "spread": "light between 4 and 8 px over that within 4 px",
    "single_pixel": "highest pixel within 2.5 px over the mean of its eight neighbours and itself",
    "width": "of the difference, by moments under a Gaussian of 3 px, in px",
    "ellipticity": "1 - b/a of the same moments",
    "offset": "from the middle to the centroid, in px",
    "likeness": "the highest correlation with a round Gaussian within 6 px",
    "likeness_width": "sigma of that Gaussian, in px",
    "sharpness": "correlation with the narrowest Gaussian less that with the widest",
    "asymmetry": "difference from itself turned by 180 degrees, over its sum, within 4 px",
    "dipole": "deepest pixel of the opposite sign within 6 px over the highest",
    "negative_share": "light of the opposite sign over all light, within 6 px",
    "ring_level": "mean of the difference between 8 and 14 px, in sigma",
    "ring_scatter": "standard deviation there, in sigma: 1 where all is well",
    "far_scatter": "the same beyond 14 px, of values clipped at 10 sigma",
    "significant_share": "of pixels beyond 4 sigma in the difference, all over",
    "elongation": "1 - b/a of what is beyond 3 sigma within 15 px: near 1 along a line",
    "row": "mean of the middle rows beyond 4 px, in sigma of a mean: large on bad rows",
    "column": "the same of the middle columns",
    "new_snr": "light of the new image within 2.5 px over the sky's noise, as asinh",
    "ref_snr": "the same of the reference",
    "change": "light in new less in reference over the sum of both, within 2.5 px",
    "new_width": "of the new image's light at the middle, in px",
    "ref_width": "the same of the reference",
    "new_offset": "from the middle to the centroid of the new image's light, in px",
    "ref_offset": "the same of the reference",
    "new_correlation": "correlation of difference and new image within 6 px",
    "ref_correlation": "the same with the reference",
    "new_brightest": "highest pixel of the new image within 15 px, in sigma, as asinh",
    "ref_brightest": "the same of the reference",
    "masked_core": "share of masked pixels of the difference within 4 px",
    "masked_near": "share of masked pixels of the difference within 15 px",
    "masked_new": "share of masked pixels of the new image within 15 px",
}
NAMES = tuple(MEANING)

NEAR = 15  # px from the middle within which most is measured
GAUSSIANS = (0.7, 1.0, 1.4, 2.0, 2.8)  # sigma, px
MOMENT_SIGMA = 3.0
BATCH = 256
_LEAST = 1e-6

_steps = np.arange(-NEAR, NEAR + 1, dtype=np.float32)
_Y, _X = (axis.ravel() for axis in np.meshgrid(_steps, _steps, indexing="ij"))
_R = np.hypot(_X, _Y)
_MIDDLE = SIDE // 2
_CROP = slice(_MIDDLE - NEAR, _MIDDLE + NEAR + 1)
_ALL = np.arange(SIDE, dtype=np.float32) - _MIDDLE
_FAR = np.hypot(*np.meshgrid(_ALL, _ALL)).ravel() > NEAR - 1
_R15, _R25, _R4, _R6, _R8 = (radius > _R for radius in (1.5, 2.5, 4.0, 6.0, 8.0))
_RING = (_R >= 8.0) & (_R < 14.0)
_WINDOW = np.exp(-0.5 * (_R / MOMENT_SIGMA) ** 2)
_DISCS = np.stack([_R15, _R25, _R4, _R6, _R8, _RING, _R <= NEAR], axis=1).astype(np.float32)
_MOMENTS = np.stack(
    [_WINDOW * axis for axis in (np.ones_like(_X), _X, _Y, _X**2, _Y**2, _X * _Y)], axis=1
).astype(np.float32)
_SHAPES = np.stack([_R6 * np.exp(-0.5 * (_R / sigma) ** 2) for sigma in GAUSSIANS], axis=1)
_SHAPES = np.where(_R6[:, None], _SHAPES - _SHAPES[_R6].mean(axis=0), 0.0)
_SHAPES = (_SHAPES / np.sqrt(np.sum(_SHAPES**2, axis=0))).astype(np.float32)


def measure(triplets: Triplets) -> Features:
    """Every feature of every triplet.

    Returns
    -------
    (n, F) float32
        In the order of `NAMES`; NaN what cannot be measured.
    """
    out = np.empty((len(triplets), len(NAMES)), dtype=np.float32)
    for first in range(0, len(triplets), BATCH):
        part = slice(first, first + BATCH)
        found = _measured(triplets[part])
        for i, name in enumerate(NAMES):
            out[part, i] = found[name]
    out[~(np.abs(out) < 1e6)] = np.nan
    return out


class _Plane:
    """One plane around its middle: values with 0 where masked, (n, pixels), and where it can be used."""

    def __init__(self, stack: Values) -> None:
        crop = stack[:, _CROP, _CROP].reshape(len(stack), -1)
        self.good = np.isfinite(crop)
        self.values: Values = np.where(self.good, crop, np.float32(0.0))
        self.count = self.good.astype(np.float32) @ _DISCS
        self.light = self.values @ _DISCS
        self.absent = self.count[:, 6] < 1.0

    def signed(self, sign: Values) -> None:
        """Turn it positive, in place."""
        self.values = self.values * sign[:, None]
        self.light = self.light * sign[:, None]

    def snr(self, disc: int) -> Values:
        """Light within a disc over the noise of the sky there; NaN where nothing is seen."""
        count = self.count[:, disc]
        return np.where(count > 0, self.light[:, disc] / np.sqrt(np.maximum(count, 1.0)), np.nan)

    def highest(self, where: NDArray[np.bool_]) -> Values:
        """The highest pixel within some; NaN where none is seen."""
        found = np.where(self.good[:, where], self.values[:, where], -np.inf).max(axis=1)
        return np.where(np.isfinite(found), found, np.nan).astype(np.float32)

    def shape(self) -> tuple[Array, Array, Array]:
        """Width, ellipticity and offset of the positive light, by windowed moments."""
        total, x, y, xx, yy, xy = (np.maximum(self.values, 0.0) @ _MOMENTS).T
        total = np.where(total > _LEAST, total, np.nan)
        x, y = x / total, y / total
        xx, yy, xy = xx / total - x * x, yy / total - y * y, xy / total - x * y
        major, minor = _axes(xx, yy, xy)
        found = (np.sqrt((major + minor) / 2.0), 1.0 - np.sqrt(minor / major), np.hypot(x, y))
        width, ellipticity, offset = (each.astype(np.float32) for each in found)
        return width, ellipticity, offset


def _axes(xx: Array, yy: Array, xy: Array) -> tuple[Array, Array]:
    """The larger and the smaller principal moment."""
    middle, gap = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
    return np.maximum(middle + gap, 1e-3), np.maximum(middle - gap, 0.0)


def _measured(triplets: Triplets) -> dict[str, Array]:
    with np.errstate(all="ignore"):  # NaN is an answer here
        diff, new, ref = _Plane(triplets.diff), _Plane(triplets.new), _Plane(triplets.ref)
        sign = np.where(diff.light[:, 1] < 0, -1.0, 1.0).astype(np.float32)
        diff.signed(sign)
        width, ellipticity, offset = diff.shape()
        new_width, _, new_offset = new.shape()
        ref_width, _, ref_offset = ref.shape()
        new_light, ref_light = new.snr(1), ref.snr(1)
        found = {
            "sign": np.where(diff.absent, np.nan, sign),
            "core_snr": np.arcsinh(diff.snr(1)),
            "wide_snr": np.arcsinh(diff.snr(3)),
            **_core(diff),
            "width": width,
            "ellipticity": ellipticity,
            "offset": offset,
            **_likeness(diff),
            **_surroundings(diff, triplets.diff),
            "new_snr": np.arcsinh(new_light),
            "ref_snr": np.arcsinh(ref_light),
            "change": (new_light - ref_light) / (np.abs(new_light) + np.abs(ref_light) + 1.0),
            "new_width": new_width,
            "ref_width": ref_width,
            "new_offset": new_offset,
            "ref_offset": ref_offset,
            "new_correlation": _correlation(diff, new),
            "ref_correlation": _correlation(diff, ref),
            "new_brightest": np.arcsinh(new.highest(_R <= NEAR)),
            "ref_brightest": np.arcsinh(ref.highest(_R <= NEAR)),
            "masked_core": 1.0 - diff.count[:, 2] / _DISCS[:, 2].sum(),
            "masked_near": 1.0 - diff.count[:, 6] / _DISCS[:, 6].sum(),
            "masked_new": 1.0 - new.count[:, 6] / _DISCS[:, 6].sum(),
        }
        for name in ("ref_width", "ref_offset"):
            found[name] = np.where(ref.absent, np.nan, found[name])
        return found


def _core(diff: _Plane) -> dict[str, Values]:
    light4 = np.where(diff.light[:, 2] > _LEAST, diff.light[:, 2], np.nan)
    peak = diff.highest(_R25)
    inner = np.where(_R4, 1.0, 0.0).astype(np.float32)
    turned = diff.values[:, ::-1]
    within6 = diff.values[:, _R6]
    low = within6.min(axis=1)
    negative, both = np.minimum(within6, 0.0).sum(axis=1), np.abs(within6).sum(axis=1)
    return {
        "peak": np.arcsinh(peak),
        "concentration": diff.light[:, 0] / light4,
        "spread": (diff.light[:, 4] - diff.light[:, 2]) / light4,
        "single_pixel": peak / _around_peak(diff),
        "asymmetry": (np.abs(diff.values - turned) @ inner) / np.maximum(np.abs(diff.values) @ inner, _LEAST),
        "dipole": -low / np.maximum(within6.max(axis=1), _LEAST),
        "negative_share": -negative / np.maximum(both, _LEAST),
    }


def _around_peak(diff: _Plane) -> Values:
    """The mean of the nine pixels around the highest one within 2.5 px."""
    side = 2 * NEAR + 1
    inside = np.flatnonzero(_R25)
    place = inside[np.argmax(np.where(diff.good[:, inside], diff.values[:, inside], -np.inf), axis=1)]
    steps = np.array([row * side + column for row in (-1, 0, 1) for column in (-1, 0, 1)])
    near = np.take_along_axis(diff.values, place[:, None] + steps, axis=1).mean(axis=1)
    return np.where(np.abs(near) > _LEAST, near, np.nan)


def _likeness(diff: _Plane) -> dict[str, Values]:
    within = diff.values[:, _R6]
    spread = np.sqrt(
        np.maximum(np.sum(np.square(within - within.mean(axis=1, keepdims=True)), axis=1), _LEAST)
    )
    each = (diff.values @ _SHAPES) / spread[:, None]
    best = np.argmax(each, axis=1)
    return {
        "likeness": np.take_along_axis(each, best[:, None], axis=1)[:, 0],
        "likeness_width": np.asarray(GAUSSIANS, dtype=np.float32)[best],
        "sharpness": each[:, 0] - each[:, -1],
    }


def _surroundings(diff: _Plane, stack: Values) -> dict[str, Values]:
    whole = stack.reshape(len(stack), -1)
    seen = np.isfinite(whole)
    clipped = np.clip(np.where(seen, whole, np.float32(0.0)), -10.0, 10.0)
    far, far_seen = clipped[:, _FAR], np.maximum(seen[:, _FAR].sum(axis=1), 1)
    count = np.where(diff.count[:, 5] > 0, diff.count[:, 5], np.nan)
    level = diff.light[:, 5] / count
    ring = np.square(diff.values[:, _RING]).sum(axis=1) / count
    bright = np.clip(diff.values, 0.0, 10.0) * ((diff.values > 3.0) & (_R <= NEAR))
    total, x, y, xx, yy, xy = (
        bright.sum(axis=1),
        *(bright @ axis for axis in (_X, _Y, _X**2, _Y**2, _X * _Y)),
    )
    total = np.where(total > 0, total, np.nan)
    x, y = x / total, y / total
    major, minor = _axes(xx / total - x * x + 0.1, yy / total - y * y + 0.1, xy / total - x * y)
    return {
        "ring_level": level,
        "ring_scatter": np.sqrt(np.maximum(ring - level**2, 0.0)),
        "far_scatter": np.sqrt(np.square(far).sum(axis=1) / far_seen),
        "significant_share": np.count_nonzero(np.abs(clipped) > 4.0, axis=1)
        / np.maximum(seen.sum(axis=1), 1).astype(np.float32),
        "elongation": 1.0 - np.sqrt(minor / major),
        "row": _band(clipped, seen, along=2),
        "column": _band(clipped, seen, along=1),
    }


def _band(clipped: Values, seen: NDArray[np.bool_], along: int) -> Values:
    """The mean of three middle rows or columns beyond 4 px from the middle, over its noise."""
    shape = (-1, SIDE, SIDE)
    middle = slice(_MIDDLE - 1, _MIDDLE + 2)
    outside = np.abs(_ALL) > 4.0
    if along == 2:
        values, there = (
            clipped.reshape(shape)[:, middle][:, :, outside],
            seen.reshape(shape)[:, middle][:, :, outside],
        )
    else:
        values, there = clipped.reshape(shape)[:, outside, middle], seen.reshape(shape)[:, outside, middle]
    count = there.sum(axis=(1, 2))
    return np.where(count > 0, np.abs(values.sum(axis=(1, 2))) / np.sqrt(np.maximum(count, 1)), np.nan)


def _correlation(diff: _Plane, other: _Plane) -> Values:
    """Over the pixels within 6 px that both show; NaN where they are few."""
    both = diff.good[:, _R6] & other.good[:, _R6]
    count = both.sum(axis=1)
    a, b = diff.values[:, _R6] * both, other.values[:, _R6] * both
    per = np.where(count > 8, count, np.nan)[:, None]
    a, b = (a - a.sum(axis=1, keepdims=True) / per) * both, (b - b.sum(axis=1, keepdims=True) / per) * both
    found: Values = (a * b).sum(axis=1) / np.sqrt(
        np.maximum((a * a).sum(axis=1) * (b * b).sum(axis=1), _LEAST)
    )
    return found
