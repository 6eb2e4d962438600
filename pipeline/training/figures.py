"""Figures of a training, as its run in MLflow has them: its curves, and its scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.models.trainings import Training, curve, scorecard
from core.models.worth import METRICS
from core.unfinished import unfinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES_PNG, SCORECARD_PNG = "curves.png", "scorecard.png"
AXES = ("step", "seconds")  # along which the others are told
ENDS = ("low", "high")  # of an interval
MOST_CURVES, MOST_STRATA = 6, 30
Points = Sequence[tuple[float, float]]
Bar = tuple[str, float, float, float]  # a stratum's name, what is missed there, and between which


def draw(training: Training) -> None:
    """Write the figures of a training that has what they show into its folder; they are PNGs."""
    told = curve(training).items()
    curves = {name: points for name, points in told if len(points) > 1 and name not in AXES}
    if curves:
        _write(training.folder / CURVES_PNG, _curves(training.key, curves))
    card = scorecard(training) or {}
    bars = _bars(card.get("strata"))
    lines = {
        "what the model said": (
            _points(card.get("reliability"), "predicted", "observed"),
            "share that is real",
        ),
        "signal-to-noise ratio": (_points(card.get("completeness"), "snr", "found"), "share that is found"),
    }
    shown = {x: (points, y) for x, (points, y) in lines.items() if points}
    if bars or shown:
        title = str(card.get("title") or "Missed at 1 % false positives")
        _write(training.folder / SCORECARD_PNG, _scorecard(training.key, title, bars, shown))


def _curves(title: str, curves: Mapping[str, Points]) -> Figure:
    shown = list(curves.items())[:MOST_CURVES]
    figure, axes = _panels(title, len(shown), 2.6 * len(shown), rows=True)
    for each, (name, points) in zip(axes, shown, strict=True):
        each.plot([x for x, _ in points], [y for _, y in points])
        each.set_ylabel(METRICS.get(name, name))
    axes[-1].set_xlabel("step")
    return figure


def _scorecard(key: str, title: str, bars: Sequence[Bar], lines: Mapping[str, tuple[Points, str]]) -> Figure:
    figure, axes = _panels(key, bool(bars) + len(lines), max(4.4, 1.2 + 0.22 * len(bars)), rows=False)
    if bars:
        values = [value for _, value, _, _ in bars]
        off = [[value - low for _, value, low, _ in bars], [high - value for _, value, _, high in bars]]
        rows = range(len(bars))
        axes[0].errorbar(values, rows, xerr=off, fmt="o", capsize=2)
        axes[0].set_yticks(rows, labels=[name for name, *_ in bars], fontsize=7, parse_math=False)
        axes[0].invert_yaxis()
        axes[0].set_xlabel(title, parse_math=False)
    for each, (x, (points, y)) in zip(axes[bool(bars) :], lines.items(), strict=True):
        each.plot([at for at, _ in points], [share for _, share in points], "o-")
        each.set(xlabel=x, ylabel=y, ylim=(0, 1.02))
    return figure


def _panels(title: str, count: int, height: float, *, rows: bool) -> tuple[Figure, list[Axes]]:
    # No pyplot: it keeps state, and looks for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0 if rows else 4.4 * count, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, parse_math=False)
    shape = (count, 1) if rows else (1, count)
    axes = list(figure.subplots(*shape, squeeze=False).flat)
    for each in axes:
        each.grid(alpha=0.3)
    return figure, axes


def _write(path: Path, figure: Figure) -> None:
    with unfinished(path) as part:
        figure.savefig(part, format="png", dpi=100)


def _bars(rows: object) -> list[Bar]:
    """The strata that were measured; one without an interval, as of too few groups, is a mark alone."""
    found: list[Bar] = []
    for row in rows if isinstance(rows, list) else []:
        value = row.get("value") if isinstance(row, dict) else None
        if isinstance(value, int | float):
            low, high = (each if isinstance(each := row.get(end), int | float) else value for end in ENDS)
            found.append((str(row.get("name")), value, min(low, value), max(high, value)))
    return found[:MOST_STRATA]


def _points(table: object, x: str, y: str) -> Points:
    columns = [table.get(name) for name in (x, y)] if isinstance(table, dict) else []
    pairs = zip(*(each if isinstance(each, list) else [] for each in columns), strict=False)
    return [(a, b) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)]
