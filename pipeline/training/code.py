"""Which code a training ran: what it made can be made again with the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import core
import pipeline


@cache
def code_sha256() -> str:
    """SHA-256 of the modules that simulate, subtract, detect and learn, in hexadecimal.

    Of the names and contents of all that `core` and `pipeline` consist of, so that it is the same wherever
    they are installed, and another after any change to them.
    """
    made = hashlib.sha256()
    for package in (core, pipeline):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py"), key=lambda each: each.relative_to(root).as_posix()):
            name = f"{package.__name__}/{path.relative_to(root).as_posix()}"
            made.update(f"{name}\0{path.stat().st_size}\0".encode())
            made.update(path.read_bytes())
    return made.hexdigest()
