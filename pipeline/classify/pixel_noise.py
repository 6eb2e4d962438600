"""Images in units of what their pixels differ by from their neighbours where it is darkest.

The spread of all pixels tells of noise where most are empty. In a crowded field it tells of stars: a change
of ten sigma is lost in it. There the darkest places come nearest to sky, and what pixels differ by from
their neighbours is noise still, as stars are wider than they are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Stack = NDArray[np.float32]  # (n, side, side)

STEP = 2  # every other pixel is looked at, so that what resampling ties together is apart
BLOCK = 5  # of these along the sides of a place
DARKEST = 7  # places, of 36 in a cutout, a fifth
LEAST_KNOWN = 8  # pixels of a place
LEAST_FILL = 0.025  # of an image: of fewer a few are alike by chance, as images are kept to a quarter sigma
LEAST = 0.01  # of the spread of all: with less, pixels are copies of each other, not noise
# Of normal noise the mean of absolute values is sqrt(2 / pi) sigma; that of the mean of four is in it too.
SIGMA = np.float32(np.sqrt(np.pi / 2.0) / np.sqrt(1.25))


def in_pixel_noise(stack: Stack) -> Stack:
    """Images in units of their pixels' noise, with the sky of their darkest places at 0.

    Parameters
    ----------
    stack : (n, side, side) float32
        In units of the spread of all their pixels; NaN where masked. At least 12 pixels along a side.

    Returns
    -------
    (n, side, side) float32
        What tells of no noise, as it is absent or flat, stays as it is; what fills an image up tells of none.
        What is beyond single precision in these units is infinite.
    """
    noise, sky = _measured(stack)
    # Where a flat place takes part the noise is 0, where too much is masked NaN.
    told = (noise > LEAST) & np.isfinite(sky)
    noise, sky = np.where(told, noise, 1.0), np.where(told, sky, 0.0)
    with np.errstate(over="ignore"):
        scaled: Stack = (stack - sky[:, None, None]) / noise[:, None, None]
    return scaled


def _measured(stack: Stack) -> tuple[Stack, Stack]:
    """The noise of pixels and the sky: the middle ones of the darkest places, each (n,)."""
    some = _without_fill(np.ascontiguousarray(stack[:, ::STEP, ::STEP]))
    inner = (some.shape[1] - 2) // BLOCK * BLOCK
    some = some[:, : inner + 2, : inner + 2]
    here = some[:, 1:-1, 1:-1]
    rough = some[:, :-2, 1:-1] + some[:, 2:, 1:-1]
    rough += some[:, 1:-1, :-2]
    rough += some[:, 1:-1, 2:]
    rough *= np.float32(-0.25)
    rough += here
    np.abs(rough, out=rough)
    noise, sky = _by_place(rough), _by_place(here)
    masked = np.isnan(noise).any(axis=1)
    if masked.any():
        good = np.isfinite(rough[masked])
        known = _by_place(good.astype(np.float32)) * BLOCK**2
        share = np.where(known >= LEAST_KNOWN, known, np.nan) / BLOCK**2
        noise[masked] = _by_place(np.where(good, rough[masked], 0.0)) / share
        sky[masked] = _by_place(np.where(good, here[masked], 0.0)) / share
    dark = np.argpartition(sky, DARKEST, axis=1)[:, :DARKEST]  # NaN comes last
    middle = DARKEST // 2
    noise, sky = (np.sort(np.take_along_axis(each, dark, axis=1), axis=1)[:, middle] for each in (noise, sky))
    return SIGMA * noise, sky


def _without_fill(images: Stack) -> Stack:
    """The same with NaN where pixels are copies of all their neighbours, and in these.

    Where an image ends, others fill it up with one value, often far below the sky. Its darkest places would
    be there, and what differs most from its neighbours beside them.
    """
    down = images[:, 1:] == images[:, :-1]
    across = images[:, :, 1:] == images[:, :, :-1]
    alike = np.ones(images.shape, dtype=bool)  # what lies beyond the sides of an image tells nothing
    alike[:, 1:] &= down
    alike[:, :-1] &= down
    alike[:, :, 1:] &= across
    alike[:, :, :-1] &= across
    alike &= alike.mean(axis=(1, 2), keepdims=True) > LEAST_FILL
    if not alike.any():
        return images
    fill = alike.copy()
    fill[:, 1:] |= alike[:, :-1]
    fill[:, :-1] |= alike[:, 1:]
    fill[:, :, 1:] |= alike[:, :, :-1]
    fill[:, :, :-1] |= alike[:, :, 1:]
    return np.where(fill, np.float32(np.nan), images)


def _by_place(values: Stack) -> Stack:
    """Means of blocks: (n, places). Sums of slices, as NumPy's of short axes take three times as long."""
    count, height, width = values.shape
    rows = values.reshape(count, height // BLOCK, BLOCK, width)
    summed = rows[:, :, 0].copy()
    for i in range(1, BLOCK):
        summed += rows[:, :, i]
    columns = summed.reshape(count, height // BLOCK, width // BLOCK, BLOCK)
    means = columns[..., 0].copy()
    for i in range(1, BLOCK):
        means += columns[..., i]
    means /= np.float32(BLOCK**2)
    return means.reshape(count, math.prod(means.shape[1:]))
