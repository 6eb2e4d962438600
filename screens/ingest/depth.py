"""The depth of one frame as facts: how faint a source may be, and what is found of brighter ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.text import significant
from screens.lines import Line, drawn, span

if TYPE_CHECKING:
    from core.frames.frame_detail import Subtraction

_MARKS, _PLAIN_MARKS = "▁▂▃▄▅▆▇█", "_.:-=+*#"


def depth_facts(made: Subtraction, *, is_plain: bool) -> Iterator[tuple[str, Line]]:
    """Titles and what they tell; nothing of a frame whose depth nobody tried to measure.

    Parameters
    ----------
    made : Subtraction
    is_plain : bool
        ASCII only.
    """
    told = _m50(made)
    if told is None and made.depth_reason is not None:
        told = f"not measured: {made.depth_reason}"
    if told is not None:
        yield "m50", (span(told),)
    bins = _bins(made)
    if bins:
        marks = _PLAIN_MARKS if is_plain else _MARKS
        curve = "".join(marks[round(found / tried * (len(marks) - 1))] for _, tried, found in bins)
        faint, bright = (_brightness(made, flux) for flux in (bins[0][0], bins[-1][0]))
        plateau = _plateau(made)
        of_bright = "" if plateau is None else f", {plateau:.0%} of bright ones"
        yield "completeness", (span(f"{faint} "), drawn(curve), span(f" {bright}{of_bright}"))


def _m50(made: Subtraction) -> str | None:
    error = "" if made.m50_err is None else f" ± {made.m50_err:.2f}"
    found = "" if made.snr50 is None else f"half of injected sources found at {made.snr50:.1f}σ"
    if made.m50 is not None:
        return f"{made.m50:.2f}{error} mag  {found}".rstrip()
    if made.flux50 is None:
        return None
    flux = f"{significant(made.flux50, 4)} {made.flux_unit or ''}".rstrip()
    return f"no zeropoint  {found}, {flux}{error} mag"


def _bins(made: Subtraction) -> list[tuple[float, int, int]]:
    """Flux, sources tried and sources found, from faint to bright; what makes no sense is left out."""
    kept = made.completeness.get("bins") if isinstance(made.completeness, dict) else None
    try:
        bins = [(float(flux), int(tried), int(found)) for flux, tried, found in kept or ()]
    except (TypeError, ValueError):
        return []
    return [each for each in bins if each[0] > 0 and 0 <= each[2] <= each[1] and each[1] > 0]


def _plateau(made: Subtraction) -> float | None:
    share = made.completeness.get("plateau") if isinstance(made.completeness, dict) else None
    return float(share) if isinstance(share, int | float) else None


def _brightness(made: Subtraction, flux: float) -> str:
    if made.zeropoint is not None:
        return f"{made.zeropoint - 2.5 * math.log10(flux):.1f}"
    if made.flux50 and made.snr50:
        return f"{flux / made.flux50 * made.snr50:.1f}σ"
    return significant(flux)
