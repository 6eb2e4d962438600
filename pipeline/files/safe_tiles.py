"""Tiles of a compressed image, checked before cfitsio's decoders see them, which trust every byte.

They write as far as a tile says that it is large, and read on until it makes sense to them: a single wrong
byte ends the program, and chosen ones could do worse. Here a tile has to be as large as its image says, and
what lies behind it is ours, as much as a decoder could read.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What is packed may hold so many times its size, and so many bytes more.
MOST_GROWTH, GROWTH_SLACK = 100, 64 * 2**20
CHUNK = 2**20  # bytes that are inflated at once to be counted
GZIP = b"\x1f\x8b"
RICE_BYTES = (1, 2, 4)  # of a pixel
MOST_BLOCK = 1024  # pixels; of the FITS Standard 16 or 32
HCOMPRESS_HEAD = struct.Struct(">2s2iiq3B")
HCOMPRESS_MAGIC = b"\xdd\x99"
MOST_PLANES = 62  # of bits
MOST_TILE = 2**27  # pixels that the decoder of HCOMPRESS_1 can count the bytes of

try:  # these are no public part of astropy, and one without them decompresses tiles as ever
    from astropy.io.fits.hdu.compressed import _tiled_compression
    from astropy.io.fits.hdu.compressed._compression import (
        decompress_hcompress_1_c,
        decompress_plio_1_c,
        decompress_rice_1_c,
    )

    _as_astropy_does = _tiled_compression._decompress_tile
    IS_KNOWN = True
except (ImportError, AttributeError):
    IS_KNOWN = False


def install() -> None:
    """Let astropy decompress tiles by this module, where it is an astropy that this module knows."""
    if IS_KNOWN:
        _tiled_compression._decompress_tile = decompressed


def decompressed(tile: NDArray[Any], *, algorithm: str, **settings: Any) -> Any:
    """The numbers of one tile, as astropy has them.

    Raises
    ------
    ValueError
        It cannot be what its image says that it is.
    """
    if algorithm in {"RICE_1", "RICE_ONE"}:
        return _rice(tile.tobytes(), **settings)
    if algorithm == "HCOMPRESS_1":
        return _hcompress(tile.tobytes(), **settings)
    if algorithm == "PLIO_1":
        return _plio(tile, **settings)
    if algorithm.startswith("GZIP"):
        _check_inflated(tile.tobytes())
    return _as_astropy_does(tile, algorithm=algorithm, **settings)


def _rice(packed: bytes, blocksize: int, bytepix: int, tilesize: int) -> NDArray[Any]:
    if bytepix not in RICE_BYTES or not 1 <= blocksize <= MOST_BLOCK or len(packed) <= bytepix:
        raise ValueError(f"a tile of RICE_1 with {bytepix} bytes a pixel and blocks of {blocksize} cannot be")
    # A run of zeros ends at the first other bit; the end is looked for once a block.
    behind = 16 * blocksize + 64
    plain = decompress_rice_1_c(_before(packed, behind, 0xFF), blocksize, bytepix, tilesize)
    return np.frombuffer(plain, f"i{bytepix}")


def _hcompress(packed: bytes, nx: int, ny: int, bytepix: int, scale: int, smooth: int) -> NDArray[Any]:
    if len(packed) < HCOMPRESS_HEAD.size:
        raise ValueError("a tile of HCOMPRESS_1 is too short")
    magic, rows, columns, _, _, *planes = HCOMPRESS_HEAD.unpack_from(packed)
    if magic != HCOMPRESS_MAGIC or min(rows, columns) < 1 or rows * columns != nx * ny or nx * ny > MOST_TILE:
        raise ValueError(f"a tile of HCOMPRESS_1 says that it has {rows} x {columns} pixels, not {nx} x {ny}")
    if max(planes) > MOST_PLANES:
        raise ValueError(f"a tile of HCOMPRESS_1 says that its pixels have {max(planes)} bits")
    behind = (sum(planes) + 8) * (nx * ny // 8 + 64)  # more than all codes of all planes
    plain = decompress_hcompress_1_c(_before(packed, behind), nx, ny, scale, smooth, bytepix)
    return np.frombuffer(plain, "i4")


def _plio(tile: NDArray[Any], tilesize: int) -> NDArray[Any]:
    words = np.frombuffer(tile.astype(tile.dtype.newbyteorder("=")).tobytes(), np.int16)
    if len(words) < 7:
        raise ValueError("a tile of PLIO_1 is too short")
    first, length = (
        (4, int(words[2])) if words[2] > 0 else (int(words[1]), (int(words[4]) << 15) + int(words[3]))
    )
    if first < 1 or not 0 <= length <= len(words):
        raise ValueError(f"a tile of PLIO_1 says that it has {length} words, and has {len(words)}")
    return np.frombuffer(decompress_plio_1_c(_before(words.tobytes(), 8), tilesize), "i4")


def _before(packed: bytes, behind: int, filling: int = 0) -> NDArray[np.uint8]:
    """Bytes with so many others behind them, which do not count but may be read."""
    room = np.zeros(len(packed) + behind, np.uint8)  # zeros cost no memory as long as nobody looks at them
    room[: len(packed)] = np.frombuffer(packed, np.uint8)
    if filling:
        room[len(packed) :] = filling
    return room[: len(packed)]


def _check_inflated(packed: bytes) -> None:
    """Refuse what inflates to more than it may."""
    left = MOST_GROWTH * len(packed) + GROWTH_SLACK
    while packed.startswith(GZIP):
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while packed and not inflater.eof:
            left -= len(inflater.decompress(packed, CHUNK))
            packed = inflater.unconsumed_tail
            if left < 0:
                raise ValueError(f"a tile inflates to more than {MOST_GROWTH} times its size")
        packed = inflater.unused_data
