"""Sources that are saturated in a new frame and faint in its reference, as a nova or a near supernova is.

Their flux cannot be measured, and where it is clipped a difference means nothing, so they are no detections.
But hardly anything of a night is of more interest: a frame says where they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import MaskPlane
from pipeline.frame import Aligned, Difference, Dropped, Frame, Image, PreparedReference
from pipeline.places import sky_positions

CAUSE = "saturated, and faint in the reference"
STAGE = "detect"
MOST_BEFORE = 0.3  # of its light, clipped as it is, that the reference has there
LEAST_KNOWN = 0.5  # of its pixels, that neither frame says are spoilt
RING_FWHM = 1.25  # around what is clipped: a star has light there, a cosmic ray and a bad column none
RING_SIGMA = 5.0
TOLD = 3  # places in a remark
SPOILT = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE | MaskPlane.STREAK
ROUND = np.ones((3, 3), dtype=bool)

Mask = NDArray[np.bool_]
Box = tuple[slice, slice]


def new_saturated(difference: Difference, new: Aligned, reference: PreparedReference) -> list[Dropped]:
    """What is saturated in the new frame where the reference has little light, the brightest first."""
    clipped = (new.frame.mask & MaskPlane.SATURATED) != 0
    labels, _ = ndimage.label(clipped, structure=ROUND)
    reach = max(2, round(RING_FWHM * difference.psf.fwhm))
    found: list[tuple[float, Dropped]] = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        box = _wider(rows, reach), _wider(columns, reach)
        core = labels[box] == number
        light, before = _light(box, core, difference.gain_ratio, new.frame, reference.frame)
        if not before < MOST_BEFORE * light:
            continue
        x, y, around = _middle(core, reach)
        if _shines(box, around, difference.gain_ratio, new.frame, reference.frame):
            place = box[1].start + x, box[0].start + y
            found.append((light, Dropped(STAGE, CAUSE, *place, value=before / light, limit=MOST_BEFORE)))
    found.sort(key=lambda each: -each[0])
    return [each for _, each in found]


def remark_on(found: Sequence[Dropped], reference: Frame) -> tuple[str, ...]:
    """One sentence that says where they are; none where there is none."""
    if not found:
        return ()
    x, y = np.array([each.x for each in found]), np.array([each.y for each in found])
    places = [
        f"{ra:.5f} {dec:+.5f}" if ra is not None and dec is not None else f"pixel {each.x:.0f}, {each.y:.0f}"
        for each, (ra, dec) in zip(found[:TOLD], sky_positions(reference, x, y)[:TOLD], strict=True)
    ]
    more = f" and {len(found) - TOLD} more" if len(found) > TOLD else ""
    return (f"Look at {'; '.join(places)}{more}: saturated here, and faint in the reference.",)


def _wider(side: slice, reach: int) -> slice:
    return slice(max(side.start - reach, 0), side.stop + reach)


def _middle(core: Mask, reach: int) -> tuple[float, float, Mask]:
    """Where what is clipped is widest, which is the star and not what bled from it; and what lies around."""
    padded = np.pad(core, 1)
    depth = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    y, x = (float(each) for each in np.argwhere(depth > depth.max() - 0.5).mean(axis=0))
    rows, columns = np.indices(core.shape)
    near = np.hypot(columns - x, rows - y) < depth.max() + reach
    return x, y, near & ndimage.binary_dilation(core, ROUND, iterations=reach) & ~core


def _light(box: Box, core: Mask, gain_ratio: float, new: Frame, reference: Frame) -> tuple[float, float]:
    """Its light and that of the reference there, in the new frame's electrons; infinite where unknown."""
    unknown = reference.mask[box]
    is_known = core & ((new.mask[box] & SPOILT) == 0) & (unknown == 0)
    light = float(_signal(new, box)[is_known].sum())
    if np.any(unknown[core] & MaskPlane.SATURATED) or is_known.sum() < LEAST_KNOWN * core.sum():
        return light, np.inf
    return light, max(gain_ratio * float(_signal(reference, box)[is_known].sum()), 0.0)


def _signal(frame: Frame, box: Box) -> Image:
    """Electrons above the sky in a part of a frame."""
    return frame.data[box] - frame.background[box]


def _shines(box: Box, around: Mask, gain_ratio: float, new: Frame, reference: Frame) -> bool:
    """Whether there is new light around it too, beyond the noise."""
    ring = around & (new.mask[box] == 0) & (reference.mask[box] == 0)
    light = (_signal(new, box) - gain_ratio * _signal(reference, box))[ring].sum()
    noise2 = (new.variance[box] + gain_ratio**2 * reference.variance[box])[ring].sum()
    return bool(light > RING_SIGMA * np.sqrt(noise2))
