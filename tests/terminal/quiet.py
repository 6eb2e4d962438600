"""Whether a program has nothing more to do: it waits, and has used no time since the last look."""

from contextlib import suppress
from itertools import count
from pathlib import Path

QUIET = 5  # looks in a row, 30 ms apart, between which nothing happens: longer than the escape key waits

_never_the_same = count(-1, -1)


def ticks(pid: int) -> int:
    """The clock ticks that a program has used; another number each time while it wants more."""
    used = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
            state, *numbers = stat.read_text().rpartition(")")[2].split()
            if state not in "SZX":
                return next(_never_the_same)
            used += int(numbers[10]) + int(numbers[11])
    return used
