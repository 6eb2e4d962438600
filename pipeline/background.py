"""The smooth sky under the sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from pipeline.frame import Image

SOURCE_SIGMA = 2.5  # of the lightly smoothed image: what is above it is a source
SMOOTH_PX = 1.5
GROW_PX = 3
MOST_MASKED = 0.7  # beyond it too little sky is left, and the clipped mode of all pixels is the better guess


@dataclass(frozen=True, slots=True)
class Background:
    """The sky's level and its scatter, (height, width) float32, in the units of the data."""

    level: Image
    rms: Image


def estimate(data: Image, bad: NDArray[np.bool_], mesh_px: int) -> Background:
    """Estimate the sky under the sources.

    In each mesh cell the mode of the clipped pixels is the sky (Bertin & Arnouts 1996, section 7.1),
    first of all pixels and then without the sources found above that. In a field so crowded that
    hardly any pixel is free of sources, the first estimate stands.

    Parameters
    ----------
    data : (height, width) float32
    bad : (height, width) bool
        Pixels to leave out; not all of them.
    mesh_px : int
        Side of a cell: larger than any source to keep, smaller than the sky's structure.

    Returns
    -------
    Background
    """
    data = np.ascontiguousarray(data)
    first = _mesh(data, bad, mesh_px)
    excess = data - first.level
    excess[bad] = 0.0
    smooth = gaussian_filter(excess, SMOOTH_PX)
    limit = SOURCE_SIGMA * first.rms / (2.0 * np.sqrt(np.pi) * SMOOTH_PX)
    sources = maximum_filter((smooth > limit).astype(np.uint8), size=2 * GROW_PX + 1) > 0
    masked = sources | bad
    if float(np.mean(masked[~bad])) > MOST_MASKED:
        return first
    return _mesh(data, masked, mesh_px)


def _mesh(data: Image, masked: NDArray[np.bool_], mesh_px: int) -> Background:
    """SEP's mesh, for images that may be smaller than a cell."""
    height, width = data.shape
    mesh = sep.Background(data, mask=masked, bw=min(mesh_px, width), bh=min(mesh_px, height), fw=3, fh=3)
    return Background(mesh.back(dtype=np.float32), mesh.rms(dtype=np.float32))
