"""Detection: what is significant in a difference, and what of it cannot be a change in the sky."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray

from core.settings import Settings
from pipeline import features
from pipeline.features import Places
from pipeline.forced import bilinear, interpolate
from pipeline.frame import (
    Aligned,
    Detection,
    Difference,
    Dropped,
    FrameRefused,
    Image,
    PreparedReference,
    PsfModel,
)

Array = NDArray[np.float64]

STEP_PX = 0.4
REFINEMENTS = 2
STAGE = "detect"
DEBLEND_LEVELS = 32
DEBLEND_CONTRAST = 0.005
PIXEL_STACK = 300_000
SUB_OBJECTS = 65_536
MAX_SHARE = 0.1  # of the pixels beyond the threshold


@dataclass(frozen=True, slots=True)
class Cut:
    """A reason to drop a detection: a feature beyond a limit, under conditions on others.

    ``above`` says on which side of ``limit`` the feature is bad. ``only`` are (feature, sign, limit),
    all of which must hold too: sign 1 is above, -1 below.
    """

    cause: str
    feature: str
    above: bool
    limit: float
    only: tuple[tuple[str, int, float], ...] = ()

    def holds(self, found: dict[str, float]) -> bool:
        """Whether a detection with these features is dropped."""
        bad = found[self.feature] > self.limit if self.above else found[self.feature] < self.limit
        return bad and all(sign * (found[name] - limit) > 0 for name, sign, limit in self.only)


# In order; the first that holds is the cause. A variable star lies on a star by nature: nothing here
# drops a detection for that alone, but for how little of the star's light has changed.
CUTS = (
    Cut("masked core", "masked_share", above=True, limit=0.3),
    Cut("edge", "edge_distance", above=False, limit=1.0),
    Cut("single pixel", "peak_ratio", above=True, limit=2.0, only=(("fwhm_ratio", -1, 0.75),)),
    Cut("no point source", "likeness", above=False, limit=0.4),
    Cut("extended", "ring_share", above=True, limit=0.45),
    Cut("wing of a saturated star", "saturated_distance", above=False, limit=2.0),
    Cut(
        "residual of a bright star",
        "bright_ratio",
        above=False,
        limit=0.015,
        only=(("bright_distance", -1, 1.5),),
    ),
    Cut(
        "dipole",
        "dipole_ratio",
        above=True,
        limit=0.5,
        only=(("bright_ratio", -1, 0.2), ("bright_distance", -1, 1.5)),
    ),
)


def detect(
    difference: Difference, new: Aligned, reference: PreparedReference, settings: Settings
) -> tuple[list[Detection], list[Dropped]]:
    """Find significant places of both signs, measure them, and leave out what is no change in the sky.

    Parameters
    ----------
    difference : Difference
    new : Aligned
    reference : PreparedReference
    settings : Settings
        ``detect.threshold``, ``detect.max_candidates``.

    Returns
    -------
    list of Detection
        Most significant first.
    list of Dropped
        With the feature's value and limit.

    Raises
    ------
    FrameRefused
        More detections than can be real.
    """
    x, y = find_peaks(difference.score, settings.detect.threshold)
    if len(x) > settings.detect.max_candidates:
        raise FrameRefused(
            f"{len(x)} detections above {settings.detect.threshold:g} sigma in the difference; more than "
            f"{settings.detect.max_candidates} mean that the subtraction failed"
        )
    if len(x) == 0:
        return [], []
    places = locate(difference, x, y)
    found = features.measure(places, difference, new, reference)
    error = np.hypot(position_width(difference.psf) / np.abs(places.snr), new.rms_px)
    flags = mask_flags(difference, places, difference.psf.fwhm)
    detections, dropped = [], []
    for i, values in enumerate(_rows(found, len(x))):
        cut = next((cut for cut in CUTS if cut.holds(values)), None)
        if cut is not None:
            dropped.append(
                Dropped(
                    STAGE, cut.cause, float(places.x[i]), float(places.y[i]), values[cut.feature], cut.limit
                )
            )
            continue
        detections.append(
            Detection(
                x=float(places.x[i]),
                y=float(places.y[i]),
                snr=float(places.snr[i]),
                flux=float(places.flux[i]),
                flux_err=float(places.flux_err[i]),
                position_error_px=float(error[i]),
                mask_flags=int(flags[i]),
                features=values,
            )
        )
    detections.sort(key=lambda detection: -abs(detection.snr))
    return detections, dropped


def find_peaks(score: Image, threshold: float) -> tuple[Array, Array]:
    """The highest pixel of every island beyond the threshold, of both signs, islands parted at saddles.

    Raises
    ------
    FrameRefused
        So much of the difference is beyond the threshold that its islands have no meaning.
    """
    beyond = np.count_nonzero(np.abs(score) > threshold)
    if beyond > MAX_SHARE * score.size:
        raise FrameRefused(
            f"{100.0 * beyond / score.size:.0f} % of the difference is beyond {threshold:g} sigma; more than "
            f"{100.0 * MAX_SHARE:g} % mean that the subtraction failed"
        )
    # SEP stops at limits of its own that crowded fields reach; both belong to the process.
    sep.set_extract_pixstack(max(PIXEL_STACK, 2 * beyond))
    sep.set_sub_object_limit(SUB_OBJECTS)
    xs, ys = [], []
    for signed in (score, -score):
        islands = sep.extract(
            np.ascontiguousarray(signed),
            threshold,
            minarea=1,
            filter_kernel=None,
            deblend_nthresh=DEBLEND_LEVELS,
            deblend_cont=DEBLEND_CONTRAST,
            clean=False,
        )
        xs.append(islands["xpeak"].astype(np.float64))
        ys.append(islands["ypeak"].astype(np.float64))
    return np.concatenate(xs), np.concatenate(ys)


def locate(difference: Difference, x: Array, y: Array) -> Places:
    """Refine pixel peaks by a parabola through each axis, and read significance and flux there."""
    score = difference.score
    height, width = score.shape
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, width - 1)
    above, below = np.maximum(row - 1, 0), np.minimum(row + 1, height - 1)
    fine_x = x + _vertex(score[row, left], score[row, column], score[row, right])
    fine_y = y + _vertex(score[above, column], score[row, column], score[below, column])
    inner = (column > 0) & (column < width - 1) & (row > 0) & (row < height - 1)
    inner[inner] &= np.all(features.stamps(score, x[inner], y[inner], 1) != 0, axis=(1, 2))  # none is masked
    for _ in range(REFINEMENTS):  # the parabola again, now through values between the pixels
        here = interpolate(difference.flux, fine_x, fine_y)
        beside = [
            interpolate(difference.flux, fine_x + step * along_x, fine_y + step * along_y)
            for along_x, along_y in ((1, 0), (0, 1))
            for step in (-STEP_PX, STEP_PX)
        ]
        fine_x = fine_x + inner * STEP_PX * _vertex(beside[0], here, beside[1])
        fine_y = fine_y + inner * STEP_PX * _vertex(beside[2], here, beside[3])
    flux = interpolate(difference.flux, fine_x, fine_y)
    flux_err = bilinear(difference.flux_err, fine_x, fine_y)
    return Places(fine_x, fine_y, flux / flux_err, flux, flux_err)


def position_width(psf: PsfModel) -> float:
    """What the position error of a fit is at a signal-to-noise ratio of 1, per axis, in pixels.

    The Cramér-Rao bound in white noise: the root of sum P^2 over sum (dP/dx)^2, 0.6 FWHM of a Gaussian.
    """
    stamp = psf.basis[0].astype(np.float64)
    slopes = [np.sum(np.gradient(stamp, axis=axis) ** 2) for axis in (0, 1)]
    return float(np.sqrt(np.sum(stamp**2) / np.mean(slopes)))


def _vertex(before: NDArray[Any], here: NDArray[Any], after: NDArray[Any]) -> Array:
    """Where the parabola through three neighbours has its vertex, at most half a pixel away."""
    curve = before.astype(np.float64) - 2.0 * here + after
    shift = 0.5 * (before.astype(np.float64) - after) / np.where(curve == 0, 1.0, curve)
    usable = (curve != 0) & (before != 0) & (after != 0)  # 0 is masked
    return np.where(usable, np.clip(shift, -0.5, 0.5), 0.0)


def mask_flags(difference: Difference, places: Places, fwhm: float) -> NDArray[np.int64]:
    """The union of mask bits within one FWHM of each place."""
    half = max(1, int(np.ceil(fwhm)))
    near = features.stamps(difference.mask, places.x, places.y, half).astype(np.int64)
    steps = np.arange(-half, half + 1)
    disc = steps[:, None] ** 2 + steps[None, :] ** 2 <= fwhm**2
    flags: NDArray[np.int64] = np.bitwise_or.reduce(near[:, disc], axis=1)
    return flags


def _rows(columns: dict[str, Array], count: int) -> Iterator[dict[str, float]]:
    for i in range(count):
        yield {name: float(values[i]) for name, values in columns.items()}
