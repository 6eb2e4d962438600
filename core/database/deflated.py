"""Deflated bytes from a database that others may write to: never more than was expected comes out."""

import zlib


def deflate(plain: bytes) -> bytes:
    """Deflate the numbers of noise: they do not repeat, but for runs of zeros.

    Looking for nothing else makes them smaller, and is faster.
    """
    deflater = zlib.compressobj(strategy=zlib.Z_RLE)
    return deflater.compress(plain) + deflater.flush()


def inflate(deflated: bytes, size: int) -> bytes:
    """Inflate to exactly `size` bytes.

    Raises
    ------
    ValueError
        The bytes are damaged, or hold more or less; the message goes on after "a blob of ...".
    """
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(deflated, max(size, 1))  # 0 would be no limit
        surplus = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(f"is damaged: {error}") from error
    if len(plain) != size or surplus or not inflater.eof or inflater.unused_data:
        raise ValueError(f"does not hold the {size} bytes that its header claims")
    return plain
