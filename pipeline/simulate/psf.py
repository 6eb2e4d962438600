"""A Moffat point-spread function that varies over the field, integrated over pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Three-point Gauss-Legendre quadrature over one pixel, per axis.
NODES = np.array([-0.5 * np.sqrt(0.6), 0.0, 0.5 * np.sqrt(0.6)])
WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18.0

LOST_WINGS = 0.002  # share of a source's flux that its stamp may leave out


@dataclass(frozen=True, slots=True)
class MoffatField:
    """A Moffat PSF whose width and shape are quadratic in the position on the detector.

    The profile is ``(1 + q / alpha**2) ** -beta`` with
    ``q = ((1 - e1) dx**2 + (1 + e1) dy**2 - 2 e2 dx dy) / sqrt(1 - e1**2 - e2**2)``, so that
    ellipticity does not change the area, and its integral over the plane is 1 (Moffat 1969).

    Attributes
    ----------
    shape : (height, width)
        Of the frame.
    fwhm : float
        Pixels, at the centre.
    beta : float
        The slope of the wings, above 1.
    e1, e2 : float
        Ellipticity at the centre: along x, and along the diagonal.
    curvature : float
        The relative growth of the width from the centre to a corner.
    tilt : float
        The relative growth of the width from the centre to the right edge.
    coma : float
        Radial ellipticity at the corners.
    """

    shape: tuple[int, int]
    fwhm: float
    beta: float = 3.0
    e1: float = 0.0
    e2: float = 0.0
    curvature: float = 0.0
    tilt: float = 0.0
    coma: float = 0.0

    def local(self, x: float, y: float) -> tuple[float, float, float]:
        """Scale radius in pixels and the two ellipticities at one place."""
        height, width = self.shape
        u = 2.0 * x / max(width - 1, 1) - 1.0
        v = 2.0 * y / max(height - 1, 1) - 1.0
        fwhm = self.fwhm * (1.0 + self.curvature * (u * u + v * v) / 2.0 + self.tilt * u)
        alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / self.beta) - 1.0))
        return (
            float(alpha),
            self.e1 + self.coma * (u * u - v * v) / 2.0,
            self.e2 + self.coma * u * v,
        )

    def integrated(self, x: float, y: float, x_low: int, y_low: int, shape: tuple[int, int]) -> Array:
        """The PSF of a source at (x, y), integrated over each pixel of a box.

        Parameters
        ----------
        x, y : float
            The source, in 0-based pixel centres.
        x_low, y_low : int
            The first column and row of the box, which may lie outside the frame.
        shape : (height, width)
            Of the box.

        Returns
        -------
        (height, width) float64
            Its sum is the share of the flux that falls into the box.
        """
        alpha, e1, e2 = self.local(x, y)
        height, width = shape
        # Single precision is enough for a pixel (1e-6) and twice as fast.
        dx = ((x_low - x + np.arange(width))[:, None] + NODES).ravel().astype(np.float32)
        dy = ((y_low - y + np.arange(height))[:, None] + NODES).ravel().astype(np.float32)
        scale = float(alpha * alpha * np.sqrt(1.0 - e1 * e1 - e2 * e2))
        profile = dy[:, None] * (dx * (-2.0 * e2 / scale))
        profile += (1.0 - e1) / scale * dx * dx
        profile += ((1.0 + e1) / scale * dy * dy)[:, None]
        np.log1p(profile, out=profile)
        profile *= -self.beta
        np.exp(profile, out=profile)
        weights = WEIGHTS.astype(np.float32)
        per_row = profile.reshape(height * 3, width, 3) @ weights
        per_pixel = (weights @ per_row.reshape(height, 3, width)).astype(np.float64)
        stamp: Array = per_pixel * ((self.beta - 1.0) / (np.pi * alpha * alpha))
        return stamp

    def stamp(self, x: float, y: float, size: int = 51) -> Array:
        """The PSF at one place, centred on the central pixel: (size, size), ``size`` odd, unit sum."""
        if size % 2 == 0:
            raise ValueError(f"a PSF stamp has an odd size, not {size}")
        # The shape is that of (x, y); only the position within the pixel is moved to its centre.
        alpha, e1, e2 = self.local(x, y)
        here = MoffatField(
            self.shape, alpha * 2.0 * float(np.sqrt(2.0 ** (1.0 / self.beta) - 1.0)), self.beta, e1, e2
        )
        stamp = here.integrated(0.0, 0.0, -(size // 2), -(size // 2), (size, size))
        unit: Array = stamp / stamp.sum()
        return unit

    def noise_pixels(self, x: float, y: float) -> float:
        """The number of pixels whose sky noise a matched filter sees: one over the sum of squares."""
        return float(1.0 / np.sum(self.stamp(x, y) ** 2))

    def stamp_radius(self, x: float, y: float, flux: float, faintest: float) -> int:
        """The half-width beyond which a source is fainter than ``faintest`` a pixel and has lost little."""
        alpha, _, _ = self.local(x, y)
        loss = np.sqrt(LOST_WINGS ** (-1.0 / (self.beta - 1.0)) - 1.0)
        peak = flux * (self.beta - 1.0) / (np.pi * alpha * alpha)
        depth = max(peak / faintest, 1.0) ** (0.5 / self.beta)
        return int(np.ceil(alpha * max(loss, depth)))


def add_stars(
    image: Array, psf: MoffatField, x: Array, y: Array, flux: Array, faintest: float = 0.05
) -> None:
    """Add point sources to an image in place; each stamp is as wide as the source is bright.

    Parameters
    ----------
    image : (height, width) float64
    psf : MoffatField
    x, y : (n,) float64
        0-based pixel centres; sources outside the image shine into it with their wings.
    flux : (n,) float64
        In the image's unit; negative fluxes are holes.
    faintest : float
        The surface brightness per pixel at which wings are cut.
    """
    height, width = image.shape
    for star_x, star_y, star_flux in zip(x.tolist(), y.tolist(), flux.tolist(), strict=True):
        radius = psf.stamp_radius(star_x, star_y, abs(star_flux), faintest)
        left, right = max(round(star_x) - radius, 0), min(round(star_x) + radius + 1, width)
        low, high = max(round(star_y) - radius, 0), min(round(star_y) + radius + 1, height)
        if left < right and low < high:
            box = psf.integrated(star_x, star_y, left, low, (high - low, right - left))
            image[low:high, left:right] += star_flux * box
