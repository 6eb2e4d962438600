"""Sources that are saturated in a new frame and faint in its reference, as a nova or a near supernova is.

Their flux cannot be measured, and where it is clipped a difference means nothing, so they are no detections.
But hardly anything of a night is of more interest: a frame says where they are. The trail of a satellite may
saturate too. It is told as what it is; what flashes on a streak that was found is a part of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import NEW_SATURATED, MaskPlane
from pipeline.detection.joined import STREAK_CAUSE
from pipeline.frame import Aligned, Detection, Difference, Dropped, Frame, Image, PreparedReference
from pipeline.places import sky_positions
from pipeline.subtraction.unsubtracted import UNSUBTRACTED

CAUSE = NEW_SATURATED
TRAIL_CAUSE = "saturated trail"
STAGE = "detect"
MOST_BEFORE = 0.3  # of its light, clipped as it is, that the reference has there
LEAST_KNOWN = 0.5  # of its pixels, that neither frame says are spoilt
RING_FWHM = 1.25  # around what is clipped: a star has light there, a cosmic ray and a bad column none
RING_SIGMA = 5.0
TRAIL_WIDTHS = 5.0  # that a trail is long at least
TRAIL_PARTS, TRAIL_LIT = 8, 0.75  # of so many parts of it, the share that has light beside it
ON_STREAK_FWHM = 2.0  # from the line of a streak
TOLD = 3  # places in a remark
SPOILT = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE | MaskPlane.STREAK
ROUND = np.ones((3, 3), dtype=bool)

Mask = NDArray[np.bool_]
Box = tuple[slice, slice]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns


def new_saturated(difference: Difference, new: Aligned, reference: PreparedReference) -> list[Dropped]:
    """What is saturated in the new frame where the reference has little light, the brightest first.

    Where stars do not subtract, a star that lies elsewhere in the reference would be one.
    """
    clipped = ((new.frame.mask & MaskPlane.SATURATED) != 0) & ((difference.mask & UNSUBTRACTED) == 0)
    labels, _ = ndimage.label(clipped, structure=ROUND)
    reach = max(2, round(RING_FWHM * difference.psf.fwhm))
    found: list[tuple[float, Dropped]] = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        core = labels[box] == number
        rows, columns = np.nonzero(core)
        at = rows + box[0].start, columns + box[1].start
        light, before = _light(at, difference.gain_ratio, new.frame, reference.frame)
        if not before < MOST_BEFORE * light:
            continue
        y, x, half = _widest(core, box)

        def shines(y: float, x: float, radius: float = np.sqrt(2.0) * half, number: int = number) -> bool:
            near = _near(y, radius + reach), _near(x, radius + reach)
            core = labels[near] == number
            around = _around(core, y - near[0].start, x - near[1].start, radius + reach, reach)
            return _shines(near, around, difference.gain_ratio, new.frame, reference.frame)

        length, along = _parts(at)
        least = TRAIL_WIDTHS * 2.0 * half
        if length >= least and np.mean([shines(*part) for part in along]) >= TRAIL_LIT:
            y, x = along[TRAIL_PARTS // 2]
            found.append((light, Dropped(STAGE, TRAIL_CAUSE, x, y, value=length, limit=least)))
        elif shines(y, x):
            found.append((light, Dropped(STAGE, CAUSE, x, y, value=before / light, limit=MOST_BEFORE)))
    found.sort(key=lambda each: -each[0])
    return [each for _, each in found]


def apart_from_streaks(
    found: Sequence[Dropped], detections: Sequence[Detection], fwhm: float
) -> list[Dropped]:
    """The same; what lies on a streak among some detections is a part of it."""
    streaks = [each for each in detections if "streak_length" in each.features]
    apart = []
    for each in found:
        away = min((_from_streak(each, streak) for streak in streaks), default=np.inf)
        limit = ON_STREAK_FWHM * fwhm
        on_it = replace(each, cause=STREAK_CAUSE, value=away, limit=limit)
        apart.append(on_it if away <= limit else each)
    return apart


def _from_streak(place: Dropped, streak: Detection) -> float:
    """Pixels to the line of a streak; infinite beyond what it may reach to from where it was measured."""
    angle = np.deg2rad(streak.features["streak_angle"])
    dx, dy = place.x - streak.x, place.y - streak.y
    if abs(dx * np.cos(angle) + dy * np.sin(angle)) > streak.features["streak_length"]:
        return float(np.inf)
    return float(abs(dy * np.cos(angle) - dx * np.sin(angle)))


def remark_on(found: Sequence[Dropped], reference: Frame) -> tuple[str, ...]:
    """A sentence that says where sources are, and one of trails; none where there is none."""
    sources, trails = ([each for each in found if each.cause == cause] for cause in (CAUSE, TRAIL_CAUSE))
    said = []
    if sources:
        said.append(f"Look at {_places(sources, reference)}: saturated here, and faint in the reference.")
    if trails:
        said.append(f"A saturated trail goes through {_places(trails, reference)}: no new source.")
    return tuple(said)


def _places(found: Sequence[Dropped], reference: Frame) -> str:
    x, y = np.array([each.x for each in found]), np.array([each.y for each in found])
    places = [
        f"{ra:.5f} {dec:+.5f}" if ra is not None and dec is not None else f"pixel {each.x:.0f}, {each.y:.0f}"
        for each, (ra, dec) in zip(found[:TOLD], sky_positions(reference, x, y)[:TOLD], strict=True)
    ]
    return "; ".join(places) + (f" and {len(found) - TOLD} more" if len(found) > TOLD else "")


def _widest(core: Mask, box: Box) -> tuple[float, float, float]:
    """Where (y, x) what is clipped is widest, which is the star not what bled from it; and half its width.

    A trail across the frame makes a large box: of all distances those to the sides of a square need the least
    memory. The corners of a square are farther away by the root of 2.
    """
    depth = ndimage.distance_transform_cdt(np.pad(core, 1))[1:-1, 1:-1]
    most = depth.max()
    y, x = (float(each) for each in np.argwhere(depth == most).mean(axis=0))
    return y + box[0].start, x + box[1].start, float(most)


def _parts(at: Pixels) -> tuple[float, list[tuple[float, float]]]:
    """How long what is clipped is, and the pixels (y, x) nearest to the middles of equal parts of that."""
    pixels = np.column_stack(at).astype(np.float32)
    offset = pixels - pixels.mean(axis=0)
    way = np.linalg.eigh(offset.T @ offset)[1][:, -1].astype(np.float32)
    along = offset @ way
    first, length = float(along.min()), float(np.ptp(along)) + 1.0
    middles = first + (np.arange(TRAIL_PARTS) + 0.5) / TRAIL_PARTS * length
    nearest = [pixels[np.argmin(np.linalg.norm(offset - middle * way, axis=1))] for middle in middles]
    return length, [(float(y), float(x)) for y, x in nearest]


def _near(centre: float, reach: float) -> slice:
    return slice(max(int(centre - reach), 0), int(np.ceil(centre + reach)) + 1)


def _around(core: Mask, y: float, x: float, radius: float, reach: int) -> Mask:
    """What lies within a radius, and that close to what is clipped."""
    rows, columns = np.indices(core.shape)
    near = np.hypot(columns - x, rows - y) < radius
    around: Mask = near & ndimage.binary_dilation(core, ROUND, iterations=reach) & ~core
    return around


def _light(at: Pixels, gain_ratio: float, new: Frame, reference: Frame) -> tuple[float, float]:
    """Its light and that of the reference there, in the new frame's electrons; infinite where unknown."""
    unknown = reference.mask[at]
    is_known = ((new.mask[at] & SPOILT) == 0) & (unknown == 0)
    light = float(_signal(new, at)[is_known].sum())
    if np.any(unknown & MaskPlane.SATURATED) or is_known.mean() < LEAST_KNOWN:
        return light, np.inf
    return light, max(gain_ratio * float(_signal(reference, at)[is_known].sum()), 0.0)


def _signal(frame: Frame, part: Box | Pixels) -> Image:
    """Electrons above the sky in a part of a frame."""
    return frame.data[part] - frame.background[part]


def _shines(box: Box, around: Mask, gain_ratio: float, new: Frame, reference: Frame) -> bool:
    """Whether there is new light around it too, beyond the noise."""
    ring = around & (new.mask[box] == 0) & (reference.mask[box] == 0)
    light = (_signal(new, box) - gain_ratio * _signal(reference, box))[ring].sum()
    noise2 = (new.variance[box] + gain_ratio**2 * reference.variance[box])[ring].sum()
    return bool(light > RING_SIGMA * np.sqrt(noise2))
