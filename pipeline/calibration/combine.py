"""The mean of many images of one shape: of single exposures without outliers, of masters by what they hold.

Images are taken one at a time and combined some rows at a time, so that memory does not grow with how many
there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.stack import Stack
from pipeline.frame import FrameRefused, Image
from pipeline.quantile import MAD_TO_SIGMA

CLIP_SIGMA = 4.0
COMMON = 1e-3  # share of values beyond which their least deviation is a step, and not a cosmic ray
CHUNK_BYTES = 16 * 2**20  # of the stack that is in memory at once, a few times over while it is combined


def mean_of(images: Iterable[tuple[Image, int]], folder: Path | None = None) -> Image:
    """The mean of images, each of which is that of so many exposures.

    Single exposures are freed of outliers. A master was, when it was made: it counts as its exposures, for
    its noise is less than theirs by the root of their number.

    Parameters
    ----------
    images : iterable of ((height, width) float32, int)
        One at least.
    folder : Path, optional
        Where they are put meanwhile if they are too many for memory.

    Raises
    ------
    FrameRefused
        They are of different sizes.
    """
    ready = _Ready()
    mean = clipped_mean(ready.but_masters(images), folder)
    return ready.with_masters(mean)


class _Ready:
    """The masters among some images."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None
        self._exposures = 0
        self._single = 0

    def but_masters(self, images: Iterable[tuple[Image, int]]) -> Iterator[Image]:
        """The images that are none; masters are added up meanwhile."""
        for image, exposures in images:
            if exposures == 1:
                self._single += 1
                yield image
                continue
            if self._sum is None:
                self._sum = np.zeros(image.shape)
            _check_shapes(self._sum.shape, image.shape)
            self._sum += exposures * image.astype(np.float64)
            self._exposures += exposures

    def with_masters(self, mean: Image | None) -> Image:
        """The mean of all, of that of the single exposures."""
        if self._sum is None:
            return np.zeros((0, 0), np.float32) if mean is None else mean
        if mean is None:
            return (self._sum / self._exposures).astype(np.float32)
        _check_shapes(self._sum.shape, mean.shape)
        total = self._sum + self._single * mean.astype(np.float64)
        return (total / (self._exposures + self._single)).astype(np.float32)


def _check_shapes(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    if one != other:
        sizes = " and ".join(f"{width} x {height}" for height, width in sorted({one, other}))
        raise FrameRefused(f"the calibration frames are of different sizes ({sizes})")


def clipped_mean(images: Iterable[Image], folder: Path | None = None) -> Image | None:
    """The mean of each pixel over images of one shape, without outliers.

    Images are combined in double precision a chunk of rows at a time; of none there is none.

    Parameters
    ----------
    images : iterable of (height, width) float32
    folder : Path, optional
        Where they are put meanwhile if they are too many for memory.

    Raises
    ------
    FrameRefused
        They are of different sizes.
    """
    with Stack(folder) as stack:
        for image in images:
            stack.add(image)
        if stack.shape is None:
            return None
        height, width = stack.shape
        rows = max(1, CHUNK_BYTES // (8 * width * len(stack)))
        out = np.empty((height, width), dtype=np.float32)
        for start in range(0, height, rows):
            chunk = stack.rows(start, start + rows).astype(np.float64)
            out[start : start + rows] = _clipped_mean_of_stack(chunk)
    return out


def _clipped_mean_of_stack(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean along the first axis of what lies within the clip around the median.

    A pixel's own scatter is of a handful of values: that of its row is its lower bound, and so is a step of
    whole numbers, of which most may be equal: the few that are one more are no outliers.
    """
    if len(stack) < 3:
        return np.asarray(stack.mean(axis=0))
    deviation = np.abs(stack - np.median(stack, axis=0))
    scatter = MAD_TO_SIGMA * np.median(deviation, axis=0)
    least = np.maximum(np.median(scatter, axis=1, keepdims=True), _step(deviation))
    kept = deviation <= CLIP_SIGMA * np.maximum(scatter, least) + 1e-12
    return np.asarray(np.where(kept, stack, 0.0).sum(axis=0) / np.maximum(kept.sum(axis=0), 1))


def _step(deviation: NDArray[np.float64]) -> float:
    """The least by which values deviate, if as many do as steps of whole numbers have them."""
    some = deviation[deviation > 0.0]
    return float(some.min()) if some.size > COMMON * deviation.size else 0.0
