"""What is in the sky: stars, galaxies, and how the new frame's grid lies on the reference's.

Places are 0-based pixel centres of the reference; a flux is in electrons of the new frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.pairs.scenarios import Scenario

Array = NDArray[np.float64]

MARGIN_PX = 60  # sources beyond the edge shed light into the frame
STAR_SLOPE = 0.7  # N(> F) falls as F^-0.7
STAR_FLUX = 60.0, 6e6
GALAXY_SLOPE = 1.1
GALAXY_FLUX = 300.0, 3e5
WARP_STEP_PX = 8


@dataclass(frozen=True)
class Geometry:
    """The map from the reference's pixels to the new frame's.

    An affine map, a cubic distortion around the centre, and a random displacement on a grid.
    """

    size: int
    affine: Array  # (2, 3)
    bend: float  # pixels at the corner
    warp: Array  # (2, n, n) spline coefficients, on steps of WARP_STEP_PX from -MARGIN_PX

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Places of the reference as places of the new frame."""
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        half = (self.size - 1) / 2.0
        u, v = (x - half) / half, (y - half) / half
        pull = self.bend * (u * u + v * v) / (2.0 * np.sqrt(2.0))
        a = self.affine
        new_x = a[0, 0] * x + a[0, 1] * y + a[0, 2] + pull * u
        new_y = a[1, 0] * x + a[1, 1] * y + a[1, 2] + pull * v
        if self.warp.size:
            spots = [(y + 2 * MARGIN_PX) / WARP_STEP_PX, (x + 2 * MARGIN_PX) / WARP_STEP_PX]
            moved = [ndimage.map_coordinates(part, spots, order=3, prefilter=False) for part in self.warp]
            new_x, new_y = new_x + moved[0], new_y + moved[1]
        return new_x, new_y

    def matrix(self, x: float, y: float) -> Array:
        """Its derivative at a place, (2, 2), without the random displacement."""
        smooth = Geometry(self.size, self.affine, self.bend, np.zeros(0))
        xs, ys = smooth(np.array([x - 0.5, x + 0.5, x, x]), np.array([y, y, y - 0.5, y + 0.5]))
        return np.array([[xs[1] - xs[0], xs[3] - xs[2]], [ys[1] - ys[0], ys[3] - ys[2]]])


@dataclass(frozen=True)
class Sources:
    """Stars and galaxies; ``flux`` is the whole one.

    A galaxy has the profile of Spergel (2010, ApJS 191, 58), whose transform is
    ``(1 + (2 pi)^2 f' C f)^-(1 + nu)`` and which follows a Sérsic profile closely: an exponential disc
    for nu = 0.5, steeper below. ``shape`` is C as (xx, yy, xy) in square pixels of the reference.
    """

    x: Array
    y: Array
    flux: Array
    galaxy_x: Array
    galaxy_y: Array
    galaxy_flux: Array
    galaxy_shape: Array  # (n, 3)
    galaxy_nu: Array


def geometry_of(scenario: Scenario, rng: np.random.Generator) -> Geometry:
    """Draw the new frame's place."""
    size = scenario.size
    angle = np.radians(scenario.rotation_deg * float(rng.choice([-1.0, 1.0])) * rng.uniform(0.6, 1.4))
    scale = 1.0 + (scenario.scale - 1.0) * float(rng.uniform(0.6, 1.4))
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = (size - 1) / 2.0
    centre = np.array([half, half])
    shift = centre + rng.uniform(-6.0, 6.0, 2) - linear @ centre
    warp: Array = np.zeros(0)
    if scenario.warp_px > 0:
        count = (size + 4 * MARGIN_PX) // WARP_STEP_PX + 2
        sigma = scenario.warp_scale_px / WARP_STEP_PX
        noise = [ndimage.gaussian_filter(rng.normal(size=(count, count)), sigma) for _ in "xy"]
        part = _corner(scenario, count)
        warp = np.stack(
            [ndimage.spline_filter(part * n * scenario.warp_px / n.std(), order=3) for n in noise]
        )
    return Geometry(size, np.column_stack([linear, shift]), scenario.bend_px, warp)


def _corner(scenario: Scenario, count: int) -> Array:
    """How much of the random displacement holds at each of its knots: 1 in the corner, 0 beyond it."""
    if scenario.warp_part >= 1.0:
        return np.ones((count, count))
    at = np.arange(count) * WARP_STEP_PX - 2 * MARGIN_PX
    end = scenario.warp_part * scenario.size
    along = 1.0 / (1.0 + np.exp((at - end) / (0.5 * scenario.warp_scale_px)))
    return np.outer(along, along)


def sources_of(scenario: Scenario, rng: np.random.Generator) -> Sources:
    """Draw the constant sources."""
    wide = scenario.size + 2 * MARGIN_PX
    stars, galaxies = (
        rng.poisson(density * wide**2 / 1e6) for density in (scenario.stars, scenario.galaxies)
    )
    x, y = rng.uniform(-MARGIN_PX, scenario.size + MARGIN_PX, (2, stars))
    gx, gy = rng.uniform(-MARGIN_PX, scenario.size + MARGIN_PX, (2, galaxies))
    flux = _power_law(rng, galaxies, GALAXY_SLOPE, GALAXY_FLUX)
    scale = np.clip(rng.lognormal(np.log(1.3), 0.45, galaxies) * (flux / 2000.0) ** 0.2, 0.5, 6.0)
    ratio, angle = rng.uniform(0.3, 1.0, galaxies), rng.uniform(0.0, np.pi, galaxies)
    long, short = scale**2, (scale * ratio) ** 2
    c, s = np.cos(angle), np.sin(angle)
    return Sources(
        x=x,
        y=y,
        flux=_power_law(rng, stars, STAR_SLOPE, STAR_FLUX),
        galaxy_x=gx,
        galaxy_y=gy,
        galaxy_flux=flux,
        galaxy_shape=np.column_stack(
            [long * c * c + short * s * s, long * s * s + short * c * c, (long - short) * c * s]
        ),
        galaxy_nu=rng.uniform(-0.3, 0.7, galaxies),
    )


def _power_law(rng: np.random.Generator, count: int, slope: float, limits: tuple[float, float]) -> Array:
    """Fluxes with N(> F) proportional to F^-slope between two limits."""
    low, high = (limit**-slope for limit in limits)
    return np.asarray((low - rng.uniform(0.0, 1.0, count) * (low - high)) ** (-1.0 / slope))
