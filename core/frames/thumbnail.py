"""A frame's thumbnail as the store keeps it: small, in sigma of its sky, one byte a pixel.

Values are kept as their inverse hyperbolic sine, so that a faint gradient and a saturated star both
fit: steps of a sixteenth of a sigma at the sky, up to 1400 sigma.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from core.database.deflated import deflate, inflate

SIDE = 64  # pixels of the longer side, at most
STEPS = 16.0  # per unit of asinh
_MASKED = -128
_HEAD = struct.Struct(">BBB")  # version, height, width
_VERSION = 1


class ThumbnailDamaged(ValueError):
    """A blob is no thumbnail."""


def pack(values: NDArray[np.float32]) -> bytes:
    """A thumbnail for the store.

    Parameters
    ----------
    values : (H, W) float32
        In sigma above the sky, NaN where masked; no side longer than `SIDE`.

    Raises
    ------
    ValueError
        It is no image, or too large.
    """
    if values.ndim != 2 or not 0 < min(values.shape) <= max(values.shape) <= SIDE:
        raise ValueError(f"a thumbnail has at most {SIDE} pixels a side, not {values.shape}")
    seen = np.isfinite(values)
    codes = np.rint(np.arcsinh(np.where(seen, values, 0.0)) * STEPS).clip(-127, 127)
    codes = np.where(seen, codes, _MASKED).astype(np.int8)
    return _HEAD.pack(_VERSION, *values.shape) + deflate(codes.tobytes())


def unpack(blob: bytes) -> NDArray[np.float32]:
    """The values that `pack` kept, NaN where masked.

    Raises
    ------
    ThumbnailDamaged
    """
    if len(blob) < _HEAD.size:
        raise ThumbnailDamaged("the thumbnail is too short")
    version, height, width = _HEAD.unpack_from(blob)
    if version != _VERSION or not 0 < min(height, width) <= max(height, width) <= SIDE:
        raise ThumbnailDamaged("the thumbnail is of a kind that is not known")
    try:
        raw = inflate(blob[_HEAD.size :], height * width)
    except ValueError as error:
        raise ThumbnailDamaged(f"the thumbnail {error}") from error
    codes = np.frombuffer(raw, dtype=np.int8).reshape(height, width)
    values = np.sinh(codes / np.float32(STEPS)).astype(np.float32)
    values[codes == _MASKED] = np.nan
    return values
