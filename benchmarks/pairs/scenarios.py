"""The ten kinds of pairs: one difficulty each.

Light is counted in electrons of the new frame; the reference collects ``depth`` times as many of the
same source and, with ``transparency`` below 1, the new frame fewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.pairs.optics import Optics


@dataclass(frozen=True)
class Scenario:
    """What pairs of a kind have in common; all else is drawn by their seed.

    Attributes
    ----------
    fwhm_new, fwhm_ref : float
        Pixels.
    depth : float
        The reference's exposure in units of the new frame's.
    transparency : float
        Of the new frame's sky.
    stars, galaxies, transients : float
        A megapixel, stars to about half a sigma of the new frame.
    rotation_deg, scale, bend_px, warp_px, warp_scale_px
        How the new frame's grid lies on the reference's: rotation, scale, the most that a cubic
        distortion moves a corner, and the root mean square per axis of a random displacement that is
        smooth on ``warp_scale_px`` (sigma of a Gaussian).
    warp_part : float
        The side of the corner that is displaced so, in units of the frame's: 1 is the whole frame.
    jitter : (xx, yy, xy)
        Covariance in square pixels by which tracking broadened the new frame's PSF.
    drift : (dx, dy)
        Pixels that the new frame moved.
    growth : (gx, gy, gr)
        How the width varies over the field; the reference has the mirror image of it.
    aberration : float
        Waves, root mean square of what is drawn.
    nodes : int
        At which the PSF is computed along an axis.
    """

    name: str
    size: int = 1024
    fwhm_new: float = 3.3
    fwhm_ref: float = 2.8
    depth: float = 6.0
    transparency: float = 0.85
    stars: float = 3000.0
    galaxies: float = 400.0
    transients: float = 120.0
    rotation_deg: float = 0.15
    scale: float = 1.0003
    bend_px: float = 0.0
    warp_px: float = 0.0
    warp_scale_px: float = 40.0
    warp_part: float = 1.0
    jitter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drift: tuple[float, float] = (0.0, 0.0)
    growth: tuple[float, float, float] = (0.01, -0.008, 0.01)
    aberration: float = 0.08
    nodes: int = 5


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("typical"),
        Scenario("sharper", fwhm_new=2.5, fwhm_ref=3.5),
        Scenario("misregistered", warp_px=0.3),
        Scenario("corner", warp_px=0.3, warp_part=0.4),
        Scenario("warped", rotation_deg=2.0, scale=1.02, bend_px=4.0),
        Scenario("crowded", stars=16000.0),
        Scenario("varying", size=2048, growth=(0.1, -0.07, 0.05), aberration=0.1, nodes=11),
        Scenario("undersampled", fwhm_new=1.6, fwhm_ref=1.6, aberration=0.04),
        Scenario("elliptical", jitter=(1.5, 0.0, 0.5), drift=(2.4, 1.0)),
        Scenario("shallow", depth=0.8),
    )
}


def optics_of(scenario: Scenario, rng: np.random.Generator, *, new: bool) -> Optics:
    """One frame's optics: aberrations drawn anew, the rest the scenario's."""
    a = scenario.aberration

    def drawn(constant: float, slope: float, curve: float = 0.0) -> tuple[float, ...]:
        sizes = np.array([constant, slope, slope, curve, curve, curve])
        return tuple(float(v) for v in a * sizes * rng.normal(size=6))

    along = float(a * abs(rng.normal(1.0, 0.3)))  # coma grows outward
    coma_x, coma_y = list(drawn(0.7, 0.3)), list(drawn(0.7, 0.3))
    coma_x[1] += along
    coma_y[2] += along
    waves = {
        "defocus": drawn(0.7, 0.5, 0.5),
        "astigmatism_0": drawn(0.7, 0.7, 0.5),
        "astigmatism_45": drawn(0.7, 0.7, 0.5),
        "coma_x": tuple(coma_x),
        "coma_y": tuple(coma_y),
        "trefoil_x": drawn(0.6, 0.2),
        "trefoil_y": drawn(0.6, 0.2),
    }
    gx, gy, gr = scenario.growth
    return Optics(
        fwhm=(scenario.fwhm_new if new else scenario.fwhm_ref) * float(rng.uniform(0.97, 1.03)),
        growth=(gx, gy, gr) if new else (-gx, -gy, gr / 2.0),
        waves=waves,
        jitter=scenario.jitter if new else (0.0, 0.0, 0.0),
        drift=scenario.drift if new else (0.0, 0.0),
        nodes=scenario.nodes,
    )
