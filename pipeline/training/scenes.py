"""Random skies under random conditions, as two cameras would collect them: the canvas of a training field.

Seeing, sampling, sky, depth of the reference, crowding, galaxies, gain and the errors of telescope and
optics are drawn anew for each field, so that no model learns one telescope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.galaxies import DE_VAUCOULEURS, EXPONENTIAL, Profile, add_galaxy
from pipeline.simulate.psf import MoffatField, add_stars
from pipeline.training.conditions import PLAIN, Conditions, Crowd, Noise

Array = NDArray[np.float64]

MARGIN_PX = 40.0  # stars so far outside shine into the field
LONG_SHARE = 0.4  # of frames, out of focus or ill guided:
LONG = (0.1, 0.6)  # ellipticities of a PSF 1.1 to 2 times as long as wide
AXIS_SHARE, OFF_AXIS = 0.5, 0.2  # of those, along rows or columns, as drives trail; sigma of twice the angle
GALAXY_SHARE = 0.75  # of fields with any galaxy
MOST_AWAY = 0.12  # of the stars that stand elsewhere by a lot, and
AWAY_DENSITY = 3000.0  # of no more of them than on 1024 x 1024 px: those with large motions are nearby ones


class Brush(Protocol):
    """Adds point sources to an image with a frame's own PSF."""

    def paint(self, image: Array, x: Array, y: Array, flux: Array) -> None:
        """Add sources at x, y (n,) of some flux (n,), electrons, in place."""
        ...

    def noise_pixels(self, x: float, y: float) -> float:
        """The number of pixels whose sky noise a matched filter sees at one place."""
        ...

    @property
    def fwhm(self) -> float:
        """Pixels."""
        ...


@dataclass(frozen=True, slots=True)
class MoffatBrush:
    """The PSF of a simulated frame."""

    field: MoffatField

    def paint(self, image: Array, x: Array, y: Array, flux: Array) -> None:
        """See `Brush`."""
        add_stars(image, self.field, x, y, flux)

    def noise_pixels(self, x: float, y: float) -> float:
        """See `Brush`."""
        return self.field.noise_pixels(x, y)

    @property
    def fwhm(self) -> float:
        """See `Brush`."""
        return self.field.fwhm


@dataclass(slots=True)
class Plate:
    """What one camera collected, before its own flaws.

    Attributes
    ----------
    electrons : (height, width) float64
        Sky, sources and all noise.
    brush : Brush
    noise : float
        Standard deviation of an empty pixel, electrons.
    read_noise, full_well : float
        Electrons.
    gain : float
        Electrons per count.
    """

    electrons: Array
    brush: Brush
    noise: float
    read_noise: float
    full_well: float
    gain: float


@dataclass(frozen=True, slots=True)
class Host:
    """A galaxy on the reference's grid; its flux in the reference's electrons."""

    x: float
    y: float
    flux: float
    profile: Profile


@dataclass(frozen=True, slots=True)
class Scene:
    """Two plates of one sky.

    Attributes
    ----------
    new, ref : Plate
    to_new : (2, 3) float64
        ``(x_new, y_new) = to_new @ (x_ref, y_ref, 1)``.
    flux_ratio : float
        Electrons in the new image for one electron in the reference.
    hosts : tuple of Host
    stars : (3, n) float64
        x, y on the reference's grid and flux in its electrons, of constant stars.
    moved : (2, m) float64
        Those of them that the new frame shows displaced: places on the reference's grid.
    """

    new: Plate
    ref: Plate
    to_new: Array
    flux_ratio: float
    hosts: tuple[Host, ...]
    stars: Array
    moved: Array


def on_new(to_new: Array, xy: Array) -> Array:
    """Places (2, n) of the reference's grid on the new frame's."""
    moved: Array = to_new[:, :2] @ xy + to_new[:, 2:]
    return moved


def log_uniform(random: np.random.Generator, low: float, high: float, size: int | None = None) -> Array:
    """Random numbers of uniform logarithm."""
    drawn: Array = np.exp(random.uniform(np.log(low), np.log(high), size))
    return drawn


def draw_scene(random: np.random.Generator, size: int, conditions: Conditions = PLAIN) -> Scene:
    """A random sky of (size, size) pixels under random conditions, beside those that make a field hard."""
    shape = (size, size)
    new_psf, ref_psf = _psf(random, shape), _psf(random, shape)
    if conditions.fwhm is not None:
        new_psf, ref_psf = (
            replace(psf, fwhm=fwhm) for psf, fwhm in zip((new_psf, ref_psf), conditions.fwhm, strict=True)
        )
    sky_new, sky_ref = float(log_uniform(random, 60.0, 4000.0)), float(log_uniform(random, 60.0, 6000.0))
    read_new, read_ref = random.uniform(2.0, 12.0), random.uniform(1.0, 8.0)
    ratio = float(log_uniform(random, 0.25, 2.5))
    to_new = _grid(random, size)

    one_sigma = np.sqrt(ref_psf.noise_pixels(size / 2, size / 2) * (sky_ref + read_ref**2))
    stars = _stars(random, size, one_sigma, conditions.crowd)
    crowding = 1.0 if conditions.crowd is None else max(1.0, conditions.crowd.density / AWAY_DENSITY)
    places, fluxes, moved = _as_seen_now(random, stars, new_psf.fwhm, MOST_AWAY / crowding)
    hosts = _hosts(random, size, np.sqrt(sky_ref + read_ref**2))

    new, ref = _sky(random, shape, sky_new), np.full(shape, sky_ref)
    odd = random.random(stars.shape[1]) < (0.3 if random.random() < 0.35 else 0.0)  # of another colour, say
    x_new, y_new = on_new(to_new, places)
    wider = MoffatField(
        shape, new_psf.fwhm * random.uniform(1.02, 1.12), new_psf.beta, new_psf.e1, new_psf.e2
    )
    for psf, which in ((new_psf, ~odd), (wider, odd)):
        add_stars(new, psf, x_new[which], y_new[which], fluxes[which] * ratio)
    add_stars(ref, ref_psf, stars[0], stars[1], stars[2])
    for host in hosts:
        x, y = on_new(to_new, np.array([[host.x], [host.y]]))[:, 0]
        add_galaxy(new, new_psf, float(x), float(y), host.flux * ratio, host.profile, to_new[:, :2])
        add_galaxy(ref, ref_psf, host.x, host.y, host.flux, host.profile, np.eye(2))
    return Scene(
        new=_plate(random, new, new_psf, sky_new, read_new, conditions.new),
        ref=_plate(random, ref, ref_psf, sky_ref, read_ref, conditions.ref),
        to_new=to_new,
        flux_ratio=ratio,
        hosts=hosts,
        stars=stars,
        moved=moved,
    )


def _psf(random: np.random.Generator, shape: tuple[int, int]) -> MoffatField:
    variation, direction = random.uniform(0.0, 0.08), random.uniform(0.0, 2.0 * np.pi)
    long = random.random() < LONG_SHARE
    elongation = random.uniform(*LONG) if long else float(log_uniform(random, 0.01, 0.1))
    if long and random.random() < AXIS_SHARE:
        direction = np.pi * random.integers(2) + random.normal(0.0, OFF_AXIS)
    return MoffatField(
        shape,
        fwhm=float(log_uniform(random, 1.8, 7.0)),
        beta=float(log_uniform(random, 2.2, 8.0)),
        e1=elongation * np.cos(direction),
        e2=elongation * np.sin(direction),
        curvature=variation,
        tilt=random.normal(0.0, 0.02),
        coma=random.normal(0.0, 0.03),
    )


def _grid(random: np.random.Generator, size: int) -> Array:
    angle = np.deg2rad(random.normal(0.0, 0.4))
    scale = 1.0 + random.normal(0.0, 2e-4)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.full(2, (size - 1) / 2.0)
    shift = random.normal(0.0, 4.0, 2)
    return np.column_stack([turn, centre + shift - turn @ centre])


def _stars(random: np.random.Generator, size: int, one_sigma: float, crowd: Crowd | None) -> Array:
    """Constant stars: from below the noise to far beyond saturation; counts go as flux**-1.75, or as told."""
    density, brightest = float(log_uniform(random, 150.0, 3000.0)), float(log_uniform(random, 1e5, 5e6))
    faintest, slope = 4.0, 0.75
    if crowd is not None:
        density, brightest, faintest, slope = crowd.density, crowd.brightest, crowd.faintest, crowd.slope
    count = max(30, round(density * size * size / 1024**2))
    xy = random.uniform(-MARGIN_PX, size - 1 + MARGIN_PX, (2, count))
    high, low = brightest**-slope, (faintest * one_sigma) ** -slope
    flux = random.uniform(high, max(low, 2.0 * high), count) ** (-1.0 / slope)
    return np.vstack([xy, flux])


def _as_seen_now(
    random: np.random.Generator, stars: Array, fwhm: float, most_away: float
) -> tuple[Array, Array, Array]:
    """Places and fluxes of the same stars in the new frame; which of them stand elsewhere by a lot."""
    places, flux = stars[:2].copy(), stars[2].copy()
    count = stars.shape[1]
    if random.random() < 0.4:  # turbulence moves each a little
        places += random.normal(0.0, log_uniform(random, 0.01, 0.08) * fwhm, (2, count))
    if random.random() < 0.3:  # optics distort otherwise than then, on scales that no map follows
        k, phase = random.normal(0.0, 0.05, (2, 2)), random.uniform(0.0, 2.0 * np.pi, 2)
        depth = float(log_uniform(random, 0.02, 0.12)) * fwhm
        places += depth * np.sin(k @ stars[:2] + phase[:, None])
    flux *= 1.0 + random.normal(0.0, log_uniform(random, 1e-3, 0.01), count)  # colour and flat field
    away = random.random(count) < (random.uniform(0.0, most_away) if random.random() < 0.6 else 0.0)
    angle = random.uniform(0.0, 2.0 * np.pi, count)
    step = log_uniform(random, 0.05, 0.6, count) * fwhm
    places[:, away] += (step * np.stack([np.cos(angle), np.sin(angle)]))[:, away]
    return places, flux, stars[:2, away]


def _hosts(random: np.random.Generator, size: int, noise: float) -> tuple[Host, ...]:
    if random.random() > GALAXY_SHARE:
        return ()
    count = random.poisson(float(log_uniform(random, 5.0, 60.0)) * size * size / 512**2)
    hosts = []
    for _ in range(count):
        index = EXPONENTIAL if random.random() < 0.6 else DE_VAUCOULEURS
        radius = float(log_uniform(random, 1.5, 10.0))
        profile = Profile(index, radius, random.uniform(0.3, 1.0), random.uniform(0.0, np.pi))
        flux = noise * radius * float(log_uniform(random, 20.0, 1500.0))
        x, y = random.uniform(0.0, size - 1.0, 2)
        hosts.append(Host(float(x), float(y), flux, profile))
    return tuple(hosts)


def _sky(random: np.random.Generator, shape: tuple[int, int], level: float) -> Array:
    """A sky with a slope, and at times with fringes or the light of something near."""
    v, u = np.mgrid[-1.0 : 1.0 : shape[0] * 1j, -1.0 : 1.0 : shape[1] * 1j]
    slope = random.normal(0.0, 0.03, 2)
    sky: Array = level * (1.0 + slope[0] * u + slope[1] * v)
    if random.random() < 0.15:
        k = random.normal(0.0, 12.0, 2)
        sky += random.uniform(0.1, 0.6) * np.sqrt(level) * np.sin(k[0] * u + k[1] * v + 3.0 * u * v)
    return np.maximum(sky, 1.0)


def _plate(
    random: np.random.Generator, clean: Array, psf: MoffatField, sky: float, read_noise: float, own: Noise
) -> Plate:
    electrons = random.poisson(clean) + random.normal(0.0, read_noise, clean.shape)
    noise = float(np.sqrt(sky + read_noise**2))
    own.add(random, electrons, noise)
    return Plate(
        electrons=electrons,
        brush=MoffatBrush(psf),
        noise=float(np.hypot(noise, np.hypot(own.total * noise, own.response * sky))),
        read_noise=read_noise,
        full_well=float(log_uniform(random, 4e4, 3e5)),
        gain=float(log_uniform(random, 0.5, 4.0)),
    )
