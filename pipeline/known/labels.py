"""Names and types of sources, as tables keep them: of a limited length, in whole characters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.catalogs.build import NAME_BYTES

_LONGEST = 4  # bytes of a character in UTF-8


def names(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Names: whole numbers as they are, text cut to what is kept; and which were cut."""
    if values.dtype.kind == "i":
        return values, np.zeros(len(values), dtype=np.bool_)
    if values.dtype.kind == "f":
        values = np.array(
            [b"" if not np.isfinite(each) else b"%d" % int(each) for each in values], dtype="S24"
        )
    return texts(values)


def texts(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Text without blanks around it, cut to what is kept; and which were cut."""
    if values.dtype.kind != "S":
        values = values.astype("S")
    stripped = np.char.strip(values)
    is_cut = np.char.str_len(stripped) > NAME_BYTES
    if is_cut.any():
        stripped[is_cut] = [shortened(each, NAME_BYTES) for each in stripped[is_cut].tolist()]
    return stripped.astype(f"S{NAME_BYTES}"), is_cut


def shortened(text: bytes, most: int) -> bytes:
    """The beginning of a text in UTF-8, of so many bytes at most, that ends with a whole character."""
    if len(text) <= most:
        return text
    end = most
    while end > max(most - _LONGEST, 0) and text[end] & 0xC0 == 0x80:  # within a character
        end -= 1
    return text[:end]
