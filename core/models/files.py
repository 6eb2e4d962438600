"""Whether a version's files are those that were kept: told by their hashes, with none of them loaded."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from core.bounded_file import FileTooLarge, bounded_bytes
from core.models.shipped import DESCRIPTION, MOST_BYTES, shipped_folder

if TYPE_CHECKING:
    from core.models.versions import InUse

MOST_FILE = 2**28  # bytes
FILES = ("weights.safetensors", "model.onnx")  # beside the description
SHOWN = 12  # digits of a digest

Stamps = tuple[tuple[int, int, int] | None, ...]


def folder_of(home: Path, digest: str) -> Path:
    """Where the files of a version are kept."""
    return home / "models" / digest


def trouble(home: Path, name: str, digest: str | None) -> str | None:
    """Why a version cannot be used, in a sentence without its end; none where its files are whole.

    Files that did not change since they were hashed are not read again.

    Parameters
    ----------
    home : Path
        AstrID's.
    name : str
        Of the model.
    digest : str, optional
        SHA-256 of its description, in hexadecimal; none of the version that AstrID came with.
    """
    folder = shipped_folder() / name if digest is None else folder_of(home, digest)
    if not folder.is_dir():
        return None if digest is None else f"its files are not on this machine (digest {digest[:SHOWN]})"
    try:
        seen = stamps(folder)
    except OSError as error:
        return f"its files cannot be read: {error.strerror or error}"
    return _trouble(folder, digest, seen)


def stamps(folder: Path) -> Stamps:
    """Of each file of a version its time, size and inode: files of the same stamps are not read again.

    A file that took another's place may have its time and size, but not its inode.

    Raises
    ------
    OSError
        The folder cannot be looked at.
    """
    return tuple(_stamp(folder / each) for each in (DESCRIPTION, *FILES))


def champion_trouble(home: Path, used: InUse) -> str | None:
    """What is to be said of a version in use that cannot be used; none where its files are whole."""
    from core.models.versions import SHIPPED  # with the tables: whoever only tries a network needs none

    found = trouble(home, used.name, used.digest)
    if found is None:
        return None
    instead = "no other scores" if used.number == SHIPPED else "the one that came with AstrID scores instead"
    return f"version {used.number} of {used.name} is in use, but {found}; {instead}"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


@lru_cache(maxsize=64)
def _trouble(folder: Path, digest: str | None, _stamps: Stamps) -> str | None:
    try:
        changed = _changed(folder, digest)
    except FileNotFoundError as error:
        return f"{Path(error.filename or folder).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or folder).name} cannot be read: {error.strerror or error}"
    except FileTooLarge as error:
        return str(error)
    except (ValueError, RecursionError):
        return f"{DESCRIPTION} is no description of a model"
    if changed is None:
        return None
    return f"{changed} is damaged or was changed: its SHA-256 is not the one that was kept"


def _changed(folder: Path, digest: str | None) -> str | None:
    """The first file that is not what its hash says."""
    content = bounded_bytes(folder / DESCRIPTION, MOST_BYTES)
    if digest is not None and sha256(content).hexdigest() != digest:
        return DESCRIPTION
    said = json.loads(content)
    files = said.get("files", {}) if isinstance(said, dict) else None
    if not isinstance(files, dict) or not set(files) <= set(FILES):
        raise ValueError("no description of a model")
    hashes = ((name, sha256(bounded_bytes(folder / name, MOST_FILE)).hexdigest()) for name in files)
    return next((name for name, found in hashes if found != files[name]), None)
