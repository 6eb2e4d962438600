"""Stars that stand in a frame twice: the telescope was moved while it exposed.

Each star has a second image then, all at one offset. The first ones subtract; what is left of the second ones
are sources as sharp as stars are, all over the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FARTHEST_PX = 250.0
MOST_LEFT = 500  # sources that are looked at: as many tell it
FEWEST = 10  # of them at one offset
OF_LEFT = 0.5  # of what is left, at least, is at it; changes are not
OF_STARS = 0.15  # as many of the stars have a second image; those that a ghost or crosstalk shows are fewer
ABOVE_CHANCE = 5.0  # times as many as lie at any other offset

Places = NDArray[np.float64]


def second_images(left: Places, stars: Places, apart: float) -> tuple[int, float] | None:
    """How many sources stand at one offset from stars, and how far away that is.

    Parameters
    ----------
    left, stars : (n, 2) and (m, 2) float
        The sources that are left in a difference, and the stars that are not.
    apart : float
        Offsets that differ by less, in pixels, along each axis are one.

    Returns
    -------
    (int, float) or None
        None where most of them have none in common.
    """
    left = left[:MOST_LEFT]
    if len(left) < FEWEST or not len(stars):
        return None
    near = cKDTree(stars).query_ball_point(left, FARTHEST_PX)
    offsets = np.concatenate([left[i] - stars[each] for i, each in enumerate(near)])
    edges = np.arange(-FARTHEST_PX, FARTHEST_PX + apart, apart)
    cells, _, _ = np.histogram2d(offsets[:, 0], offsets[:, 1], bins=[edges, edges])
    pairs = cells[1:, 1:] + cells[1:, :-1] + cells[:-1, 1:] + cells[:-1, :-1]  # what borders divide is one
    row, column = np.unravel_index(int(pairs.argmax()), pairs.shape)
    same = (np.abs(offsets - [edges[row + 1], edges[column + 1]]) <= 1.5 * apart).all(axis=1)
    whose = np.repeat(np.arange(len(left)), [len(each) for each in near])
    count = len(np.unique(whose[same]))
    if count < max(FEWEST, OF_LEFT * len(left), OF_STARS * len(stars), ABOVE_CHANCE * float(pairs.mean())):
        return None
    return count, float(np.hypot(*np.median(offsets[same], axis=0)))
