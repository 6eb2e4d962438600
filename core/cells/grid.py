"""From a cutout's pixels to the sample grid of a panel."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # (height, width), NaN where masked


def squared(plane: Plane) -> Plane:
    """Pad the shorter side with NaN, evenly, so that the plane is square about the same centre."""
    height, width = plane.shape
    side = max(height, width)
    if height == width:
        return plane
    top, left = (side - height) // 2, (side - width) // 2
    padding = ((top, side - height - top), (left, side - width - left))
    return np.pad(plane, padding, constant_values=np.nan)


def cropped(plane: Plane, zoom: float) -> Plane:
    """The central ``1 / zoom`` of a square plane, at least 5 pixels, centred on the same pixel."""
    side = plane.shape[0]
    keep = zoomed_side(side, zoom)
    start = (side - keep) // 2
    return plane[start : start + keep, start : start + keep]


def zoomed_side(side: int, zoom: float) -> int:
    """How many pixels of so many a side are left at a zoom."""
    keep = min(side, max(5, round(side / zoom)))
    return keep - (side - keep) % 2  # an even remainder keeps the centre where it was


def resampled(plane: Plane, rows: int, columns: int) -> Plane:
    """Average a plane over the areas of ``rows`` x ``columns`` equal rectangles.

    Masked pixels take no part; a rectangle of which less than half is unmasked is masked.
    """
    vertical = _area_weights(plane.shape[0], rows)
    horizontal = _area_weights(plane.shape[1], columns)
    good = np.isfinite(plane)
    total = vertical @ np.where(good, plane, np.float32(0)) @ horizontal.T
    weight = vertical @ good.astype(np.float32) @ horizontal.T
    seen = weight >= 0.5
    averaged = np.full((rows, columns), np.nan, dtype=np.float32)
    averaged[seen] = total[seen] / weight[seen]
    return averaged


@lru_cache(maxsize=64)
def _area_weights(pixels: int, samples: int) -> NDArray[np.float32]:
    """The share of each pixel in each sample, (samples, pixels); rows sum to 1."""
    edges = np.linspace(0, pixels, samples + 1)
    left = np.maximum(edges[:-1, None], np.arange(pixels))
    right = np.minimum(edges[1:, None], np.arange(1, pixels + 1))
    overlap: NDArray[np.float64] = np.maximum(right - left, 0.0)
    overlap /= overlap.sum(axis=1, keepdims=True)
    return overlap.astype(np.float32)
