"""What a file holds, told by its bytes: a name says nothing, cameras use theirs again every night.

And whether it may be there though it is not seen, as where a disk is not mounted.
"""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; of its absolute path where it cannot be read."""
    return _of_bytes(path) or hashlib.sha256(os.fsencode(path.absolute())).hexdigest()


def was_written_over(path: Path, content: str) -> bool:
    """Whether a file holds other content than the SHA-256 that was taken of it; not if it cannot be read."""
    now = _of_bytes(path)
    return now is not None and now != content


def why_folder_is_away(path: Path) -> str | None:
    """Why a file is not there together with its whole folder; none where it is, or is gone alone.

    An empty folder is one where a disk should be mounted, or that another program empties.
    """
    if os.path.exists(path):  # noqa: PTH110 Path's own raises where the folder may not be entered
        return None
    host = socket.gethostname()
    try:
        with os.scandir(path.parent) as others:
            if next(others, None) is not None:
                return None
    except FileNotFoundError:
        return f"its folder {path.parent} is not there on {host}"
    except OSError as error:
        return f"its folder {path.parent} cannot be read on {host}: {error.strerror or error}"
    return f"its folder {path.parent} is empty on {host}"


def _of_bytes(path: Path) -> str | None:
    try:
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass  # its reader says why in a sentence
    return None
