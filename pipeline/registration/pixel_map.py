"""Maps from the pixels of one image to those of another: polynomials, and what is local beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.registration.local import LocalShift

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
    local : LocalShift or None
        What places of the other image are moved by beside that, in its pixels.
    """

    coefficients: Values
    degree: int
    shape: tuple[int, int]
    local: LocalShift | None = None

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
        to_x, to_y = terms @ self.coefficients[0], terms @ self.coefficients[1]
        if self.local is not None:
            shift_x, shift_y = self.local(x, y)
            return to_x + shift_x, to_y + shift_y
        return to_x, to_y

    def astray(self, x: Values, y: Values) -> Values:
        """What is local of it adds to the variance of stars' places, an axis in the reference's pixels; (n,).

        Less than nothing where it follows a star's own noise: `LocalShift.astray`.
        """
        if self.local is None:
            return np.zeros(len(x))
        return self.local.astray(x, y) / abs(self.area)

    @property
    def straight(self) -> bool:
        """Whether it is an affine map."""
        return self.degree == 1 and self.local is None

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

    def areas(self, step: int = 1) -> Values:
        """The same on the `grid` of the reference's pixels, positive; (1, 1) if constant."""
        if self.straight:
            return np.full((1, 1), abs(self.area))
        height, width = self.shape
        y, x = (knots.astype(float) for knots in self._knots(step))
        u, v = normalised(x, y, self.shape)
        scales = 2.0 / max(height - 1, 1), 2.0 / max(width - 1, 1)  # u and v a pixel
        dy, dx = (
            [_evaluate(_derivative(self._square(k), axis), v, u) * scale for k in (0, 1)]
            for axis, scale in enumerate(scales)
        )
        if self.local is not None:
            for axis, along in enumerate((dy, dx)):
                for k in (0, 1):
                    along[k] = along[k] + self.local.image(k, y, x, slope=axis)
        return np.asarray(np.abs(dx[0] * dy[1] - dx[1] * dy[0]))

    def grid(self, step: int = 1) -> tuple[Values, Values]:
        """The other image's x and y of every `step`-th pixel of the reference, and of its last ones."""
        return self._on(*self._knots(step))

    def _knots(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every `step`-th row and column, and the last ones."""
        rows, columns = (np.unique(np.r_[0:size:step, size - 1]) for size in self.shape)
        return rows, columns

    def rows(self, which: slice) -> tuple[Values, Values]:
        """The other image's x and y of every pixel in some rows of the reference."""
        height, width = self.shape
        return self._on(np.arange(height)[which], np.arange(width))

    def _on(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[Values, Values]:
        """The other image's x and y on a grid of rows and columns."""
        u, v = normalised(columns, rows, self.shape)
        x, y = (_evaluate(self._square(k), v, u) for k in (0, 1))
        if self.local is None:
            return x, y
        return x + self.local.image(0, rows, columns), y + self.local.image(1, rows, columns)

    def then(self, affine: Values) -> PixelMap:
        """The map that goes this way, then of the other image."""
        moved = affine[:, :2] @ self.coefficients
        moved[:, 0] += affine[:, 2]
        local = None if self.local is None else self.local.turned(affine[:, :2])
        return PixelMap(moved, self.degree, self.shape, local)

    def inverse(self, to_x: NDArray[Any], to_y: NDArray[Any]) -> tuple[Values, Values]:
        """Places of the reference that lie at these places of the other image."""
        affine = self.affine
        back = np.linalg.inv(affine[:, :2])
        target = np.stack([np.asarray(to_x, dtype=float), np.asarray(to_y, dtype=float)])
        place = back @ (target - affine[:, 2:])
        # Newton's steps with the Jacobian of the centre: distortion is small, so each gains digits.
        for _ in range(0 if self.straight else 8):
            place = place + back @ (target - np.stack(self(place[0], place[1])))
        return place[0], place[1]

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
