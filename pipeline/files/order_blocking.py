"""Glass that stands before a filter and leaves its light as it is.

A long-pass glass of Schott is called by the wavelength above which it lets light through, as GG455 in
nanometres. Before a filter that begins well above that it holds back what gratings or red leaks would let in,
and no light of the filter: it makes no other filter of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SLOPE_NM = 25  # above the wavelength of its name a glass is clear
# Where bands begin. Letters are Sloan's in lower case and Johnson's and Cousins' in upper case.
BEGINS_NM = {"g": 390, "r": 540, "i": 680, "z": 810, "y": 910, "V": 480, "R": 550, "I": 700}
_GLASS = re.compile(r"(?:WG|GG|OG|RG)[ _-]?(\d{3})", re.IGNORECASE)
_BAND = re.compile(r"(?i:(?:sdss|sloan|johnson|cousins|bessell?)[ _.-]?)?([a-zA-Z])['p]?(?i:[ _.-]?sdss)?")


def in_the_light(filters: Sequence[str]) -> list[str]:
    """The filters of a beam, without glass that leaves the light of the one other as it is.

    Parameters
    ----------
    filters : sequence of str
        Names, one or more.
    """
    glass = {each: int(match[1]) for each in filters if (match := _GLASS.fullmatch(each.strip()))}
    others = [each for each in filters if each not in glass]
    if len(others) != 1 or not (match := _BAND.fullmatch(others[0].strip())):
        return list(filters)
    begins = BEGINS_NM.get(match[1], 0)
    return others if all(cut_on + SLOPE_NM <= begins for cut_on in glass.values()) else list(filters)
