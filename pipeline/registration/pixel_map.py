"""Polynomial maps from the pixels of one image to those of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def term_powers(degree: int) -> list[tuple[int, int]]:
    """The powers (i, j) of ``u**i * v**j`` for ``i + j <= degree``, by i + j and then by j."""
    return [(order - j, j) for order in range(degree + 1) for j in range(order + 1)]


def normalised(x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int]) -> tuple[Values, Values]:
    """Pixel places as u, v: -1 at the first pixel's centre, 1 at the last one's."""
    height, width = shape
    u = 2.0 * np.asarray(x, dtype=float) / max(width - 1, 1) - 1.0
    v = 2.0 * np.asarray(y, dtype=float) / max(height - 1, 1) - 1.0
    return u, v


def polynomial_terms(x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int], degree: int) -> Values:
    """Every polynomial term at every place: (n, terms)."""
    u, v = normalised(x, y, shape)
    return np.stack([u**i * v**j for i, j in term_powers(degree)], axis=-1)


@dataclass(frozen=True, slots=True)
class PixelMap:
    """Where each pixel of a reference of `shape` lies in another image.

    Attributes
    ----------
    coefficients : (2, terms) float64
        Of the other image's x and y, as polynomials in the reference's u, v of `normalised`.
    degree : int
        1 is an affine map.
    shape : (height, width)
        Of the reference.
    """

    coefficients: Values
    degree: int
    shape: tuple[int, int]

    @classmethod
    def from_affine(cls, affine: Values, shape: tuple[int, int]) -> PixelMap:
        """The map ``(x', y') = affine @ (x, y, 1)``."""
        half_x, half_y = max(shape[1] - 1, 1) / 2.0, max(shape[0] - 1, 1) / 2.0
        constant = affine @ np.array([half_x, half_y, 1.0])
        return cls(np.column_stack([constant, affine[:, 0] * half_x, affine[:, 1] * half_y]), 1, shape)

    @classmethod
    def fit(
        cls,
        x: Values,
        y: Values,
        to_x: Values,
        to_y: Values,
        shape: tuple[int, int],
        degree: int,
        weights: Values | None = None,
    ) -> PixelMap:
        """The map of least squares through pairs of places; `weights` are inverse variances."""
        design = polynomial_terms(x, y, shape, degree)
        root = np.ones(len(design)) if weights is None else np.sqrt(weights)
        values = np.column_stack([to_x, to_y])
        solution = np.linalg.lstsq(design * root[:, None], values * root[:, None], rcond=None)[0]
        return cls(np.asarray(solution.T, dtype=np.float64), degree, shape)

    def __call__(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Values, Values]:
        """Places of the reference as places of the other image."""
        terms = polynomial_terms(x, y, self.shape, self.degree)
        return terms @ self.coefficients[0], terms @ self.coefficients[1]

    @property
    def affine(self) -> Values:
        """The (2, 3) affine map that touches this one at the reference's centre."""
        half_x, half_y = max(self.shape[1] - 1, 1) / 2.0, max(self.shape[0] - 1, 1) / 2.0
        linear = self.coefficients[:, 1:3] / np.array([half_x, half_y])
        constant = self.coefficients[:, 0] - linear @ np.array([half_x, half_y])
        return np.column_stack([linear, constant])

    @property
    def area(self) -> float:
        """Pixels of the other image in one pixel of the reference, at its centre; negative if mirrored."""
        return float(np.linalg.det(self.affine[:, :2]))

    def areas(self) -> Values:
        """The same for every pixel of the reference, positive: (height, width), or (1, 1) if constant."""
        if self.degree == 1:
            return np.full((1, 1), abs(self.area))
        rows, columns = self._axes()
        along_x = [_derivative(self._square(k), axis=1) for k in (0, 1)]
        along_y = [_derivative(self._square(k), axis=0) for k in (0, 1)]
        dx, dy = ([_evaluate(part, rows, columns) for part in parts] for parts in (along_x, along_y))
        scale = 4.0 / (max(self.shape[0] - 1, 1) * max(self.shape[1] - 1, 1))
        return np.asarray(np.abs(dx[0] * dy[1] - dx[1] * dy[0]) * scale)

    def grid(self, step: int = 1) -> tuple[Values, Values]:
        """The other image's x and y of every `step`-th pixel of the reference, and of its last ones."""
        rows, columns = self._axes(step)
        return _evaluate(self._square(0), rows, columns), _evaluate(self._square(1), rows, columns)

    def rows(self, which: slice) -> tuple[Values, Values]:
        """The other image's x and y of every pixel in some rows of the reference."""
        rows, columns = self._axes()
        return _evaluate(self._square(0), rows[which], columns), _evaluate(
            self._square(1), rows[which], columns
        )

    def then(self, affine: Values) -> PixelMap:
        """The map that goes this way, then of the other image."""
        moved = affine[:, :2] @ self.coefficients
        moved[:, 0] += affine[:, 2]
        return PixelMap(moved, self.degree, self.shape)

    def inverse(self, to_x: NDArray[Any], to_y: NDArray[Any]) -> tuple[Values, Values]:
        """Places of the reference that lie at these places of the other image."""
        affine = self.affine
        back = np.linalg.inv(affine[:, :2])
        target = np.stack([np.asarray(to_x, dtype=float), np.asarray(to_y, dtype=float)])
        place = back @ (target - affine[:, 2:])
        # Newton's steps with the Jacobian of the centre: distortion is small, so each gains digits.
        for _ in range(0 if self.degree == 1 else 8):
            place = place + back @ (target - np.stack(self(place[0], place[1])))
        return place[0], place[1]

    def _axes(self, step: int = 1) -> tuple[Values, Values]:
        """The v of every `step`-th row and the u of every `step`-th column, the last ones included."""
        rows, columns = (np.unique(np.r_[0:size:step, size - 1]) for size in self.shape)
        u, _ = normalised(columns, np.zeros(1), self.shape)
        _, v = normalised(np.zeros(1), rows, self.shape)
        return v, u

    def _square(self, k: int) -> Values:
        """The coefficients of one coordinate as a matrix [power of v, power of u]."""
        square = np.zeros((self.degree + 1, self.degree + 1))
        for value, (i, j) in zip(self.coefficients[k], term_powers(self.degree), strict=True):
            square[j, i] = value
        return square


def _derivative(square: Values, axis: int) -> Values:
    """Coefficients of the derivative along v (axis 0) or u (axis 1)."""
    derivative = np.polynomial.polynomial.polyder(square, axis=axis)
    return np.asarray(derivative)


def _evaluate(square: Values, rows: Values, columns: Values) -> Values:
    """A polynomial on a whole grid at once, by two small matrix products."""
    left = np.vander(rows, square.shape[0], increasing=True)
    right = np.vander(columns, square.shape[1], increasing=True)
    return np.asarray(left @ square @ right.T)
