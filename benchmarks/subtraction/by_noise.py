r"""Chi squared of bright stars if noise alone, of a variance that is known, were left of them.

Half of the mean squares of a star are below their median, which is the lower beside their mean the fewer
pixels the noise is of: a bright star's photons are in its core, the sky's are everywhere. So the median over
stars is less than that over places on the sky, though all errors be right. With the kernels
:math:`k_n, k_r` of proper subtraction and variances :math:`v_n, v_r` of the pixels, the covariance of the
score at places i and j is

.. math::
    C_{ij} = \sum_p \big(v_n(p)\, k_n(i - p)\, k_n(j - p) + v_r(p)\, k_r(i - p)\, k_r(j - p)\big)

over the square roots of the variances; deviates are drawn with it. PSFs are the true ones of the star's
place, and both frames have their pixels on one grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from benchmarks.pairs.draw import SKY, Pair
from pipeline.subtraction.arrays import arrays
from pipeline.subtraction.zogy import filters

Array = NDArray[np.float64]

SIZE = 64  # of the images that are filtered, in pixels
HALF_PX = 22  # of the PSFs
DRAWS = 400  # of a star


def star_squares(pair: Pair, x: Array, y: Array, flux: Array, radius: float) -> Array:
    """Mean squares of the score within a radius of some stars, drawn `DRAWS` times each.

    Parameters
    ----------
    pair : Pair
    x, y, flux : (n,) float64
        As in its sources.
    radius : float
        Pixels.

    Returns
    -------
    (n, DRAWS) float64
    """
    random = np.random.default_rng(0)
    stars = [_Star(pair, *each) for each in zip(x, y, flux, strict=True)]
    return np.array([_draws(star.covariance(radius), random) for star in stars]).reshape(-1, DRAWS)


def sky_squares(pair: Pair, radius: float) -> Array:
    """The same of an empty place in the middle of the frame, (DRAWS**2,)."""
    middle = pair.scenario.size / 2.0
    covariance = _Star(pair, middle, middle, 0.0).covariance(radius)
    return _draws(covariance, np.random.default_rng(1), DRAWS**2)


def _draws(covariance: Array, random: np.random.Generator, count: int = DRAWS) -> Array:
    """Mean squares of normal deviates of unit variance."""
    sizes = np.maximum(np.linalg.eigvalsh(covariance), 0.0) / len(covariance)
    return np.asarray(random.normal(size=(count, len(sizes))) ** 2 @ sizes)


@dataclass(frozen=True)
class _Star:
    """One star of a pair."""

    pair: Pair
    x: float
    y: float
    flux: float

    @cached_property
    def _images(self) -> tuple[Array, Array, Array, Array]:
        """Kernels and variances of the new frame and the reference, the star at index 0, 0."""
        pair = self.pair
        psfs = [_wrapped(psf.stamp(self.x, self.y, HALF_PX)) for psf in (pair.psf_new, pair.psf_ref)]
        frames = (pair.new, SKY), (pair.ref, 0.9 * SKY * pair.scenario.depth)
        sky = [(level + frame.read_noise**2) / frame.light**2 for frame, level in frames]
        light = [
            np.maximum(_moved(psf, self.x, self.y), 0.0) * self.flux / frame.light
            for psf, (frame, _) in zip(psfs, frames, strict=True)
        ]
        spectra = [fft.rfft2(psf.astype(np.float32)) for psf in psfs]
        made = filters(*spectra, *np.sqrt(sky), (SIZE, SIZE), arrays("cpu"))
        kernels = [fft.irfft2(made.match * of, s=(SIZE, SIZE)) for of in (made.of_new, made.of_ref)]
        return kernels[0], kernels[1], light[0] + sky[0], light[1] + sky[1]

    def covariance(self, radius: float) -> Array:
        """That of the score at the pixels within a radius, (k, k)."""
        offset = np.rint(fft.fftfreq(SIZE, 1.0 / SIZE))
        off_x, off_y = self.x - round(self.x), self.y - round(self.y)
        disc = np.argwhere(np.hypot(offset[:, None] - off_y, offset - off_x) <= radius)
        total = np.zeros((len(disc), len(disc)))
        for kernel, variance in zip(self._images[:2], self._images[2:], strict=True):
            turned = np.roll(kernel[::-1, ::-1], (1, 1), axis=(0, 1))  # at -p
            seen = np.array([np.roll(turned, place, axis=(0, 1)).ravel() for place in disc])
            total += (seen * variance.ravel()) @ seen.T
        error = np.sqrt(np.diagonal(total))
        return np.asarray(total / error / error[:, None])


def _wrapped(stamp: NDArray[np.float32]) -> Array:
    """A stamp in an image of `SIZE`, its middle at index 0, 0."""
    index = np.arange(-HALF_PX, HALF_PX + 1)
    out = np.zeros((SIZE, SIZE))
    out[index[:, None], index] = stamp
    return out


def _moved(image: Array, x: float, y: float) -> Array:
    """An image moved by what a place is beside its pixel."""
    wave = fft.fftfreq(SIZE)[:, None] * (y - round(y)) + fft.rfftfreq(SIZE) * (x - round(x))
    return np.asarray(fft.irfft2(fft.rfft2(image) * np.exp(-2j * np.pi * wave), s=(SIZE, SIZE)))
