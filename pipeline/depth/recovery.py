"""Which injected sources are found: by the detection and the cuts that every source goes through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.settings import Settings
from core.vocabulary import POSITION_SIGMAS
from pipeline.depth.injection import Injected, Sources
from pipeline.detection.detect import find_peaks, judge, position_width
from pipeline.frame import Detection, PreparedReference

Array = NDArray[np.float64]

CLIMB = 1.5  # FWHM: a peak climbs a pixel a step, diagonally too, as many as the FWHM has


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of each source; (n,).

    ``snr`` and ``flux`` (the difference's unit) are those measured, NaN where it was not found.
    """

    found: NDArray[np.bool_]
    snr: Array
    flux: Array


def recover(
    sources: Sources, injected: Injected, reference: PreparedReference, radius_px: float, settings: Settings
) -> Recovery:
    """Detect in a difference with injected sources, and look for each of them.

    A source is found where what is left after all cuts would be associated with its place: a detection
    of its sign within ``radius_px`` or three sigma of its position. Peaks that cannot end there are not
    measured, which changes nothing of those that can.

    Raises
    ------
    FrameRefused
        The difference cannot be searched.
    """
    difference = injected.difference
    x, y = find_peaks(difference.score, settings.detect.threshold, signs=(1,))
    places = KDTree(np.column_stack([sources.x, sources.y]))
    # Nothing weaker than the threshold is kept, so that no position is known worse than this.
    error = np.hypot(position_width(difference.psf) / settings.detect.threshold, injected.new.rms_px)
    farthest = max(radius_px, POSITION_SIGMAS * error) + CLIMB * max(difference.psf.fwhm, 1.0) + 2.0
    near = _near(places, x, y, farthest)
    detections, _ = judge(difference, x[near], y[near], injected.new, reference, settings)
    return _matched(sources, places, detections, radius_px)


def _near(places: KDTree, x: Array, y: Array, distance: float) -> NDArray[np.bool_]:
    if len(x) == 0:
        return np.zeros(0, dtype=bool)
    near: NDArray[np.bool_] = places.query(np.column_stack([x, y]))[0] <= distance
    return near


def _matched(sources: Sources, places: KDTree, detections: list[Detection], radius_px: float) -> Recovery:
    """Each source with the nearest detection that is near enough."""
    snr, flux, nearest = (np.full(len(sources), value) for value in (np.nan, np.nan, np.inf))
    for found in detections:
        if found.snr <= 0:
            continue
        distance, i = places.query((found.x, found.y))
        if distance <= max(radius_px, POSITION_SIGMAS * found.position_error_px) and distance < nearest[i]:
            snr[i], flux[i], nearest[i] = found.snr, found.flux, distance
    return Recovery(found=np.isfinite(nearest), snr=snr, flux=flux)
