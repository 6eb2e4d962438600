"""The two images of a tile, transformed; what belongs to the reference is kept for the next frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.frame import Aligned, Image, MaskImage, PreparedReference, PsfModel
from pipeline.quantile import quantile
from pipeline.stellar.stamps import psf_stamps
from pipeline.subtraction.arrays import Arrays, Spectrum
from pipeline.subtraction.tile_score import Side
from pipeline.subtraction.tiles import Tile, centred, fitting

MIN_SHIFT_PX = 0.003  # smaller shifts are not worth a phase
# Transforms of small tiles, mostly halo, would fill as much memory as all the rest of a subtraction, and to
# make them again is a tenth of it.
MOST_OVERLAP = 2.0
TOGETHER = 32  # PSFs that are made at a time, as one product of matrices


def psfs_of(psf: PsfModel, tiles: Sequence[Tile]) -> Iterator[Image]:
    """The PSF at the centre of each tile."""
    x, y = np.array([tile.centre for tile in tiles]).T
    for some in (slice(first, first + TOGETHER) for first in range(0, len(tiles), TOGETHER)):
        yield from psf_stamps(psf, x[some], y[some])


def new_side(
    tile: Tile,
    new: Aligned,
    psf: Image,
    light: Image,
    variance: Image,
    shift: NDArray[np.float64],
    xp: Arrays,
) -> Side:
    """A tile of the new frame, in reference electrons, moved by what its stars are still off: x and y."""
    spectrum = xp.rfft2(xp.array(tile.cut(light)))
    dx, dy = map(float, shift)
    if max(abs(dx), abs(dy)) > MIN_SHIFT_PX:
        spectrum = shifted(spectrum, dx, dy, tile.shape, xp)
    return Side(
        light=spectrum,
        variance=xp.rfft2(xp.array(tile.near.cut(variance))),
        psf=_transformed(psf, tile, xp),
        sigma=background_noise(tile, variance, new.frame.mask),
    )


def reference_side(
    tile: Tile, reference: PreparedReference, psf: Image, light: Image, variance: Image, xp: Arrays
) -> Side:
    """A tile of the reference, from its caches where it was made before and is worth the memory."""
    key = ("tile", xp.name, *tile.key)
    made = reference.caches.get(key)
    if made is None:
        made = (
            xp.rfft2(xp.array(tile.cut(light))),
            xp.rfft2(xp.array(tile.near.cut(variance))),
            background_noise(tile, variance, reference.frame.mask),
        )
        rows, columns = tile.inner
        own = (rows.stop - rows.start) * (columns.stop - columns.start)
        if tile.shape[0] * tile.shape[1] < MOST_OVERLAP * own:
            reference.caches[key] = made
    of_light, of_variance, sigma = made
    # The transform of a narrow PSF takes less time than the memory is worth that all of them would fill.
    return Side(of_light, of_variance, _transformed(psf, tile, xp), sigma)


def shifted(spectrum: Spectrum, dx: float, dy: float, shape: tuple[int, int], xp: Arrays) -> Spectrum:
    """Move an image by (-dx, -dy) pixels, given and returned as its transform."""
    rows = np.exp(2j * np.pi * dy * fft.fftfreq(shape[0])).astype(np.complex64)
    columns = np.exp(2j * np.pi * dx * fft.rfftfreq(shape[1])).astype(np.complex64)
    spectrum *= xp.array(rows[:, None])
    spectrum *= xp.array(columns[None, :])
    return spectrum


def background_noise(tile: Tile, variance: Image, mask: MaskImage) -> float:
    """Noise of the sky in a tile: of its fainter pixels, for the others have sources."""
    rows, columns = tile.inner
    part = slice(rows.start, rows.stop, 2), slice(columns.start, columns.stop, 2)
    values = variance[part][mask[part] == 0]
    if values.size < 16:
        values = variance.ravel()[:: max(1, variance.size // 100_000)]
    return float(np.sqrt(quantile(values, 0.25)))


def _transformed(stamp: Image, tile: Tile, xp: Arrays) -> Spectrum:
    middle = fitting(stamp, tile.shape)
    return xp.rfft2_of_narrow(xp.array(centred(middle, middle.shape)), tile.shape)
