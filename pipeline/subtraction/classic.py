r"""Classic image subtraction: a kernel that gives the sharper image the PSF of the other.

The kernel is a sum of Gaussians times polynomials (Alard & Lupton 1998, ApJ 503, 325), fitted by least
squares to the pixels around stars, so that it needs no model of either PSF; it varies over the field
because each tile weighs the stars around it most. The score is the matched filter of the difference,
with the noise that the kernel has coloured taken into account: for a convolved reference, of which
every pixel has the noise :math:`\sigma_r` and the new image's has :math:`\sigma_n`,

.. math::
    \hat D = \hat N - \hat K \hat R, \qquad
    \hat S = \frac{\overline{\hat P_n}}{\sigma_n^2 + \sigma_r^2 |\hat K|^2} \hat D.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.frame import Aligned, FrameRefused, Image, PreparedReference
from pipeline.subtraction.arrays import Arrays, Spectrum
from pipeline.subtraction.filters import Filters, mean_of, power
from pipeline.subtraction.match import common_stars
from pipeline.subtraction.scatter import ordinary
from pipeline.subtraction.tiles import centred

Array = NDArray[np.float64]

DEGREES = (4, 2, 2)  # of the polynomial with each Gaussian, narrowest first
LEAST_POWER = 1e-4  # of the strongest mode: what the stars say less about stays 0
MAX_STARS = 200
NEEDED = 5
FAR_WEIGHT = 0.01  # of a star far away, against one beside
STARS_FOR_SLOPE = 20.0
CLIP = 4.0  # robust sigma of a star's chi squared


@dataclass(frozen=True, slots=True)
class StarFits:
    """What the fit needs of each star: normal matrices and right-hand sides of its own pixels.

    ``x, y`` are (n,); ``normal`` (n, k, k) and ``moment`` (n, k) for k coefficients, of which the last
    is the difference of the backgrounds; ``energy`` (n,) is the weighted square of the target and
    ``pixels`` how many there are. ``basis`` is (k - 1, size, size).
    """

    x: Array
    y: Array
    normal: Array
    moment: Array
    energy: Array
    pixels: int
    basis: Image

    def chi2(self, coefficients: Array) -> Array:
        """Each star's chi squared per pixel."""
        c = coefficients
        value: Array = (
            self.energy - 2.0 * self.moment @ c + np.einsum("i,nij,j->n", c, self.normal, c)
        ) / self.pixels
        return value


def fit_stars(new: Aligned, reference: PreparedReference) -> tuple[Array, Array]:
    """The stars that a kernel is fitted to, x and y on the reference's grid.

    Raises
    ------
    FrameRefused
        Fewer than five are clean in both frames.
    """
    _, theirs = common_stars(new, reference)
    if len(theirs) < NEEDED:
        raise FrameRefused(f"only {len(theirs)} clean stars are in both frames; a kernel fit needs {NEEDED}")
    return theirs.x[:MAX_STARS], theirs.y[:MAX_STARS]


def kernel_basis(fwhm_sharp: float, fwhm_blurred: float) -> Image:
    """Gaussians times polynomials, as wide as the difference of the seeings asks; (k, size, size)."""
    gap = np.sqrt(max(fwhm_blurred**2 - fwhm_sharp**2, 1.0)) / 2.355
    widths = np.array([0.6, 1.2, 2.4]) * max(gap, 0.7)
    half = int(np.clip(np.ceil(3.0 * widths[-1]), 5, 21))
    offset = np.arange(-half, half + 1, dtype=np.float64)
    layers = []
    for width, degree in zip(widths, DEGREES, strict=True):
        bell = np.exp(-0.5 * (offset / width) ** 2)
        for order in range(degree + 1):
            for j in range(order + 1):
                along_x, along_y = bell * (offset / width) ** (order - j), bell * (offset / width) ** j
                layer = along_y[:, None] * along_x[None, :]
                layers.append(layer / np.sqrt(np.sum(layer**2)))
    return np.array(layers, dtype=np.float32)


def gather(
    sharp: Image,
    blurred: Image,
    variances: tuple[Image, Image],
    bad: NDArray[np.bool_],
    x: Array,
    y: Array,
    basis: Image,
) -> StarFits:
    """Set up the least-squares problem of every star.

    Parameters
    ----------
    sharp, blurred : (height, width) float32
        Light above the sky, in one flux unit.
    variances : two of (height, width) float32
        Of both, in the same unit squared.
    bad : (height, width) bool
        Pixels that must not be fitted.
    x, y : (n,) float64
        Stars.
    basis : (k - 1, size, size) float32

    Notes
    -----
    The sharper image has noise too, and plain least squares would smooth it away with too broad a
    kernel. What that noise adds to the normal matrix is known from the variance, and taken off.
    """
    reach = basis.shape[1] // 2
    core = max(reach, 7)
    half, wide = core + reach, 2 * (core + reach) + 1
    size = int(fft.next_fast_len(wide, real=True))
    spectra = fft.rfft2(np.stack([centred(layer, (size, size)) for layer in basis]), workers=1)
    gram = np.tensordot(basis, basis, axes=((1, 2), (1, 2)))
    padded = [np.pad(image, half) for image in (sharp, blurred, *variances)]
    outside = np.pad(bad, half, constant_values=True)
    middle = slice(half - core, half + core + 1)
    terms = len(basis) + 1
    normal, moment = np.zeros((len(x), terms, terms)), np.zeros((len(x), terms))
    energy = np.zeros(len(x))
    for i, (column, row) in enumerate(zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True)):
        window = slice(row, row + wide), slice(column, column + wide)
        stamp = np.zeros((size, size), dtype=np.float32)
        stamp[:wide, :wide] = padded[0][window]
        blurs = fft.irfft2(spectra * fft.rfft2(stamp, workers=1), s=(size, size), workers=1)
        target, noise, other = (image[window][middle, middle].astype(np.float64) for image in padded[1:])
        hidden = outside[window][middle, middle]
        weight = np.where(hidden, 0.0, 1.0 / np.maximum(noise + other, 1e-12))
        design = np.concatenate([blurs[:, middle, middle], np.ones((1, *weight.shape))])
        design = design.reshape(terms, -1).astype(np.float64)
        weighted = design * weight.ravel()
        normal[i], moment[i] = weighted @ design.T, weighted @ target.ravel()
        normal[i, :-1, :-1] -= np.sum(weight * noise) * gram
        energy[i] = np.sum(weight * target**2)
    return StarFits(x, y, normal, moment, energy, (2 * core + 1) ** 2, basis)


def without_outliers(fits: StarFits) -> StarFits:
    """Leave out stars that no kernel fits: variables, blends that changed, defects."""
    kept = np.ones(len(fits.x), dtype=bool)
    for _ in range(3):
        chi2 = fits.chi2(_solve(fits.normal[kept].sum(axis=0), fits.moment[kept].sum(axis=0)))
        now = ordinary(chi2, kept, CLIP)
        if now.sum() < 3 or np.array_equal(now, kept):
            break
        kept = now
    return replace(
        fits,
        x=fits.x[kept],
        y=fits.y[kept],
        normal=fits.normal[kept],
        moment=fits.moment[kept],
        energy=fits.energy[kept],
    )


def kernel_at(fits: StarFits, x: float, y: float, reach: float) -> Image:
    """The kernel at one place.

    A local linear fit: stars within ``reach`` pixels count most, and the kernel may change linearly
    with place, if there are stars enough to say how.
    """
    away_x, away_y = (fits.x - x) / reach, (fits.y - y) / reach
    weight = np.exp(-0.5 * (away_x**2 + away_y**2)) + FAR_WEIGHT
    places = np.stack([np.ones_like(away_x), away_x, away_y], axis=1)
    if weight.sum() < STARS_FOR_SLOPE:
        places = places[:, :1]
    n_places, n_terms = places.shape[1], fits.moment.shape[1]
    normal = np.einsum("n,ni,nj,nkl->ikjl", weight, places, places, fits.normal, optimize=True)
    moment = np.einsum("n,ni,nk->ik", weight, places, fits.moment)
    solved = _solve(normal.reshape(n_places * n_terms, -1), moment.ravel())
    kernel: Image = np.tensordot(solved[: n_terms - 1], fits.basis, axes=1).astype(np.float32)
    return kernel


def _solve(normal: Array, moment: Array) -> Array:
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    values, modes = np.linalg.eigh(normal / np.outer(scale, scale))
    known = values > LEAST_POWER * values[-1]
    along = modes[:, known].T @ (moment / scale) / values[known]
    solution: Array = modes[:, known] @ along / scale
    return solution


def filters(
    kernel: Image,
    psf_blurred: Spectrum,
    sigma_sharp: float,
    sigma_blurred: float,
    shape: tuple[int, int],
    xp: Arrays,
    *,
    convolve_new: bool,
) -> Filters:
    """The filters of a difference by kernel.

    Parameters
    ----------
    kernel : (size, size) float32
        Turns the sharper image into the other.
    psf_blurred : (h, w // 2 + 1) complex64
        The PSF of the image that is not convolved, which is the difference's.
    sigma_sharp, sigma_blurred : float
        Noise of the background per pixel.
    shape : (h, w)
        Of the tile.
    xp : Arrays
        Of the device that holds the spectra.
    convolve_new : bool
        The new image is the sharper one.

    Notes
    -----
    A kernel's sum is what the flux match left over. A convolved new image has it right, for it is fitted
    to the reference; where the reference is convolved, both terms are divided by it. So the difference
    has the reference's flux unit either way.
    """
    blur = xp.rfft2_of_narrow(xp.array(centred(kernel, kernel.shape)), shape)
    plain = blur * 0.0 + 1.0
    total = 1.0 if convolve_new else float(kernel.sum())
    noise = power(blur)
    noise *= (sigma_sharp / total) ** 2
    noise += (sigma_blurred / total) ** 2
    if not convolve_new:
        blur *= 1.0 / total
        plain *= 1.0 / total
    match = psf_blurred.conj() * (1.0 / noise)
    return Filters(
        of_new=blur if convolve_new else plain,
        of_ref=plain if convolve_new else blur,
        whiten=None,
        match=match,
        psf=psf_blurred,
        flux_norm=mean_of((psf_blurred * match).real, shape),
    )
