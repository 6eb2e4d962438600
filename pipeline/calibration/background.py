"""The smooth sky under the sources."""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray

from pipeline.frame import Image
from pipeline.neighbourhood import blurred, grown
from pipeline.quantile import MAD_TO_SIGMA, quantile

SOURCE_SIGMA = 2.5  # of the lightly smoothed image: what is above it is a source
SMOOTH_PX = 1.5
GROW_PX = 3
SLOPE_POINTS, SLOPE_ROUNDS, SLOPE_SIGMA = 200, 6, 2.5  # points along the shorter side
MOST_COVERED = 0.5  # of a field by sources; of a cell by a mask: SEP gives such cells no level


def sky_level(data: Image, bad: NDArray[np.bool_], mesh_px: int) -> Image:
    """Estimate the sky under the sources.

    In each mesh cell the mode of the clipped pixels is the sky (Bertin & Arnouts 1996, section 7.1),
    first of all pixels and then without the sources found above that. In a field so crowded that
    sources cover most pixels the first estimate stands: it lies above the gaps between the stars, by
    their unresolved light.

    Parameters
    ----------
    data : (height, width) float32
    bad : (height, width) bool
        Pixels to leave out; not all of them.
    mesh_px : int
        Side of a cell: larger than any source to keep, smaller than the sky's structure.

    Returns
    -------
    (height, width) float32
        In the units of the data.
    """
    data = np.ascontiguousarray(data)
    first = _mesh(data, bad, mesh_px)
    if first is None:
        return np.full(data.shape, np.median(data[~bad]), dtype=np.float32)
    level: Image = first.back(dtype=np.float32)
    rms: Image = first.rms(dtype=np.float32)
    smooth = blurred(np.where(bad, np.float32(0.0), data - level), SMOOTH_PX)
    share = np.float32(SOURCE_SIGMA / (2.0 * np.sqrt(np.pi) * SMOOTH_PX))
    sources = grown(smooth > share * rms, GROW_PX)
    if np.count_nonzero(sources & ~bad) > MOST_COVERED * np.count_nonzero(~bad):
        return level
    bad = bad | sources
    slope = _slope(data, bad)
    second = _mesh(data - slope, bad, mesh_px)
    if second is None:
        return level
    slope += second.back(dtype=np.float32)
    return slope


def _slope(data: Image, bad: NDArray[np.bool_]) -> Image:
    """The slope of the sky over the whole image, without its level.

    A mesh follows a slope within the image, and falls short of it at the edges, where half a cell and a
    median of too few cells have to do.
    """
    height, width = data.shape
    step = max(1, min(height, width) // SLOPE_POINTS)
    part = np.s_[step // 2 :: step, step // 2 :: step]
    known = ~bad[part]
    if np.count_nonzero(known) < 100:
        return np.zeros_like(data)
    rows = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    terms = np.stack(
        [axis[part][known] for axis in np.broadcast_arrays(rows, columns, np.float32(1.0))], axis=1
    ).astype(np.float64)
    values = data[part][known].astype(np.float64)
    kept = np.ones(len(values), dtype=bool)
    for _ in range(SLOPE_ROUNDS):
        used = terms[kept]
        found = np.linalg.lstsq(used.T @ used, used.T @ values[kept], rcond=None)[0]
        rest = values - terms @ found
        rest -= quantile(rest[kept], 0.5)
        scatter = MAD_TO_SIGMA * quantile(np.abs(rest[kept]), 0.5)
        kept = np.abs(rest) <= SLOPE_SIGMA * scatter
        if np.count_nonzero(kept) < 100:
            return np.zeros_like(data)
    slope: Image = rows * np.float32(found[0]) + columns * np.float32(found[1])
    return slope


def _mesh(data: Image, masked: NDArray[np.bool_], mesh_px: int) -> sep.Background | None:
    """SEP's mesh, or ``None`` where no cell has the pixels that SEP wants of one."""
    height, width = data.shape
    bw, bh = min(mesh_px, width), min(mesh_px, height)
    cells = (masked[y : y + bh, x : x + bw] for y in range(0, height, bh) for x in range(0, width, bw))
    if not any(cell.size - np.count_nonzero(cell) > (1.0 - MOST_COVERED) * bw * bh for cell in cells):
        return None
    return sep.Background(data, mask=masked if masked.any() else None, bw=bw, bh=bh, fw=3, fh=3)
