"""In what unit a number of a header is, where the comment of its card says so.

The FITS Standard 4.0 (section 4.3.2) puts the unit in square brackets; others write it in parentheses or in
words: ``[d] time on source``, ``exposure time (ms)``, ``Exposure time minutes``.
"""

from __future__ import annotations

import re

TIME_UNITS_S = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millisec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "usec": 1e-6, "microsec": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6,
    "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
SHORT = 3  # letters of a unit that are one only in brackets or behind "in": "min" is "at least" too

_MARKED = re.compile(r"[\[(]\s*([a-z]+)\.?\s*[\])]|\bin\s+([a-z]+)\b")
_COUNT = r"(?:adu|dn|count|ct)s?"
_ELECTRON = r"(?:photo-?)?(?:electrons?\b|e-|e\b)"
_COUNTS_PER_ELECTRON = re.compile(rf"\b{_COUNT}\s*(?:/|per)\s*{_ELECTRON}|{_ELECTRON}\s*to\s*{_COUNT}\b")
_IN_ELECTRONS = re.compile(rf"[\[(]\s*{_ELECTRON}\s*(?:rms)?\s*[\])]|\bin\s+{_ELECTRON}|\belectrons\b")
_IN_COUNTS = re.compile(rf"[\[(]\s*{_COUNT}\s*(?:rms)?\s*[\])]|\bin\s+{_COUNT}\b")


def seconds_of(comment: str) -> float:
    """Seconds of one unit of a length of time; 1 where the comment names no unit."""
    said = comment.lower()
    for bracketed, behind in _MARKED.findall(said):
        if (seconds := TIME_UNITS_S.get(bracketed or behind)) is not None:
            return seconds
    words = (word for word in re.findall(r"[a-z]+", said) if len(word) > SHORT)
    return next((TIME_UNITS_S[word] for word in words if word in TIME_UNITS_S), 1.0)


def is_of_counts_per_electron(comment: str) -> bool:
    """Whether a gain is that of the amplifier, the inverse of electrons per count."""
    return _COUNTS_PER_ELECTRON.search(comment.lower()) is not None


def is_in_electrons(comment: str) -> bool:
    """Whether a level is told in electrons."""
    return _IN_ELECTRONS.search(comment.lower()) is not None and not is_in_counts(comment)


def is_in_counts(comment: str) -> bool:
    """Whether a noise is told in counts."""
    return _IN_COUNTS.search(comment.lower()) is not None
