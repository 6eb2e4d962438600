"""A new frame and its reference in memory, with everything about them known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from pipeline.simulate.galaxies import DE_VAUCOULEURS, EXPONENTIAL, Profile, add_galaxy
from pipeline.simulate.psf import MoffatField, add_stars

Array = NDArray[np.float64]
Image = NDArray[np.float32]
MARGIN_PX = 40
PIXEL_SCALE_DEG = 0.6 / 3600.0


@dataclass(frozen=True, slots=True)
class SimulatedPair:
    """Two calibrated images of one field, each rendered on its own grid, in electrons of gain 1.

    Attributes
    ----------
    new, ref : (height, width) float32
        Sky, sources and noise.
    sky_new, sky_ref : (height, width) float32
        The sky alone, without noise.
    variance_new, variance_ref : (height, width) float32
        The exact variance of every pixel: Poisson of the noiseless image, and read noise squared.
    psf_new, psf_ref : callable
        ``psf(x, y)`` is the true PSF at a place of that image's own grid: (51, 51), unit sum, centred
        on the central pixel. ``psf(x, y, size)`` has another odd size.
    field_new, field_ref : MoffatField
        The same PSFs as parameters.
    read_noise : float
        Electrons, of both.
    flux_ratio : float
        Electrons in the new image for one electron in the reference.
    wcs_new, wcs_ref : WCS
        TAN, sharing the tangent point, so that ``to_new`` is exact.
    to_new : (2, 3) float64
        ``(x_new, y_new) = to_new @ (x_ref, y_ref, 1)``.
    transients : Table
        ``x, y`` (reference grid), ``x_new, y_new``, ``ra, dec``, ``flux`` (electrons in the new image,
        signed: negative ones are in the reference only), ``flux_ref`` (the same in the reference's
        electrons), ``snr`` (matched filter on the sky of the image that has it), ``host``.
    stars : Table
        ``x, y, x_new, y_new, flux_new, flux_ref`` of the constant stars, those beyond the edges too.
    """

    new: Image
    ref: Image
    sky_new: Image
    sky_ref: Image
    variance_new: Image
    variance_ref: Image
    psf_new: Callable[..., Array]
    psf_ref: Callable[..., Array]
    field_new: MoffatField
    field_ref: MoffatField
    read_noise: float
    flux_ratio: float
    wcs_new: WCS
    wcs_ref: WCS
    to_new: Array
    transients: Table
    stars: Table
    gain: float = 1.0


def simulate_pair(
    size: int | tuple[int, int] = 512,
    seed: int = 0,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    rotation_deg: float = 0.0,
    fwhm_new: float = 4.0,
    fwhm_ref: float = 3.2,
    beta: float = 3.0,
    variation: float = 0.0,
    flux_ratio: float = 1.0,
    sky_new: float = 400.0,
    sky_ref: float = 400.0,
    gradient: float = 0.0,
    read_noise: float = 6.0,
    n_stars: int | None = None,
    flux_range: tuple[float, float] = (400.0, 3e5),
    n_galaxies: int = 0,
    n_transients: int = 10,
    n_vanished: int = 0,
    snr_range: tuple[float, float] = (8.0, 40.0),
) -> SimulatedPair:
    """Render two images of one field, the new one on its own shifted and rotated grid.

    Parameters
    ----------
    size : int or (height, width)
        Pixels.
    seed : int
        The same seed gives the same pair.
    shift, rotation_deg : (float, float), float
        ``x_new = R (x_ref - centre) + centre + shift`` in pixels and degrees.
    fwhm_new, fwhm_ref, beta : float
        The Moffat PSFs at the centre, in pixels.
    variation : float
        Relative growth of the PSF's width from the centre to a corner, and its ellipticity there.
    flux_ratio : float
        Electrons in the new image for one electron in the reference.
    sky_new, sky_ref, gradient : float
        Electrons a pixel; ``gradient`` is the relative change of the new sky across the image.
    n_stars : int, optional
        Constant stars; by default 600 per 1024 x 1024 pixels, at least 40.
    flux_range : (float, float)
        Faintest and brightest star, in the reference's electrons; counts go as flux**-1.75.
    n_galaxies, n_transients, n_vanished : int
        With galaxies, every second transient lies on one. Vanished sources are in the reference alone.
    snr_range : (float, float)
        Of transients: drawn with uniform logarithm, in a matched filter on the sky alone.
    """
    shape = (size, size) if isinstance(size, int) else size
    random = np.random.default_rng([seed, 0x7041])
    if n_stars is None:
        n_stars = max(40, round(600 * shape[0] * shape[1] / 1024**2))
    to_new = _affine(shape, shift, rotation_deg)
    new = _Side(_moffat(shape, fwhm_new, beta, variation), sky_new, gradient, read_noise, _wcs(shape, to_new))
    ref = _Side(_moffat(shape, fwhm_ref, beta, -variation), sky_ref, 0.0, read_noise, _wcs(shape, None))
    stars = _stars(random, shape, n_stars, flux_range, to_new, flux_ratio)
    galaxies = _galaxies(random, shape, n_galaxies)
    places, hosts = _event_places(random, shape, n_transients + n_vanished, galaxies)
    snr = np.exp(random.uniform(np.log(snr_range[0]), np.log(snr_range[1]), len(hosts)))
    is_vanished = np.arange(len(hosts)) >= n_transients
    transients = _transients(places, hosts, snr, is_vanished, new, ref, to_new, flux_ratio)

    clean_new, clean_ref = new.background(), ref.background()
    add_stars(clean_new, new.psf, stars["x_new"], stars["y_new"], stars["flux_new"])
    add_stars(clean_ref, ref.psf, stars["x"], stars["y"], stars["flux_ref"])
    for x, y, flux, profile in galaxies:
        x_new, y_new = _apply(to_new, np.array([[x], [y]]))[:, 0]
        add_galaxy(clean_new, new.psf, x_new, y_new, flux * flux_ratio, profile, to_new[:, :2])
        add_galaxy(clean_ref, ref.psf, x, y, flux, profile, np.eye(2))
    here, gone = transients[~is_vanished], transients[is_vanished]
    add_stars(clean_new, new.psf, here["x_new"], here["y_new"], here["flux"])
    add_stars(clean_ref, ref.psf, gone["x"], gone["y"], -gone["flux_ref"])
    return SimulatedPair(
        new=_noisy(random, clean_new, read_noise),
        ref=_noisy(random, clean_ref, read_noise),
        sky_new=new.background().astype(np.float32),
        sky_ref=ref.background().astype(np.float32),
        variance_new=(clean_new + read_noise**2).astype(np.float32),
        variance_ref=(clean_ref + read_noise**2).astype(np.float32),
        psf_new=new.psf.stamp,
        psf_ref=ref.psf.stamp,
        field_new=new.psf,
        field_ref=ref.psf,
        read_noise=read_noise,
        flux_ratio=flux_ratio,
        wcs_new=new.wcs,
        wcs_ref=ref.wcs,
        to_new=to_new,
        transients=transients,
        stars=stars,
    )


class _Side(NamedTuple):
    """How one of the two images is taken; the sky and the read noise in electrons."""

    psf: MoffatField
    sky: float
    gradient: float  # of the sky, relative, from the first column to the last
    read_noise: float
    wcs: WCS

    def background(self) -> Array:
        """The sky of every pixel, a new image."""
        height, width = self.psf.shape
        slope = 1.0 + self.gradient * (np.arange(width) / width - 0.5)
        return np.full((height, width), self.sky) * slope

    def one_sigma(self, places: Array) -> Array:
        """The error of a matched filter's flux at each place, from sky and read noise alone."""
        variance = self.sky + self.read_noise**2
        pixels = [self.psf.noise_pixels(x, y) for x, y in places.T]
        return np.sqrt(np.array(pixels, dtype=np.float64) * variance)


def _transients(
    places: Array,
    hosts: NDArray[np.str_],
    snr: Array,
    is_vanished: NDArray[np.bool_],
    new: _Side,
    ref: _Side,
    to_new: Array,
    flux_ratio: float,
) -> Table:
    """What changes, as `SimulatedPair` tells it: each as significant as asked in the image that has it."""
    places_new = _apply(to_new, places)
    ra, dec = ref.wcs.all_pix2world(places[0], places[1], 0)
    appeared = snr * new.one_sigma(places_new) / flux_ratio
    flux_ref = np.where(is_vanished, -snr * ref.one_sigma(places), appeared)
    return Table(
        {
            "x": places[0],
            "y": places[1],
            "x_new": places_new[0],
            "y_new": places_new[1],
            "ra": ra,
            "dec": dec,
            "flux": flux_ref * flux_ratio,
            "flux_ref": flux_ref,
            "snr": snr,
            "host": hosts,
        }
    )


class _Galaxy(NamedTuple):
    """One galaxy on the reference's grid, its flux in the reference's electrons."""

    x: float
    y: float
    flux: float
    profile: Profile


def _stars(
    random: np.random.Generator,
    shape: tuple[int, int],
    count: int,
    flux_range: tuple[float, float],
    to_new: Array,
    flux_ratio: float,
) -> Table:
    xy = _places(random, count, shape, MARGIN_PX)
    flux = _power_law(random, count, flux_range)
    x_new, y_new = _apply(to_new, xy)
    return Table(
        {
            "x": xy[0],
            "y": xy[1],
            "x_new": x_new,
            "y_new": y_new,
            "flux_new": flux * flux_ratio,
            "flux_ref": flux,
        }
    )


def _galaxies(random: np.random.Generator, shape: tuple[int, int], count: int) -> list[_Galaxy]:
    places = _places(random, count, shape, -min(30, shape[0] // 4, shape[1] // 4))
    profiles = [_profile(random) for _ in range(count)]
    fluxes = _power_law(random, count, (8e3, 2e5))
    return [
        _Galaxy(float(x), float(y), float(flux), profile)
        for (x, y), flux, profile in zip(places.T, fluxes, profiles, strict=True)
    ]


def _event_places(
    random: np.random.Generator, shape: tuple[int, int], count: int, galaxies: list[_Galaxy]
) -> tuple[Array, NDArray[np.str_]]:
    """Where things change, (2, count), and on which galaxy: every second one has a host."""
    places = _places(random, count, shape, -min(25, shape[0] // 4, shape[1] // 4))
    hosts = np.full(count, "none", dtype="U12")
    if galaxies:
        for i in range(1, count, 2):
            number = int(random.integers(len(galaxies)))
            host = galaxies[number]
            places[:, i] = np.array([host.x, host.y]) + host.profile.draw_offset(random)
            hosts[i] = f"galaxy{number}"
    return places, hosts


def _moffat(shape: tuple[int, int], fwhm: float, beta: float, variation: float) -> MoffatField:
    return MoffatField(shape, fwhm, beta, e1=0.3 * variation, curvature=abs(variation), coma=variation)


def _affine(shape: tuple[int, int], shift: tuple[float, float], rotation_deg: float) -> Array:
    c, s = np.cos(np.deg2rad(rotation_deg)), np.sin(np.deg2rad(rotation_deg))
    turn = np.array([[c, -s], [s, c]])
    centre = np.array([(shape[1] - 1) / 2.0, (shape[0] - 1) / 2.0])
    offset = centre + np.asarray(shift) - turn @ centre
    return np.column_stack([turn, offset])


def _apply(affine: Array, xy: Array) -> Array:
    moved: Array = affine[:, :2] @ xy + affine[:, 2:]
    return moved


def _wcs(shape: tuple[int, int], to_new: Array | None) -> WCS:
    """North up, east left, and the tangent point at the reference's centre wherever that falls."""
    centre = np.array([[(shape[1] - 1) / 2.0], [(shape[0] - 1) / 2.0]])
    matrix = np.diag([-PIXEL_SCALE_DEG, PIXEL_SCALE_DEG])
    if to_new is not None:
        centre = _apply(to_new, centre)
        matrix = matrix @ np.linalg.inv(to_new[:, :2])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 20.0]
    wcs.wcs.crpix = centre[:, 0] + 1.0
    wcs.wcs.cd = matrix
    wcs.wcs.set()
    return wcs


def _places(random: np.random.Generator, count: int, shape: tuple[int, int], margin: int) -> Array:
    return np.stack(
        [
            random.uniform(-margin, shape[1] - 1 + margin, count),
            random.uniform(-margin, shape[0] - 1 + margin, count),
        ]
    )


def _power_law(random: np.random.Generator, count: int, limits: tuple[float, float]) -> Array:
    """Fluxes whose cumulative counts go as flux**-0.75: 0.3 dex a magnitude."""
    low, high = limits[0] ** -0.75, limits[1] ** -0.75
    flux: Array = random.uniform(high, low, count) ** (-1.0 / 0.75)
    return flux


def _profile(random: np.random.Generator) -> Profile:
    index = EXPONENTIAL if random.random() < 0.6 else DE_VAUCOULEURS
    return Profile(index, random.uniform(2.0, 6.0), random.uniform(0.35, 1.0), random.uniform(0.0, np.pi))


def _noisy(random: np.random.Generator, clean: Array, read_noise: float) -> Image:
    image = random.poisson(clean) + random.normal(0.0, read_noise, clean.shape)
    return image.astype(np.float32)
