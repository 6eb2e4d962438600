r"""Two PSFs made to agree, by all pixels of all stars.

Let N be a new image and R a reference. :math:`P_r * N` and :math:`P_n * R` show constant sources alike if
the PSFs are right. Where each was measured from single stars they are not quite, above all in crowded
fields, where neighbours hide the wings. What they lack, all stars show, blended or not:

.. math::
    P_r * N = \Big(\delta + \sum_k c_k(x, y)\, B_k\Big) * P_n * R,

with the kernels B of `pipeline.subtraction.kernel_basis` and coefficients that are polynomials over the
field. The new image's PSF is convolved with that kernel: proper subtraction then leaves no more of a star
than a kernel fitted to the pixels would, and has its own noise still.

The field is cut into cells. A level, a flux ratio and a shift of each cell's own are fitted with the rest
and forgotten: sky, variable stars and registration are others' matters. How large coefficients may be is told
by the evidence (MacKay 1992, Neural Computation 4, 415), with one variance for each Gaussian and each degree
over the field; PSFs that agree already stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.linalg import lapack

from pipeline.frame import Aligned, Image, PreparedReference, PsfModel
from pipeline.registration.pixel_map import polynomial_terms, term_powers
from pipeline.stellar.stamps import cut, psf_stamps
from pipeline.subtraction.kernel_basis import KernelBasis, convolved_psf, kernel_basis
from pipeline.subtraction.lights import inpainted_signal, reference_images
from pipeline.subtraction.match import Match
from pipeline.subtraction.scatter import ordinary

Array = NDArray[np.float64]
Spectra = NDArray[np.complex64]

LEAST_FWHM_PX = 2.0  # pixels see less of sharper stars than a convolution can tell
CORE_FWHM = 2.0  # half a cell
PSF_FWHM = 4.0  # from its middle: farther out its light is within the model's error
MOST_CELLS = 400  # those with most light: more take time and change nothing
FIRST_CELLS = 150  # of them, which tell whether PSFs differ at all
LEAST_LIGHT = 4.0  # squared signal over variance of a cell's pixels, on average
FEWEST_CELLS = 12
FIELD_DEGREE = 2
MOST_OFF = 2.0  # times what is expected of a cell's flux ratio
MODEL_ERROR = 0.01  # of the light: no star shows its PSF better, or the brightest would decide alone
CLIP = 4.0  # robust sigma of a cell's chi squared
ROUNDS = 3  # of clipping
FIRST_COEFFICIENT = 0.03  # where the evidence begins
LEAST_VARIANCE = 1e-8  # of coefficients that count
STEPS = 30  # of the evidence
SETTLED = 0.02  # relative change of variances at which it ends
TOGETHER = 16  # cells in memory at a time


@dataclass(frozen=True, slots=True)
class _Cells:
    """The least squares of each cell: the terms of the field there, normal matrix, moment, and energy.

    ``terms`` are (n, t), ``normal`` (n, k, k), ``moment`` (n, k), ``energy`` (n,), for k kernels.
    """

    terms: Array
    normal: Array
    moment: Array
    energy: Array

    def take(self, kept: NDArray[np.bool_]) -> _Cells:
        return _Cells(self.terms[kept], self.normal[kept], self.moment[kept], self.energy[kept])

    def joined(self, more: _Cells) -> _Cells:
        """With others."""
        both = ((getattr(self, name), getattr(more, name)) for name in self.__slots__)
        return _Cells(*map(np.concatenate, both))

    def chi2(self, coefficients: Array) -> Array:
        """Of each cell, with the coefficients (t, k)."""
        c = self.terms @ coefficients
        explained = 2.0 * np.sum(self.moment * c, axis=1) - np.einsum("ni,nij,nj->n", c, self.normal, c)
        return np.asarray(self.energy - explained)


def match_psf(new: Aligned, reference: PreparedReference, matched: Match, bad: NDArray[np.bool_]) -> Aligned:
    """The new frame with a PSF that agrees with the reference's.

    Parameters
    ----------
    new : Aligned
    reference : PreparedReference
    matched : Match
        A first one will do.
    bad : (height, width) bool
        Pixels that tell nothing.
    """
    if min(new.psf.fwhm, reference.psf.fwhm) < LEAST_FWHM_PX:
        return new
    basis = kernel_basis(new.psf, reference.psf)
    x, y = _chosen(new, reference, bad)
    if len(x) < FEWEST_CELLS:
        return new
    light = inpainted_signal(new.frame), reference_images(reference)[0]
    cells = _gather(new, reference, light, matched, bad, basis, (x[:FIRST_CELLS], y[:FIRST_CELLS]))
    coefficients = _fit(cells, basis)
    if len(x) > FIRST_CELLS and coefficients.any():
        rest = _gather(new, reference, light, matched, bad, basis, (x[FIRST_CELLS:], y[FIRST_CELLS:]))
        coefficients = _fit(cells.joined(rest), basis)
    if not coefficients.any():
        return new
    degree = max(
        i + j for (i, j), row in zip(term_powers(FIELD_DEGREE), coefficients, strict=True) if row.any()
    )
    some = coefficients[: len(term_powers(degree))]
    return replace(new, psf=convolved_psf(new.psf, basis.images(), some, degree))


def _gather(
    new: Aligned,
    reference: PreparedReference,
    lights: tuple[Image, Image],
    matched: Match,
    bad: NDArray[np.bool_],
    basis: KernelBasis,
    middles: tuple[Array, Array],
) -> _Cells:
    """Set up the least squares of the cells around some places, all in reference electrons."""
    fwhm = max(new.psf.fwhm, reference.psf.fwhm)
    core = _core(fwhm)
    spread = min(
        new.psf.basis.shape[1] // 2, reference.psf.basis.shape[1] // 2, int(np.ceil(PSF_FWHM * fwhm))
    )
    half = core + basis.reach + spread
    variances = new.frame.variance, reference.frame.variance
    x, y = middles
    holes = bad.astype(np.float32)
    k = len(basis.pairs)
    normal, moment, energy = np.zeros((len(x), k, k)), np.zeros((len(x), k)), np.zeros(len(x))
    for first in range(0, len(x), TOGETHER):
        some = slice(first, first + TOGETHER)
        places = x[some], y[some]
        scale = np.exp(-matched.log_gain.at(*places))[:, None, None].astype(np.float32)
        mine, other = (
            _Side(
                _stamps(light, *places, half),
                _stamps(variance, *places, half),
                _psf_stamps(psf, *places, spread),
            )
            for light, variance, psf in zip(lights, variances, (new.psf, reference.psf), strict=True)
        )
        mine = _Side(mine.light * scale, mine.variance * scale**2, mine.psf)
        hidden = _stamps(holes, *places, core, beyond=1.0) > 0
        shift = matched.dx.at(*places), matched.dy.at(*places)
        normal[some], moment[some], energy[some] = _least_squares(mine, other, shift, hidden, basis)
    return _Cells(polynomial_terms(x, y, reference.frame.shape, FIELD_DEGREE), normal, moment, energy)


def _core(fwhm: float) -> int:
    """Half a cell, in pixels."""
    return int(np.ceil(CORE_FWHM * fwhm))


def _chosen(new: Aligned, reference: PreparedReference, bad: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The middles, x and y, of those cells of a grid that have most light, that with most first."""
    core = _core(max(new.psf.fwhm, reference.psf.fwhm))
    light, variance = reference_images(reference)[0], reference.frame.variance
    side = 2 * core + 1
    height, width = (length // side for length in light.shape)
    part = np.s_[: height * side, : width * side]
    shown = np.where(bad[part], 0.0, light[part] ** 2 / np.maximum(variance[part], 1e-12))
    shown = np.minimum(shown, MODEL_ERROR**-2).reshape(height, side, width, side).mean(axis=(1, 3))
    rows, columns = np.nonzero(shown > LEAST_LIGHT)
    best = np.argsort(-shown[rows, columns], kind="stable")[:MOST_CELLS]
    return (columns[best] * side + core).astype(np.float64), (rows[best] * side + core).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Side:
    """Some cells of one image: light and variance (n, size, size), the PSF at each (n, smaller, smaller)."""

    light: Image
    variance: Image
    psf: Image


def _least_squares(
    new: _Side, old: _Side, shift: tuple[Array, Array], hidden: NDArray[np.bool_], basis: KernelBasis
) -> tuple[Array, Array, Array]:
    """Normal matrices, moments and energies of some cells; ``hidden`` pixels of (n, m, m) do not count."""
    n, m = hidden.shape[:2]
    half, reach = new.light.shape[1] // 2, basis.reach
    size = int(fft.next_fast_len(2 * half + 1, real=True))
    middle = slice(half - m // 2, half + m // 2 + 1)
    around = slice(middle.start - reach, middle.stop + reach)
    dx, dy = (each[:, None, None] for each in shift)
    down, across = (
        np.exp(2j * np.pi * wave).astype(np.complex64)
        for wave in (dy * fft.fftfreq(size)[:, None], dx * fft.rfftfreq(size))
    )
    ours = _part(_transform(new.light, size) * _wrapped(old.psf, size) * (down * across), size, middle)
    wide = _part(_transform(old.light, size) * _wrapped(new.psf, size), size, around)
    inner = slice(reach, reach + m)
    theirs = wide[:, inner, inner]
    slope_x = wide[:, inner, reach + 1 : reach + m + 1] - wide[:, inner, reach - 1 : reach + m - 1]
    slope_y = wide[:, reach + 1 : reach + m + 1, inner] - wide[:, reach - 1 : reach + m - 1, inner]
    # Noise has the other's PSF: so many pixels of it as the sum of that PSF's squares says are one.
    spread = [_wrapped(np.square(side.psf.mean(axis=0))[None], size) for side in (new, old)]
    noise = _part(
        _transform(new.variance, size) * spread[1] + _transform(old.variance, size) * spread[0], size, middle
    )
    alike = np.sqrt(np.prod([np.sum(side.psf**2, axis=(1, 2)) for side in (new, old)], axis=0))
    weight = alike[:, None, None] / (np.maximum(noise, 1e-12) + (MODEL_ERROR * theirs) ** 2)
    weight = np.where(hidden, 0.0, weight).reshape(n, -1)
    own = _flat(np.stack([np.ones_like(theirs), theirs, slope_x, slope_y], axis=1))
    light, seen = _flat(ours[:, None]), _flat(basis.convolved(wide))
    shares = _shares(light, own, weight)
    # What counts is linear in the kernel only where the flux ratio is right, and PSFs that differ change it.
    target = (light - shares @ own) / np.clip(shares[:, :, 1:2], 1.0 / MOST_OFF, MOST_OFF)
    seen -= _shares(seen, own, weight) @ own
    weighted = seen * weight[:, None]
    energy = np.sum(weight[:, None] * target**2, axis=(1, 2))
    return weighted @ seen.transpose(0, 2, 1), np.sum(weighted * target, axis=2), energy


def _shares(values: Array, of: Array, weight: Array) -> Array:
    """How much of images (n, m, pixels) is in some values (n, k, pixels), by least squares: (n, k, m)."""
    scale = np.sqrt(np.maximum(np.sum(of**2 * weight[:, None], axis=2, keepdims=True), 1e-300))
    of = of / scale
    weighted = of * weight[:, None]
    normal = weighted @ of.transpose(0, 2, 1) + 1e-9 * np.eye(of.shape[1])
    shares: Array = (np.linalg.solve(normal, weighted @ values.transpose(0, 2, 1)) / scale).transpose(0, 2, 1)
    return shares


def _flat(images: Image) -> Array:
    return images.reshape(*images.shape[:2], -1).astype(np.float64)


def _transform(images: Image, size: int) -> Spectra:
    spectra: Spectra = fft.rfft2(images, s=(size, size), workers=1)
    return spectra


def _part(spectra: Spectra, size: int, middle: slice) -> Image:
    """The middle of the images of some transforms."""
    rows = fft.ifft(spectra, axis=-2, workers=1)[..., middle, :]
    image: Image = fft.irfft(rows, n=size, axis=-1, workers=1)[..., middle]
    return image


def _wrapped(stamps: Image, size: int) -> Spectra:
    """The transforms of stamps of odd size, their central pixels at index 0, 0."""
    half = stamps.shape[1] // 2
    index = np.arange(-half, half + 1)
    out = np.zeros((len(stamps), size, size), dtype=np.float32)
    out[:, index[:, None], index] = stamps
    return _transform(out, size)


def _stamps(image: Image, x: Array, y: Array, half: int, beyond: float = 0.0) -> Image:
    return cut(image, y.astype(np.int64), x.astype(np.int64), half, beyond=beyond).astype(np.float32)


def _psf_stamps(psf: PsfModel, x: Array, y: Array, half: int) -> Image:
    """The middle of the PSF at each place, of unit sum."""
    spare = max(0, psf.basis.shape[1] // 2 - half)
    middle = slice(spare, psf.basis.shape[1] - spare)
    return psf_stamps(replace(psf, basis=psf.basis[:, middle, middle]), x, y)


def _fit(cells: _Cells, basis: KernelBasis) -> Array:
    """The coefficients (t, k) that all cells agree on, but for those that changed."""
    kept = np.ones(len(cells.energy), dtype=bool)
    variance = np.full((FIELD_DEGREE + 1) * (basis.group.max() + 1), FIRST_COEFFICIENT**2)
    for _ in range(ROUNDS):
        coefficients, variance = _most_evident(cells.take(kept), basis, variance)
        now = ordinary(cells.chi2(coefficients), kept, CLIP)
        if now.sum() < FEWEST_CELLS or np.array_equal(now, kept):
            break
        kept = now
    return coefficients


def _most_evident(cells: _Cells, basis: KernelBasis, variance: Array) -> tuple[Array, Array]:
    """The mean of the coefficients (t, k) under the variances for which the pixels are likeliest, and these.

    Coefficients of a variance too small to count are 0. The search begins at the variances that are given.
    """
    n_terms, k = cells.terms.shape[1], cells.moment.shape[1]
    normal = np.einsum("ni,nj,nkl->ikjl", cells.terms, cells.terms, cells.normal, optimize=True)
    normal = normal.reshape(n_terms * k, n_terms * k)
    moment = (cells.terms.T @ cells.moment).ravel()
    degrees = np.array([i + j for i, j in term_powers(FIELD_DEGREE)])
    group = (degrees[:, None] * (basis.group.max() + 1) + basis.group).ravel()
    count = np.bincount(group)
    for _ in range(STEPS):
        # In units of what is expected of them, coefficients have an information matrix that can be inverted.
        error = np.sqrt(variance[group])
        root = np.linalg.cholesky(error[:, None] * normal * error + np.eye(len(error)))
        inverse_root, _ = lapack.dtrtri(root.T, lower=0)
        mean = error * (inverse_root @ (inverse_root.T @ (error * moment)))
        told = np.maximum(count - np.bincount(group, np.sum(inverse_root**2, axis=1)), 1e-3)
        before, variance = variance, np.maximum(np.bincount(group, mean**2) / told, 0.1 * LEAST_VARIANCE)
        if np.all(np.abs(variance / before - 1.0) < SETTLED):
            break
    return np.where(variance[group] > LEAST_VARIANCE, mean, 0.0).reshape(n_terms, k), variance
