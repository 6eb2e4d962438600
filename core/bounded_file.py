"""Reading a file that others may have put there: it is whole, of a size that was agreed on, and ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class FileTooLarge(ValueError):
    """A file has more bytes than are read of it; the message says how many."""


def bounded_bytes(path: Path, most: int) -> bytes:
    """All bytes of a regular file.

    A pipe, at which one would wait, and a device without an end are not read.

    Parameters
    ----------
    path : Path
    most : int
        Bytes that are read.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file.
    FileTooLarge
        It has more bytes.
    """
    size = path.stat().st_size
    if not path.is_dir() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    if size > most:
        raise FileTooLarge(f"{path.name} has {size} bytes; more than {most} are not read")
    return path.read_bytes()
