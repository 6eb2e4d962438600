"""Find the stars of one frame, and choose those that show its point-spread function."""

from __future__ import annotations

from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from core.vocabulary import MaskPlane
from pipeline.frame import Frame, FrameRefused, Image, MaskImage, Stars
from pipeline.neighbourhood import spline_coefficients
from pipeline.quantile import MAD_TO_SIGMA
from pipeline.stellar.profile import COARSE_FWHM

Values = NDArray[np.float64]

FWHM_PER_SIGMA = 2.3548
MAX_STARS = 5000
# Few stars among many galaxies: their widths agree to `LOCUS`, and few sources are as much wider or narrower
# as `BESIDE`. Hot pixels and cosmic rays agree as well: hot pixels of a colour camera, spread over their
# neighbours, are 2 px wide. So nothing as narrow is taken for stars, were there such.
LOCUS, BESIDE = 1.06, 1.2
FEWEST, LEAST_SHARE, MOST_BESIDE = 15, 0.1, 0.3
NARROWEST_PX, NARROWEST = 2.2, 0.4  # the second as a share of the commonest width
NEAR_SEEING = 0.8  # radius, in FWHM of the stars, within which hardly any has more than half its peak
PSF_SNR = 20.0  # of a star that is to show the point-spread function
NEARLY_FULL = 0.85  # of the level of saturation
MOST_SATURATED = 0.1  # of a frame: a larger area is no star
MOST_THRESHOLD = 100.0  # standard deviations
MOST_SHINING = 0.3  # of what is seen of a frame: where more is above the threshold, few stars are told apart
BLIND_VARIANCE = 100.0  # of a blind pixel, times the usual: its neighbours say what it may hold
# Saturated pixels still show where a star is; the others show nothing of the sky.
BLIND = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE | MaskPlane.STREAK
# SEP's flags of an object that is cut by the frame or by memory, or whose shape cannot be measured.
BROKEN_SHAPE = sep.OBJ_TRUNC | sep.OBJ_SINGU


def find_stars(frame: Frame, threshold: float = 3.0) -> Stars:
    """Detect, centre and measure the sources of a frame.

    Detection and deblending are SEP's, on pixels weighted by the frame's variance. Positions are
    centroids in a Gaussian window of the frame's seeing (`sep.winpos`), fluxes are sums within
    1.5 times the seeing, widths are read from the azimuthal profile at half its maximum.

    Parameters
    ----------
    frame : Frame
        A calibrated frame.
    threshold : float
        Of a pixel, in standard deviations.

    Returns
    -------
    Stars
        Brightest first, at most 5000. Galaxies and blends are among them.

    Raises
    ------
    FrameRefused
        A quarter of the frame shines more than 100 times as much as its noise.
    """
    signal = np.ascontiguousarray(frame.signal)
    blind = ((frame.mask & BLIND) != 0) | _too_large_for_a_star(frame.mask)
    found = _extract(signal, frame.variance, blind, threshold)
    shaped = np.isfinite(found["a"]) & np.isfinite(found["b"]) & (found["b"] > 0)
    found = found[shaped]
    found = found[np.argsort(-found["flux"], kind="stable")[:MAX_STARS]]
    if len(found) == 0:
        nothing = np.zeros(0)
        whole = np.zeros(0, dtype=np.int64)
        return Stars(nothing, nothing, nothing, nothing, nothing, nothing, nothing, whole, whole)

    x, y = found["x"].astype(float), found["y"].astype(float)
    isophotal = FWHM_PER_SIGMA * np.sqrt(found["a"] * found["b"])
    clean = (found["flag"] & (BROKEN_SHAPE | sep.OBJ_MERGED)) == 0
    seeing = max(float(np.median(isophotal[clean] if clean.any() else isophotal)), 1.2)
    x, y = _centroids(signal, blind, x, y, seeing)
    fwhm = _half_maximum_width(signal, x, y, seeing)
    seeing = max(_stellar_mode(fwhm[clean]) if clean.any() else seeing, 1.2)
    x, y = _centroids(signal, blind, x, y, seeing)

    flux, flux_err, _ = sep.sum_circle(signal, x, y, 1.5 * seeing, var=frame.variance, mask=blind, subpix=5)
    order = np.argsort(-flux, kind="stable")
    order = order[np.isfinite(flux[order]) & (flux[order] > 0)]
    return Stars(
        x=x[order],
        y=y[order],
        flux=flux[order],
        flux_err=flux_err[order],
        peak=found["peak"][order].astype(float),
        fwhm=fwhm[order],
        ellipticity=(1.0 - found["b"] / found["a"])[order].astype(float),
        flags=found["flag"][order].astype(np.int64),
        mask=mask_under(frame.mask, x[order], y[order], 1.5 * seeing),
    )


def stellar_fwhm(stars: Stars) -> float:
    """The seeing in pixels: the commonest width among well-measured sources; 0 if there are none.

    Cosmic rays are narrower and galaxies wider than stars, so neither moves a mode; where galaxies are most,
    it is the narrower one that many share and few are beside.
    """
    return _stellar_mode(_sound_widths(stars)) if len(stars) else 0.0


def select_psf_stars(frame: Frame, stars: Stars, limit: int = 200) -> Stars:
    """The stars that show the point-spread function best.

    Left out are sources with masked or nearly saturated pixels, cut by the edge, with a
    signal-to-noise ratio under 20, wider, narrower or more elongated than the stars around them,
    and those whose neighbours shed more than 5 % of the star's own light into its core; if that leaves
    fewer than 20, up to 25 %.
    Where more than `limit` remain they are the brightest of every part of the field.
    """
    seeing = stellar_fwhm(stars)
    if seeing == 0.0:
        return stars
    height, width = frame.shape
    inside = (np.minimum(stars.x, width - 1 - stars.x) > 2.0 * seeing) & (
        np.minimum(stars.y, height - 1 - stars.y) > 2.0 * seeing
    )
    bright = stars.flux > PSF_SNR * stars.flux_err
    usable = inside & bright & (stars.mask == 0) & ((stars.flags & BROKEN_SHAPE) == 0)
    usable &= ~nearly_full(frame, stars)
    # Among galaxies that outnumber them, stars are too few for what is clipped below.
    widest = BESIDE if seeing < _mode(_sound_widths(stars)) else 1.6
    usable &= (stars.fwhm > 0.6 * seeing) & (stars.fwhm < widest * seeing)

    shed = _neighbours_light(stars, seeing)
    alone = usable & (shed < 0.05)
    if np.count_nonzero(alone) < 20:
        alone = usable & (shed < 0.25)
    chosen = stars.take(np.flatnonzero(alone))
    for name, floor in (("fwhm", 0.04 * seeing), ("ellipticity", 0.05)):
        chosen = chosen.take(_on_locus(chosen, getattr(chosen, name), floor, frame.shape))
    return _spread(chosen, frame.shape, limit)


def nearly_full(frame: Frame, stars: Stars) -> NDArray[np.bool_]:
    """Which stars come so near saturation that a detector may not be linear there, or beyond."""
    height, width = frame.shape
    column = np.clip(np.rint(stars.x).astype(int), 0, width - 1)
    row = np.clip(np.rint(stars.y).astype(int), 0, height - 1)
    beyond = (stars.mask & MaskPlane.SATURATED) != 0
    return np.asarray(beyond | (stars.peak + frame.background[row, column] > NEARLY_FULL * frame.saturation))


def mask_under(mask: MaskImage, x: Values, y: Values, radius: float) -> NDArray[np.int64]:
    """The union of mask bits within a radius of each place."""
    height, width = mask.shape
    reach = int(np.ceil(radius))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = dx**2 + dy**2 <= radius**2
    rows = np.rint(y).astype(int)[:, None] + dy[disc]
    columns = np.rint(x).astype(int)[:, None] + dx[disc]
    bits = mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    union: NDArray[np.int64] = np.bitwise_or.reduce(bits, axis=1).astype(np.int64)
    return union


def _too_large_for_a_star(mask: MaskImage) -> NDArray[np.bool_]:
    """Saturated areas that are no star: rows that were not read out, a lamp, the dawn."""
    saturated = (mask & MaskPlane.SATURATED) != 0
    if np.count_nonzero(saturated) < MOST_SATURATED * mask.size:
        return np.zeros(mask.shape, dtype=bool)
    areas, _ = ndimage.label(saturated)
    large = np.bincount(areas.ravel()) > MOST_SATURATED * mask.size
    large[0] = False
    found: NDArray[np.bool_] = large[areas]
    return found


def _extract(signal: Image, variance: Image, blind: NDArray[np.bool_], threshold: float) -> NDArray[np.void]:
    """SEP's objects; in fields too dense for its buffers, or to be parted, those above a higher threshold.

    SEP's own mask gives a pixel a threshold without bound, and one such pixel keeps all that touch, in a
    crowded field a quarter of the frame, from being parted into stars.
    """
    if blind.any():
        usual = np.float32(1.0 if blind.all() else np.median(variance[~blind]))
        signal = np.where(blind, np.float32(0.0), signal)
        variance = np.where(blind, np.float32(BLIND_VARIANCE) * usual, variance)
    noise, seen = np.sqrt(variance), np.count_nonzero(~blind)  # what is blind holds 0, and shines nowhere
    while threshold <= MOST_THRESHOLD and np.count_nonzero(signal > threshold * noise) > MOST_SHINING * seen:
        threshold *= 2.0
    del noise
    sep.set_extract_pixstack(max(300_000, signal.size // 4))
    sep.set_sub_object_limit(4096)
    while True:
        try:
            objects: NDArray[np.void] = sep.extract(
                signal, threshold, var=variance, minarea=5, deblend_cont=0.005
            )
        except Exception as error:
            # SEP raises nothing more special.
            if not ("overflow" in str(error) or "buffer full" in str(error)):
                raise
            if threshold > MOST_THRESHOLD:
                raise FrameRefused(
                    f"no stars can be told from what shines {threshold:g} times as bright as its noise"
                ) from error
            threshold *= 2.0
        else:
            return objects


def _centroids(
    signal: Image, blind: NDArray[np.bool_], x: Values, y: Values, seeing: float
) -> tuple[Values, Values]:
    """Windowed centroids; the given places where the window ran away to a neighbour."""
    subpixels = 5 if seeing < COARSE_FWHM else 1
    xw, yw, _ = sep.winpos(signal, x, y, seeing / FWHM_PER_SIGMA, mask=blind, subpix=subpixels)
    stayed = np.hypot(xw - x, yw - y) < max(1.0, 0.4 * seeing)  # a NaN compares false
    return np.where(stayed, xw, x), np.where(stayed, yw, y)


def _half_maximum_width(image: Image, x: Values, y: Values, seeing: float) -> Values:
    """The FWHM of each source: where its azimuthally averaged profile falls to half its centre."""
    radius = np.arange(0.0, 2.5 * seeing, 0.25)
    angle = np.arange(12) * (2.0 * np.pi / 12)
    coefficients = spline_coefficients(image, 3)

    def profiles(which: NDArray[Any], rings: Values) -> Values:
        columns = x[which, None, None] + rings[:, None] * np.cos(angle)
        rows = y[which, None, None] + rings[:, None] * np.sin(angle)
        samples = ndimage.map_coordinates(
            coefficients, [rows, columns], order=3, mode="mirror", prefilter=False, output=np.float32
        )
        return np.asarray(samples.mean(axis=2), dtype=np.float64)

    # Most are stars, which fall to half well within this.
    inner = np.count_nonzero(radius < NEAR_SEEING * seeing)
    near = profiles(np.arange(len(x)), radius[:inner])
    wider = np.flatnonzero(~(near < 0.5 * near[:, :1]).any(axis=1))
    width = half_width(radius[:inner], near)
    width[wider] = half_width(radius, np.hstack([near[wider], profiles(wider, radius[inner:])]))
    return width * 2.0


def half_width(radius: Values, profiles: Values) -> Values:
    """Radii at which profiles, of shape (n, radii), first fall below half their first value."""
    below = profiles < 0.5 * profiles[:, :1]
    first = np.where(below.any(axis=1), below.argmax(axis=1), profiles.shape[1] - 1)
    first = np.maximum(first, 1)
    each = np.arange(len(profiles))
    high, low = profiles[each, first - 1], profiles[each, first]
    drop = np.where(high > low, high - low, 1.0)
    part = np.clip((high - 0.5 * profiles[:, 0]) / drop, 0.0, 1.0)
    return np.asarray(radius[first - 1] + part * (radius[first] - radius[first - 1]))


def _sound_widths(stars: Stars) -> Values:
    """The widths of well-measured sources, or of all there are."""
    good = (stars.flux > 20.0 * stars.flux_err) & (stars.mask == 0) & ((stars.flags & BROKEN_SHAPE) == 0)
    if np.count_nonzero(good) < 5:
        good = stars.mask == 0
    if not good.any():
        good = np.ones(len(stars), dtype=bool)
    return np.asarray(stars.fwhm[good])


def _stellar_mode(widths: Values) -> float:
    """The mode of widths; where that is of galaxies, the narrower one that stands alone.

    Hardly anything is narrower than stars. Where much is, the mode is that of galaxies, which are of all
    widths.
    """
    mode = _mode(widths)
    ordered = np.sort(widths[np.isfinite(widths)])

    def count(width: Values, low: float, high: float) -> NDArray[np.intp]:
        first, last = (np.searchsorted(ordered, width * end) for end in (low, high))
        return np.asarray(last - first)

    at_mode = np.array([mode])
    if count(at_mode, 1.0 / BESIDE, 1.0 / LOCUS) <= MOST_BESIDE * count(at_mode, 1.0 / LOCUS, LOCUS):
        return mode
    least = max(NARROWEST_PX, NARROWEST * mode)
    narrower = ordered[(ordered > least) & (ordered < mode / BESIDE)]
    alike = count(narrower, 1.0 / LOCUS, LOCUS)
    others = np.maximum(count(narrower, 1.0 / BESIDE, 1.0 / LOCUS), count(narrower, LOCUS, BESIDE))
    alone = (alike >= max(FEWEST, LEAST_SHARE * ordered.size)) & (others <= MOST_BESIDE * alike)
    if not alone.any():
        return mode
    width = narrower[np.where(alone, alike, 0).argmax()]
    return float(np.median(ordered[(ordered > width / LOCUS) & (ordered < width * LOCUS)]))


def _mode(values: Values) -> float:
    """The half-sample mode: the densest half, again and again (Bickel & Fruehwirth 2006)."""
    ordered = np.sort(values[np.isfinite(values)])
    if ordered.size == 0:
        return 0.0
    # A few sources have no meaningful densest half: at small sizes the median is steadier.
    while ordered.size > 12:
        half = (ordered.size + 1) // 2
        start = int(np.argmin(ordered[half - 1 :] - ordered[: ordered.size - half + 1]))
        ordered = ordered[start : start + half]
    return float(np.median(ordered))


def _neighbours_light(stars: Stars, seeing: float) -> Values:
    """The light that neighbours shed on each star's centre, as a part of its own peak.

    A Moffat profile with beta = 2.5 stands for the unknown one.
    """
    places = np.column_stack([stars.x, stars.y])
    tree = cKDTree(places)
    pairs = tree.query_pairs(6.0 * seeing, output_type="ndarray")
    alpha = seeing / (2.0 * np.sqrt(2.0 ** (1.0 / 2.5) - 1.0))
    distance = np.hypot(*(places[pairs[:, 0]] - places[pairs[:, 1]]).T)
    # The core of a star is hurt by what lies half a FWHM nearer than its centre.
    profile = (1.0 + (np.maximum(distance - 0.5 * seeing, 0.0) / alpha) ** 2) ** -2.5
    shed = np.zeros(len(stars))
    for one, other in ((0, 1), (1, 0)):
        ratio = stars.flux[pairs[:, other]] / stars.flux[pairs[:, one]]
        np.add.at(shed, pairs[:, one], ratio * profile)
    return shed


def _on_locus(stars: Stars, values: Values, floor: float, shape: tuple[int, int]) -> NDArray[np.intp]:
    """The stars whose value fits a smooth surface over the field, by clipping at 3 sigma."""
    u = 2.0 * stars.x / max(shape[1] - 1, 1) - 1.0
    v = 2.0 * stars.y / max(shape[0] - 1, 1) - 1.0
    terms = [np.ones_like(u)]
    if len(stars) >= 15:
        terms += [u, v]
    if len(stars) >= 60:
        terms += [u * u, u * v, v * v]
    design = np.column_stack(terms)
    # The start is the mode, not the mean: half of a crowded field's sources may be blends.
    residual = values - _mode(values)
    keep = np.ones(len(stars), dtype=bool)
    for _ in range(6):
        middle = np.median(residual[keep]) if keep.any() else 0.0
        sigma = MAD_TO_SIGMA * np.median(np.abs(residual[keep] - middle)) if keep.any() else 0.0
        keep = np.abs(residual) < 3.0 * max(sigma, floor)
        if np.count_nonzero(keep) < 3 * design.shape[1]:
            break
        residual = values - design @ np.linalg.lstsq(design[keep], values[keep], rcond=None)[0]
    return np.flatnonzero(keep)


def _spread(stars: Stars, shape: tuple[int, int], limit: int) -> Stars:
    """At most about `limit` stars, the brightest of each of 16 parts of the field."""
    if len(stars) <= limit:
        return stars
    cell = np.minimum((4 * stars.y / shape[0]).astype(int), 3) * 4
    cell += np.minimum((4 * stars.x / shape[1]).astype(int), 3)
    rank = np.zeros(len(stars), dtype=int)  # within its cell; stars come brightest first
    for one in range(16):
        here = np.flatnonzero(cell == one)
        rank[here] = np.arange(len(here))
    order = np.argsort(rank, kind="stable")[:limit]
    return stars.take(np.sort(order))
