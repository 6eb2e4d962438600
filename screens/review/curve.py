"""A light curve in text: a strip of a few rows, or a plot where there is room."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.text import safe_text
from screens.lines import Line, Tone, padded, shortened, span, toned

PLOT_ROWS = 7  # below this a frame with axes leaves no room for the curve
_LABEL_COLUMNS = 7
_FINE = 0.1  # a range whose thirds hundredths would tell a third wrong
_DETECTION, _SHOWN, _LIMIT, _OTHER_LIMIT, _FADED, _BAR = "●", "◆", "▽", "▿", "○", "│"
_PLAIN_SIGNS = {_DETECTION: "o", _SHOWN: "X", _LIMIT: "v", _OTHER_LIMIT: ",", _FADED: "-", _BAR: "|"}
_TONES = {
    _DETECTION: Tone.PLAIN,
    _SHOWN: Tone.KEY,
    _LIMIT: Tone.DIM,
    _OTHER_LIMIT: Tone.DIM,
    _FADED: Tone.PLAIN,
    _BAR: Tone.DIM,
}
_SIDE = 0.02  # of the range of dates, free on either side of it
_LONGEST_BAR = 3.0  # times the median error: a longer bar does not widen the axis, and is cut
_SPARE_LETTERS = "ABCDEFGHKLMNPQRSTUWYZ123456789"  # of bands whose own letter another has

Series = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One epoch. An upper limit says that the source was fainter than ``value``, had it been there."""

    mjd: float
    value: float  # a magnitude, or a flux
    is_limit: bool = False
    is_shown: bool = False  # the epoch whose cutouts are on the screen
    band: str = ""
    source: str = ""  # who measured it
    error: float | None = None  # one sigma of the value
    fades: bool = False  # it is fainter than the reference, by so much light

    @property
    def series(self) -> Series:
        """What belongs together: one source's points in one band."""
        return self.source, self.band


class _Signs:
    """How the points of a curve are drawn.

    Of one band and source they have one sign; of several, a detection is the letter of its band, and the
    limits of the band on the screen are other ones than the rest.
    """

    def __init__(self, points: Sequence[CurvePoint], plain: bool) -> None:
        self._plain = plain
        self._letters = _letters(points)
        shown = next((p.series for p in points if p.is_shown), points[-1].series)
        self._first = shown if len({p.series for p in points}) > 1 else None
        self._has_other_limits = any(p.is_limit and self._is_other(p) for p in points)
        self._first_band = safe_text(shown[1], 8)
        self._has_faded = any(p.fades and not p.is_shown for p in points)
        self._has_bars = any(_bar(p) is not None for p in points)

    def sign(self, point: CurvePoint) -> str:
        """The glyph of a point."""
        if point.is_limit:
            sign = _OTHER_LIMIT if self._is_other(point) else _LIMIT
        elif point.is_shown:
            sign = _SHOWN
        else:
            sign = _FADED if point.fades else self._letters.get(point.series, _DETECTION)
        return self._drawn(sign)

    @property
    def bar(self) -> str:
        """The glyph of an error bar."""
        return self._drawn(_BAR)

    def extras(self) -> str:
        """The legend of what not every curve has: faded points and error bars."""
        faded = f"  {self._drawn(_FADED)} fading" if self._has_faded else ""
        return faded + (f"  {self.bar} 1σ" if self._has_bars else "")

    def tones(self) -> dict[str, Tone]:
        """The tone of each glyph."""
        letters = dict.fromkeys(self._letters.values(), Tone.PLAIN)
        return letters | {self._drawn(sign): tone for sign, tone in _TONES.items()}

    def limits(self, unit: str) -> str:
        """The legend of limits, and what all values are in."""
        sign = self._drawn(_LIMIT)
        if not self._has_other_limits:
            return f"{sign} limit, {unit}"
        return f"{sign} limit {self._first_band}, {self._drawn(_OTHER_LIMIT)} others, {unit}"

    def series(self) -> str:
        """The legend of letters; empty of one series."""
        sources = {source for source, _ in self._letters}
        words = []
        for (source, band), letter in self._letters.items():
            name = f"{source} {band}".strip() if len(sources) > 1 else band
            words.append(letter if name == letter else f"{letter} {name or 'no band'}")
        return (", " if any(" " in word for word in words) else " ").join(words)

    def _is_other(self, point: CurvePoint) -> bool:
        return self._first is not None and point.series != self._first

    def _drawn(self, sign: str) -> str:
        return _PLAIN_SIGNS.get(sign, sign) if self._plain else sign


def _letters(points: Sequence[CurvePoint]) -> dict[Series, str]:
    """A letter for each series where there are several: the band's own where that is free."""
    series = sorted({point.series for point in points}, key=lambda one: (one[1], one[0]))
    if len(series) < 2:
        return {}
    spare = iter(_SPARE_LETTERS)
    letters: dict[Series, str] = {}
    for one in series:
        own = one[1][:1]
        usable = own.isascii() and own.isalnum() and own not in "vX"
        letter = own if usable else next(spare, "+")
        while letter in letters.values() and letter != "+":
            letter = next(spare, "+")
        letters[one] = letter
    return letters


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
    if not magnitudes:
        seen, unit = _scaled(seen, unit, plain=plain)
    if rows >= PLOT_ROWS and not plain:
        return _plot(seen, magnitudes=magnitudes, unit=unit, width=width, rows=rows)
    return _strip(seen, magnitudes=magnitudes, unit=unit, width=width, rows=rows, plain=plain)


def _bar(point: CurvePoint) -> tuple[float, float] | None:
    """From where to where the error bar of a point goes; none without an error, or of a limit."""
    if point.is_limit or point.error is None or not 0 < point.error < math.inf:
        return None
    return point.value - point.error, point.value + point.error


def _strip(
    points: Sequence[CurvePoint], *, magnitudes: bool, unit: str, width: int, rows: int, plain: bool
) -> list[Line]:
    """Signs at their dates, as many heights as rows, the range of values left and of dates right."""
    dates = _date_range(points)
    signs = _Signs(points, plain)
    series, limits = safe_text(signs.series(), max(width // 3, 1)), signs.limits(unit)
    if rows < 3 and series:
        limits = f"{series}  {limits}"
    ends = [dates, *[""] * (rows - 2), limits]
    if rows >= 3:
        ends[1] = series
    if rows >= 4:
        ends[2] = _ascii(signs.extras().strip()) if plain else signs.extras().strip()
    columns = max(width - _LABEL_COLUMNS - 2 - max(map(len, ends[:rows])), 8)
    low, high = _value_range(points)
    grid = [[" "] * columns for _ in range(rows)]
    first, last = points[0].mjd, points[-1].mjd

    def height(value: float) -> float:
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return (share if magnitudes else 1 - share) * (rows - 1)

    def column_of(point: CurvePoint) -> int:
        return round((point.mjd - first) / (last - first) * (columns - 1)) if last > first else columns // 2

    for point in points:
        if (bar := _bar(point)) is not None:
            begin, end = sorted(map(height, bar))
            for row in range(math.ceil(begin), math.floor(end) + 1):  # whose middle it crosses
                grid[row][column_of(point)] = signs.bar
    for point in sorted(points, key=lambda p: (not p.is_limit, p.is_shown)):  # the shown epoch on top
        grid[round(height(point.value))][column_of(point)] = signs.sign(point)
    top, bottom = (low, high) if magnitudes else (high, low)
    told = [_number(each, high - low) for each in (top, bottom)]
    labels = [told[0], *[""] * (rows - 2), told[1]] if rows > 1 else told[:1]
    tones = signs.tones()
    lines: list[Line] = []
    for row in range(rows):
        label = span(labels[row].rjust(_LABEL_COLUMNS - 1) + " ", Tone.DIM)
        line: Line = (label, *toned("".join(grid[row]), tones))
        lines.append(
            shortened((*padded(line, _LABEL_COLUMNS + columns), span("  " + ends[row], Tone.DIM)), width)
        )
    return lines


def _plot(points: Sequence[CurvePoint], *, magnitudes: bool, unit: str, width: int, rows: int) -> list[Line]:
    """The same with axes, by plotext."""
    import plotext as plot  # 0.2 s of CPU: only where there is room for it

    plot.clear_figure()
    plot.theme("clear")
    plot.limit_size(False, False)  # it would go by the size of the terminal that it was started in
    plot.plot_size(width, rows)
    start = math.floor(points[0].mjd)
    signs = _Signs(points, plain=False)
    low, high = _value_range(points)
    margin = (high - low) * 0.05
    # plotext's own error bars are as long as the error is given, half of it on either side, and a signal each
    step = (high - low + 2 * margin) / (2 * rows)
    bars = [
        (point.mjd - start, -value if magnitudes else value)
        for point in points
        if (bar := _bar(point)) is not None
        for value in _steps(max(bar[0], low - margin), min(bar[1], high + margin), step)
    ]
    if bars:
        plot.scatter(*map(list, zip(*bars, strict=True)), marker=_BAR)
    drawn_last = sorted(points, key=lambda p: (not p.is_limit, p.is_shown))
    for sign in dict.fromkeys(map(signs.sign, drawn_last)):
        chosen = [point for point in points if signs.sign(point) == sign]
        # plotext draws upwards and cannot turn an axis round: magnitudes go in with their sign changed
        heights = [-point.value if magnitudes else point.value for point in chosen]
        if chosen:
            plot.scatter([point.mjd - start for point in chosen], heights, marker=sign)
    ticks = [low + (high - low) * step / 3 for step in range(4)]
    plot.yticks(
        [-tick if magnitudes else tick for tick in ticks], [_number(tick, high - low) for tick in ticks]
    )
    plot.ylim(*((-high - margin, -low + margin) if magnitudes else (low - margin, high + margin)))
    first, last = points[0].mjd - start, points[-1].mjd - start
    if last > first:  # no point stands on the frame, where its error bar could not be told from it
        side = (last - first) * _SIDE
        plot.xlim(first - side, last + side)
    else:
        plot.xticks([first], [f"{first:.3f}"])  # of one date there are no steps to be told
    detected = safe_text(signs.series(), max(width // 3, 1)) or _DETECTION
    limits = signs.limits(unit)
    legends = (
        f"days since MJD {start} · {_SHOWN} shown  {detected} detected{signs.extras()}  "
        + limits.replace("limit", "5σ upper limit", 1),
        f"MJD {start} + days · {_SHOWN} shown  {detected} seen{signs.extras()}  {limits}",
        f"MJD {start} + d  {detected}{signs.extras()}  {limits}",
        f"MJD {start} + d  {detected}  {limits}",
    )  # plotext leaves out what is wider than its axis
    plot.xlabel(next((one for one in legends if len(one) < width - _LABEL_COLUMNS), limits))
    text = plot.build().replace("\x1b[0m", "").split("\n")
    lines = text[:rows]
    tones = signs.tones()
    return [*(toned(line, tones) for line in lines[:-1]), toned(lines[-1], _TONES)]


def _scaled(points: Sequence[CurvePoint], unit: str, *, plain: bool) -> tuple[list[CurvePoint], str]:
    """Fluxes too large for a label's six characters in thousands of their unit, or in thousands of these."""
    largest = max(abs(point.value) for point in points)
    power = 0
    while largest >= 1e4 and power < 9:
        largest, power = largest / 1e3, power + 3
    if power == 0:
        return list(points), unit
    micro = "uJy" if plain else "µJy"
    named = {"nJy": {3: micro, 6: "mJy", 9: "Jy"}}.get(unit, {}).get(power, f"1e{power} {unit}")
    scaled = [
        replace(
            point,
            value=point.value / 10**power,
            error=None if point.error is None else point.error / 10**power,
        )
        for point in points
    ]
    return scaled, named


def _steps(low: float, high: float, step: float) -> list[float]:
    """From one value to another, both among them, in steps no longer than this."""
    if high < low:
        return []
    count = math.ceil((high - low) / step) if step > 0 else 0
    return [low + (high - low) * each / count for each in range(count + 1)] if count else [low]


def _ascii(text: str) -> str:
    return text.replace("σ", " sigma")


def _value_range(points: Sequence[CurvePoint]) -> tuple[float, float]:
    """What the axis reaches over: all values, with their error bars but for what is far longer than most."""
    errors = [p.error for p in points if _bar(p) is not None and p.error is not None]
    longest = _LONGEST_BAR * statistics.median(errors) if errors else 0.0
    reach = [(p, min(p.error or 0.0, longest) if _bar(p) is not None else 0.0) for p in points]
    low = min(p.value - error for p, error in reach)
    high = max(p.value + error for p, error in reach)
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


def _number(value: float, among: float) -> str:
    """A value in at most six characters, finer where the range of values is small."""
    for digits in (3, 2, 1, 0) if 0.0 < among < _FINE else (2, 1, 0):
        text = f"{value:.{digits}f}"
        if len(text) <= _LABEL_COLUMNS - 1:
            return text
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"
