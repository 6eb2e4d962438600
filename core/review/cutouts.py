"""The images a reviewer compares, packed into one small blob a candidate.

A pixel is kept as a multiple of a quarter of its plane's sky sigma in 16 bits, which is finer than
any eye or network needs and leaves only the noise's own entropy to store. Blobs come back from a
database that others may write to, so unpacking trusts none of their numbers.

Layout, little-endian: ``AC``, version, number of planes, height, width, a float32 sigma of each of the
first three planes; in version 2 four float32 that tell how the pixels lie on the sky; then, deflated,
the low bytes of every plane's pixels and after them the high bytes. A pixel's code is folded to be
positive (0, -1, 1, -2 ... become 0, 1, 2, 3 ...), which leaves the high bytes zero but under bright
sources.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.database.deflated import deflate, inflate
from core.errors import AstridError
from core.orientation import ToSky, sane

Plane = NDArray[np.float32]  # (height, width)

STEPS_PER_SIGMA = 4
MASKED = -32768
MAX_SIDE = 1024
MAX_ABS = 1e30  # beyond it lie BLANK values and the sentinels of surveys, such as -3.4e38

_MAGIC = b"AC"
_VERSION, _VERSION_WITH_SKY = 1, 2
_SKY = struct.Struct("<4f")
_HEADER = struct.Struct("<2sBBHH")
_SIDES = slice(4, _HEADER.size)  # of a blob's bytes: its height and width
_PLANES = (3, 4)  # without and with a score
_TOP = 32767


class CutoutError(AstridError):
    """A blob holds no cutouts that can be shown, or cutouts cannot be packed."""


@dataclass(frozen=True, slots=True, eq=False)  # told apart by identity: what is drawn of them is kept
class Cutouts:
    """The surroundings of one candidate in new, reference and difference.

    Attributes
    ----------
    new, ref, diff : (height, width) float32
        In units of each plane's own sky sigma, sky at 0, NaN where masked. A plane that is NaN
        throughout is absent.
    sigma : tuple of float
        The sky sigma of each plane, in the plane's own linear unit; NaN where unknown.
    score : (height, width) float32, optional
        The significance, in its own sigma, which is 1.
    to_sky : ToSky, optional
        How the pixels lie on the sky at the candidate; none where no WCS is known.
    pixel_arcsec : float, optional
        The side of a pixel, where nothing but that is known of how they lie. It is not packed.
    """

    new: Plane
    ref: Plane
    diff: Plane
    sigma: tuple[float, ...] = (math.nan, math.nan, math.nan)
    score: Plane | None = None
    to_sky: ToSky | None = None
    pixel_arcsec: float | None = None

    @property
    def planes(self) -> tuple[Plane, ...]:
        """New, reference, difference and, if there is one, score."""
        images = (self.new, self.ref, self.diff)
        return images if self.score is None else (*images, self.score)


def pack(cutouts: Cutouts) -> bytes:
    """Pack cutouts, to the nearest quarter sigma.

    Values beyond ±8191 sigma are clipped; NaN, infinities and values beyond ±1e30 become masked.

    Raises
    ------
    CutoutError
        The planes differ in shape, are empty, or have a side above 1024 pixels.
    """
    planes = cutouts.planes
    shapes = {np.shape(plane) for plane in planes}
    shape = shapes.pop()
    if shapes or len(shape) != 2 or not all(1 <= side <= MAX_SIDE for side in shape):
        found = ", ".join(str(np.shape(plane)) for plane in planes)
        raise CutoutError(
            f"cutouts of shapes {found} cannot be packed: one shape is needed, sides of 1 to {MAX_SIDE}"
        )
    if len(cutouts.sigma) != 3:
        raise CutoutError(f"cutouts need the sigma of 3 planes, not of {len(cutouts.sigma)}")
    folded = np.stack([_fold(_encode(plane)) for plane in planes])
    to_sky = sane(cutouts.to_sky)
    version = _VERSION if to_sky is None else _VERSION_WITH_SKY
    header = _HEADER.pack(_MAGIC, version, len(planes), *shape)
    scales = struct.pack("<3f", *cutouts.sigma)
    if to_sky is not None:
        scales += _SKY.pack(*to_sky[0], *to_sky[1])
    split = (folded & 0xFF).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()
    return header + scales + deflate(split)


def unpack(blob: bytes) -> Cutouts:
    """Unpack what `pack` made.

    Raises
    ------
    CutoutError
        The blob is truncated, of another format or version, or claims a size out of bounds. No
        more is ever decompressed than the largest legal cutouts hold.
    """
    offset = _HEADER.size + 12
    if len(blob) < offset:
        raise CutoutError(f"a cutout blob of {len(blob)} bytes is truncated: its header alone has {offset}")
    magic, version, n_planes, height, width = _HEADER.unpack_from(blob)
    if magic != _MAGIC or version not in (_VERSION, _VERSION_WITH_SKY):
        raise CutoutError("this is no cutout blob of a known version")
    if n_planes not in _PLANES or not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise CutoutError(f"a cutout blob claims {n_planes} planes of {height} x {width} pixels")
    sigma = tuple(
        value if math.isfinite(value) and value > 0 else math.nan
        for value in struct.unpack_from("<3f", blob, _HEADER.size)
    )
    to_sky = None
    if version == _VERSION_WITH_SKY:
        if len(blob) < offset + _SKY.size:
            raise CutoutError(f"a cutout blob of {len(blob)} bytes is truncated")
        east_x, east_y, north_x, north_y = _SKY.unpack_from(blob, offset)
        to_sky = sane(((east_x, east_y), (north_x, north_y)))
        offset += _SKY.size
    n_pixels = n_planes * height * width
    try:
        split = np.frombuffer(inflate(blob[offset:], 2 * n_pixels), dtype=np.uint8)
    except ValueError as error:
        raise CutoutError(f"a cutout blob {error}") from error
    folded = split[:n_pixels] + np.uint16(256) * split[n_pixels:]
    planes = _decode(_unfold(folded)).reshape(n_planes, height, width)
    score = planes[3] if n_planes == 4 else None
    return Cutouts(planes[0], planes[1], planes[2], sigma, score, to_sky)


def is_whole(blob: bytes) -> bool:
    """Whether a blob can be unpacked."""
    try:
        unpack(blob)
    except CutoutError:
        return False
    return True


def same_pixels(one: bytes, other: bytes) -> bool:
    """Whether two blobs hold the same planes, whatever else is known of them."""
    return _without_sky(one) == _without_sky(other)


def same_size(one: bytes, other: bytes) -> bool:
    """Whether the planes of two blobs have as many pixels a side."""
    return one[_SIDES] == other[_SIDES]


def _without_sky(blob: bytes) -> bytes:
    if blob[:3] != _MAGIC + bytes([_VERSION_WITH_SKY]):
        return blob
    offset = _HEADER.size + 12
    return _MAGIC + bytes([_VERSION]) + blob[3:offset] + blob[offset + _SKY.size :]


def _encode(plane: Plane) -> NDArray[np.int16]:
    seen = np.abs(plane) <= MAX_ABS  # false for NaN
    steps = np.clip(np.rint(np.where(seen, plane, 0.0) * STEPS_PER_SIGMA), -_TOP, _TOP)
    return np.where(seen, steps, MASKED).astype(np.int16)


def _decode(codes: NDArray[np.int16]) -> Plane:
    values = codes.astype(np.float32) / np.float32(STEPS_PER_SIGMA)
    values[codes == MASKED] = np.nan
    return values


def _fold(codes: NDArray[np.int16]) -> NDArray[np.uint16]:
    wide = codes.astype(np.int32)
    return np.where(wide < 0, -2 * wide - 1, 2 * wide).astype(np.uint16)


def _unfold(folded: NDArray[np.uint16]) -> NDArray[np.int16]:
    half = (folded >> 1).astype(np.int32)
    return np.where(folded & 1, -half - 1, half).astype(np.int16)
