"""Star fields whose every number is known, for tests: no calibration is needed and none is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.frame import Exposure, Frame

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)  # a pixel's integral by 4 x 4 points


@dataclass(frozen=True)
class Moffat:
    """An elliptical Moffat profile whose FWHM changes linearly over the field.

    At ``u, v`` (-1 to 1 over the field) the FWHM is ``fwhm * (1 + gradient * (u + v / 2))``.
    ``ellipticity`` is 1 - b/a, with the long axis along x.
    """

    shape: tuple[int, int]
    fwhm: float
    beta: float
    gradient: float = 0.0
    ellipticity: float = 0.0

    def fwhm_at(self, x: float, y: float) -> float:
        height, width = self.shape
        u, v = 2.0 * x / (width - 1) - 1.0, 2.0 * y / (height - 1) - 1.0
        return self.fwhm * (1.0 + self.gradient * (u + 0.5 * v))

    def stamp(self, x: float, y: float, rows: NDArray, columns: NDArray) -> NDArray:
        """The fraction of a star's light in each pixel of some rows and columns, star at x, y."""
        fwhm = self.fwhm_at(x, y)
        alpha = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / self.beta) - 1.0))
        stretch = np.sqrt(1.0 - self.ellipticity)
        dx = ((columns[:, None] + NODES / 2.0 - x) * stretch / alpha) ** 2
        dy = ((rows[:, None] + NODES / 2.0 - y) / stretch / alpha) ** 2
        value = (1.0 + dy[:, :, None, None] + dx[None, None, :, :]) ** -self.beta
        pixel = np.einsum("ijkl,j,l->ik", value, WEIGHTS / 2.0, WEIGHTS / 2.0)
        return pixel * (self.beta - 1.0) / (np.pi * alpha**2)

    def centred(self, x: float, y: float, size: int) -> NDArray:
        """The PSF at a place, on a stamp of odd size with the star on the central pixel, unit sum."""
        offset = np.arange(size) - size // 2
        stamp = self.stamp(x, y, offset + y, offset + x)
        return stamp / stamp.sum()


@dataclass(frozen=True)
class Truth:
    """What is really in a synthetic frame: places in its own pixels, fluxes in electrons.

    The extra sources come last; ``model`` is the noiseless light of all sources.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    n_extra: int
    psf: Moffat
    model: NDArray[np.float64]


def rotation(degrees: float, centre: tuple[float, float], shift: tuple[float, float] = (0.0, 0.0)) -> NDArray:
    """The (2, 3) affine that turns the field about a centre (x, y) and then shifts it."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, np.asarray(centre) + shift - turn @ centre])


def star_frame(
    shape: tuple[int, int] = (256, 256),
    seed: int = 0,
    *,
    n_stars: int = 60,
    fwhm: float = 3.0,
    beta: float = 3.0,
    sky: float = 200.0,
    read_noise: float = 5.0,
    gain: float = 1.0,
    affine: NDArray = IDENTITY,
    psf_gradient: float = 0.0,
    ellipticity: float = 0.0,
    flux_range: tuple[float, float] = (1e3, 1e5),
    transparency: float = 1.0,
    extra: Sequence[tuple[float, float, float]] = (),
    noise_seed: int | None = None,
    margin: float = 0.25,
    wcs: WCS | None = None,
    saturation: float = 1e9,
) -> tuple[Frame, Truth]:
    """A calibrated frame of a star field, with its exact background and variance.

    The same ``seed`` is the same sky. It is seen through ``affine``, a (2, 3) map from the field's
    coordinates to this frame's pixels, and fills ``margin`` of the frame's size beyond each edge, so
    that a shifted frame has stars everywhere. Fluxes follow N(>F) ~ 1/F over ``flux_range`` and are
    multiplied by ``transparency``. ``extra`` are (x, y, flux) in the field's coordinates. Other
    ``noise_seed``, other noise.
    """
    height, width = shape
    sky_rng = np.random.default_rng(seed)
    noise_rng = np.random.default_rng([seed, 1] if noise_seed is None else [seed, 2, noise_seed])
    area = (1.0 + 2.0 * margin) ** 2
    count = round(n_stars * area)
    field_x = sky_rng.uniform(-margin, 1.0 + margin, count) * width
    field_y = sky_rng.uniform(-margin, 1.0 + margin, count) * height
    low, high = flux_range
    flux = low / (1.0 - sky_rng.uniform(0.0, 1.0 - low / high, count))
    if extra:
        ex, ey, ef = np.asarray(extra, dtype=float).T
        field_x, field_y, flux = np.r_[field_x, ex], np.r_[field_y, ey], np.r_[flux, ef]
    x = affine[0, 0] * field_x + affine[0, 1] * field_y + affine[0, 2]
    y = affine[1, 0] * field_x + affine[1, 1] * field_y + affine[1, 2]
    flux = flux * transparency

    psf = Moffat(shape, fwhm, beta, psf_gradient, ellipticity)
    model = np.zeros(shape)
    faintest = 0.03 * np.sqrt(sky + read_noise**2)  # where a wing no longer matters
    for xs, ys, fs in zip(x, y, flux, strict=True):
        local = psf.fwhm_at(xs, ys)
        alpha = local / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
        reach = alpha * (fs * (beta - 1.0) / (np.pi * alpha**2 * faintest)) ** (0.5 / beta)
        radius = int(np.ceil(max(reach, 4.0 * local)))
        rows = np.arange(max(round(ys) - radius, 0), min(round(ys) + radius + 1, height))
        columns = np.arange(max(round(xs) - radius, 0), min(round(xs) + radius + 1, width))
        if rows.size and columns.size:
            model[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += fs * psf.stamp(
                xs, ys, rows, columns
            )

    variance = read_noise**2 + sky + model
    data = sky + model + noise_rng.normal(size=shape) * np.sqrt(variance)
    mask = np.zeros(shape, dtype=np.uint16)
    frame = Frame(
        data=data.astype(np.float32),
        background=np.full(shape, sky, dtype=np.float32),
        variance=variance.astype(np.float32),
        mask=mask,
        exposure=Exposure(name=f"synthetic-{seed}", exposure_s=60.0, gain=gain, read_noise=read_noise),
        header=Header(),
        wcs=wcs,
        gain=gain,
        read_noise=read_noise,
        saturation=saturation,
    )
    return frame, Truth(x, y, flux, len(extra), psf, model)
