"""Two-body orbits that are open, or so long that they are nearly: of comets, by universal variables.

One equation holds for ellipses, parabolas and hyperbolas alike, counted from perihelion (Danby 1988,
Fundamentals of Celestial Mechanics, section 6.9). Elements of Kepler's ellipses lose their meaning here: a
parabola has neither a mean anomaly nor an axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

GAUSS = 0.01720209895  # au**1.5 a day, for a body without mass
SMALL = 0.5  # below it Stumpff's functions are summed, above they are closed forms
TERMS = 9
TOLERANCE, MOST_STEPS = 1e-13, 100


def in_plane(perihelion: Values, e: Values, days: Values) -> tuple[Values, Values]:
    """Where bodies are on their orbits, and how fast they go.

    Parameters
    ----------
    perihelion : (n,) float64
        Its distance, au.
    e : (n,) float64
        The eccentricity, from zero on.
    days : (n,) float64
        Since perihelion; of ellipses by whole periods more or less.

    Returns
    -------
    place, velocity : (n, 2) float64
        Towards perihelion, and a quarter of a turn on: au, au a day.
    """
    energy = (1.0 - e) / perihelion  # one over the axis
    closed = energy > 0.0
    axis = np.where(closed, energy, 1.0)
    period = np.where(closed, 2.0 * np.pi / (GAUSS * axis**1.5), np.inf)
    whole = np.where(closed, np.round(days / period), 0.0)
    since = days - whole * np.where(closed, period, 0.0)
    chi = np.sign(since) * _anomaly(perihelion, e, energy, GAUSS * np.abs(since))
    z = energy * chi**2
    c2, c3 = stumpff(z)
    radius = perihelion + e * chi**2 * c2
    size, turn = np.sqrt(perihelion * (1.0 + e)), chi * (1.0 - z * c3)
    place = np.stack([perihelion - chi**2 * c2, size * turn], axis=-1)
    velocity = np.stack([-turn, size * (1.0 - z * c2)], axis=-1) * (GAUSS / radius)[:, None]
    return place, velocity


def _anomaly(perihelion: Values, e: Values, energy: Values, area: Values) -> Values:
    """The universal anomaly at so much after perihelion (days times Gauss's constant), not below zero.

    Newton's steps from that of the parabola or, where that is less, from arsinh(M / (e - 1)), which
    is nearly all far out on a hyperbola. Both are beyond that of a hyperbola, so that they come near from one
    side; those of an ellipse stay within its half.
    """
    pace = np.sqrt(np.where(energy == 0.0, 1.0, np.abs(energy)))
    half = np.where(energy > 0.0, np.pi / pace, np.inf)
    root = np.sqrt(2.0 * perihelion)
    parabola = 2.0 * root * np.sinh(np.arcsinh(1.5 * area / (perihelion * root)) / 3.0)
    opened = np.where(energy < 0.0, e - 1.0, 1.0)
    straight = np.where(energy < 0.0, np.arcsinh(area * pace**3 / opened) / pace, np.inf)
    chi = np.minimum(np.minimum(parabola, straight), half)
    for _ in range(MOST_STEPS):
        c2, c3 = stumpff(energy * chi**2)
        excess = e * chi**3 * c3 + perihelion * chi - area
        better = np.clip(chi - excess / (perihelion + e * chi**2 * c2), 0.0, half)
        step, chi = np.abs(better - chi), better
        if (step <= TOLERANCE * (1.0 + chi)).all():
            break
    return chi


def stumpff(z: Values) -> tuple[Values, Values]:
    """Stumpff's second and third function: those of 0 are 1/2 and 1/6."""
    few = np.where(np.abs(z) < SMALL, z, 0.0)
    second, third = (_series(few, first) for first in (2, 3))
    root = np.sqrt(np.maximum(np.abs(z), SMALL))
    square = root**2
    up, down = z >= SMALL, z <= -SMALL
    second = np.where(up, (1.0 - np.cos(root)) / square, second)
    third = np.where(up, (root - np.sin(root)) / (square * root), third)
    bounded = np.where(down, root, 1.0)  # else beyond what a number holds, of what is not asked for
    second = np.where(down, (np.cosh(bounded) - 1.0) / square, second)
    third = np.where(down, (np.sinh(bounded) - bounded) / (square * root), third)
    return second, third


def _series(z: Values, first: int) -> Values:
    """The sum of (-z)**k / (2k + first)!."""
    total = np.zeros_like(z)
    for k in range(TERMS, 0, -1):
        total = (1.0 + total) * -z / ((2 * k + first) * (2 * k + first - 1))
    return (1.0 + total) / (2.0 if first == 2 else 6.0)
