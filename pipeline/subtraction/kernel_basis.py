"""Kernels that are Gaussians times polynomials (Alard & Lupton 1998, ApJ 503, 325)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.frame import Image, PsfModel
from pipeline.registration.pixel_map import term_powers
from pipeline.subtraction.tiles import centred

Array = NDArray[np.float64]

WIDTHS_FWHM = (0.35, 0.7, 1.4)  # of the Gaussians, in FWHM of the sharper image
DEGREES = (4, 3, 2)  # of the polynomial with each
REACH = 2.5  # of the widest, beyond which it counts as nothing


@dataclass(frozen=True, slots=True)
class KernelBasis:
    """Kernels, each of which changes a star by as much as there is of it (their root sums of squares).

    Attributes
    ----------
    along : (functions, size) float64
        Functions of one coordinate.
    pairs : (k, 2) int64
        Which function of y and which of x a kernel is the product of.
    scale : (k,) float64
        The factor of each product.
    group : (k,) int64
        Of which Gaussian each is, by number.
    """

    along: Array
    pairs: NDArray[np.int64]
    scale: Array
    group: NDArray[np.int64]

    @property
    def reach(self) -> int:
        """Half the size of the kernels, in pixels."""
        return int(self.along.shape[1]) // 2

    def images(self) -> Image:
        """The kernels, (k, size, size) float32."""
        rows, columns = self.along[self.pairs[:, 0]], self.along[self.pairs[:, 1]]
        product = rows[:, :, None] * columns[:, None, :] * self.scale[:, None, None]
        return product.astype(np.float32)

    def convolved(self, images: Image) -> Image:
        """Images (n, size, size) convolved with every kernel, less its reach at each side: (n, k, m, m)."""
        wide = images.shape[1]
        m = wide - 2 * self.reach
        bands = np.zeros((len(self.along), m, wide), dtype=np.float32)
        for i in range(m):  # the function reversed, one pixel on from that of the row above
            bands[:, i, i : i + 2 * self.reach + 1] = self.along[:, ::-1]
        down = (bands.reshape(-1, wide) @ images).reshape(len(images), len(self.along), m, wide)
        across = bands[self.pairs[:, 1]].transpose(0, 2, 1) * self.scale[:, None, None].astype(np.float32)
        product: Image = down[:, self.pairs[:, 0]] @ across
        return product


def kernel_basis(*psfs: PsfModel) -> KernelBasis:
    """Kernels for images that were convolved with all of these PSFs."""
    sharp = min(psf.fwhm for psf in psfs)
    half = int(np.ceil(REACH * WIDTHS_FWHM[-1] * sharp))
    offset = np.arange(-half, half + 1, dtype=np.float64)
    along: list[Array] = []
    pairs: list[tuple[int, int]] = []
    group: list[int] = []
    for number, (width, degree) in enumerate(zip(WIDTHS_FWHM, DEGREES, strict=True)):
        pairs += [(len(along) + j, len(along) + i) for i, j in term_powers(degree)]
        group += [number] * len(term_powers(degree))
        u = offset / (width * sharp)
        along += [np.exp(-0.5 * u**2) * u**power for power in range(degree + 1)]
    functions, chosen = np.array(along), np.array(pairs)
    size = fft.next_fast_len(2 * half + 1 + 2 * max(psf.basis.shape[1] for psf in psfs), real=True)
    middles = [psf.basis[0] / psf.basis[0].sum(dtype=np.float64) for psf in psfs]
    # Sums of squares are those of the transforms, and that of a product the product of two.
    star = np.prod([np.abs(fft.fft2(middle, s=(size, size))) ** 2 for middle in middles], axis=0)
    power = np.abs(fft.fft(functions, n=size)) ** 2
    changed = (power @ star @ power.T)[chosen[:, 0], chosen[:, 1]]
    return KernelBasis(functions, chosen, np.sqrt(star.sum() / changed), np.array(group))


def convolved_psf(psf: PsfModel, kernels: Image, coefficients: Array, degree: int) -> PsfModel:
    """A PSF convolved with 1 plus a sum of kernels.

    Parameters
    ----------
    psf : PsfModel
    kernels : (k, size, size) float32
    coefficients : (terms, k) float64
        Of each kernel, as a polynomial over the field, in the order of terms of `PsfModel`.
    degree : int
        Of that polynomial. That of the result is the sum of both degrees.
    """
    place = {powers: number for number, powers in enumerate(term_powers(psf.degree + degree))}
    size, half = psf.basis.shape[1], kernels.shape[1] // 2
    wide = fft.next_fast_len(size + half, real=True)
    terms = np.tensordot(coefficients, kernels.astype(np.float64), axes=1)
    terms[0, half, half] += 1.0
    spectra = fft.rfft2(
        np.stack([centred(term.astype(np.float32), (wide, wide)) for term in terms]), workers=1
    )
    basis = np.zeros((len(place), size, size), dtype=np.float32)
    for (i, j), stamp in zip(term_powers(psf.degree), psf.basis, strict=True):
        blurred = fft.irfft2(fft.rfft2(stamp, s=(wide, wide)) * spectra, s=(wide, wide), workers=1)
        for (k, m), part in zip(term_powers(degree), blurred, strict=True):
            basis[place[i + k, j + m]] += part[:size, :size]
    covariance = psf.covariance
    if covariance is not None:  # the stars tell the rest no better than before
        known = [place[powers] for powers in term_powers(psf.degree)]
        covariance = np.zeros((len(place), len(place)))
        covariance[np.ix_(known, known)] = psf.covariance
    return replace(psf, basis=basis, degree=psf.degree + degree, covariance=covariance)
