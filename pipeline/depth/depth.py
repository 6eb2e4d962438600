"""The depth of one frame: the brightness at which half of the sources injected into it are found.

Found means by the peaks of the score and their cuts. What the U-Net alone sees below the threshold
(`pipeline.detection.joined`) is not modelled: where it takes part, a frame goes at least as deep as it says.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings
from pipeline.depth.completeness import Logistic, fit, needed
from pipeline.depth.injection import Sources, apart, free_places, inject, pixel, reach_px
from pipeline.depth.recovery import recover
from pipeline.detection.forced import bilinear, flux_at
from pipeline.frame import Aligned, Detection, Difference, FrameRefused, PreparedReference

Array = NDArray[np.float64]

LEAST = 15  # sources that a curve needs
AREA_PX = 5000  # of a frame for each source: so the effort is about the same share of every frame's
FEWEST = 50  # wanted also of small frames, as far as they have room
TRIES = 4  # places drawn for each that is wanted
SAMPLE = 8_000  # places that stand for all
RANGE = (-0.6, 1.6)  # magnitudes brighter than the threshold; half should be found well within
FAINTER, FAINTER_SHARE = 0.55, 0.7  # of the range, and of the sources in it: there they tell most
STEP = 1.0  # magnitudes that the range goes on where they are not
PASSES = 3
MARGIN = 0.3  # magnitudes of the range on either side of what it can tell
MAX_ERROR = 0.25  # magnitudes; a depth that is known worse is none
BIN = 0.25  # magnitudes of the stored curve
MEDIAN_OF = 2**18  # pixels tell a median to two parts in a thousand


@dataclass(frozen=True, slots=True)
class Bin:
    """Sources of about one brightness: their flux, how many were injected, and how many found."""

    flux: float
    tried: int
    found: int


@dataclass(frozen=True, slots=True)
class Depth:
    """How faint a new point source may be in one frame and still be found, with even chances.

    Attributes
    ----------
    flux50 : float or None
        That brightness, in the difference's flux unit; none where it could not be determined.
    snr50 : float or None
        The same over the median error of the flux.
    error : float or None
        Standard error in magnitudes.
    plateau : float or None
        The share of bright sources that is found.
    width : float or None
        Of the fitted curve, magnitudes.
    curve : tuple of Bin
        From faint to bright.
    reason : str or None
        Why there is no depth.
    """

    flux50: float | None = None
    snr50: float | None = None
    error: float | None = None
    plateau: float | None = None
    width: float | None = None
    curve: tuple[Bin, ...] = ()
    reason: str | None = None

    def record(self) -> dict[str, Any] | None:
        """The curve, as JSON holds it: `core.frames.outcome.DifferenceFacts.completeness`."""
        if not self.curve:
            return None
        bins = [[float(f"{each.flux:.4g}"), each.tried, each.found] for each in self.curve]
        return {"bins": bins, "plateau": self.plateau, "width_mag": self.width}


@dataclass(frozen=True, slots=True)
class Trials:
    """Injected sources and their fate; (n,).

    ``brightness`` is in magnitudes above the threshold. ``luck`` is what the noise of its place is
    expected to do for a source: 1 or 0 at this place, less the share of all places.
    """

    brightness: Array
    found: NDArray[np.bool_]
    luck: Array


def measure_depth(
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    detections: Sequence[Detection],
    radius_px: float,
    settings: Settings,
) -> Depth:
    """Inject sources into copies of a difference, search these, and fit how many are found.

    Places are random among all that are unmasked, on empty sky, galaxies and stars as the frame has them.
    The same frame always gets the same ones. Nothing that was given is changed.

    Parameters
    ----------
    difference : Difference
        With its response.
    new : Aligned
    reference : PreparedReference
    detections : sequence of Detection
        Those of the difference as it is.
    radius_px : float
        Within which a detection is associated with a place.
    settings : Settings
        ``depth.sources``, ``detect.threshold``.

    Returns
    -------
    Depth
        Where it cannot be determined, with the reason.
    """
    typical = typical_error(difference)
    if typical is None:
        return Depth(reason="no pixel of the difference is unmasked")
    exposure = new.frame.exposure
    name = f"{exposure.name} {exposure.mjd}".encode(errors="backslashreplace")
    random = np.random.default_rng(zlib.crc32(name))
    everywhere = free_places(difference, detections, SAMPLE, random)
    at_threshold = settings.detect.threshold * typical
    tried: list[Trials] = []
    now, span = RANGE, RANGE
    for _ in range(PASSES):
        sources = draw(difference, detections, at_threshold, now, settings, random)
        if len(sources):
            try:
                injected = inject(sources, difference, new, random)
                found = recover(sources, injected, reference, radius_px, settings).found
            except FrameRefused as refused:
                return Depth(reason=f"with sources injected, {refused}")
            luck = luck_of(sources, difference, injected.difference, everywhere, settings.detect.threshold)
            tried.append(Trials(2.5 * np.log10(sources.flux / at_threshold), found, luck))
        all_tried = _joined(tried)
        if len(all_tried.found) < LEAST:
            continue
        curve = fit(all_tried.brightness, all_tried.found - all_tried.luck)
        if curve.b50 > span[1] - MARGIN:
            now, span = (span[1], span[1] + STEP), (span[0], span[1] + STEP)
        elif curve.b50 < span[0] + MARGIN:
            now, span = (span[0] - STEP, span[0]), (span[0] - STEP, span[1])
        else:
            return _told(curve, all_tried, at_threshold, typical)
    bins = _bins(all_tried, at_threshold)
    if len(all_tried.found) < LEAST:
        few = f"{len(all_tried.found)} sources found a free place, and {LEAST} are needed"
        return Depth(curve=bins, reason=few)
    fate, end = ("found", span[0]) if curve.b50 < span[0] + MARGIN else ("lost", span[1])
    sigma = settings.detect.threshold * 10.0 ** (0.4 * end)
    return Depth(curve=bins, reason=f"half of the injected sources are {fate} even at {sigma:.1f} sigma")


def typical_error(difference: Difference) -> float | None:
    """The median error of the flux over the unmasked field, in the difference's unit."""
    sparse = (slice(None, None, max(1, math.isqrt(difference.mask.size // MEDIAN_OF))),) * 2
    errors = difference.flux_err[sparse]
    known = errors[(difference.mask[sparse] == 0) & (errors > 0)]
    if known.size == 0:
        known = difference.flux_err[(difference.mask == 0) & (difference.flux_err > 0)]
    return float(np.median(known)) if known.size else None


def draw(
    difference: Difference,
    detections: Sequence[Detection],
    at_threshold: float,
    span: tuple[float, float],
    settings: Settings,
    random: np.random.Generator,
) -> Sources:
    """Sources at free places, too far apart to be in each other's light, of random brightness.

    Parameters
    ----------
    difference : Difference
    detections : sequence of Detection
    at_threshold : float
        A flux.
    span : (float, float)
        Magnitudes brighter than that; most sources are in its fainter half, where they tell most.
    settings : Settings
        ``depth.sources``.
    random : numpy.random.Generator
    """
    good = int(np.count_nonzero(difference.mask == 0))
    wanted = min(settings.depth.sources, max(FEWEST, good // AREA_PX))
    x, y = free_places(difference, detections, TRIES * wanted, random)
    chosen = apart(x, y, 2.0 * reach_px(difference) + 1.0)[:wanted]
    low, high = span
    steps = np.linspace(0.0, 1.0, len(chosen))
    brightness = np.interp(steps, [0.0, FAINTER_SHARE, 1.0], [low, low + FAINTER * (high - low), high])
    return Sources(x[chosen], y[chosen], at_threshold * 10.0 ** (0.4 * random.permutation(brightness)))


def luck_of(
    sources: Sources,
    difference: Difference,
    injected: Difference,
    everywhere: tuple[Array, Array],
    threshold: float,
) -> Array:
    """What the noise of each source's place is expected to do for it, against that of all places.

    Parameters
    ----------
    sources : Sources
    difference, injected : Difference
        Without and with them.
    everywhere : (x, y)
        Places that stand for all, as from `free_places`.
    threshold : float
        Sigma.

    Returns
    -------
    (n,) float64
        1 or 0 at its place, less the share of all places at which a source of its flux is significant.
    """
    here = flux_at(difference, sources.x, sources.y)
    error = bilinear(difference.flux_err, sources.x, sources.y)
    more = bilinear(injected.flux_err, sources.x, sources.y) ** 2 - error**2
    noise2 = float(np.median(more / sources.flux))
    alone = needed(here, error, noise2, threshold) <= sources.flux
    height, width = difference.mask.shape
    at = pixel(everywhere[1], height), pixel(everywhere[0], width)
    flux, flux_err = (image[at].astype(np.float64) for image in (difference.flux, difference.flux_err))
    any_place = np.sort(needed(flux, flux_err, noise2, threshold))
    share = np.searchsorted(any_place, sources.flux, side="right") / max(len(any_place), 1)
    luck: Array = alone - share
    return luck


def _joined(trials: Sequence[Trials]) -> Trials:
    if not trials:
        return Trials(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0))
    return Trials(*(np.concatenate([getattr(each, name) for each in trials]) for name in Trials.__slots__))


def _told(curve: Logistic, tried: Trials, at_threshold: float, typical: float) -> Depth:
    bins = _bins(tried, at_threshold)
    if not curve.b50_err < MAX_ERROR:
        return Depth(curve=bins, reason=f"{len(tried.found)} sources tell it to {curve.b50_err:.1f} mag only")
    flux50 = at_threshold * 10.0 ** (0.4 * curve.b50)
    return Depth(flux50, flux50 / typical, curve.b50_err, curve.plateau, curve.width, bins)


def _bins(tried: Trials, at_threshold: float) -> tuple[Bin, ...]:
    number = np.floor(tried.brightness / BIN).astype(int)
    return tuple(
        Bin(
            flux=float(at_threshold * 10.0 ** (0.4 * BIN * (each + 0.5))),
            tried=int(np.count_nonzero(number == each)),
            found=int(np.count_nonzero(tried.found[number == each])),
        )
        for each in np.unique(number)
    )
