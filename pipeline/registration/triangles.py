"""Match two lists of stars of which nothing is known but their places: by triangles, then by vote.

Every triangle of a bright star and two of its neighbours has two ratios of sides that no shift,
turn, scale or reflection changes (Groth 1986, AJ 91, 1244; Valdes et al. 1995, PASP 107, 1119). Similar
triangles of both lists each propose a map; chance proposals scatter, true ones agree.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Values = NDArray[np.float64]

NEIGHBOURS = 8
FLATTEST = 0.08  # height of a triangle over its longest side: flatter ones are all alike
RATIO_TOLERANCE = 0.012
MAX_PROPOSALS = 200_000


def similarities(source: Values, target: Values, max_scale: float, best: int = 3) -> list[Values]:
    """The maps from one list of places to another that most triangles agree on.

    Parameters
    ----------
    source, target : (n, 2) float64
        Places x, y of the brightest stars of two images.
    max_scale : float
        The most that one image may be larger than the other.
    best : int
        How many maps to return at most.

    Returns
    -------
    list of (2, 3) float64
        Affine maps from source to target, most votes first; reflections have a negative
        determinant. None of them is sure: match all stars by them and see.
    """
    if min(len(source), len(target)) < 3:
        return []
    mine, other = _triangles(source), _triangles(target)
    if min(len(mine), len(other)) == 0:
        return []
    pairs = cKDTree(_ratios(mine)).sparse_distance_matrix(
        cKDTree(_ratios(other)), RATIO_TOLERANCE, output_type="ndarray"
    )
    closest = np.argsort(pairs["v"], kind="stable")[:MAX_PROPOSALS]
    slope, shift, mirrored = _proposals(mine[pairs["i"][closest]], other[pairs["j"][closest]])
    likely = (np.abs(slope) < max_scale) & (np.abs(slope) > 1.0 / max_scale)
    slope, shift, mirrored = slope[likely], shift[likely], mirrored[likely]
    return _elected(slope, shift, mirrored, source, best)


def _triangles(places: Values) -> NDArray[np.complex128]:
    """Corners (n, 3) as complex numbers, each opposite to the longest, middle and shortest side."""
    points = places[:, 0] + 1j * places[:, 1]
    count = min(NEIGHBOURS + 1, len(points))
    _, near = cKDTree(places).query(places, k=count)
    corners = {
        tuple(sorted((int(row[0]), int(row[a]), int(row[b]))))
        for row in near
        for a, b in combinations(range(1, count), 2)
    }
    triangles = points[np.array(sorted(corners)).reshape(-1, 3)]
    sides = np.abs(np.roll(triangles, -1, axis=1) - np.roll(triangles, -2, axis=1))
    order = np.argsort(-sides, axis=1, kind="stable")
    triangles = np.take_along_axis(triangles, order, axis=1)
    longest = np.maximum(sides.max(axis=1), 1e-9)
    height = np.abs(_cross(triangles)) / longest**2
    sound: NDArray[np.complex128] = triangles[height > FLATTEST]
    return sound


def _cross(triangles: NDArray[np.complex128]) -> Values:
    """Twice the signed area: its sign is the sense in which the corners turn."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return np.asarray((np.conj(a) * b).imag)


def _ratios(triangles: NDArray[np.complex128]) -> Values:
    longest, middle, shortest = (
        np.abs(triangles[:, (k + 1) % 3] - triangles[:, (k + 2) % 3]) for k in range(3)
    )
    return np.column_stack([middle / longest, shortest / longest])


def _proposals(
    mine: NDArray[np.complex128], other: NDArray[np.complex128]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.bool_]]:
    """Similarities ``w = slope * z + shift`` by least squares on three corners.

    Where the triangles turn in opposite senses z is mirrored first, to its complex conjugate.
    """
    mirrored = _cross(mine) * _cross(other) < 0
    mine = np.where(mirrored[:, None], np.conj(mine), mine)
    centre, to_centre = mine.mean(axis=1), other.mean(axis=1)
    arms, to_arms = mine - centre[:, None], other - to_centre[:, None]
    slope = (np.conj(arms) * to_arms).sum(axis=1) / (np.abs(arms) ** 2).sum(axis=1)
    return slope, to_centre - slope * centre, mirrored


def _elected(
    slope: NDArray[np.complex128],
    shift: NDArray[np.complex128],
    mirrored: NDArray[np.bool_],
    source: Values,
    best: int,
) -> list[Values]:
    """The densest clusters of proposals, told apart by where they put three corners of the field."""
    if len(slope) == 0:
        return []
    low, high = source.min(axis=0), source.max(axis=0)
    radius = 3.0 + 0.01 * float(np.hypot(*(high - low)))
    middle, arm = complex(*(low + high)) / 2.0, float(np.hypot(*(high - low))) / 4.0
    middles = np.where(mirrored, np.conj(middle), middle)
    images = np.column_stack([slope * middles + shift, slope * (middles + arm) + shift])
    # Both senses in one space, too far apart to meet.
    places = np.column_stack([images.real, images.imag, mirrored * 1e6])
    tree = cKDTree(places)
    votes = tree.query_ball_point(places, radius, return_length=True)
    free = np.ones(len(votes), dtype=bool)
    elected: list[Values] = []
    while len(elected) < best and free.any():
        leader = int(np.argmax(np.where(free, votes, -1)))
        if votes[leader] < 2 and elected:
            break
        voters = tree.query_ball_point(places[leader], radius)
        a, b = complex(np.median(slope[voters].real), np.median(slope[voters].imag)), middles[leader]
        image = complex(np.median(images[voters, 0].real), np.median(images[voters, 0].imag))
        elected.append(_affine(a, image - a * b, bool(mirrored[leader])))
        free[tree.query_ball_point(places[leader], 2.0 * radius)] = False
    return elected


def _affine(slope: complex, shift: complex, mirrored: bool) -> Values:
    """The real (2, 3) form of ``w = slope * z + shift``, or of ``slope * conj(z) + shift``."""
    sign = -1.0 if mirrored else 1.0
    return np.array(
        [[slope.real, -sign * slope.imag, shift.real], [slope.imag, sign * slope.real, shift.imag]]
    )
