"""Curves with axes, by plotext: how a training goes, and what a model is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from core.text import safe_text
from screens.lines import Line, Tone, toned

Points = Sequence[tuple[float, float]]

MARKERS = ("●", "◆", "▲", "■")
PLAIN_MARKERS = ("o", "x", "+", "*")
TONES = (Tone.KEY, Tone.GOOD, Tone.WARN, Tone.STRONG)
LEAST_ROWS, LEAST_COLUMNS = 5, 30
MOST_POINTS = 400  # of a series: more than there are columns of dots
_PLAIN_FRAME = str.maketrans("─│┌┐└┘┤├┬┴┼", "-|+++++++++")


def plot_lines(
    series: Mapping[str, Points],
    width: int,
    rows: int,
    *,
    title: str,
    plain: bool,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> list[Line]:
    """Draw up to four series over each other, each with its own sign.

    Parameters
    ----------
    series : mapping of str to sequence of (x, y)
        By name; of more than four the first are drawn.
    title : str
        What is drawn over what; below the axis, with the names and their signs.
    plain : bool
        ASCII alone.
    x_range, y_range : (low, high), optional
        Of the axes; else as the values need.
    """
    shown = {name: _thinned(points) for name, points in list(series.items())[: len(MARKERS)]}
    shown = {name: points for name, points in shown.items() if points}
    if not shown or rows < LEAST_ROWS or width < LEAST_COLUMNS:
        return []
    import plotext as plot  # 0.2 s of CPU: only where it is drawn

    markers = PLAIN_MARKERS if plain else MARKERS
    plot.clear_figure()
    plot.theme("clear")
    plot.limit_size(False, False)  # it would go by the size of the terminal that it was started in
    plot.plot_size(width, rows)
    if x_range:
        plot.xlim(*x_range)
    if y_range:
        plot.ylim(*y_range)
    for points, marker in zip(shown.values(), markers, strict=False):
        plot.scatter([x for x, _ in points], [y for _, y in points], marker=marker)
    names = "  ".join(f"{marker} {safe_text(name, 20)}" for name, marker in zip(shown, markers, strict=False))
    label = f"{names}  {title}"
    plot.xlabel(label[: max(width - 12, 1)])  # plotext leaves out what is wider than its axis
    text = plot.build().replace("\x1b[0m", "")
    lines = (text.translate(_PLAIN_FRAME) if plain else text).split("\n")[:rows]
    tones = dict(zip(markers, TONES, strict=True))
    return [toned(line, tones) for line in lines]


def training_curve_lines(curve: Mapping[str, Points], width: int, rows: int, *, plain: bool) -> list[Line]:
    """How a training goes: its losses, or whatever it measures first."""
    losses = {name: points for name, points in curve.items() if "loss" in name}
    return plot_lines(losses or curve, width, rows, title="by step", plain=plain)


def _thinned(points: Points) -> list[tuple[float, float]]:
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    step = max(math.ceil(len(finite) / MOST_POINTS), 1)
    return finite[::-1][::step][::-1]  # the newest stays
