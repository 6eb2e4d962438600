r"""What single stars show of a displacement that no polynomial follows: of air and of optics, place by place.

The residuals of a map are taken for a Gaussian random field that is smooth on some length, and each star's
for a sample of it with the noise of its centroid; the field's most likely values between the stars are a sum
of Gaussians around them (Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, eq. 2.25). The
length is the one that the stars are most likely with (eq. 5.8), and whether the field is worth anything is
told by stars that it has not seen: each is predicted by all others (eqs 5.10 to 5.12).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage
from scipy.spatial import KDTree

from pipeline.quantile import MAD_TO_SIGMA

Values = NDArray[np.float64]

LEAST_PX = 0.05  # scatter below that is not worth it
FEWEST = 24  # stars
LENGTHS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # of the field that are tried, in mean distances of stars
STEP = 0.5  # of the nodes, in lengths
FAR_OFF = 4.0  # sigma; such a star is no part of the field
BETTER = 0.85  # times the error of stars that were not seen, at most
OWN_PX = 0.5  # within which a star is the one that the field was bent to


@dataclass(frozen=True, slots=True)
class LocalShift:
    """A smooth displacement over an image: cubic B-splines on nodes ``step`` pixels apart.

    ``coefficients`` is (2, nodes down, nodes across), of x and of y; the first node is the first pixel, and
    beyond the image the field is its mirror image.
    """

    coefficients: Values
    step: float
    seen: Values  # (3, n): x, y and noise of the stars that show it
    scatter: float  # of the field, an axis
    own: Values  # (2, n): x and y of the stars whose own light it was bent to
    least: float = 0.0  # how far these may be off beside their noise, an axis

    def __call__(self, x: Values, y: Values) -> Values:
        """At some places, (2, n)."""
        places = [np.asarray(y, dtype=float) / self.step, np.asarray(x, dtype=float) / self.step]
        moved = [
            ndimage.map_coordinates(part, places, order=3, mode="mirror", prefilter=False)
            for part in self.coefficients
        ]
        return np.stack(moved)

    def image(self, k: int, rows: NDArray[Any], columns: NDArray[Any], slope: int | None = None) -> Values:
        """Coordinate ``k`` on a grid of rows and columns; or its slope, a pixel, along an axis."""
        down, across = (
            _weights(np.asarray(at, dtype=float) / self.step, count, derivative=slope == axis)
            for axis, (at, count) in enumerate(zip((rows, columns), self.coefficients.shape[1:], strict=True))
        )
        values: Values = down @ self.coefficients[k] @ across.T
        return values if slope is None else values / self.step

    def followed(
        self, x: Values, y: Values, off: Values, noise: Values, scatter: float, least: float = 0.0
    ) -> LocalShift:
        """The same, bent to stars that are known to be off from it.

        Parameters
        ----------
        x, y : (n,) float
        off : (2, n) float
            How far they are from where it has them.
        noise : (n,) float
            Of that, an axis, by the photons that the stars are then compared by.
        scatter : float
            How far any place may be off, an axis.
        least : float
            How far a star may be off beside that noise, an axis.
        """
        noise = np.hypot(noise, least)
        field = _field(x, y, off, noise, scatter, self.step / STEP)
        _, down, across = self.coefficients.shape
        return replace(
            self,
            coefficients=self.coefficients + field.coefficients(x, y, (down, across)),
            seen=np.concatenate([self.seen, np.stack([x, y, noise])], axis=1),
            own=np.stack([x, y]),
            least=least,
        )

    def error(self, x: Values, y: Values) -> Values:
        """How far it may be off at some places, an axis; (n,).

        Least at the stars that show it, and as much as nothing were known where there are none.
        """
        length = self.step / STEP
        at_x, at_y, noise = self.seen
        covariance = _covariance(at_x[:, None] - at_x, at_y[:, None] - at_y, self.scatter, length)
        covariance[np.diag_indices(len(noise))] += noise**2
        shared = _covariance(at_x[:, None] - x, at_y[:, None] - y, self.scatter, length)
        told = linalg.solve_triangular(linalg.cholesky(covariance, lower=True), shared, lower=True)
        return np.asarray(np.sqrt(np.maximum(self.scatter**2 - np.sum(told**2, axis=0), 0.0)))

    def astray(self, x: Values, y: Values) -> Values:
        """What it adds at stars to the variance of their places by their own noise, an axis; (n,).

        As much as it may be off there, where they showed it nothing. A star that it was bent to lies nearer
        to where it has that star than its noise would have it, and farther from where it is: what the noise
        of a star moved the field by is not left over. The error of a field most likely is the covariance of
        both, so that it is taken off there.
        """
        variance = self.error(x, y) ** 2
        distance, _ = KDTree(self.own.T).query(np.stack([x, y], axis=1), distance_upper_bound=OWN_PX)
        return np.where(np.isfinite(distance), self.least**2 - variance, variance)

    def turned(self, linear: Values) -> LocalShift:
        """As a (2, 2) matrix makes it."""
        return replace(self, coefficients=np.tensordot(linear, self.coefficients, axes=1))


def _weights(at: Values, count: int, *, derivative: bool) -> Values:
    """What each of ``count`` coefficients is worth at some places, in steps; (places, count)."""
    first = np.floor(at).astype(int)
    t = (at - first)[:, None] - np.arange(-1, 3)
    size = np.abs(t)
    near, far = size < 1.0, np.maximum(2.0 - size, 0.0)
    if derivative:
        values = np.sign(t) * np.where(near, 1.5 * size**2 - 2.0 * size, -0.5 * far**2)
    else:
        values = np.where(near, 2.0 / 3.0 - size**2 + 0.5 * size**3, far**3 / 6.0)
    index = np.abs(first[:, None] + np.arange(-1, 3))
    index = np.where(index > count - 1, 2 * (count - 1) - index, index)
    weights = np.zeros((len(at), count))
    np.add.at(weights, (np.arange(len(at))[:, None], index), values)
    return weights


@dataclass(frozen=True, slots=True)
class _Field:
    """A Gaussian random field as some stars show it; what each shows is predicted by the others."""

    length: float
    weights: Values  # (2, n), of the Gaussians around them
    off: Values  # (2, n): what each shows less what the others predict
    error: Values  # (n,): of that, an axis
    likelihood: float  # its logarithm

    def coefficients(self, x: Values, y: Values, counts: tuple[int, int]) -> Values:
        """Those of a `LocalShift` with so many nodes down and across; ``x, y`` are the stars' places."""
        nodes = (np.arange(count) * (STEP * self.length) for count in counts)
        down, across = (
            np.exp(-0.5 * ((at - star[:, None]) / self.length) ** 2)
            for at, star in zip(nodes, (y, x), strict=True)
        )
        values = [(down * weight[:, None]).T @ across for weight in self.weights]
        return np.stack([ndimage.spline_filter(each, order=3, mode="mirror") for each in values])


def fit_local(
    x: Values, y: Values, shift: Values, noise: Values, scatter: float, shape: tuple[int, int]
) -> tuple[LocalShift, Values] | None:
    """The field that stars show.

    Parameters
    ----------
    x, y : (n,) float
        Places on an image of ``shape``.
    shift : (2, n) float
        What is to be explained, in pixels.
    noise : (n,) float
        Of that, an axis.
    scatter : float
        Of the field itself, an axis.

    Returns
    -------
    LocalShift, (2, n) float64, or None
        The field, and what each star's shift differs from what all others predict. None where too few
        stars show it, or it does not predict them clearly better than nothing.
    """
    if len(x) < FEWEST or scatter < LEAST_PX:
        return None
    apart = np.sqrt(shape[0] * shape[1] / len(x))
    kept = np.ones(len(x), dtype=bool)
    for _ in range(2):
        few = x[kept], y[kept], shift[:, kept]
        fits = [_field(*few, noise[kept], scatter, length * apart) for length in LENGTHS]
        best = max(fits, key=lambda fit: fit.likelihood)
        pull = best.off / best.error
        # Blends and stars that move on their own; and what centroids scatter beyond their photons' noise.
        noise = noise * max(1.0, MAD_TO_SIGMA * float(np.median(np.abs(pull))))
        kept[kept] = np.abs(pull).max(axis=0) < FAR_OFF
        if np.count_nonzero(kept) < FEWEST:
            return None
    best = _field(x[kept], y[kept], shift[:, kept], noise[kept], scatter, best.length)
    before, after = (np.median(np.abs(values), axis=1) for values in (shift[:, kept], best.off))
    if np.linalg.norm(after) > BETTER * np.linalg.norm(before):
        return None
    step = float(STEP * best.length)
    counts = tuple(max(int(np.ceil((size - 1) / step)), 1) + 1 for size in shape)
    coefficients = best.coefficients(x[kept], y[kept], (counts[0], counts[1]))
    off = np.array(shift)
    off[:, kept] = best.off
    own = np.zeros((2, 0))  # what moved a centroid is not what is left of a star's light
    return LocalShift(coefficients, step, np.stack([x, y, noise])[:, kept], scatter, own), off


def _covariance(dx: Values, dy: Values, scatter: float, length: float) -> Values:
    values: Values = scatter**2 * np.exp(-0.5 * (dx**2 + dy**2) / length**2)
    return values


def _field(x: Values, y: Values, shift: Values, noise: Values, scatter: float, length: float) -> _Field:
    covariance = _covariance(x[:, None] - x, y[:, None] - y, scatter, length)
    covariance[np.diag_indices(len(x))] += noise**2
    factor = linalg.cho_factor(covariance, lower=True)
    inverse = linalg.cho_solve(factor, np.eye(len(x)))
    solved = shift @ inverse
    alone = np.diagonal(inverse)
    return _Field(
        length=length,
        weights=scatter**2 * solved,
        off=solved / alone,
        error=1.0 / np.sqrt(alone),
        likelihood=-0.5 * float(np.sum(solved * shift)) - 2.0 * float(np.sum(np.log(np.diagonal(factor[0])))),
    )
