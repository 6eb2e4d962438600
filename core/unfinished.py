"""Files that are there whole, or not at all, whatever ends the program or the power."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A new file beside another, which takes its place when all went well, and goes when it did not.

    Its name cannot be guessed: under one that can, others could lay a link to what is not theirs. It is on
    disk before it takes its place, so that no loss of power leaves an empty file there.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    part.touch(exist_ok=False)
    try:
        yield part
        put(part, path)
    finally:
        part.unlink(missing_ok=True)


def put(part: Path, path: Path) -> None:
    """Give a file that is whole its name, in place of what has it; its content is on disk before.

    Raises
    ------
    OSError
    """
    sync(part)
    part.replace(path)
    with suppress(OSError):  # not every file system syncs folders
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until what a file holds, or which names a folder holds, is on disk.

    Raises
    ------
    OSError
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
