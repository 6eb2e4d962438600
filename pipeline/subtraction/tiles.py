"""Overlapping tiles: how a frame is cut up for transforms, and put together again without seams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Image
from pipeline.subtraction.filters import LEAST_KERNEL_PX

SQUARED_HALO_PX = 20


@dataclass(frozen=True, slots=True)
class Span:
    """One tile's extent along one axis.

    The tile answers for pixels ``start`` to ``stop``; neighbours overlap, and ``weight`` (one value a
    pixel) is this tile's share, so that the shares of all tiles add to 1. ``origin`` is where its
    transform begins, a halo before ``start``; it may lie outside the frame. ``faded`` are where it has a
    share only; either may be empty.
    """

    start: int
    stop: int
    origin: int
    weight: NDArray[np.float32]
    faded: tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a frame with its halo, of the same transformed shape as every other tile."""

    rows: Span
    columns: Span
    shape: tuple[int, int]  # of the transform
    narrow: Tile | None = None  # what `near` is, where it is not the tile itself

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of what it answers for, as x, y."""
        return (
            0.5 * (self.columns.start + self.columns.stop - 1),
            0.5 * (self.rows.start + self.rows.stop - 1),
        )

    @property
    def key(self) -> tuple[int, int, int, int]:
        """What tells it from other tiles of one frame, whatever its size."""
        return (self.rows.origin, self.columns.origin, *self.shape)

    @property
    def inner(self) -> tuple[slice, slice]:
        """The pixels that it answers for, in the frame."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    @property
    def inside(self) -> tuple[slice, slice]:
        """The same pixels in the tile's own coordinates."""
        return tuple(  # type: ignore[return-value]
            slice(span.start - span.origin, span.stop - span.origin) for span in (self.rows, self.columns)
        )

    @property
    def near(self) -> Tile:
        """The same pixels with as much of a halo as the square of a kernel needs, which falls off faster."""
        return self if self.narrow is None else self.narrow

    def cut(self, image: NDArray[np.float32]) -> Image:
        """The tile with its halo; beyond the frame its mirror image, for a step there would ring."""
        spans = tuple(zip((self.rows, self.columns), self.shape, image.shape, strict=True))
        whole = image[tuple(slice(max(0, span.origin), span.origin + length) for span, length, _ in spans)]
        if whole.shape == self.shape:
            return whole
        out = np.empty(self.shape, dtype=whole.dtype)
        rows, columns = (
            slice(max(0, -span.origin), max(0, -span.origin) + taken)
            for taken, (span, *_) in zip(whole.shape, spans, strict=True)
        )
        out[rows, columns] = whole
        _mirror(out[rows].T, columns)  # its columns
        _mirror(out, rows)
        return out

    def add(self, values: Image, to: Image) -> None:
        """Add the tile's share of values, of the pixels it answers for, to a frame that began at zero.

        Its share of a pixel is the product of both weights; the rest is its neighbours'. The values are
        overwritten.
        """
        for rows in self.rows.faded:
            values[rows] *= self.rows.weight[rows, None]
        for columns in self.columns.faded:
            values[:, columns] *= self.columns.weight[columns]
        to[self.inner] += values


def plan(shape: tuple[int, int], tile_px: int, halo: int, blend: int) -> list[Tile]:
    """Cover a frame with tiles of about one size.

    Parameters
    ----------
    shape : (height, width)
        Of the frame.
    tile_px : int
        The size wished for; the frame is divided evenly into the nearest whole number of tiles.
    halo : int
        Pixels around each tile whose values are computed but not used: at least the radius of every
        kernel, or the transform's wrap-around reaches into the tile.
    blend : int
        Half the width over which one tile fades into the next, at least; more where the transform has room,
        for the wider the fade, the less it matters that each tile has one PSF.
    """
    rows, tall = _spans(shape[0], tile_px, halo, blend)
    columns, wide = _spans(shape[1], tile_px, halo, blend)
    shape = tall, wide
    return [Tile(r, c, shape, _narrow(r, c, shape)) for r in rows for c in columns]


def _narrow(rows: Span, columns: Span, shape: tuple[int, int]) -> Tile | None:
    """A tile with less of a halo; none where it is small: `pipeline.subtraction.filters.compact` needs it."""
    if min(shape) < 2 * LEAST_KERNEL_PX:
        return None
    near = [replace(span, origin=max(span.origin, span.start - SQUARED_HALO_PX)) for span in (rows, columns)]
    tall, wide = (
        min(length, max(length // 2, fast_length(span.stop + span.start - 2 * span.origin)))
        for span, length in zip(near, shape, strict=True)
    )
    return Tile(near[0], near[1], (tall, wide))


def _mirror(image: NDArray[np.generic], known: slice) -> None:
    """Continue the known rows of an image, two at least, as their mirror image on either side, in place."""
    while known.start > 0 or known.stop < len(image):
        inner = known.stop - known.start - 1
        before, after = min(known.start, inner), min(len(image) - known.stop, inner)
        first, last = known.start, known.stop - 1
        image[first - before : first] = image[first + before : first : -1]
        image[last + 1 : last + 1 + after] = image[last - after : last][::-1]
        known = slice(first - before, last + 1 + after)


def _spans(length: int, tile_px: int, halo: int, blend: int) -> tuple[list[Span], int]:
    count = max(1, round(length / tile_px))
    edges = [round(length * i / count) for i in range(count + 1)]
    narrowest, widest = (pick(b - a for a, b in pairwise(edges)) for pick in (min, max))
    blend, sides = min(blend, narrowest // 2), min(count - 1, 2)
    least = widest + sides * blend + 2 * halo
    transformed = fast_length(least)
    blend = min(blend + (transformed - least) // max(sides, 1), narrowest // 2)
    fade = ((np.arange(2 * blend) + 0.5) / max(2 * blend, 1)).astype(np.float32)
    spans = []
    for first, last in pairwise(edges):
        start = first - blend if first > 0 else first
        stop = last + blend if last < length else last
        weight = np.ones(stop - start, dtype=np.float32)
        inner, outer = (2 * blend if first > 0 else 0), stop - start - (2 * blend if last < length else 0)
        weight[:inner] = fade[:inner]
        weight[outer:] = fade[::-1][: stop - start - outer]
        faded = slice(0, inner), slice(outer, stop - start)
        spans.append(Span(start, stop, start - halo, weight, faded))
    return spans, transformed


def spread(tiles: list[Tile], most: int) -> list[Tile]:
    """Some of a frame's tiles, evenly spread, the outermost among them, ``most`` in either direction."""
    rows, columns = (sorted({getattr(tile, axis).origin for tile in tiles}) for axis in ("rows", "columns"))
    down, across = (
        {origins[round(i)] for i in np.linspace(0, len(origins) - 1, min(len(origins), most))}
        for origins in (rows, columns)
    )
    return [tile for tile in tiles if tile.rows.origin in down and tile.columns.origin in across]


def fast_length(least: int) -> int:
    """The next length whose transform is quick: 2, 3 and 5 alone divide it, and 8 does."""
    length = -(-least // 8) * 8
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 8


def centred(stamp: NDArray[np.float32], shape: tuple[int, int]) -> Image:
    """Put a stamp of odd size into an array with its central pixel at index 0, 0, wrapped around."""
    out = np.zeros(shape, dtype=np.float32)
    down, across = (length // 2 for length in stamp.shape)
    top, left = shape[0] - down, shape[1] - across
    out[: down + 1, : across + 1] = stamp[down:, across:]
    out[: down + 1, left:] = stamp[down:, :across]
    out[top:, : across + 1] = stamp[:down, across:]
    out[top:, left:] = stamp[:down, :across]
    return out


def stamp_of(wrapped: NDArray[np.float32], size: int) -> Image:
    """The reverse of `centred`: the ``size`` x ``size`` pixels around index 0, 0."""
    half = size // 2
    top, left = (length - half for length in wrapped.shape)
    out = np.empty((size, size), dtype=np.float32)
    out[half:, half:] = wrapped[: half + 1, : half + 1]
    out[half:, :half] = wrapped[: half + 1, left:]
    out[:half, half:] = wrapped[top:, : half + 1]
    out[:half, :half] = wrapped[top:, left:]
    return out


def fitting(stamp: NDArray[np.float32], shape: tuple[int, int]) -> Image:
    """The stamp, or as much of its middle as a very small tile holds."""
    spare = max(0, (stamp.shape[0] - min(shape) + 2) // 2)
    return stamp[spare : stamp.shape[0] - spare, spare : stamp.shape[1] - spare]
