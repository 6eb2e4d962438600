r"""How the core of a PSF varies over a field: in the few shapes that its stars tell.

What optics and air do to a PSF from place to place has few degrees of freedom (the seeing, defocus,
astigmatism, coma), however many pixels it is seen in. Fitted pixel by pixel, the variation takes on the noise
of every one of them, most of all toward the corners. Here its shapes are learnt from that fit: they are its
principal components in units of its noise, as far as they rise above what noise alone would show. Then
polynomials of these few are fitted to all pixels of all stars at once. How much each order of the
polynomial varies the stars say as well (empirical Bayes, by expectation and maximisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.quantile import MAD_TO_SIGMA, medians

Values = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]

# Noise alone has singular values up to the sum of the roots of a matrix' sides. Shapes down to this part of
# it are kept: what signal they hold is worth more than the noise that comes with a single shape.
LEAST_SIZE = 0.75
PIXELS_AT_ONCE = 256  # of all stars: they stay in a processor's cache
STEPS = 4  # of expectation and maximisation
# Before that, terms of the first order are believed to be as large as terms are on the whole, those of each
# further order so much smaller, and that as firmly as so many coefficients would show it.
FADING = 0.6
BELIEF = 4.0


@dataclass(frozen=True, slots=True)
class Pixelwise:
    """Polynomials over the field, fitted to each pixel of a PSF by itself.

    ``terms`` is (terms, pixels), ``covariances`` (pixels, terms, terms). ``normal`` and ``right``,
    (pixels, terms, terms) and (pixels, terms), are the equations without a prior.
    """

    terms: Values
    covariances: Values
    normal: Values
    right: Values

    @property
    def errors(self) -> Values:
        """Standard deviations of the terms, (terms, pixels)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2)).T

    def centre(self, varying: Values) -> tuple[Values, Values]:
        """The PSF at the centre of the field and its errors, (pixels,), where the other terms are given."""
        alone = np.maximum(self.normal[:, 0, 0], 1e-12)
        beside = np.einsum("pt,tp->p", self.normal[:, 0, 1:], varying)
        return (self.right[:, 0] - beside) / alone, alone**-0.5

    def within(self, pixels: NDArray[np.bool_]) -> Pixelwise:
        """Of some pixels alone."""
        return Pixelwise(
            self.terms[:, pixels], self.covariances[pixels], self.normal[pixels], self.right[pixels]
        )


@dataclass(frozen=True, slots=True)
class Core:
    """The core of a PSF as fitted.

    ``terms`` is (terms, pixels), the first one of the PSF at the centre of the field; ``covariance``
    (terms, terms) that of all terms, summed over the pixels.
    """

    terms: Values
    covariance: Values


def fit_pixels(values: Numbers, weights: Numbers, terms: Values, prior: Values) -> Pixelwise:
    """Fit polynomials to each pixel; single stars' pixels that lie more than 4 sigma off are left out, twice.

    Parameters
    ----------
    values, weights : (stars, pixels)
        The stars in units of their flux, and the inverse variances.
    terms : (stars, terms)
        The polynomial's terms at each star.
    prior : (pixels, terms)
        Inverse variances of the coefficients, around 0.
    """
    starts = range(0, max(values.shape[1], 1), PIXELS_AT_ONCE)
    parts = [np.s_[start : start + PIXELS_AT_ONCE] for start in starts]
    fits = [_fitted(values[:, part], weights[:, part], terms, prior[part]) for part in parts]
    found, covariances, normal, right = (np.concatenate(each) for each in zip(*fits, strict=True))
    return Pixelwise(found.T, covariances, normal, right)


def _fitted(
    values: Numbers, weights: Numbers, terms: Values, prior: Values
) -> tuple[Values, Values, Values, Values]:
    """Terms, covariances and equations of some pixels, which come first in each of them."""
    n_terms = terms.shape[1]
    diagonal = np.arange(n_terms)
    upper = np.triu_indices(n_terms)
    place = np.zeros((n_terms, n_terms), dtype=np.intp)  # of each product among those that differ
    place[upper] = place.T[upper] = np.arange(len(upper[0]))
    products = terms[:, upper[0]] * terms[:, upper[1]]
    # Single stars are known no better than in single precision; the equations have sums of them.
    seen, weight = (np.ascontiguousarray(each.T, dtype=np.float32) for each in (values, weights))
    across = terms.T.astype(np.float32)
    root = np.sqrt(weight)
    used = weight
    for last in (False, False, True):
        counted = used.astype(np.float64)
        normal = (counted @ products).take(place, axis=1)
        believed = normal.copy()
        believed[:, diagonal, diagonal] += prior + 1e-12
        right = (counted * seen) @ terms
        if last:
            break
        coefficients = np.linalg.solve(believed, right[:, :, None])[:, :, 0]
        pull = seen - coefficients.astype(np.float32) @ across
        pull *= root
        np.abs(pull, out=pull)
        # Where the stars scatter more than their errors say, that scatter is the measure.
        scatter = np.maximum(MAD_TO_SIGMA * medians(pull.T), 1.0).astype(np.float32)[:, None]
        used = weight / scatter**2
        used[pull >= 4.0 * scatter] = 0.0
    covariances = np.asarray(np.linalg.inv(believed))
    return np.einsum("pts,ps->pt", covariances, right), covariances, normal, right


def fit_core(pixelwise: Pixelwise, expected: Values, error: Values, orders: Values) -> Core:
    """Fit the PSF at the centre pixel by pixel, and its variation as polynomials of a few shapes.

    Parameters
    ----------
    pixelwise : Pixelwise
        Of the pixels of the core.
    expected, error : (pixels,)
        What the PSF at the centre is beforehand, and how well that is known.
    orders : (terms - 1,)
        Of each further term of the polynomial.
    """
    normal = pixelwise.normal
    right = pixelwise.right - normal[:, :, 0] * expected[:, None]
    shapes, of_pixels = shapes_of(pixelwise.terms[1:], pixelwise.covariances[:, 1:, 1:])
    # Each pixel of the centre is in its own equations alone, and so eliminated from the others.
    alone = normal[:, 0, 0] + error**-2.0
    lever = normal[:, 1:, 0] / alone[:, None]
    rest = normal[:, 1:, 1:] - alone[:, None, None] * lever[:, :, None] * lever[:, None, :]
    found, inverse = _coefficients(shapes, rest, right[:, 1:] - lever * right[:, :1], orders)
    varying = found @ shapes.T
    centre = expected + right[:, 0] / alone - np.einsum("pt,tp->p", lever, varying)
    of_shapes = np.einsum("pk,tksl,pl->pts", shapes, inverse, shapes, optimize=True)
    covariance = np.empty((len(found) + 1,) * 2)
    covariance[1:, 1:] = of_shapes.sum(axis=0) + of_pixels
    covariance[0, 1:] = covariance[1:, 0] = -np.einsum("pt,pts->s", lever, of_shapes)
    covariance[0, 0] = np.sum(1.0 / alone) + np.einsum("pt,pts,ps->", lever, of_shapes, lever)
    return Core(np.vstack([centre, varying]), covariance)


def shapes_of(coefficients: Values, covariances: Values) -> tuple[Values, Values]:
    """The shapes of a variation, each as large as its terms are on the whole.

    Parameters
    ----------
    coefficients : (terms, pixels)
        Of the variation, fitted to each pixel by itself.
    covariances : (pixels, terms, terms)
        Of these.

    Returns
    -------
    (pixels, shapes) float64
    (terms, terms) float64
        What the noise of the shapes themselves adds to the covariance of the terms, summed over pixels.
    """
    n_terms, n_pixels = coefficients.shape
    if n_terms == 0:
        return np.zeros((n_pixels, 0)), np.zeros((0, 0))
    noise = np.sqrt(np.trace(covariances, axis1=1, axis2=2) / n_terms)
    common = np.mean(covariances / noise[:, None, None] ** 2, axis=0)
    root = np.linalg.cholesky(common)
    side, size, shape = np.linalg.svd(np.linalg.solve(root, coefficients / noise), full_matrices=False)
    kept = size > LEAST_SIZE * (np.sqrt(n_pixels) + np.sqrt(n_terms))
    seen, mixed = shape[kept], root @ side[:, kept]
    scale = np.sqrt(np.mean((coefficients / noise @ seen.T) ** 2, axis=0))
    beside = np.sum(noise**2 * (1.0 - np.sum(seen**2, axis=0)))
    return np.asarray((seen * noise).T * scale), np.asarray(mixed @ mixed.T * beside)


def _coefficients(shapes: Values, normal: Values, right: Values, orders: Values) -> tuple[Values, Values]:
    """Coefficients of shapes, (terms, shapes), and their covariance, (terms, shapes, terms, shapes)."""
    n_terms, n_shapes = normal.shape[1], shapes.shape[1]
    size = n_terms * n_shapes
    pairs = (shapes[:, :, None] * shapes[:, None, :]).reshape(len(shapes), n_shapes**2)
    blocks = (normal.reshape(len(normal), n_terms**2).T @ pairs).reshape(n_terms, n_terms, n_shapes, n_shapes)
    matrix = blocks.transpose(0, 2, 1, 3).reshape(size, size)
    vector = (right.T @ shapes).reshape(size)
    order = np.repeat(orders, n_shapes)
    expected = FADING ** (2.0 * (order - 1.0))
    power = expected.copy()
    for _ in range(STEPS):
        inverse: Values = np.asarray(np.linalg.inv(matrix + np.diag(1.0 / power)))
        found: Values = inverse @ vector
        seen = found**2 + np.diagonal(inverse)
        for each in np.unique(order):
            mine = order == each
            power[mine] = (seen[mine].sum() + BELIEF * expected[mine][0]) / (mine.sum() + BELIEF)
    return found.reshape(n_terms, n_shapes), inverse.reshape(n_terms, n_shapes, n_terms, n_shapes)
