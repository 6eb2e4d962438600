"""Files that are there whole, or not at all, whatever ends the program or the power."""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.no_room import WORDS, refusal_of

OLD_S = 86400.0  # nobody works at a part that did not change for so long
# As this module names them, what SQLite lays beside one, and as older programs named copies of the store.
_PART = re.compile(r"(\..+\.[0-9a-f]{16}|astrid.*\.(db|dump)\.\d+)\.part(-journal|-wal|-shm)?", re.DOTALL)
_FOLDER = re.compile(r"\.(copy|fetch)-[a-z0-9_]{8}")  # as `folder_for` names them


@contextmanager
def folder_for(what: str, within: Path) -> Iterator[Path]:
    """A new folder to work in, which goes at the end; `sweep` takes away what a killed program left of it.

    Parameters
    ----------
    what : str
        What is done there: ``copy`` or ``fetch``.
    within : Path
        Where it is made.
    """
    with tempfile.TemporaryDirectory(dir=within, prefix=f".{what}-") as work:
        held = os.open(work, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield Path(work)
        finally:
            os.close(held)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A new file beside another, which takes its place when all went well, and goes when it did not.

    It is on disk before it takes its place, so that no loss of power leaves an empty file there.
    """
    with part_beside(path) as part:
        yield part
        put(part, path)


@contextmanager
def part_beside(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """A new file beside another, which goes at the end unless it was `put` somewhere.

    Its name cannot be guessed: under one that can, others could lay a link to what is not theirs. It is
    locked as long as it is in hand, so that `sweep` knows it from what a killed program left.

    Parameters
    ----------
    path : Path
    mode : int
        Who may use it, before the user's mask.

    Raises
    ------
    OSError
        That of an operation within; where there was no room for the file, it names the file.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    held = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield part
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(part):
            raise
        code = error.errno or refusal_of(part)
        if code not in WORDS:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error
    finally:
        os.close(held)
        part.unlink(missing_ok=True)


def sweep(folders: Iterable[Path], *, now: float | None = None) -> list[Path]:
    """Remove the parts that killed programs left in some folders, but not in folders within: which.

    Parts are files, and folders of `folder_for`. Those that changed within a day stay, and those that a
    process has in hand.

    Parameters
    ----------
    folders : iterable of Path
        Some may not be there.
    now : float, optional
        Unix seconds.
    """
    at = time.time() if now is None else now
    gone = []
    for folder in folders:
        with suppress(OSError):  # it is not there, or was taken away a moment ago
            for each in os.scandir(folder):
                if _PART.fullmatch(each.name) and each.is_file(follow_symlinks=False):
                    gone += _removed(Path(each.path), at)
                elif _FOLDER.fullmatch(each.name) and each.is_dir(follow_symlinks=False):
                    gone += _removed_folder(Path(each.path), at)
    return gone


def _removed(part: Path, at: float) -> list[Path]:
    with suppress(OSError):  # in hand, gone, or not this login's to remove
        if part.stat().st_mtime <= at - OLD_S:
            with part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            return [part]
    return []


def _removed_folder(work: Path, at: float) -> list[Path]:
    with suppress(OSError):  # gone, or not this login's to remove
        newest = max(each.lstat().st_mtime for each in (work, *work.rglob("*")))
        if newest > at - OLD_S:
            return []
        held = os.open(work, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(work)
        finally:
            os.close(held)
        return [work]
    return []


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
