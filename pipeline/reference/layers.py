"""Frames of one field on one grid, scaled to the fluxes of the one whose grid it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.frame import Frame, FrameRefused, Image, MaskImage, Stars
from pipeline.measure import Measured
from pipeline.registration.align import find_map, moved_stars
from pipeline.registration.resample import resample

UNUSABLE = (
    MaskPlane.BAD
    | MaskPlane.SATURATED
    | MaskPlane.COSMIC_RAY
    | MaskPlane.EDGE
    | MaskPlane.INTERPOLATED
    | MaskPlane.STREAK
)
MATCH_PX = 2.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One frame on the common grid, scaled to the fluxes of the grid's frame; its stars are not scaled."""

    of: Measured
    signal: Image
    variance: Image
    mask: MaskImage
    stars: Stars
    fwhm: float
    weight: float
    scale: float  # this frame's flux over the grid frame's
    sky: float

    @property
    def name(self) -> str:
        """Of the frame."""
        return self.of.frame.exposure.name

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Pixels that show the sky: (height, width) bool."""
        return np.asarray((self.mask & UNUSABLE) == 0)

    def without(self, part: NDArray[np.bool_]) -> Layer:
        """The same as if the frame did not reach a part of the grid."""
        return replace(self, mask=np.where(part, np.uint16(MaskPlane.EDGE), self.mask))


def stacked(
    grid: Measured, others: Sequence[Measured], settings: Settings, report: Callable[[str], None]
) -> tuple[list[Layer], dict[str, str]]:
    """Bring frames onto the grid of one of them, which comes first.

    Parameters
    ----------
    grid : Measured
    others : sequence of Measured
    settings : Settings
    report : callable
        Told the name of each frame before it is aligned.

    Returns
    -------
    layers : list of Layer
        At least that of `grid`.
    skipped : dict
        The names of frames that do not align, and why.

    Raises
    ------
    FrameRefused
        The frame whose grid it is has no usable pixel.
    """
    layers, skipped = [_layer(grid, grid.frame, grid.stars, grid.fwhm, 1.0)], {}
    for each in others:
        name = each.frame.exposure.name
        report(name)
        try:
            to_frame = find_map(
                each.frame, each.stars, grid.frame, grid.stars, each.fwhm, grid.fwhm, settings
            ).to_new
            stars = moved_stars(each.stars, to_frame)
            scale = flux_ratio(stars, grid.stars)
            aligned = resample(each.frame, to_frame, grid.frame.wcs, each.fwhm)
            layers.append(_layer(each, aligned, stars, each.fwhm / math.sqrt(abs(to_frame.area)), scale))
        except FrameRefused as refused:
            skipped[name] = str(refused)
    return layers, skipped


def flux_ratio(stars: Stars, others: Stars) -> float:
    """How much brighter stars are here than there, from the bright stars common to both.

    Raises
    ------
    FrameRefused
        Fewer than three good stars are common.
    """
    good, other = stars.take(_measurable(stars)), others.take(_measurable(others))
    ratios = np.empty(0)
    if len(good) and len(other):
        distance, nearest = KDTree(np.column_stack([other.x, other.y])).query(
            np.column_stack([good.x, good.y]), distance_upper_bound=MATCH_PX
        )
        common = np.isfinite(distance)
        ratios = good.flux[common] / other.flux[nearest[common]]
    if len(ratios) < 3:
        raise FrameRefused(f"only {len(ratios)} good stars in common, 3 are needed to scale the fluxes")
    return float(np.median(ratios[:200]))  # stars come brightest first


def _measurable(stars: Stars) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = (stars.mask == 0) & (stars.flux > 20.0 * stars.flux_err)
    return good


def _layer(of: Measured, frame: Frame, stars: Stars, fwhm: float, scale: float) -> Layer:
    usable = (frame.mask & UNUSABLE) == 0
    if not usable.any():
        raise FrameRefused(f"{frame.exposure.name} has no usable pixel on the common grid")
    noise2 = float(np.median(frame.variance[usable])) / scale**2
    return Layer(
        of=of,
        signal=frame.signal / np.float32(scale),
        variance=frame.variance / np.float32(scale**2),
        mask=frame.mask,
        stars=stars,
        fwhm=fwhm,
        weight=1.0 / (noise2 * fwhm**2),
        scale=scale,
        sky=float(np.median(frame.background[usable])) / scale,
    )
