"""The last lines of a log, however long it is."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 256_000


def tail(path: Path, lines: int = 50) -> list[str]:
    """The last lines of a file, oldest first, as they are; none where there is no file.

    No more than `MOST_BYTES` are read, so that very long lines make fewer of them.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(size - MOST_BYTES, 0)
            file.seek(start)
            text = file.read(MOST_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = text.split("\n")
    if start and len(found) > 1:
        del found[0]  # its beginning is missing
    if found[-1] == "":
        del found[-1]
    return found[-lines:] if lines > 0 else []
