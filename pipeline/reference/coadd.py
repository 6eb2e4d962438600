"""A deep image of a field from several frames, to subtract others from.

The frames are brought onto the grid of the one with the best seeing, scaled to its fluxes by their
common stars and averaged. A frame's weight is the square of the signal to noise that it gives a
point source, ``(F / (sigma * FWHM))**2`` with its transparency F and its sky noise sigma; so a poor
frame does not spoil the sum. With three frames or more, what is in one frame alone (a satellite, a
cosmic ray, a moving object) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial import KDTree

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.frame import Frame, FrameRefused, Image, MaskImage, Stars
from pipeline.measure import Measured
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration.align import find_map, moved_stars
from pipeline.registration.resample import resample

UNUSABLE = (
    MaskPlane.BAD
    | MaskPlane.SATURATED
    | MaskPlane.COSMIC_RAY
    | MaskPlane.EDGE
    | MaskPlane.INTERPOLATED
    | MaskPlane.STREAK
)
CLIP_SIGMA = 5.0
# Frames differ in seeing: near a star's core they disagree by a share of its light, not by noise.
CLIP_SHARE = 0.5
CLIP_REACH_PX = 7
MATCH_PX = 2.0


@dataclass(frozen=True, slots=True)
class _Layer:
    """One frame on the common grid, scaled to the best frame's fluxes."""

    signal: Image
    variance: Image
    mask: MaskImage
    weight: float
    scale: float  # this frame's flux over the best frame's
    sky: float


def build(
    frames: Sequence[Measured],
    settings: Settings,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[ReferenceImage, dict[str, str]]:
    """Average frames of one field and filter.

    Parameters
    ----------
    frames : sequence of Measured
        Two or more; those that do not align with the best are left out.
    settings : Settings
    progress : callable, optional
        Told (done, of how many, what) as frames are aligned.

    Returns
    -------
    reference : ReferenceImage
        On the grid and in the electrons of the frame with the best seeing. Its gain is the effective
        one, by which the Poisson noise of the mean is that of its own counts.
    skipped : dict
        The names of frames that could not be used, and why.

    Raises
    ------
    FrameRefused
        Fewer than two frames can be used together.
    """
    if len(frames) < 2:
        raise FrameRefused(f"a coadd needs at least 2 frames, {len(frames)} can be used")
    ordered = sorted(frames, key=lambda each: each.fwhm)
    best = ordered[0]
    layers, used, skipped = [_layer(best.frame, best.fwhm, 1.0)], [best], {}
    for done, each in enumerate(ordered[1:], start=1):
        if progress:
            progress(done, len(ordered), f"align {each.frame.exposure.name}")
        try:
            to_frame = find_map(
                each.frame, each.stars, best.frame, best.stars, each.fwhm, best.fwhm, settings
            ).to_new
            scale = flux_ratio(moved_stars(each.stars, to_frame), best.stars)
            aligned = resample(each.frame, to_frame, best.frame.wcs, each.fwhm)
            layers.append(_layer(aligned, each.fwhm / math.sqrt(abs(to_frame.area)), scale))
        except FrameRefused as refused:
            skipped[each.frame.exposure.name] = str(refused)
            continue
        used.append(each)
    if len(used) < 2:
        name, reason = next(iter(skipped.items()))
        raise FrameRefused(f"a coadd needs at least 2 frames that align; {name}: {reason}")
    epochs = [each.frame.exposure.mjd for each in used if each.frame.exposure.mjd is not None]
    reference = ReferenceImage(
        frame=_average(layers, best.frame),
        names=tuple(each.frame.exposure.name for each in used),
        flux_unit="electron",
        mjd_first=min(epochs, default=None),
        mjd_last=max(epochs, default=None),
        zeropoint=best.quality.zeropoint,
        mag_system=best.quality.mag_system,
    )
    return reference, skipped


def flux_ratio(stars: Stars, others: Stars) -> float:
    """How much brighter stars are here than there, from the bright stars common to both.

    Raises
    ------
    FrameRefused
        Fewer than three good stars are common.
    """
    good, other = stars.take(_measurable(stars)), others.take(_measurable(others))
    ratios = np.empty(0)
    if len(good) and len(other):
        distance, nearest = KDTree(np.column_stack([other.x, other.y])).query(
            np.column_stack([good.x, good.y]), distance_upper_bound=MATCH_PX
        )
        common = np.isfinite(distance)
        ratios = good.flux[common] / other.flux[nearest[common]]
    if len(ratios) < 3:
        raise FrameRefused(f"only {len(ratios)} good stars in common, 3 are needed to scale the fluxes")
    return float(np.median(ratios[:200]))  # stars come brightest first


def _measurable(stars: Stars) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = (stars.mask == 0) & (stars.flux > 20.0 * stars.flux_err)
    return good


def _layer(frame: Frame, fwhm: float, scale: float) -> _Layer:
    usable = (frame.mask & UNUSABLE) == 0
    if not usable.any():
        raise FrameRefused(f"{frame.exposure.name} has no usable pixel on the common grid")
    noise2 = float(np.median(frame.variance[usable])) / scale**2
    return _Layer(
        signal=frame.signal / np.float32(scale),
        variance=frame.variance / np.float32(scale**2),
        mask=frame.mask,
        weight=1.0 / (noise2 * fwhm**2),
        scale=scale,
        sky=float(np.median(frame.background[usable])) / scale,
    )


def _average(layers: Sequence[_Layer], best: Frame) -> Frame:
    """The weighted mean of layers, in electrons of its own times the effective gain."""
    height, width = best.shape
    total = np.zeros((height, width), dtype=np.float32)
    variance = np.zeros_like(total)
    weights = np.zeros_like(total)
    mask: MaskImage = np.zeros((height, width), dtype=np.uint16)
    saturated = np.zeros((height, width), dtype=bool)
    middle = _median(layers) if len(layers) > 2 else None
    light = None if middle is None else maximum_filter(np.abs(middle), size=CLIP_REACH_PX)
    for layer in layers:
        usable = (layer.mask & UNUSABLE) == 0
        if middle is not None and light is not None:
            tolerance = CLIP_SIGMA * np.sqrt(layer.variance) + CLIP_SHARE * light
            usable &= np.abs(layer.signal - middle) <= tolerance
        weight = np.where(usable, np.float32(layer.weight), np.float32(0.0))
        total += weight * layer.signal
        variance += weight**2 * layer.variance
        weights += weight
        mask |= layer.mask
        saturated |= (layer.mask & MaskPlane.SATURATED) != 0
    seen = weights > 0
    divisor = np.where(seen, weights, np.float32(1.0))
    mask = np.where(seen, np.uint16(0), np.where(mask != 0, mask, np.uint16(MaskPlane.BAD)))
    # The profile of a star that is saturated in some frames is that of none of them.
    mask[saturated] |= np.uint16(MaskPlane.SATURATED)
    gain = effective_gain([layer.weight for layer in layers], [layer.scale for layer in layers])
    share = np.array([layer.weight for layer in layers])
    sky = float(np.average([layer.sky for layer in layers], weights=share))
    signal = np.where(seen, total / divisor, np.float32(0.0))
    typical = float(np.median(variance[seen] / divisor[seen] ** 2)) if seen.any() else 1.0
    variance = np.where(seen, variance / divisor**2, np.float32(typical))
    background = np.full((height, width), gain * sky, dtype=np.float32)
    return replace(
        best,
        data=(np.float32(gain) * signal + background).astype(np.float32),
        background=background,
        variance=(np.float32(gain**2) * variance).astype(np.float32),
        mask=mask,
        gain=gain,
        read_noise=best.read_noise * gain * float(np.sqrt(np.sum(share**2))) / float(share.sum()),
        saturation=best.saturation * gain,
        origin=(0, 0),
        notes=(),
    )


def _median(layers: Sequence[_Layer]) -> Image:
    """The median of the usable pixels, by strips of rows so that memory stays small."""
    height, width = layers[0].signal.shape
    middle = np.zeros((height, width), dtype=np.float32)
    step = max(1, 2**22 // (width * len(layers)))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        stack = np.stack(
            [
                np.where(layer.mask[rows] & UNUSABLE, np.float32(np.inf), layer.signal[rows])
                for layer in layers
            ]
        )
        stack.sort(axis=0)  # unusable pixels last
        count = np.isfinite(stack).sum(axis=0)
        lower = np.take_along_axis(stack, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
        upper = np.take_along_axis(stack, np.minimum(count // 2, len(layers) - 1)[None], axis=0)[0]
        both = np.where(count % 2 == 1, lower, 0.5 * (lower + upper))
        middle[rows] = np.where(count > 0, both, 0.0)
    return middle


def effective_gain(weights: Sequence[float], scales: Sequence[float]) -> float:
    """Electrons per electron of the best frame, by which the average's Poisson noise is its own.

    A source of S electrons in the best frame is ``F_j * S`` in frame j. The weighted mean of
    ``I_j / F_j`` has the Poisson variance ``S * sum(w_j**2 / F_j) / sum(w_j)**2``, which is S / gain.
    """
    w, f = np.asarray(weights), np.asarray(scales)
    return float(w.sum() ** 2 / np.sum(w**2 / f))
