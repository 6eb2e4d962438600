"""The file of a SQLite store: whether it can be written to, and is still the one that was opened.

It can be deleted or replaced while the store is open. SQLite then goes on with the file that it opened, which
has no name any more: all that is written into it is lost, and nothing says so.
"""

import os
from pathlib import Path


class StoreFile:
    """Which file the connections of one store are to.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()  # a process may change its folder, and SQLite does not follow
        self._opened: tuple[int, int] | None = None

    def opened(self) -> None:
        """A connection was made; the file of the first one is that of all."""
        # Not before: on an overlay a file that is opened for writing becomes another one.
        self._opened = self._opened or self._now()

    def forget(self) -> None:
        """All connections were closed: the next one may be to another file."""
        self._opened = None

    def why_lost(self) -> str | None:
        """What became of the file, in words that go on from its name; none: it is where it was."""
        if self._opened is None or (now := self._now()) == self._opened:
            return None
        return f"{'was deleted or renamed' if now is None else 'was replaced by another'} while it was open"

    def _now(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def why_unwritable(path: Path) -> str | None:
    """Why a store's file, which is there, cannot be written to, in words that go on from its name."""
    if is_read_only(path):
        why = "its file system is read-only"
    elif path.exists() and not os.access(path, os.W_OK):
        why = "this login may not write to it"
    elif path.exists() and not os.access(path.parent, os.W_OK) and not _log_of(path).exists():
        why = "this login may not write to its folder"
    else:
        return None
    return f"cannot be written: {why}; `astrid --read-only` shows it"


def is_read_only(path: Path) -> bool:
    """Whether the file system that holds something takes no changes at all."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:  # whoever opens it is told why not
        return False


def is_still(path: Path) -> bool:
    """Whether nobody can be writing to a database: SQLite could then not even read it without being told.

    Its folder takes no new files, and no log of changes is left beside it.
    """
    log = _log_of(path)
    return not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size > 0)


def _log_of(path: Path) -> Path:
    """Where SQLite writes what it has not yet written into a database."""
    return path.with_name(path.name + "-wal")
