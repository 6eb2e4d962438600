"""The PSF of a difference over the field, and how large a tile may be that has one PSF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.frame import Image, PsfModel
from pipeline.subtraction.field import terms
from pipeline.subtraction.tiles import Tile, fitting

SMALLEST_TILE_PX = 80
MAX_PSF_CHANGE = 0.005  # over half a tile; a star of 500 sigma then leaves about 3


def tile_size(wished: int, *psfs: PsfModel) -> int:
    """The wished size, halved until a PSF changes little from a tile's middle to its edge."""
    size = wished
    while size >= 2 * SMALLEST_TILE_PX and max(_change(psf, size) for psf in psfs) > MAX_PSF_CHANGE:
        size //= 2
    return size


def _change(psf: PsfModel, size: int) -> float:
    """The most that the PSF changes over half a tile, relative to its own root sum of squares."""
    if psf.degree == 0:
        return 0.0
    height, width = psf.shape
    most = 0.0
    for x in (0.0, (width - 1) / 2.0, width - 1.0):
        for y in (0.0, (height - 1) / 2.0, height - 1.0):
            here = psf.at(x, y)
            for toward_x, toward_y in ((1, 0), (0, 1)):
                beside = psf.at(
                    x + toward_x * np.copysign(size / 2.0, width / 2.0 - x),
                    y + toward_y * np.copysign(size / 2.0, height / 2.0 - y),
                )
                most = max(most, float(np.linalg.norm(beside - here) / np.linalg.norm(here)))
    return most


def psf_model(tiles: list[Tile], stamps: list[Image], shape: tuple[int, int]) -> PsfModel:
    """The difference's PSF as a polynomial through the tiles' own."""
    x, y = np.array([tile.centre for tile in tiles]).T
    sides = min(len(set(x)), len(set(y)))
    degree = 0 if sides < 2 else 1 if sides < 3 else 2
    size = min(stamp.shape[0] for stamp in stamps)
    cube = np.stack([fitting(stamp, (size + 1, size + 1)) for stamp in stamps]).reshape(len(stamps), -1)
    basis, *_ = np.linalg.lstsq(terms(x, y, shape, degree), cube.astype(np.float64), rcond=None)
    middle: NDArray[np.float64] = basis[0].reshape(size, size)
    return PsfModel(
        basis=basis.reshape(-1, size, size).astype(np.float32),
        degree=degree,
        shape=shape,
        fwhm=width_at_half(middle),
        n_stars=0,
    )


def width_at_half(stamp: NDArray[np.float64]) -> float:
    """FWHM of a centred stamp: that of the circle whose area is above half the peak, to a fraction."""
    fine = ndimage.zoom(stamp, 4, order=3, grid_mode=True, mode="nearest")
    return float(2.0 * np.sqrt(np.count_nonzero(fine > 0.5 * fine.max()) / np.pi) / 4.0)
