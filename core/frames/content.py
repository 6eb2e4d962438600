"""What a file holds, told by its bytes: a name says nothing, cameras use theirs again every night."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; of its absolute path where it cannot be read."""
    return _of_bytes(path) or hashlib.sha256(os.fsencode(path.absolute())).hexdigest()


def was_written_over(path: Path, content: str) -> bool:
    """Whether a file holds other content than the SHA-256 that was taken of it; not if it cannot be read."""
    now = _of_bytes(path)
    return now is not None and now != content


def _of_bytes(path: Path) -> str | None:
    try:
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass  # its reader says why in a sentence
    return None
