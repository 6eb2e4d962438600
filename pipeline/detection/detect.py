"""Detection: what is significant in a difference, and what of it cannot be a change in the sky."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.settings import Settings
from core.vocabulary import BESIDE_MASKED, DOUBT
from pipeline.detection import features
from pipeline.detection.features import Places
from pipeline.detection.forced import bilinear, flux_at
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

STAGE = "detect"
PARABOLA_STEPS_PX = (1.0, 0.4, 0.4)  # the last ones through values between the pixels
DEBLEND_LEVELS = 64
DEBLEND_CONTRAST = 0.002
PIXEL_STACK = 300_000
SUB_OBJECTS = 65_536
MAX_SHARE = 0.1  # of the pixels beyond the threshold
SAME_FWHM = 0.5  # nearer peaks of one sign are of one source: it is associated over that distance too
SURE = 20.0  # sigma: no noise, and more than stars are expected to leave
TOLD = 10.0  # sigma: dropped detections that a frame's record tells of


@dataclass(frozen=True, slots=True)
class Cut:
    """A reason to drop a detection: a feature beyond a limit, under conditions on others.

    ``above`` says on which side of ``limit`` the feature is bad. ``only`` are (feature, sign, limit),
    all of which must hold too: sign 1 is above, -1 below. ``sure`` is the limit for what has `SURE` sigma
    or more, where that is another; infinite, such a detection is never dropped.
    """

    cause: str
    feature: str
    above: bool
    limit: float
    only: tuple[tuple[str, int, float], ...] = ()
    sure: float | None = None

    def holds(self, found: dict[str, float]) -> bool:
        """Whether a detection with these features is dropped."""
        return self._beyond(self.limit_for(found), found)

    def doubts(self, found: dict[str, float]) -> bool:
        """Whether it would be dropped were it less significant."""
        return self._beyond(self.limit, found) and not self.holds(found)

    def limit_for(self, found: dict[str, float]) -> float:
        """The limit, by the significance of the detection."""
        return self.limit if self.sure is None or found["significance"] < SURE else self.sure

    def _beyond(self, limit: float, found: dict[str, float]) -> bool:
        bad = found[self.feature] > limit if self.above else found[self.feature] < limit
        return bad and all(sign * (found[name] - other) > 0 for name, sign, other in self.only)


# In order; the first that holds is the cause. A variable star lies on a star by nature: nothing here
# drops a detection for that alone, but for how little of the star's light has changed. What is sure stays
# for models and people to judge, except where the light itself is hardly seen or nothing of the sky is so
# sharp or so unlike a point: of such, almost all are cosmic rays, hot pixels and ghosts at any significance.
CUTS = (
    Cut("masked core", "masked_share", above=True, limit=0.3, sure=0.5),
    Cut("edge", "edge_distance", above=False, limit=1.0, sure=-math.inf),
    Cut("single pixel", "peak_ratio", above=True, limit=2.0, only=(("fwhm_ratio", -1, 0.75),)),
    Cut("no point source", "likeness", above=False, limit=0.4),
    Cut("extended", "ring_share", above=True, limit=0.35, sure=math.inf),
    Cut("wing of a saturated star", "saturated_distance", above=False, limit=2.0),
    Cut(
        "residual of a bright star",
        "bright_ratio",
        above=False,
        limit=0.015,
        only=(("bright_distance", -1, 1.5),),
        sure=-math.inf,
    ),
    Cut(
        "dipole",
        "dipole_ratio",
        above=True,
        limit=0.5,
        only=(("bright_ratio", -1, 0.2), ("bright_distance", -1, 1.5)),
        sure=math.inf,
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
            f"{settings.detect.max_candidates} mean that the subtraction failed",
            len(x),
            settings.detect.max_candidates,
        )
    return judge(difference, x, y, new, reference, settings)


def judge(
    difference: Difference,
    x: Array,
    y: Array,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
    threshold: float | None = None,
    spared: frozenset[str] = frozenset(),
) -> tuple[list[Detection], list[Dropped]]:
    """Measure what is at some peaks of the score, and leave out what is no change in the sky.

    Peaks that turn out to be of one source are one; else each is judged on its own, whichever others are
    given, and of its features only ``neighbours`` counts them.

    Parameters
    ----------
    difference : Difference
    x, y : (n,) float64
        As `find_peaks` gives them.
    new : Aligned
    reference : PreparedReference
    settings : Settings
    threshold : float, optional
        The least significance, instead of ``detect.threshold``.
    spared : frozenset of str
        Causes for which nothing is dropped.

    Returns
    -------
    list of Detection, list of Dropped
        As `detect`.
    """
    if len(x) == 0:
        return [], []
    least = settings.detect.threshold if threshold is None else threshold
    x, y = climb(difference, x, y, least)
    places = apart(locate(difference, x, y), SAME_FWHM * difference.psf.fwhm, least)
    found = features.measure(places, difference, new, reference)
    error = np.hypot(position_width(difference.psf) / np.abs(places.snr), new.rms_px)
    flags = mask_flags(difference, places, difference.psf.fwhm)
    unrefined = beside_masked(difference, places.x, places.y)
    weak = Cut("weak where its flux peaks", "significance", above=False, limit=least)
    cuts = (weak, *(cut for cut in CUTS if cut.cause not in spared))
    detections, dropped = [], []
    for i, values in enumerate(_rows(found, len(places.x))):
        cut = next((cut for cut in cuts if cut.holds(values)), None)
        if cut is not None:
            dropped.append(
                Dropped(
                    STAGE,
                    cut.cause,
                    float(places.x[i]),
                    float(places.y[i]),
                    values[cut.feature],
                    cut.limit_for(values),
                    snr=float(places.snr[i]),
                )
            )
            continue
        doubts = {f"{DOUBT}{cut.cause}": values[cut.feature] for cut in cuts if cut.doubts(values)}
        if unrefined[i]:
            doubts[f"{DOUBT}{BESIDE_MASKED}"] = values["mask_distance"]
        detections.append(
            Detection(
                x=float(places.x[i]),
                y=float(places.y[i]),
                snr=float(places.snr[i]),
                flux=float(places.flux[i]),
                flux_err=float(places.flux_err[i]),
                position_error_px=float(error[i]),
                mask_flags=int(flags[i]),
                features=values | doubts,
            )
        )
    detections.sort(key=lambda detection: -abs(detection.snr))
    return detections, dropped


def find_peaks(score: Image, threshold: float, *, signs: Sequence[int] = (1, -1)) -> tuple[Array, Array]:
    """The highest pixel of every island beyond the threshold, of the given signs, parted at saddles.

    Raises
    ------
    FrameRefused
        So much of the difference is beyond the threshold that its islands have no meaning.
    """
    beyond = np.count_nonzero(np.abs(score) > threshold)
    if beyond > MAX_SHARE * score.size:
        raise FrameRefused(
            f"{100.0 * beyond / score.size:.0f} % of the difference is beyond {threshold:g} sigma; more than "
            f"{100.0 * MAX_SHARE:g} % mean that the subtraction failed",
            beyond / score.size,
            MAX_SHARE,
        )
    # SEP stops at limits of its own that crowded fields reach; both belong to the process.
    sep.set_extract_pixstack(max(PIXEL_STACK, 2 * beyond))
    sep.set_sub_object_limit(SUB_OBJECTS)
    xs, ys = [], []
    for sign in signs:
        islands = sep.extract(
            np.ascontiguousarray(score if sign > 0 else -score),
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


def dropped_words(dropped: Sequence[Dropped]) -> str | None:
    """How many significant detections were dropped, by cause, for a frame's record; none if none were."""
    sure: dict[str, list[float]] = defaultdict(list)
    for each in dropped:
        if each.snr is not None and abs(each.snr) >= TOLD:
            sure[each.cause].append(abs(each.snr))
    if not sure:
        return None
    kinds = sorted(sure.items(), key=lambda item: -len(item[1]))
    told = ", ".join(f"{len(snrs)} {cause} (to {max(snrs):.0f} sigma)" for cause, snrs in kinds)
    return f"Dropped of {TOLD:g} sigma or more: {told}."


def climb(difference: Difference, x: Array, y: Array, least: float) -> tuple[Array, Array]:
    """From peaks of the score to the peaks of the flux, which is where the sources are.

    The two differ where the noise is steep: beside a bright star the score peaks on the far side. No
    peak moves by more than one FWHM or onto masked pixels, and those that meet become one. A peak of `SURE`
    sigma stays where it is if at the flux's peak fewer than ``least`` are left of them. From a masked pixel
    the climb goes to the source beside it, whatever its sign.
    """
    signed = np.where(difference.mask == 0, difference.flux, np.float32(0.0))
    height, width = signed.shape
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    sign = np.sign(signed[row, column])
    start = row, column
    for _ in range(max(1, int(difference.psf.fwhm))):
        near = features.stamps(signed, column.astype(np.float64), row.astype(np.float64), 1)
        near = near.reshape(len(row), 9)
        rise = np.where(sign[:, None] == 0, np.abs(near), near * sign[:, None])
        best = np.where(rise.max(axis=1) > rise[:, 4], rise.argmax(axis=1), 4)
        column = np.clip(column + best % 3 - 1, 0, width - 1)
        row = np.clip(row + best // 3 - 1, 0, height - 1)
        sign = np.where(sign == 0, np.sign(signed[row, column]), sign)
    lost = (np.abs(difference.score[start]) >= SURE) & (np.abs(difference.score[row, column]) < least)
    row, column = np.where(lost, start[0], row), np.where(lost, start[1], column)
    places = np.unique(np.stack([row, column]), axis=1).astype(np.float64)
    return places[1], places[0]


def locate(difference: Difference, x: Array, y: Array) -> Places:
    """Refine pixel peaks of the flux by parabolas through each axis, and read the flux there.

    A peak beside a masked pixel stays on its own.
    """
    free = ~beside_masked(difference, x, y)
    fine_x, fine_y = x, y
    for step in PARABOLA_STEPS_PX:
        here = flux_at(difference, fine_x, fine_y)
        left, right = (flux_at(difference, fine_x + way, fine_y) for way in (-step, step))
        above, below = (flux_at(difference, fine_x, fine_y + way) for way in (-step, step))
        fine_x = fine_x + free * step * _vertex(left, here, right)
        fine_y = fine_y + free * step * _vertex(above, here, below)
    flux = flux_at(difference, fine_x, fine_y)
    flux_err = bilinear(difference.flux_err, fine_x, fine_y)
    return Places(fine_x, fine_y, flux / flux_err, flux, flux_err)


def beside_masked(difference: Difference, x: Array, y: Array) -> NDArray[np.bool_]:
    """Whether a masked pixel, or the end of the image, touches the pixel of each place.

    A peak there may be the slope of a source whose middle is masked: its flux is then too low, by any amount.
    """
    beside: NDArray[np.bool_] = np.any(
        features.stamps(difference.mask, x, y, 1, outside=1.0) != 0, axis=(1, 2)
    )
    return beside


def apart(places: Places, distance: float, least: float) -> Places:
    """The places without those that are nearer than so many pixels to one of more flux and the same sign.

    Where the errors are uneven, as on the rings that bright stars leave, the score of one bright source has
    several peaks. Not all of them can climb as far as its peak of flux, but they come near it. One of fewer
    than ``least`` sigma, which is dropped anyway, takes the place of none that has more.
    """
    pairs = KDTree(np.column_stack([places.x, places.y])).query_pairs(distance, output_type="ndarray")
    pairs = pairs[np.sign(places.flux[pairs[:, 0]]) == np.sign(places.flux[pairs[:, 1]])]
    rank = np.argsort(np.lexsort((np.abs(places.flux), np.abs(places.snr) >= least)))
    kept = np.ones(len(rank), dtype=bool)
    pairs = np.where((rank[pairs[:, 0]] > rank[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])
    for larger, smaller in pairs[np.argsort(-rank[pairs[:, 0]], kind="stable")]:
        if kept[larger]:
            kept[smaller] = False
    return Places(*(each[kept] for each in (places.x, places.y, places.snr, places.flux, places.flux_err)))


def position_width(psf: PsfModel) -> float:
    """What the position error of a fit is at a signal-to-noise ratio of 1, per axis, in pixels.

    The Cramér-Rao bound in white noise: the root of sum P^2 over sum (dP/dx)^2, 0.6 FWHM of a Gaussian.
    """
    stamp = psf.basis[0].astype(np.float64)
    slopes = [np.sum(np.gradient(stamp, axis=axis) ** 2) for axis in (0, 1)]
    return float(np.sqrt(np.sum(stamp**2) / np.mean(slopes)))


def _vertex(before: Array, here: Array, after: Array) -> Array:
    """Where the parabola through three neighbours has its vertex, at most half a step away."""
    curve = before - 2.0 * here + after
    shift = 0.5 * (before - after) / np.where(curve == 0, 1.0, curve)
    return np.where(curve == 0, 0.0, np.clip(shift, -0.5, 0.5))


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
