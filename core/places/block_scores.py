"""The significance and the masks all over one difference, coarse enough to keep for every frame.

Of each square block of pixels the most significant score of either sign is kept, and the mask planes
of the new frame and of the reference that touch it. So of every position it can be said later how far
below the threshold it stayed, or what lay over it. With it come the maps from the reference's grid to
the sky and to the frame's own pixels, as `core.places.grid_maps` has them.

Layout, little-endian: ``AS``, version, whether there is a sky map, width, height, block, threshold,
match radius; the map to the frame and the sky's map in doubles; then, deflated, the score codes and the
two masks of all blocks. A score's code is 0 where no pixel of the block could be used, else its sign
times (1 + the whole sixths of a sigma in it), at most 127. Blobs come from a database that others
may write to: unpacking trusts none of their numbers.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.database.deflated import deflate, inflate
from core.errors import AstridError
from core.places.grid_maps import POWERS, PlaneMap, SkyMap

SMALLEST_BLOCK_PX = 4
MOST_BLOCKS = 65_536
MOST_BYTES = 50_000
STEPS_PER_SIGMA = 6  # the thresholds people choose, such as 5 and 4.5, are between two steps

_MAGIC = b"AS"
_VERSION = 1
_HEADER = struct.Struct("<2sBBIIIdd")
_PLANE = struct.Struct(f"<{4 + 2 * len(POWERS)}d")
_CENTRE = struct.Struct("<2d")
_TOP = 127
_MAX_SIDE = 1_000_000


class BlockScoresError(AstridError):
    """A blob holds no block scores that can be read."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockScores:
    """A difference in blocks; block (0, 0) begins at pixel (0, 0).

    Attributes
    ----------
    width, height : int
        Of the difference, in pixels of the reference's grid.
    block : int
        The side of a block in pixels; the last ones of a row or column may be cut.
    threshold : float
        That detection used, in sigma.
    match_radius_px : float
        How far apart detections of one object might lie.
    codes : (rows, columns) int8
        The scores, as they are kept.
    frame_mask, reference_mask : (rows, columns) uint8
        Bits of `core.vocabulary.MaskPlane` that any pixel of the block has.
    to_frame : PlaneMap
        To the frame's own pixels.
    sky : SkyMap, optional
        From the sky; none without a WCS.
    """

    width: int
    height: int
    block: int
    threshold: float
    match_radius_px: float
    codes: NDArray[np.int8]
    frame_mask: NDArray[np.uint8]
    reference_mask: NDArray[np.uint8]
    to_frame: PlaneMap
    sky: SkyMap | None = None

    def holds(self, x: float, y: float) -> bool:
        """Whether a place is on the grid."""
        return -0.5 <= x < self.width - 0.5 and -0.5 <= y < self.height - 0.5

    def distance_to_grid(self, x: float, y: float) -> float:
        """How far a place is from the grid, in pixels."""
        return math.hypot(max(-0.5 - x, 0.0, x - self.width + 0.5), max(-0.5 - y, 0.0, y - self.height + 0.5))

    def distances(self, x: float, y: float) -> NDArray[np.float64]:
        """How far each block is from a place, in pixels; 0 for the one that holds it."""
        rows, columns = self.codes.shape
        left, top = (self.block * np.arange(count) - 0.5 for count in (columns, rows))
        dx = np.maximum(np.maximum(left - x, x - left - self.block), 0.0)
        dy = np.maximum(np.maximum(top - y, y - top - self.block), 0.0)
        distances: NDArray[np.float64] = np.hypot(dx[None, :], dy[:, None])
        return distances

    def block_of(self, x: float, y: float) -> tuple[int, int]:
        """The row and column of the block that holds a place."""
        return int((y + 0.5) // self.block), int((x + 0.5) // self.block)


def block_side(width: int, height: int) -> int:
    """The smallest side of blocks, in pixels, that gives an image few enough of them."""
    side = SMALLEST_BLOCK_PX
    while -(-width // side) * -(-height // side) > MOST_BLOCKS:
        side += 1
    return side


def encode(strongest: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Scores as codes; `usable` is false where a block has no good pixel."""
    steps = np.minimum(np.floor(np.abs(strongest) * STEPS_PER_SIGMA) + 1.0, _TOP)
    codes: NDArray[np.int8] = np.where(usable, np.copysign(steps, strongest), 0.0).astype(np.int8)
    return codes


def decode(codes: NDArray[np.int8]) -> NDArray[np.float64]:
    """Codes as scores in sigma, right to a twelfth; NaN where no pixel could be used."""
    size = np.abs(codes.astype(np.float64)) - 0.5
    scores: NDArray[np.float64] = np.where(codes == 0, np.nan, np.sign(codes) * size / STEPS_PER_SIGMA)
    return scores


def is_capped(code: int) -> bool:
    """Whether a code stands for its score or any larger one."""
    return abs(code) == _TOP


def pack(scores: BlockScores) -> bytes:
    """Pack block scores into at most 50 kB, in larger blocks than they have if need be."""
    while True:
        masks = scores.frame_mask.tobytes() + scores.reference_mask.tobytes()
        deflated = deflate(scores.codes.tobytes() + masks)
        if len(deflated) + 1000 <= MOST_BYTES or scores.codes.size == 1:
            break
        scores = _coarser(scores)
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        scores.sky is not None,
        scores.width,
        scores.height,
        scores.block,
        scores.threshold,
        scores.match_radius_px,
    )
    sky = (
        b"" if scores.sky is None else _CENTRE.pack(scores.sky.ra, scores.sky.dec) + _plane(scores.sky.plane)
    )
    return header + _plane(scores.to_frame) + sky + deflated


def unpack(blob: bytes) -> BlockScores:
    """Unpack what `pack` made.

    Raises
    ------
    BlockScoresError
        The blob is truncated, of another format or version, or claims what cannot be. No more is ever
        inflated than the most blocks hold.
    """
    try:
        return _unpacked(blob)
    except struct.error:
        raise BlockScoresError(f"a blob of block scores of {len(blob)} bytes is truncated") from None
    except ValueError as error:
        raise BlockScoresError(f"a blob of block scores {error}") from error


def _unpacked(blob: bytes) -> BlockScores:
    magic, version, has_sky, width, height, block, threshold, radius = _HEADER.unpack_from(blob)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError("is of no known version")
    if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE and block >= 1):
        raise ValueError(f"claims {width} x {height} pixels in blocks of {block}")
    rows, columns = -(-height // block), -(-width // block)
    if rows * columns > MOST_BLOCKS:
        raise ValueError(f"claims {rows} x {columns} blocks")
    if not (0 < threshold < math.inf and 0 < radius < math.inf):
        raise ValueError(f"claims a threshold of {threshold} and a radius of {radius}")
    offset = _HEADER.size
    to_frame = _read_plane(blob, offset)
    offset += _PLANE.size
    sky = None
    if has_sky:
        ra, dec = _CENTRE.unpack_from(blob, offset)
        if not (0 <= ra <= 360 and -90 <= dec <= 90):
            raise ValueError(f"claims the position {ra}, {dec}")
        sky = SkyMap(ra, dec, _read_plane(blob, offset + _CENTRE.size))
        offset += _CENTRE.size + _PLANE.size
    count = rows * columns
    plain = inflate(blob[offset:], 3 * count)
    codes = np.frombuffer(plain, dtype=np.int8, count=count).reshape(rows, columns)
    masks = np.frombuffer(plain, dtype=np.uint8, offset=count).reshape(2, rows, columns)
    return BlockScores(width, height, block, threshold, radius, codes, masks[0], masks[1], to_frame, sky)


def _coarser(scores: BlockScores) -> BlockScores:
    """The same in blocks of twice the side."""
    wide = scores.codes.astype(np.int16)
    high, low = _fours(wide).max(axis=-1), _fours(wide).min(axis=-1)
    return replace(
        scores,
        block=2 * scores.block,
        codes=np.where(high >= -low, high, low).astype(np.int8),
        frame_mask=np.bitwise_or.reduce(_fours(scores.frame_mask), axis=-1),
        reference_mask=np.bitwise_or.reduce(_fours(scores.reference_mask), axis=-1),
    )


def _fours(values: NDArray[Any]) -> NDArray[Any]:
    """Blocks of 2 x 2 in a last axis of 4; zeros beyond the last ones."""
    rows, columns = values.shape
    even = np.pad(values, ((0, rows % 2), (0, columns % 2)))
    halves = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    return halves.swapaxes(1, 2).reshape(*halves.shape[::2], 4)


def _plane(plane: PlaneMap) -> bytes:
    return _PLANE.pack(*plane.box, *plane.coefficients.ravel())


def _read_plane(blob: bytes, offset: int) -> PlaneMap:
    values = np.array(_PLANE.unpack_from(blob, offset))
    if not np.isfinite(values).all() or not (values[2:4] > 0).all():
        raise ValueError("claims a map that is none")
    return PlaneMap(values[:4], values[4:].reshape(2, len(POWERS)))
