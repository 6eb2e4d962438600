"""Whether a frame is one of those that an image is made of, by what both say of themselves."""

from __future__ import annotations

from collections.abc import Sequence

SAME_SECOND = 1.0 / 86400.0


def holds(
    names: Sequence[str], epochs: tuple[float | None, float | None], name: str, mjd: float | None
) -> bool:
    """Whether a frame is one of those that an image is made of.

    An image keeps the names of its frames, with folders where two are called the same, and the first and the
    last of their times: a frame of that name from before or after is another.

    Parameters
    ----------
    names : sequence of str
        Of the frames in the image.
    epochs : (float or None, float or None)
        The first and the last MJD of these.
    name : str
        What the frame is called.
    mjd : float or None
        When it was taken.
    """
    first, last = epochs
    if mjd is None or first is None or last is None:
        return False
    is_within = first - SAME_SECOND <= mjd <= last + SAME_SECOND
    return is_within and any(bare(each) == name for each in names)


def bare(name: str) -> str:
    """What a frame is called, without the folders that tell it from others of its name."""
    return name.rpartition("/")[2]
