"""Where injected sources are put, and how bright they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.frames.drawn import Draw, DrawnSource
from core.settings import Settings
from pipeline.depth.injection import CLEAR_FWHM, apart, free_places, pixel, reach_px
from pipeline.detection.forced import bilinear
from pipeline.frame import Aligned, Detection, Difference, PreparedReference

Array = NDArray[np.float64]

TRIALS = 8  # new sources of a frame, at least: all tell of the pipeline, some are shown to reviewers
TRIES = 6  # places drawn for each that is wanted
EXTENDED_FWHM = 1.3  # times the PSF's: wider sources of the reference are galaxies
HOST_SNR = 10.0  # of a galaxy, at least
HOST_REACH = 0.75  # times its width a source may be from a galaxy's middle
FULL = 0.9  # of saturation, which a source must not reach
FADING = (-0.08, 0.15)  # magnitudes a day; negative: it brightens


@dataclass(frozen=True, slots=True)
class Chosen:
    """A source to be drawn into one frame, on the reference's grid; ``flux`` in the difference's unit.

    ``known`` is what was known of it before, none of a new one.
    """

    x: float
    y: float
    flux: float
    host: str
    mag_per_day: float
    known: DrawnSource | None = None


def generator(draw: Draw, settings: Settings, *more: object) -> np.random.Generator:
    """Random numbers of a frame and a configuration: the same each time."""
    text = "|".join(str(each) for each in (draw.content, settings.science_hash, *more))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def placed(
    sources: Sequence[DrawnSource], reference: PreparedReference, mjd: float | None
) -> list[tuple[DrawnSource, float, float, float]]:
    """Known sources that lie on a reference, each with x and y on its grid and its flux at some time.

    The flux is 0 before a source appears, where it is not known in this reference's unit, and of one that
    is spent.
    """
    height, width = reference.frame.shape
    found = []
    for each in sources:
        x, y = each.x, each.y
        if each.reference_id != reference.reference_id:
            if each.ra is None or reference.frame.wcs is None:
                continue
            ((x, y),) = reference.frame.wcs.all_world2pix([(each.ra, each.dec)], 0, quiet=True)
        if -0.5 < x < width - 0.5 and -0.5 < y < height - 0.5:
            found.append((each, float(x), float(y), _flux(each, reference, mjd)))
    return found


def _flux(source: DrawnSource, reference: PreparedReference, mjd: float | None) -> float:
    if mjd is None or mjd < source.mjd or source.is_spent:
        return 0.0
    fainter = source.mag_per_day * (mjd - source.mjd)
    if source.reference_id == reference.reference_id:
        return float(source.flux * 10.0 ** (-0.4 * fainter))
    if source.mag is None or reference.zeropoint is None or source.mag_system != reference.mag_system:
        return 0.0
    return float(10.0 ** (0.4 * (reference.zeropoint - source.mag - fainter)))


def choose_new(
    draw: Draw,
    count: int,
    detections: Sequence[Detection],
    busy: NDArray[np.float64],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
) -> list[Chosen]:
    """New sources for a frame, at places where they meet nothing else.

    Parameters
    ----------
    draw : Draw
        Which frame it is.
    count : int
        How many are wanted; a full frame has room for fewer.
    detections : sequence of Detection
        Of the frame as it is.
    busy : (n, 2) float64
        Other places to stay away from: known objects and known sources.
    difference, new, reference, settings
        As `pipeline.subtraction.subtract.subtract` made and took them.
    """
    random = generator(draw, settings)
    x, y = free_places(difference, [], TRIES * count, random)
    at_host = random.random(len(x)) < settings.fakes.host_share
    hosts_x, hosts_y = _beside_galaxies(reference, len(x), random)
    if len(hosts_x):
        x, y = np.where(at_host, hosts_x, x), np.where(at_host, hosts_y, y)
    else:
        at_host[:] = False
    height, width = difference.mask.shape
    free = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    there = pixel(y, height), pixel(x, width)
    free &= difference.mask[there] == 0
    # A streak or a moving body has light where it is not detected.
    free &= np.abs(difference.score[there]) < settings.detect.threshold
    free &= _away(x, y, np.array([(each.x, each.y) for each in detections]), CLEAR_FWHM * difference.psf.fwhm)
    far = 2.0 * reach_px(difference) + 1.0
    free &= _away(x, y, busy, far)
    x, y, at_host = x[free], y[free], at_host[free]
    kept = apart(x, y, far)
    x, y, at_host = x[kept], y[kept], at_host[kept]
    low, high = np.log(settings.fakes.snr)
    snr = np.exp(random.uniform(low, high, len(x)))
    fading = random.uniform(*FADING, len(x))
    flux = flux_of(snr, x, y, difference, new)
    fits = _unsaturated(x, y, flux, difference, new)
    return [
        Chosen(float(x[i]), float(y[i]), float(flux[i]), "galaxy" if at_host[i] else "none", float(fading[i]))
        for i in np.flatnonzero(fits)[:count]
    ]


def electrons_per_flux(x: Array, y: Array, difference: Difference) -> Array:
    """Electrons of the new frame for a unit of the difference's flux, at some places."""
    response = difference.response
    if response is None:
        return np.full(len(x), difference.gain_ratio)
    electrons: Array = np.exp(response.log_gain.at(x, y)) * response.flux_scale
    return electrons


def flux_of(snr: Array, x: Array, y: Array, difference: Difference, new: Aligned) -> Array:
    """The flux that is expected to be found at some significance, its own noise included."""
    own = _own_noise(x, y, difference, new)
    error2 = bilinear(difference.flux_err, x, y) ** 2
    half: Array = 0.5 * snr**2 * own
    flux: Array = half + np.sqrt(half**2 + snr**2 * error2)
    return flux


def expected_snr(flux: Array, x: Array, y: Array, difference: Difference, new: Aligned) -> Array:
    """The reverse of `flux_of`."""
    error2 = bilinear(difference.flux_err, x, y) ** 2
    snr: Array = flux / np.sqrt(error2 + flux * _own_noise(x, y, difference, new))
    return snr


def _own_noise(x: Array, y: Array, difference: Difference, new: Aligned) -> Array:
    """What a unit of flux adds to the variance of its PSF fit: sum P^3 / (sum P^2)^2 a photon."""
    height, width = new.frame.shape
    psf = new.psf.at(width / 2.0, height / 2.0).astype(np.float64)
    spread = float(np.sum(np.maximum(psf, 0.0) ** 3) / np.sum(psf**2) ** 2)
    noise: Array = spread / electrons_per_flux(x, y, difference) / difference.score_scale**2
    return noise


def _unsaturated(x: Array, y: Array, flux: Array, difference: Difference, new: Aligned) -> NDArray[np.bool_]:
    height, width = new.frame.shape
    peak = float(new.psf.at(width / 2.0, height / 2.0).max())
    there = new.frame.data[pixel(y, height), pixel(x, width)]
    full = FULL * new.frame.saturation
    fits: NDArray[np.bool_] = there + flux * electrons_per_flux(x, y, difference) * peak < full
    return fits


def _beside_galaxies(
    reference: PreparedReference, count: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """Places on and beside the reference's galaxies, each galaxy as likely as any other; none without."""
    stars = reference.stars
    is_galaxy = (
        (stars.fwhm > EXTENDED_FWHM * reference.psf.fwhm)
        & (stars.mask == 0)
        & (stars.flux > HOST_SNR * stars.flux_err)
    )
    if not is_galaxy.any() or count == 0:
        return np.zeros(0), np.zeros(0)
    galaxies = stars.take(is_galaxy)
    which = random.integers(0, len(galaxies), count)
    distance = HOST_REACH * galaxies.fwhm[which] * np.sqrt(random.random(count))
    angle = random.uniform(0.0, 2.0 * math.pi, count)
    return galaxies.x[which] + distance * np.cos(angle), galaxies.y[which] + distance * np.sin(angle)


def _away(x: Array, y: Array, places: NDArray[np.float64], distance: float) -> NDArray[np.bool_]:
    if len(places) == 0 or len(x) == 0:
        return np.ones(len(x), dtype=bool)
    away: NDArray[np.bool_] = KDTree(places).query(np.column_stack([x, y]))[0] > distance
    return away
