"""A light curve in text: a strip of a few rows, or a plot where there is room."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from screens.lines import Line, Tone, drawn, padded, span

PLOT_ROWS = 7  # below this a frame with axes leaves no room for the curve
_LABEL_COLUMNS = 7
_DETECTION, _SHOWN, _LIMIT = "●", "◆", "▽"
_PLAIN_SIGNS = {_DETECTION: "o", _SHOWN: "X", _LIMIT: "v"}
_TONES = {_DETECTION: Tone.PLAIN, _SHOWN: Tone.KEY, _LIMIT: Tone.DIM}


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One epoch. An upper limit says that the source was fainter than ``value``, had it been there."""

    mjd: float
    value: float  # a magnitude, or a flux
    is_limit: bool = False
    is_shown: bool = False  # the epoch whose cutouts are on the screen

    @property
    def sign(self) -> str:
        """The glyph it is drawn with."""
        return _LIMIT if self.is_limit else _SHOWN if self.is_shown else _DETECTION


def curve_lines(
    points: Sequence[CurvePoint], *, magnitudes: bool, unit: str, width: int, rows: int, plain: bool
) -> list[Line]:
    """Draw a light curve.

    Parameters
    ----------
    points : sequence of CurvePoint
        In any order; those that are not finite are left out.
    magnitudes : bool
        Values are magnitudes: bright is up.
    unit : str
        What the values are in, for the legend.
    width, rows : int
        Cells.
    plain : bool
        ASCII only.
    """
    seen = sorted((p for p in points if math.isfinite(p.mjd) and math.isfinite(p.value)), key=lambda p: p.mjd)
    if rows < 1:
        return []
    if not seen:
        return [(span("no light curve: nothing was measured with a date", Tone.DIM),), *[()] * (rows - 1)]
    if rows >= PLOT_ROWS and not plain:
        return _plot(seen, magnitudes=magnitudes, unit=unit, width=width, rows=rows)
    return _strip(seen, magnitudes=magnitudes, unit=unit, width=width, rows=rows, plain=plain)


def _strip(
    points: Sequence[CurvePoint], *, magnitudes: bool, unit: str, width: int, rows: int, plain: bool
) -> list[Line]:
    """Signs at their dates, as many heights as rows, the range of values left and of dates right."""
    dates = _date_range(points)
    columns = max(width - _LABEL_COLUMNS - 2 - len(dates), 8)
    low, high = _value_range(points)
    grid = [[" "] * columns for _ in range(rows)]
    for point in sorted(points, key=lambda p: (not p.is_limit, p.is_shown)):  # the shown epoch on top
        share = (point.value - low) / (high - low)
        row = round((share if magnitudes else 1 - share) * (rows - 1))
        first, last = points[0].mjd, points[-1].mjd
        column = round((point.mjd - first) / (last - first) * (columns - 1)) if last > first else columns // 2
        grid[row][column] = _PLAIN_SIGNS[point.sign] if plain else point.sign
    top, bottom = (low, high) if magnitudes else (high, low)
    labels = [_number(top)] + [""] * (rows - 2) + [_number(bottom)] if rows > 1 else [_number(top)]
    ends = [dates, *[""] * (rows - 2), f"v limit, {unit}" if plain else f"▽ limit, {unit}"]
    tones = {_PLAIN_SIGNS[sign]: tone for sign, tone in _TONES.items()} if plain else _TONES
    lines: list[Line] = []
    for row in range(rows):
        label = span(labels[row].rjust(_LABEL_COLUMNS - 1) + " ", Tone.DIM)
        line: Line = (label, *_toned("".join(grid[row]), tones))
        lines.append((*padded(line, _LABEL_COLUMNS + columns), span("  " + ends[row], Tone.DIM)))
    return lines


def _plot(points: Sequence[CurvePoint], *, magnitudes: bool, unit: str, width: int, rows: int) -> list[Line]:
    """The same with axes, by plotext."""
    import plotext as plot  # 0.2 s of CPU: only where there is room for it

    plot.clear_figure()
    plot.theme("clear")
    plot.limit_size(False, False)  # it would go by the size of the terminal that it was started in
    plot.plot_size(width, rows)
    start = math.floor(points[0].mjd)
    for sign in (_LIMIT, _DETECTION, _SHOWN):
        chosen = [point for point in points if point.sign == sign]
        # plotext draws upwards and cannot turn an axis round: magnitudes go in with their sign changed
        heights = [-point.value if magnitudes else point.value for point in chosen]
        if chosen:
            plot.scatter([point.mjd - start for point in chosen], heights, marker=sign)
    low, high = _value_range(points)
    ticks = [low + (high - low) * step / 3 for step in range(4)]
    plot.yticks([-tick if magnitudes else tick for tick in ticks], [_number(tick) for tick in ticks])
    margin = (high - low) * 0.05
    plot.ylim(*((-high - margin, -low + margin) if magnitudes else (low - margin, high + margin)))
    plot.xlabel(
        f"days since MJD {start} · {_SHOWN} shown  {_DETECTION} detected  {_LIMIT} 5σ upper limit, {unit}"
    )
    text = plot.build().replace("\x1b[0m", "").split("\n")
    return [_toned(line, _TONES) for line in text[:rows]]


def _toned(text: str, tones: Mapping[str, Tone]) -> Line:
    """Text of the plot with its signs set apart."""
    pieces: list[tuple[str, Tone]] = []
    for character in text:
        tone = tones.get(character, Tone.DIM)
        if pieces and pieces[-1][1] is tone:
            pieces[-1] = (pieces[-1][0] + character, tone)
        else:
            pieces.append((character, tone))
    return tuple(drawn(text, tone) for text, tone in pieces)


def _value_range(points: Sequence[CurvePoint]) -> tuple[float, float]:
    low, high = min(p.value for p in points), max(p.value for p in points)
    if high > low:
        return low, high
    half = abs(low) * 0.01 or 1.0
    return low - half, high + half


def _date_range(points: Sequence[CurvePoint]) -> str:
    first, last = points[0].mjd, points[-1].mjd
    if last - first < 1e-6:
        return f"MJD {first:.3f}"
    span_days = last - first
    length = f"{span_days:.0f} d" if span_days >= 3 else f"{span_days * 24:.1f} h"
    return f"MJD {first:.2f} + {length}"


def _number(value: float) -> str:
    """A value in at most six characters."""
    for text in (f"{value:.2f}", f"{value:.1f}", f"{value:.0f}"):
        if len(text) <= _LABEL_COLUMNS - 1:
            return text
    return f"{value:.0e}"
