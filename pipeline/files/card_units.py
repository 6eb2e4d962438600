"""In what unit a number of a header is, where the comment of its card says so.

The FITS Standard 4.0 (section 4.3.2) puts the unit in square brackets; others write it in parentheses or in
words: ``[d] time on source``, ``exposure time (ms)``, ``Exposure time minutes``.
"""

from __future__ import annotations

import math
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

_LENGTH = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]+)\.?")  # "60 s", "1.5min."
_MARKED = re.compile(r"[\[(]\s*([a-z]+)\.?\s*[\])](?![a-z])|\bin\s+([a-z]+)\b")
_ALONE = re.compile(r"(?:^|[,;:])\s*([a-z]+)\.?\s*$")  # the whole comment, or its end behind a comma
_COUNT = r"(?:adu|dn|count|ct)s?"
_ELECTRON = r"(?<![a-z])(?:photo-?)?(?:electrons?\b|e-|e\b)"
_COUNTS_PER_ELECTRON = re.compile(rf"\b{_COUNT}\s*(?:/|per)\s*{_ELECTRON}|{_ELECTRON}\s*to\s*{_COUNT}\b")
_ELECTRONS_PER_COUNT = re.compile(rf"{_ELECTRON}\s*(?:/|per)\s*{_COUNT}\b")
_UNIT_OF_LEVEL = re.compile(
    rf"[\[(]\s*(?:(?P<e>{_ELECTRON})|{_COUNT})\s*(?:rms)?\s*[\])]|\bin\s+(?:(?P<in_e>{_ELECTRON})|{_COUNT}\b)"
)
_OF_COUNTS = re.compile(rf"\b{_COUNT}\b")
_OF_ELECTRONS = re.compile(r"\belectrons\b")


def seconds_of(comment: str) -> float:
    """Seconds of one unit of a length of time; 1 where the comment names no unit."""
    said = comment.lower()
    for bracketed, behind in _MARKED.findall(said):
        if (seconds := TIME_UNITS_S.get(bracketed or behind)) is not None:
            return seconds
    alone = _ALONE.search(said)
    if alone is not None and alone[1] in TIME_UNITS_S:
        return TIME_UNITS_S[alone[1]]
    words = re.findall(r"[a-z]+", said)
    if not words or "seconds" in words:
        return 1.0
    # In between it may be that of something else: "with millisecond accuracy".
    ends = (word for word in (words[0], words[-1]) if len(word) > SHORT)
    return next((TIME_UNITS_S[word] for word in ends if word in TIME_UNITS_S), 1.0)


def seconds_told(value: object) -> float | None:
    """Seconds of a length of time that is a text with its unit, as ``60 s``; none where it is none."""
    found = _LENGTH.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if found is None or (unit_s := TIME_UNITS_S.get(found[2])) is None:
        return None
    seconds = float(found[1]) * unit_s
    return seconds if math.isfinite(seconds) else None


def is_of_counts_per_electron(comment: str) -> bool:
    """Whether a gain is that of the amplifier, the inverse of electrons per count."""
    said = comment.lower()
    return _COUNTS_PER_ELECTRON.search(said) is not None and _ELECTRONS_PER_COUNT.search(said) is None


def is_in_electrons(comment: str) -> bool:
    """Whether a level is told in electrons."""
    said = comment.lower()
    if (unit := _UNIT_OF_LEVEL.search(said)) is not None:
        return _names_electrons(unit)
    return _OF_ELECTRONS.search(said) is not None and _OF_COUNTS.search(said) is None


def is_in_counts(comment: str) -> bool:
    """Whether a noise is told in counts."""
    unit = _UNIT_OF_LEVEL.search(comment.lower())
    return unit is not None and not _names_electrons(unit)


def _names_electrons(unit: re.Match[str]) -> bool:
    return (unit["e"] or unit["in_e"]) is not None
