"""The cutouts of a packet: FITS, gzipped or plain, of any size, made what the product keeps.

The reader is strict and small: the first image of two axes, its scaling, and what marks its missing
pixels. It takes a tenth of astropy's time, and no number in a header can make it take more memory than the
bytes that came.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from core.orientation import ToSky
from core.review.cutouts import MAX_ABS, Cutouts
from pipeline.detection.cutting import sky_of
from pipeline.surveys.refusal import PacketError
from pipeline.surveys.stamp_sky import KEYWORDS as SKY_KEYWORDS
from pipeline.surveys.stamp_sky import stamp_sky

Plane = NDArray[np.float32]  # (height, width), NaN where masked

MOST_BYTES = 16 * 2**20  # of one cutout, inflated
MOST_SIDE = 1024
MOST_CARDS = 36 * 64
MOST_UNITS = 8  # header and data units that are looked through for an image
GZIP = b"\x1f\x8b"
BLOCK, CARD = 2880, 80
TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# MASKVAL is HOTPanTS's: what stands where it could not subtract.
KEYWORDS = frozenset(
    f"{name:8}".encode()
    for name in ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "BSCALE", "BZERO", "BLANK", "MASKVAL")
)
AXES, PCOUNT, GCOUNT = b"NAXIS", b"PCOUNT  ", b"GCOUNT  "

Header = dict[bytes, float]


def read_stamp(packed: bytes) -> Plane:
    """The first image of a FITS file, as `read_image` has it."""
    return read_image(packed)[0]


def read_image(packed: bytes) -> tuple[Plane, ToSky | None]:
    """The first image of a FITS file, and how it lies on the sky.

    Returns
    -------
    plane : (height, width) float32
        NaN where a pixel is BLANK, not finite, or a sentinel beyond `MAX_ABS`.
    to_sky : ToSky or None
        None where its header has no WCS that is understood.

    Raises
    ------
    PacketError
        There is no image of two axes of at most `MOST_SIDE` pixels; or the bytes are damaged, or too
        many.
    """
    data = _unzipped(packed) if packed[:2] == GZIP else packed
    if data[:9] != b"SIMPLE  =":
        raise PacketError("it is no FITS file")
    start = 0
    for _ in range(MOST_UNITS):
        words: dict[bytes, bytes] = {}
        header, is_image, start = _read_header(data, start, words)
        shape = _shape(header)
        size = math.prod(shape) * abs(int(header[b"BITPIX  "])) // 8 if shape else 0
        size = (size + int(header.get(PCOUNT, 0))) * int(header.get(GCOUNT, 1))
        if is_image and len(shape) == 2:
            return _pixels(data, start, header, (shape[0], shape[1])), stamp_sky(words)
        start += -(-size // BLOCK) * BLOCK
        if size < 0 or start >= len(data):
            break
    raise PacketError("it holds no image of two axes")


def to_cutouts(
    new: Plane | None, ref: Plane | None, diff: Plane | None, size: int, to_sky: ToSky | None = None
) -> Cutouts | None:
    """Cutouts in units of their own sky sigma, of one size; none where there is no image at all.

    Images of different sizes share their centres. What lies beyond `size` pixels is left out.
    """
    planes = [None if plane is None else _middle(plane, size) for plane in (new, ref, diff)]
    shapes = [plane.shape for plane in planes if plane is not None]
    if not shapes:
        return None
    shape = max(height for height, _ in shapes), max(width for _, width in shapes)
    stamps, sigmas = zip(
        *(_in_sigma(_on_canvas(plane, shape), level=i < 2) for i, plane in enumerate(planes)), strict=True
    )
    return Cutouts(stamps[0], stamps[1], stamps[2], sigma=sigmas, to_sky=to_sky)


def _unzipped(packed: bytes) -> bytes:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        data = inflater.decompress(packed, MOST_BYTES + 1)
    except zlib.error as error:
        raise PacketError(f"it is damaged: {error}") from None
    if len(data) > MOST_BYTES:
        raise PacketError(f"it inflates to more than {MOST_BYTES} bytes")
    if not inflater.eof:
        raise PacketError("it is truncated")
    return data


def _read_header(data: bytes, start: int, words: dict[bytes, bytes]) -> tuple[Header, bool, int]:
    """The numbers of a header, whether it is an image's, and where the data begin; `words` gets its WCS."""
    header: Header = {}
    is_image = data[start : start + CARD].startswith((b"SIMPLE  =", b"XTENSION= 'IMAGE   '"))
    for place in range(start, start + MOST_CARDS * CARD, CARD):
        card = data[place : place + CARD]
        name = card[:8]
        if name in {b"END     ", b"END"}:
            return header, is_image, place + CARD + (start - place - CARD) % BLOCK
        if len(card) < CARD:
            break
        if (name in KEYWORDS or name.startswith((AXES, PCOUNT, GCOUNT))) and card[8:9] == b"=":
            header[name] = _number(name, card[10:].partition(b"/")[0])
        elif name in SKY_KEYWORDS and card[8:9] == b"=":
            words[name] = card[10:]
    raise PacketError("its header has no end")


def _number(name: bytes, written: bytes) -> float:
    try:
        number = float(written.decode("ascii").replace("D", "E"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise PacketError(f"its header says no number for {name.decode('ascii').strip()}")
    return number


def _shape(header: Header) -> tuple[int, ...]:
    """The axes, slowest first, those of one pixel left out; refused where they cannot be."""
    axes = header.get(b"NAXIS   ", -1.0)
    if not (0 <= axes <= 9 and axes == int(axes)) or int(header.get(b"BITPIX  ", 0)) not in TYPES:
        raise PacketError("its header does not describe its data")
    sides = [header.get(f"NAXIS{axis:<3}".encode(), -1.0) for axis in range(int(axes), 0, -1)]
    if not all(0 <= side <= MOST_BYTES and side == int(side) for side in sides):
        raise PacketError("its header claims impossible sides")
    return tuple(int(side) for place, side in enumerate(sides) if side != 1 or place >= len(sides) - 2)


def _pixels(data: bytes, start: int, header: Header, shape: tuple[int, int]) -> Plane:
    height, width = shape
    if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        raise PacketError(f"it is of {width} x {height} pixels; at most {MOST_SIDE} a side are read")
    kind = np.dtype(TYPES[int(header[b"BITPIX  "])])
    if start + height * width * kind.itemsize > len(data):
        raise PacketError("it is truncated")
    stored = np.frombuffer(data, kind, height * width, start).reshape(shape)
    scale, zero = header.get(b"BSCALE  ", 1.0), header.get(b"BZERO   ", 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        plane: Plane = stored.astype(np.float32)
        if (scale, zero) != (1.0, 0.0):
            plane = (stored * scale + zero).astype(np.float32)
        missing = ~(np.abs(plane) <= MAX_ABS)
    if b"BLANK   " in header and kind.kind != "f":
        missing |= stored == header[b"BLANK   "]
    if b"MASKVAL " in header:
        missing |= plane == np.float32(header[b"MASKVAL "])
    plane[missing] = np.nan
    return plane


def _middle(plane: Plane, size: int) -> Plane:
    """The central pixels of an image, at most so many a side."""
    for axis in (0, 1):
        side = plane.shape[axis]
        if side > size:
            first = (side - size) // 2
            plane = plane[first : first + size] if axis == 0 else plane[:, first : first + size]
    return plane


def _on_canvas(plane: Plane | None, shape: tuple[int, int]) -> Plane:
    """An image in the middle of a larger one that is masked all around it."""
    if plane is not None and plane.shape == shape:
        return plane
    canvas: Plane = np.full(shape, np.nan, dtype=np.float32)
    if plane is not None:
        top, left = ((outer - inner) // 2 for outer, inner in zip(shape, plane.shape, strict=True))
        canvas[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    return canvas


def _in_sigma(plane: Plane, *, level: bool) -> tuple[Plane, float]:
    """An image in units of its sky's sigma, above its level if wanted; and that sigma."""
    middle, sigma = sky_of(plane)
    if math.isnan(sigma):
        return np.full_like(plane, np.nan), sigma
    return (plane - np.float32(middle if level else 0.0)) / np.float32(sigma), sigma
