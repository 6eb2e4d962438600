"""Which band of a star catalogue a filter is, by the many names that telescopes give it."""

from __future__ import annotations

import re
from collections.abc import Sequence

NO_FILTER = {"", "clear", "c", "cl", "open", "none", "no", "l", "lum", "luminance", "white", "w", "empty"}
SLOAN = re.compile(r"(?:sdss|sloan|ps1?|panstarrs|des|decam|ztf|lsst|skymapper|hsc)?[-_ .]?([ugrizy])[psi']?")
JOHNSON = re.compile(r"(bessell?|johnson|cousins|harris)?[-_ .]?([UBVRI])c?", re.IGNORECASE)


def band_of(name: str | None, bands: Sequence[str]) -> str | None:
    """The band of a catalogue that a filter is: by name, or its main one for a frame without a filter.

    Upper and lower case are different bands: R is Cousins', r is Sloan's.
    """
    plain = (name or "").strip()
    if plain in bands:
        return plain
    if plain.lower() in NO_FILTER:
        return bands[0] if bands and bands[0] != "mag" else None
    if (match := SLOAN.fullmatch(_sloan_words(plain))) and match[1] in bands:
        return match[1]
    if (match := JOHNSON.fullmatch(plain)) and match[2].upper() in bands:
        system, letter = match.groups()
        if system or letter not in "uri":  # which alone are Sloan's
            return letter.upper()
    # Such as "g DECam SDSS", "r.MP9602" and "r'_SDSS 618_148"; H-alpha is no H, and g-r a colour.
    first = re.match(r"([A-Za-z])'?[-_ .](?!alpha|beta|[A-Za-z]$)", plain, re.IGNORECASE)
    return first[1] if first and first[1] in bands else None


def _sloan_words(name: str) -> str:
    """A filter's name with the survey's part in lower case and its own letter as it is."""
    head, letter = re.fullmatch(r"(.*?)([A-Za-z]?[psi']?)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{head.lower()}{letter if not head else letter.lower()}"
