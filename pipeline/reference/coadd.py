"""A deep image of a field from several frames, to subtract others from.

The frames are brought onto the grid of the one with the best seeing (a crop aside), scaled to its fluxes by
their common stars (`pipeline.reference.layers`) and averaged, without the parts in which their stars are
not those of the others (`pipeline.reference.outvoted`). A frame's weight is the square of the signal to
noise that it gives a point source, ``(F / (sigma * FWHM))**2`` with its transparency F and its sky noise
sigma; so a poor frame does not spoil the sum. With three frames or more, what is in one frame alone (a
satellite, a cosmic ray, a moving object) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.frame import Frame, FrameRefused, Image, MaskImage
from pipeline.measure import Measured
from pipeline.reference.layers import UNUSABLE, Layer, stacked
from pipeline.reference.outvoted import vote
from pipeline.reference.reference_file import ReferenceImage

CLIP_SIGMA = 5.0
# Frames differ in seeing: near a star's core they disagree by a share of its light, not by noise.
CLIP_SHARE = 0.5
CLIP_REACH_PX = 7
WHOLE = 0.8  # of the sky that the largest frame shows: a frame with less is a crop
GRID_LOST = 0.02  # of its frame: where more is outvoted, the grid is another one's
GRIDS_TRIED = 3  # frames on whose grid the others are tried, where the first does not serve

Progress = Callable[[int, int, str], None]


class Coadd(NamedTuple):
    """A deep image, and what of its frames is not in it.

    Attributes
    ----------
    image : ReferenceImage
        On the grid and in the electrons of the frame that comes first in its names. Its gain is the effective
        one, by which the Poisson noise of the mean is that of its own counts.
    skipped : dict
        The names of frames that could not be used, and why.
    partly : dict
        The names of frames of which a part is left out, and a sentence on each.
    """

    image: ReferenceImage
    skipped: dict[str, str]
    partly: dict[str, str]


def build(
    frames: Sequence[Measured],
    settings: Settings,
    progress: Progress | None = None,
) -> Coadd:
    """Average frames of one field and filter.

    The grid is that of the frame with the best seeing, or of one that is outvoted less by the others
    (`pipeline.reference.outvoted`). That of a frame that is much smaller than others would lose their sky.

    Parameters
    ----------
    frames : sequence of Measured
        Two or more; those that do not align are left out.
    settings : Settings
    progress : callable, optional
        Told (done, of how many, what) as frames are aligned.

    Raises
    ------
    FrameRefused
        Fewer than two frames can be used together.
    """
    if len(frames) < 2:
        raise FrameRefused(f"a coadd needs at least 2 frames, {len(frames)} can be used")
    ordered = _whole_first(frames)
    layers, skipped = _aligned(ordered, settings, progress)
    ballot = vote(layers)
    for _ in range(1, GRIDS_TRIED):
        least = int(np.argmin(ballot.lost))  # of equal ones the first: the sharpest
        if ballot.lost[0] <= GRID_LOST or least == 0:
            break
        grid = layers[least].of
        del layers, ballot
        layers, skipped = _stacked(grid, ordered, settings, progress)
        ballot = vote(layers)
    if ballot.kept[0].of is not layers[0].of:
        name = layers[0].name  # which other frames may have, too: cameras use theirs again every night
        raise FrameRefused(f"{name}, on whose grid the others are, cannot be used: {ballot.refused[name]}")
    skipped |= ballot.refused
    used = [layer.of for layer in ballot.kept]
    if len(used) < 2:
        name, reason = next(iter(skipped.items()))
        raise FrameRefused(f"a coadd needs at least 2 frames that align; {name}: {reason}")
    best = used[0]
    epochs = [each.frame.exposure.mjd for each in used if each.frame.exposure.mjd is not None]
    image = ReferenceImage(
        frame=_average(ballot.kept, best.frame),
        names=tuple(each.frame.exposure.name for each in used),
        flux_unit="electron",
        mjd_first=min(epochs, default=None),
        mjd_last=max(epochs, default=None),
        zeropoint=best.quality.zeropoint,
        mag_system=best.quality.mag_system,
    )
    return Coadd(image, skipped, ballot.parts)


def _whole_first(frames: Sequence[Measured]) -> list[Measured]:
    """The sharpest first, and those that show much less of the sky than the largest last."""
    shown = [math.prod(each.frame.shape) * (each.frame.pixel_scale or 1.0) ** 2 for each in frames]
    order = sorted(range(len(frames)), key=lambda i: (shown[i] < WHOLE * max(shown), frames[i].fwhm))
    return [frames[i] for i in order]


Stack = tuple[list[Layer], dict[str, str]]


def _aligned(ordered: Sequence[Measured], settings: Settings, progress: Progress | None) -> Stack:
    """The frames on the grid of the first of them with which most of the others align."""
    best: Stack | None = None
    for grid in ordered[:GRIDS_TRIED]:
        stack = _stacked(grid, ordered, settings, progress)
        if best is None or len(stack[0]) > len(best[0]):
            best = stack
        if 2 * len(best[0]) > len(ordered):
            break
    assert best is not None
    return best


def _stacked(
    grid: Measured, frames: Sequence[Measured], settings: Settings, progress: Progress | None
) -> Stack:
    others = [each for each in frames if each is not grid]
    done = iter(range(1, len(frames)))

    def report(name: str) -> None:
        if progress:
            progress(next(done), len(frames), f"align {name}")

    return stacked(grid, others, settings, report)


def _average(layers: Sequence[Layer], best: Frame) -> Frame:
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
        usable = layer.usable
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


def _median(layers: Sequence[Layer]) -> Image:
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
