"""Lengths of time as people speak of them, coarse enough that a line seldom changes; and moments."""

import time

_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))
_FINE_S = 60.0


def length(seconds: float) -> str:
    """A length of time: ``under 1 min``, ``5 min``, ``3 h``, ``2 d``."""
    for unit, size in _UNITS:
        if seconds >= (2 * size if unit == "d" else size):
            return f"{seconds / size:.0f} {unit}"
    return "under 1 min"


def short(seconds: float) -> str:
    """The same in at most seven characters."""
    return length(seconds).replace("under ", "<")


def ago(seconds: float) -> str:
    """How long ago something was."""
    return "just now" if seconds < _FINE_S else f"{length(seconds)} ago"


def work(seconds: float) -> str:
    """What something took, in at most seven characters."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 99.5:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def moment(at: float, pattern: str) -> str:
    """Unix seconds as UTC, as ``time.strftime`` writes it; a dash where no calendar reaches."""
    try:
        return time.strftime(pattern, time.gmtime(at))
    except (OverflowError, OSError, ValueError):
        return "–"
