"""How the pixels of a packet's cutout lie on the sky, by the linear part of its header's WCS.

That is what a compass and a scale bar need: far from the reference pixel north turns by the convergence of
the meridians, a few degrees at most in the cameras of surveys. Headers are hostile: whatever is not plainly a
celestial WCS is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.orientation import ToSky, sane

KEYWORDS = frozenset(
    f"{name:8}".encode()
    for name in (
        "CTYPE1", "CTYPE2", "CUNIT1", "CUNIT2", "CDELT1", "CDELT2", "CROTA2",
        "CD1_1", "CD1_2", "CD2_1", "CD2_2", "PC1_1", "PC1_2", "PC2_1", "PC2_2",
    )
)  # fmt: skip
_ARCSEC = 3600.0  # of a degree, the only unit that is understood

Cards = Mapping[bytes, bytes]  # of `KEYWORDS`, what stands after the equals sign


def stamp_sky(cards: Cards) -> ToSky | None:
    """How the pixels lie; none without a WCS in right ascension and declination, in degrees.

    Parameters
    ----------
    cards : mapping
        Keyword, filled up to eight bytes, to the bytes of its value and comment.
    """
    kinds = [_word(cards.get(name)) for name in (b"CTYPE1  ", b"CTYPE2  ")]
    if not (kinds[0].startswith("RA--") and kinds[1].startswith("DEC-")):
        return None
    if any(_word(cards.get(name)) not in ("", "deg", "degree") for name in (b"CUNIT1  ", b"CUNIT2  ")):
        return None
    if any(name.startswith(b"CD1_") or name.startswith(b"CD2_") for name in cards):
        rows = [[_number(cards, f"CD{i}_{j}", 0.0) for j in (1, 2)] for i in (1, 2)]
    else:
        scales = [_number(cards, f"CDELT{i}", math.nan) for i in (1, 2)]
        turned = _turned(_number(cards, "CROTA2", 0.0), scales)
        rows = [
            [scale * _number(cards, f"PC{i}_{j}", turned[i - 1][j - 1]) for j in (1, 2)]
            for i, scale in enumerate(scales, 1)
        ]
    (east_x, east_y), (north_x, north_y) = ([_ARCSEC * each for each in row] for row in rows)
    return sane(((east_x, east_y), (north_x, north_y)))


def _turned(degrees: float, scales: list[float]) -> list[list[float]]:
    """The matrix of the older CROTA2; without it, the one that turns nothing."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ratio = scales[1] / scales[0] if scales[0] else math.nan
    return [[cosine, -sine * ratio], [sine / ratio if ratio else math.nan, cosine]]


def _word(value: bytes | None) -> str:
    if value is None:
        return ""
    return value.decode("latin-1").strip().removeprefix("'").partition("'")[0].strip()


def _number(cards: Cards, name: str, otherwise: float) -> float:
    value = cards.get(f"{name:8}".encode())
    if value is None:
        return otherwise
    try:
        number = float(value.partition(b"/")[0].decode("latin-1").strip().replace("D", "E"))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
