"""A smooth field over a frame: a polynomial of as low an order as some values at some places call for.

A higher order is taken where there are values enough to tell it and it explains them significantly better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quantile import quantile

Array = NDArray[np.float64]

NEEDED = 3  # values
PER_TERM = 8  # values that one coefficient needs
SIGNIFICANT = 9.0  # drop of chi squared, per coefficient, that a higher order must bring
CLIP = 3.5  # sigma


@dataclass(frozen=True, slots=True)
class Field:
    """A polynomial over a frame, in the coordinates and the order of terms of `PsfModel`."""

    coefficients: Array
    shape: tuple[int, int]

    @property
    def degree(self) -> int:
        """Of the polynomial."""
        return round((math.sqrt(8 * len(self.coefficients) + 1) - 3) / 2)

    def at(self, x: Array, y: Array) -> Array:
        """Its value at some places."""
        values: Array = terms(x, y, self.shape, self.degree) @ self.coefficients
        return values

    def image(self) -> NDArray[np.float32]:
        """Its value at every pixel."""
        height, width = self.shape
        x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
        u, v = _unit(x, width), _unit(y, height)
        down = np.zeros((height, self.degree + 1))
        for (i, j), value in zip(_powers(self.degree), self.coefficients, strict=True):
            down[:, i] += value * v**j
        across = u ** np.arange(self.degree + 1)[:, None]
        return np.asarray(down.astype(np.float32) @ across.astype(np.float32))


@dataclass(frozen=True, slots=True)
class FittedField:
    """A field, the scatter around it beyond the errors, and which values were kept."""

    field: Field
    scatter: float
    kept: NDArray[np.bool_]


def fit_field(x: Array, y: Array, value: Array, error: Array, shape: tuple[int, int]) -> FittedField:
    """Fit the lowest polynomial (up to the second degree) that the values call for, robustly."""
    best = _fit_degree(x, y, value, error, shape, 0)
    for degree in (1, 2):
        more = len(_powers(degree)) - len(_powers(best.field.degree))
        if best.kept.sum() < PER_TERM * len(_powers(degree)):
            break
        trial = _fit_degree(x, y, value, error, shape, degree)
        spread = error**2 + best.scatter**2
        both = best.kept & trial.kept
        gain = [np.sum(((value - fit.field.at(x, y)) ** 2 / spread)[both]) for fit in (best, trial)]
        # What is round about the middle, as vignetting, has no slope: the second degree is tried though the
        # first told nothing.
        if gain[0] - gain[1] >= SIGNIFICANT * more:
            best = trial
    return best


def _fit_degree(
    x: Array, y: Array, value: Array, error: Array, shape: tuple[int, int], degree: int
) -> FittedField:
    design = terms(x, y, shape, degree)
    start: Array = np.zeros(design.shape[1])
    start[0] = np.median(value)
    coefficients: Array = start
    scatter = _excess(value - start[0], error)
    kept = np.ones(len(value), dtype=bool)
    for _ in range(10):
        spread = np.sqrt(error**2 + scatter**2)
        residual = value - design @ coefficients
        now = np.abs(residual) < CLIP * np.maximum(spread, 1e-6)
        if now.sum() < max(NEEDED, design.shape[1]):
            now = kept
        weight = 1.0 / np.maximum(spread[now], 1e-6)
        fitted, *_ = np.linalg.lstsq(design[now] * weight[:, None], value[now] * weight, rcond=None)
        coefficients = np.asarray(fitted, dtype=np.float64)
        scatter = _excess((value - design @ coefficients)[now], error[now])
        if np.array_equal(now, kept):
            break
        kept = now
    return FittedField(Field(coefficients, shape), scatter, kept)


def _excess(residual: Array, error: Array) -> float:
    """The scatter that must be added to the errors in quadrature to weigh values, from medians.

    The median of (residual / spread) squared is 0.455 for normal residuals; solved by bisection.
    """
    if len(residual) < NEEDED:
        return 0.0
    squared = residual**2

    def too_small(extra: float) -> bool:
        return quantile(squared / (error**2 + extra**2 + 1e-30), 0.5) > 0.4549

    low, high = 0.0, float(np.sqrt(squared.max())) * 2.0 + 1e-12
    if not too_small(low):
        return 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return high


def terms(x: Array, y: Array, shape: tuple[int, int], degree: int) -> Array:
    """The polynomial's terms at some places, (n, terms)."""
    u, v = _unit(np.asarray(x, dtype=np.float64), shape[1]), _unit(np.asarray(y, dtype=np.float64), shape[0])
    return np.stack([u**i * v**j for i, j in _powers(degree)], axis=-1)


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(order - j, j) for order in range(degree + 1) for j in range(order + 1)]


def _unit(x: Array, length: int) -> Array:
    return 2.0 * x / max(length - 1, 1) - 1.0
