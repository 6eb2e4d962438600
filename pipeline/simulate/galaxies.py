"""Galaxies: Sérsic profiles as sums of Gaussians, convolved exactly with the local PSF."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import nnls

from pipeline.simulate.psf import MoffatField

Array = NDArray[np.float64]

EXPONENTIAL = 1  # Sérsic index of a disc
DE_VAUCOULEURS = 4  # and of an elliptical
B = {EXPONENTIAL: 1.678347, DE_VAUCOULEURS: 7.669249}  # half of the light lies within one effective radius
WIDEST_PX = 256


@cache
def gaussians(index: int) -> tuple[tuple[float, float], ...]:
    """A Sérsic profile of unit flux and effective radius as a sum of round Gaussians.

    A profile with a cusp cannot be sampled on pixels; its sum of Gaussians has an exact transform
    (Hogg & Lang 2013, PASP 125, 719). The weights are fitted here, non-negative.

    Returns
    -------
    tuple of (weight, sigma)
        The weights sum to 1; sigma is in effective radii.
    """
    radius = np.geomspace(0.003, 8.0, 400)
    light = np.exp(-B[index] * (radius ** (1.0 / index) - 1.0))
    sigma = np.geomspace(0.01, 3.5, 14)
    shapes = np.exp(-0.5 * (radius[:, None] / sigma) ** 2) / (2.0 * np.pi * sigma**2)
    # With logarithmic radii a ring's light goes with radius squared: weigh by flux, not by surface.
    weights, _ = nnls(shapes * (radius**2)[:, None], light * radius**2)
    share = weights / weights.sum()
    return tuple((float(w), float(s)) for w, s in zip(share, sigma, strict=True) if w > 0)


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of one galaxy.

    Attributes
    ----------
    index : int
        Sérsic's: 1 is exponential, 4 is de Vaucouleurs'.
    radius : float
        Effective radius along the major axis.
    axis_ratio : float
        Minor over major axis.
    angle : float
        Of the major axis, in radians from the first coordinate towards the second.
    """

    index: int
    radius: float
    axis_ratio: float
    angle: float

    def covariance(self) -> Array:
        """The (2, 2) matrix that a Gaussian of unit sigma has, in the radius' unit squared."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[c, -s], [s, c]])
        matrix: Array = turn @ np.diag([self.radius**2, (self.radius * self.axis_ratio) ** 2]) @ turn.T
        return matrix

    def draw_offset(self, random: np.random.Generator) -> Array:
        """A random place that follows the light: the offset from the centre, in the radius' unit."""
        parts = gaussians(self.index)
        sigma = parts[random.choice(len(parts), p=[w for w, _ in parts])][1]
        offset: Array = np.linalg.cholesky(self.covariance()) @ random.normal(0.0, sigma, 2)
        return offset


def add_galaxy(
    image: Array, psf: MoffatField, x: float, y: float, flux: float, profile: Profile, to_pixels: Array
) -> None:
    """Add one galaxy to an image in place.

    Parameters
    ----------
    image : (height, width) float64
    psf : MoffatField
    x, y : float
        The galaxy's centre, in 0-based pixel centres.
    flux : float
        In the image's unit.
    profile : Profile
    to_pixels : (2, 2) float64
        The matrix from the profile's coordinates to pixels.
    """
    height, width = image.shape
    covariance = to_pixels @ profile.covariance() @ to_pixels.T
    widest = 4.0 * gaussians(profile.index)[-1][1] * np.sqrt(np.linalg.eigvalsh(covariance)[-1])
    half = min(int(np.ceil(widest)) + psf.stamp_radius(x, y, flux, 1.0), WIDEST_PX // 2)
    size = fft.next_fast_len(2 * half + 1, real=True)
    left, low = round(x) - size // 2, round(y) - size // 2
    if left >= width or low >= height or left + size <= 0 or low + size <= 0:
        return
    point = fft.rfft2(psf.integrated(x, y, left, low, (size, size)))
    ky = fft.fftfreq(size)[:, None]
    kx = fft.rfftfreq(size)[None, :]
    form = covariance[0, 0] * kx**2 + 2.0 * covariance[0, 1] * kx * ky + covariance[1, 1] * ky**2
    transfer = sum(w * np.exp(-2.0 * np.pi**2 * s**2 * form) for w, s in gaussians(profile.index))
    box = fft.irfft2(point * transfer, s=(size, size))
    rows = slice(max(-low, 0), min(height - low, size))
    columns = slice(max(-left, 0), min(width - left, size))
    image[low + rows.start : low + rows.stop, left + columns.start : left + columns.stop] += (
        flux * box[rows, columns]
    )
