"""Files that can be made again at any time: the least recently used go when they take too much room."""

import os
import time
from contextlib import suppress
from pathlib import Path

IN_USE_S = 3600.0  # what was read so lately is in use: each frame of a run reads it


def used(path: Path) -> None:
    """Note that a file is used now, where this login may say so; its own time tells."""
    with suppress(OSError):
        os.utime(path)


def make_room(folder: Path, pattern: str, most_bytes: float, *, now: float | None = None) -> list[Path]:
    """Remove the least recently used files of a folder until the others fit into a limit.

    What is in use stays, however large it is.

    Parameters
    ----------
    folder : Path
    pattern : str
        Of the files' names, such as ``*.npz``.
    most_bytes : float
    now : float, optional
        Unix seconds.

    Returns
    -------
    list of Path
        What was removed, the most recently used first.
    """
    at = time.time() if now is None else now
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob(pattern):
        with suppress(OSError):  # another process removed it a moment ago
            facts = path.stat()
            found.append((facts.st_mtime, facts.st_size, path))
    gone, left = [], most_bytes
    for used_at, size, path in sorted(found, reverse=True):
        left -= size
        if left < 0 and used_at <= at - IN_USE_S:
            with suppress(OSError):  # it may not be this login's to remove: then it stays
                path.unlink()
                gone.append(path)
    return gone
