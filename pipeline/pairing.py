"""What is to be said of two frames that are subtracted from each other although they hardly should be."""

from __future__ import annotations

from pipeline.frame import Difference, Frame

SAME_NOISE = 0.7  # a score that scatters less is of frames that share their noise
SAME_MJD = 1e-6  # days


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
