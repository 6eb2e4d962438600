"""The file of a SQLite store, which can be deleted or replaced while the store is open.

SQLite then goes on with the file that it opened, which has no name any more: all that is written into it
is lost, and nothing says so.
"""

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
