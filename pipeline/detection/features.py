"""What a detection looks like: numbers that tell a point source from what a subtraction leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import KDTree

from core.vocabulary import MaskPlane
from pipeline.frame import Aligned, Difference, Frame, PreparedReference, PsfModel, Stars
from pipeline.quantile import MAD_TO_SIGMA
from pipeline.stellar.stamps import cut, psf_stamps

Array = NDArray[np.float64]
Stamps = NDArray[np.float64]  # (n, size, size), the nearest pixel to each place in the middle

PSFS_AT_ONCE = 50  # they stay in a processor's cache
NOTHING = 1e-12  # of a flux's error: light is divided by no less, whatever unit it is in
FAR = 99.0  # FWHM: nothing of the kind is near

MEANING: dict[str, str] = {
    "significance": "size of the signal-to-noise ratio",
    "fwhm_ratio": "width of the source over that of the difference's PSF, by Gaussian-weighted moments",
    "ellipticity": "1 - b/a of the same moments",
    "chi2": "chi squared per pixel of the PSF fit within one FWHM, all with the noise of its centre",
    "psf_correlation": "correlation of the difference with its PSF within one FWHM",
    "likeness": "that correlation over what a point source of this significance has: 1 if it is one",
    "ring_share": "median flux of a PSF between 1 and 2 FWHM away over the detection's: large if extended",
    "peak_ratio": "highest pixel over what the PSF fit says of it: large for a single bright pixel",
    "asymmetry": "difference from itself turned by 180 degrees, over its sum, within one FWHM",
    "dipole_ratio": "strongest score of the opposite sign within two FWHM, over the detection's",
    "negative_share": "light of the opposite sign over all light within one FWHM",
    "offset_sigma": "level of the difference between 2 and 4 FWHM away, in sigma of a pixel",
    "score_rms": "standard deviation of the score between 2 and 4 FWHM away: 1 where all is well",
    "noise_ratio": "error of the flux over that on empty sky nearby: large on bright sources",
    "new_snr": "PSF-fit flux of all light at the place in the new frame, over the noise of the sky",
    "ref_snr": "the same in the reference",
    "relative_change": "difference flux over the reference's flux at the place",
    "star_distance": "to the nearest star of the reference, in FWHM",
    "star_ratio": "difference flux over that star's flux",
    "bright_distance": "to the star whose light weighs most here, in FWHM",
    "bright_ratio": "difference flux over that star's flux",
    "masked_share": "of the fit's weight that lies on masked pixels",
    "mask_distance": "to the nearest masked pixel, in FWHM",
    "saturated_distance": "to the nearest saturated pixel, in FWHM",
    "edge_distance": "to the nearest edge of the data or the frame, in FWHM",
    "neighbours": "other detections within 5 FWHM",
}


@dataclass(frozen=True, slots=True)
class Places:
    """Detections before they are judged; every attribute is (n,). Flux as in `Difference`."""

    x: Array
    y: Array
    snr: Array
    flux: Array
    flux_err: Array


def measure(
    places: Places, difference: Difference, new: Aligned, reference: PreparedReference
) -> dict[str, Array]:
    """Every feature of every detection; the names and their meaning are in `MEANING`.

    Parameters
    ----------
    places : Places
    difference : Difference
    new : Aligned
    reference : PreparedReference

    Returns
    -------
    dict of (n,) float64
    """
    fwhm = max(difference.psf.fwhm, 1.5)
    half = int(np.ceil(4.0 * fwhm)) + 1
    x, y = places.x, places.y
    sign = np.sign(places.snr)
    data = stamps(difference.data, x, y, half) * sign[:, None, None]
    score = stamps(difference.score, x, y, half) * sign[:, None, None]
    mask = stamps(difference.mask, x, y, half, outside=float(MaskPlane.EDGE)).astype(np.int64)
    distance = _distance(x, y, half) / fwhm
    good = mask == 0
    psf = centred_psfs(difference.psf, x, y, half)
    core, ring = (distance < 1.0) & good, (distance > 2.0) & (distance < 4.0) & good

    nothing = NOTHING * places.flux_err
    offset, sigma = _level(data, ring, nothing)
    noise_ratio = places.flux_err / _sky_error(difference, x, y, half)
    score_peak = np.maximum(np.abs(places.snr), 1e-6)
    fit = _fit(data, psf, core, np.abs(places.flux), sigma * np.maximum(noise_ratio, 1.0), nothing)
    expected = score_peak / np.sqrt(score_peak**2 + np.maximum(core.sum(axis=(1, 2)), 1))
    around = (distance > 1.0) & (distance < 2.0) & good
    found = {
        "significance": np.abs(places.snr),
        **fit,
        "likeness": fit["psf_correlation"] / expected,
        "ring_share": _ring_share(places, difference, around),
        **_shape(data, psf, core, fwhm, nothing),
        **_opposite(data, score, distance, core, nothing),
        "offset_sigma": offset / sigma,
        "score_rms": np.sqrt(_mean(np.square(score), ring, empty=1.0)),
        "noise_ratio": noise_ratio,
        **_light(places, new, reference, half),
        **_stars(places, reference.stars, reference.psf.fwhm, reference.flux_scale),
        "masked_share": np.sum(psf**2 * ~good, axis=(1, 2)) / np.sum(psf**2, axis=(1, 2)),
        "mask_distance": _nearest(distance, ~good),
        "saturated_distance": _nearest(distance, (mask & MaskPlane.SATURATED) != 0),
        "edge_distance": _nearest(distance, (mask & MaskPlane.EDGE) != 0),
        "neighbours": _neighbours(x, y, 5.0 * fwhm),
    }
    return {name: np.nan_to_num(found[name], nan=0.0, posinf=1e6, neginf=-1e6) for name in MEANING}


def stamps(image: NDArray[np.generic], x: Array, y: Array, half: int, outside: float = 0.0) -> Stamps:
    """Squares of ``2 half + 1`` pixels around some places."""
    rows, columns = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    return cut(image, rows, columns, half, beyond=outside).astype(np.float64)


def centred_psfs(psf: PsfModel, x: Array, y: Array, half: int) -> Stamps:
    """The PSF at each place, on its stamp and at its place between pixels."""
    reach = psf.basis.shape[1] // 2
    size = int(fft.next_fast_len(2 * max(half, reach) + 1, real=True))
    inner = slice(size // 2 - reach, size // 2 + reach + 1)
    cut = slice(size // 2 - half, size // 2 + half + 1)
    placed = np.empty((len(x), 2 * half + 1, 2 * half + 1))
    for part in (slice(start, start + PSFS_AT_ONCE) for start in range(0, len(x), PSFS_AT_ONCE)):
        along_x, along_y = x[part] - np.rint(x[part]), y[part] - np.rint(y[part])
        wide = np.zeros((len(along_x), size, size), dtype=np.float32)
        wide[:, inner, inner] = psf_stamps(psf, x[part], y[part])
        spectrum = fft.rfft2(wide, workers=1)
        for turn in (
            (along_x[:, None] * fft.rfftfreq(size))[:, None, :],
            (along_y[:, None] * fft.fftfreq(size))[:, :, None],
        ):
            spectrum *= np.exp(-2j * np.pi * turn).astype(np.complex64)
        placed[part] = fft.irfft2(spectrum, s=(size, size), overwrite_x=True, workers=1)[:, cut, cut]
    return placed


def psf_flux(light: Stamps, psf: Stamps, good: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Flux of a point source by a fit with equal weights, and the sum of squares of the PSF used."""
    power = np.sum(psf**2 * good, axis=(1, 2))
    return np.sum(psf * light * good, axis=(1, 2)) / np.maximum(power, 1e-12), power


def _distance(x: Array, y: Array, half: int) -> Stamps:
    steps = np.arange(-half, half + 1)
    dx, dy = steps - (x - np.rint(x))[:, None], steps - (y - np.rint(y))[:, None]
    return np.hypot(dy[:, :, None], dx[:, None, :])


def _mean(values: Stamps, where: NDArray[np.bool_], empty: float = 0.0) -> Array:
    count = where.sum(axis=(1, 2))
    total = np.sum(values * where, axis=(1, 2))
    return np.where(count > 0, total / np.maximum(count, 1), empty)


def _ring_share(places: Places, difference: Difference, around: NDArray[np.bool_]) -> Array:
    """How much of a detection's flux is still there around it; neighbours on one side do not matter.

    Flux, and not score: on a star errors are large in the middle alone, and the score of a point is flat.
    """
    flux = stamps(difference.flux, places.x, places.y, around.shape[1] // 2)
    seen = np.where(around | ~around.any(axis=(1, 2), keepdims=True), flux, np.nan)
    share = _medians(seen) / np.where(places.flux == 0, np.inf, places.flux)
    return np.where(around.any(axis=(1, 2)), share, 0.0)


def _level(data: Stamps, ring: NDArray[np.bool_], nothing: Array) -> tuple[Array, Array]:
    """Median and robust sigma of the pixels of a ring; without a ring, of the whole stamp."""
    seen = np.where(ring | ~ring.any(axis=(1, 2), keepdims=True), data, np.nan)
    middle = _medians(seen)
    sigma = MAD_TO_SIGMA * _medians(np.abs(seen - middle[:, None, None]))
    return middle, np.maximum(sigma, nothing)


def _medians(values: Stamps) -> Array:
    """The median of each stamp without its NaN; NaN of nothing else."""
    ordered = np.sort(values.reshape(len(values), -1), axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    each = np.arange(len(ordered))
    return np.asarray(0.5 * (ordered[each, (count - 1) // 2] + ordered[each, count // 2]))


def _sky_error(difference: Difference, x: Array, y: Array, half: int) -> Array:
    return _percentile(stamps(difference.flux_err, x, y, half, outside=np.nan), 20.0)


def _percentile(values: Stamps, share: float) -> Array:
    """A percentile of each stamp without its NaN, which only those at the edges have."""
    rows = values.reshape(len(values), -1)
    found: Array = np.percentile(rows, share, axis=1)
    cut = np.isnan(found)
    if cut.any():
        found[cut] = np.nanpercentile(rows[cut], share, axis=1)
    return found


def _shape(
    data: Stamps, psf: Stamps, core: NDArray[np.bool_], fwhm: float, nothing: Array
) -> dict[str, Array]:
    """Moments under a Gaussian window of the PSF's width, and how the two halves differ."""
    steps = np.arange(data.shape[1]) - data.shape[1] // 2
    squared = steps[:, None] ** 2 + steps[None, :] ** 2
    window = np.exp(-0.5 * squared / (fwhm / 2.355) ** 2)

    def moments(image: Stamps) -> tuple[Array, Array, Array]:
        weighted = image * window
        total = weighted.sum(axis=(1, 2))
        total = np.where(np.abs(total) > 0, total, 1.0)
        cx, cy = (
            np.sum(weighted * axis, axis=(1, 2)) / total
            for axis in (steps[None, None, :], steps[None, :, None])
        )
        dx, dy = steps[None, None, :] - cx[:, None, None], steps[None, :, None] - cy[:, None, None]
        xx, yy, xy = (np.sum(weighted * product, axis=(1, 2)) / total for product in (dx**2, dy**2, dx * dy))
        return xx, yy, xy

    xx, yy, xy = moments(data)
    reference = moments(psf)
    trace, gap = xx + yy, np.hypot(xx - yy, 2.0 * xy)
    minor, major = np.maximum(trace - gap, 0.0), np.maximum(trace + gap, 1e-6)
    turned = data[:, ::-1, ::-1]
    total = np.maximum(np.sum(np.abs(data) * core, axis=(1, 2)), nothing)
    return {
        "fwhm_ratio": np.sqrt(np.maximum(trace, 0.0) / np.maximum(reference[0] + reference[1], 1e-6)),
        "ellipticity": 1.0 - np.sqrt(minor / major),
        "asymmetry": np.sum(np.abs(data - turned) * core, axis=(1, 2)) / total,
    }


def _fit(
    data: Stamps, psf: Stamps, core: NDArray[np.bool_], flux: Array, sigma: Array, nothing: Array
) -> dict[str, Array]:
    model = psf * flux[:, None, None]
    count = np.maximum(core.sum(axis=(1, 2)), 1)
    chi2 = np.sum(np.square(data - model) * core, axis=(1, 2)) / sigma**2 / count
    inside = [values - (np.sum(values * core, axis=(1, 2)) / count)[:, None, None] for values in (data, psf)]
    cross = np.sum(inside[0] * inside[1] * core, axis=(1, 2))
    norm = np.sqrt(np.prod([np.sum(values**2 * core, axis=(1, 2)) for values in inside], axis=0))
    middle = slice(data.shape[1] // 2 - 1, data.shape[1] // 2 + 2)
    return {
        "chi2": chi2,
        "psf_correlation": cross / np.maximum(norm, nothing),
        "peak_ratio": data[:, middle, middle].max(axis=(1, 2))
        / np.maximum(model[:, middle, middle].max(axis=(1, 2)), nothing),
    }


def _opposite(
    data: Stamps, score: Stamps, distance: Stamps, core: NDArray[np.bool_], nothing: Array
) -> dict[str, Array]:
    middle = score.shape[1] // 2
    peak = np.maximum(score[:, middle - 1 : middle + 2, middle - 1 : middle + 2].max(axis=(1, 2)), 1e-6)
    lowest = np.where(distance < 2.0, score, 0.0).min(axis=(1, 2))
    total = np.maximum(np.sum(np.abs(data) * core, axis=(1, 2)), nothing)
    return {
        "dipole_ratio": np.maximum(-lowest, 0.0) / peak,
        "negative_share": np.sum(np.maximum(-data, 0.0) * core, axis=(1, 2)) / total,
    }


def _light(places: Places, new: Aligned, reference: PreparedReference, half: int) -> dict[str, Array]:
    """How much light there is at all, in both images."""
    ratios, flux = [], np.zeros(len(places.x))
    for frame, psf in ((new.frame, new.psf), (reference.frame, reference.psf)):
        flux, error = _frame_flux(frame, psf, places, half)
        ratios.append(flux / error)
    stored = flux / reference.flux_scale
    floor = np.abs(places.flux_err)  # keeps the change finite where the reference has nothing
    return {
        "new_snr": ratios[0],
        "ref_snr": ratios[1],
        "relative_change": places.flux / np.maximum(np.abs(stored), floor),
    }


def _frame_flux(frame: Frame, psf: PsfModel, places: Places, half: int) -> tuple[Array, Array]:
    x, y = places.x, places.y
    light = stamps(frame.data, x, y, half) - stamps(frame.background, x, y, half)
    model = centred_psfs(psf, x, y, half)
    flux, power = psf_flux(light, model, stamps(frame.mask, x, y, half, outside=1.0) == 0)
    variance = stamps(frame.variance, x, y, half, outside=np.nan)
    sky = _percentile(variance, 20.0)
    return flux, np.sqrt(np.maximum(sky, 1e-12) / np.maximum(power, 1e-12))


def _stars(places: Places, stars: Stars, fwhm: float, flux_scale: float) -> dict[str, Array]:
    """The nearest star, and the one that weighs most: its flux falls with the cube of its distance."""
    n = len(places.x)
    if len(stars) == 0:
        none = np.full(n, FAR)
        return {
            "star_distance": none,
            "star_ratio": none,
            "bright_distance": none,
            "bright_ratio": none,
        }
    tree = KDTree(np.column_stack([stars.x, stars.y]))
    count = min(12, len(stars))
    distance, index = tree.query(np.column_stack([places.x, places.y]), k=count)
    distance, index = distance.reshape(n, count) / fwhm, index.reshape(n, count)
    flux = np.maximum(stars.flux, 1e-6)[index] / flux_scale
    heaviest = np.argmax(flux / (0.5 + distance) ** 3, axis=1)
    every = np.arange(n)
    return {
        "star_distance": np.minimum(distance[:, 0], FAR),
        "star_ratio": np.abs(places.flux) / flux[:, 0],
        "bright_distance": np.minimum(distance[every, heaviest], FAR),
        "bright_ratio": np.abs(places.flux) / flux[every, heaviest],
    }


def _nearest(distance: Stamps, where: NDArray[np.bool_]) -> Array:
    nearest: Array = np.where(where, distance, FAR).min(axis=(1, 2))
    return nearest


def _neighbours(x: Array, y: Array, radius: float) -> Array:
    tree = KDTree(np.column_stack([x, y]))
    count: Array = tree.query_ball_point(np.column_stack([x, y]), radius, return_length=True) - 1.0
    return count
