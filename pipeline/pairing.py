"""What is to be said of two frames that are subtracted from each other although they hardly should be."""

from __future__ import annotations

import numpy as np

from core.frames.made_of import SAME_SECOND, holds
from pipeline.frame import Aligned, Difference, Exposure, Frame, PreparedReference
from pipeline.quantile import quantile
from pipeline.subtraction.unsubtracted import unsubtracted_part

SAME_NOISE = 0.7  # a score that scatters less is of frames that share their noise
UNKNOWN_NOISE = 1.5  # one that scatters more is of a frame whose noise is not what its pixels say
MOST_LEFT = 0.25  # of bright stars: changes in the sky are few
MOST_SCATTER = 0.1  # of single stars' flux ratios; through one filter and a clear sky it is a few hundredths
SAME_MJD = 1e-6  # days
SPARSE = 5  # one pixel of so many along each axis tells
WCS_OFF_ARCMIN, WCS_OFF_PX = 3.0, 10.0  # by less a WCS is inexact, as many are, and stars mend it
WCS_PLACES = 9  # along each axis of the reference at which two WCS are compared
MEDIAN_OF_NORMAL = 0.6745  # of its absolute values, in standard deviations


def _length(days: float) -> str:
    """A length of time in the unit that suits it."""
    for unit, size in (("days", 1.0), ("hours", 24.0)):
        if days * size >= 2:
            return f"{days * size:.4g} {unit}"
    return f"{days * 1440:.3g} minutes"


def remarks_on(new: Frame, reference: Frame) -> list[str]:
    """What the headers tell: another filter, or a new frame that is the older one."""
    said = []
    bands = new.exposure.filter, reference.exposure.filter
    if None not in bands and bands[0] != bands[1]:
        said.append(
            f"NEW is of filter {bands[0]} and REF of {bands[1]}: stars of other than the usual colour remain"
        )
    taken, before = new.exposure.mjd, reference.exposure.mjd
    if taken is not None and before is not None and taken < before - SAME_MJD:
        said.append(
            f"NEW is {_length(before - taken)} older than REF: what faded since counts as brighter here"
        )
    return said


def is_same_exposure(one: Frame, other: Frame) -> bool:
    """Whether two frames hold one exposure, as a file and its packed copy do: their noise is the same."""
    mine, theirs = one.exposure.mjd, other.exposure.mjd
    if one.shape != other.shape or one.exposure.filter != other.exposure.filter:
        return False
    if mine is not None and theirs is not None and abs(mine - theirs) > SAME_SECOND:
        return False
    some = (slice(None, None, SPARSE), slice(None, None, SPARSE))
    good = (one.mask[some] | other.mask[some]) == 0
    if not good.any():
        return False
    apart = (one.data[some] - one.background[some] - other.data[some] + other.background[some])[good]
    noise = np.sqrt((one.variance[some] + other.variance[some])[good])
    return quantile(np.abs(apart) / noise, 0.5) < SAME_NOISE * MEDIAN_OF_NORMAL


def shared_light(difference: Difference) -> str | None:
    """A sentence where both frames seem to hold the same exposure; none where they do not.

    The noise of independent frames scatters the score by 1, or more where a model of it falls short.
    """
    if difference.score_std >= SAME_NOISE:
        return None
    return (
        "The frame and its reference seem to hold the same exposure, so that what it shows is subtracted"
        f" from itself: the score of empty sky scatters by {difference.score_std:.2f}, where 1 is expected."
    )


def part_of_reference(exposure: Exposure, reference: PreparedReference) -> str | None:
    """A sentence where a frame is one of those that its reference is the mean of; none where it is not."""
    count = len(reference.names)
    if count < 2 or not holds(reference.names, reference.epochs, exposure.name, exposure.mjd):
        return None
    return (
        f"The frame is one of the {count} that its reference was made of, so that what is new in it is"
        " subtracted from itself in part, and fainter here than by a reference of earlier frames."
    )


def contradicted_wcs(new: Frame, aligned: Aligned, reference: Frame) -> tuple[str, ...]:
    """A sentence where the stars show a frame far from where its own WCS has it; none where either lacks one.

    Parameters
    ----------
    new : Frame
        As it was before it was brought onto the reference's grid.
    aligned : Aligned
        Tells by the stars where the reference's pixels are in it.
    reference : Frame
    """
    if new.wcs is None or reference.wcs is None:
        return ()
    height, width = reference.shape
    x, y = (
        axis.ravel()
        for axis in np.meshgrid(np.linspace(0, width - 1, WCS_PLACES), np.linspace(0, height - 1, WCS_PLACES))
    )
    to_x, to_y = aligned.map_to_new(x, y)
    inside = (to_x > -0.5) & (to_y > -0.5) & (to_x < new.shape[1] - 0.5) & (to_y < new.shape[0] - 0.5)
    if not inside.any():
        return ()
    mine = new.wcs.celestial.pixel_to_world(to_x[inside], to_y[inside])
    theirs = reference.wcs.celestial.pixel_to_world(x[inside], y[inside])
    off = float(np.nanmedian(mine.separation(theirs).arcmin))
    if not off > max(WCS_OFF_ARCMIN, WCS_OFF_PX * (reference.pixel_scale or 0.0) / 60.0):
        return ()
    far = f"{off / 60.0:.3g} degrees" if off >= 60.0 else f"{off:.3g} arcmin"
    return (
        f"The stars lie {far} from where the frame's own WCS has them; places on the sky are told by that of"
        " the reference.",
    )


def told_of(difference: Difference) -> tuple[str, ...]:
    """All that is to be said of a difference as such, a sentence each."""
    told = (
        shared_light(difference),
        _unknown_noise(difference),
        unsubtracted_part(difference),
        _stars_left(difference),
        _uneven_light(difference),
    )
    return tuple(each for each in told if each is not None)


def _stars_left(difference: Difference) -> str | None:
    if not difference.left_share > MOST_LEFT:
        return None
    return (
        f"{difference.left_share:.0%} of the bright stars, all over the frame, are not where the reference"
        " has them, or not as bright: what is found may be stars."
    )


def _unknown_noise(difference: Difference) -> str | None:
    if not difference.score_std > UNKNOWN_NOISE:
        return None
    return (
        f"The score of empty sky scattered by {difference.score_std:.2f}, where 1 is expected, and was scaled"
        " to that: the frame's noise is not what its pixels say, as where it was smoothed or stretched, and"
        " what is found may be noise."
    )


def _uneven_light(difference: Difference) -> str | None:
    if not difference.gain_scatter > MOST_SCATTER:
        return None
    return (
        f"Single stars are brighter or fainter than in the reference by {difference.gain_scatter:.0%}, beyond"
        " noise and what is smooth over the frame: clouds, stars of other colours through another filter, or"
        " stretched pixels. Fluxes are as uncertain, and what is found may be stars."
    )
