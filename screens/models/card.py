"""Everything about one version of a model, or one training, as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.models.names import ODD_BY
from core.models.worth import METRICS, too_few
from screens.lines import Line, Tone, column, span, wrapped
from screens.models.plots import plot_lines, training_curve_lines
from screens.models.view import date, facts_lines

if TYPE_CHECKING:
    from core.models.trainings import Training
    from screens.models.reading import Card

PLOT_ROWS = 14
MOST_STRATA = 60
MOST_TABLES = 8
EVALUATED = "evaluate` makes one and keeps it with a version"
_INDENT = 4  # of what goes on below
_UNIT = (0.0, 1.0)


def card_lines(card: Card, width: int, *, plain: bool) -> list[Line]:
    """What it is, its scorecard beside that of the version in use, calibration and completeness."""
    skipped = {"scorecard", "metrics", "history"}
    facts = [(name, value) for name, value in card.facts.items() if name not in skipped]
    lines = facts_lines(facts, width)
    metrics = card.facts.get("metrics")
    if isinstance(metrics, Mapping):
        named = (
            (METRICS.get(str(name), str(name)), too_few(metrics, str(name)) or value)
            for name, value in metrics.items()
        )
        lines += [(), _title("Metrics"), *facts_lines(named, width)]
    if card.judged:
        lines += [
            (),
            _title("Worth, on simulations of other code than the training's"),
            *facts_lines(card.judged, width),
        ]
    if card.scorecard is None and card.judged:
        return lines
    if card.scorecard is None:
        makes = "train outliers` makes one of what it fits" if card.name in ODD_BY else EVALUATED
        words = f" It has no scorecard: `astrid models {makes}."
        return [*lines, (), (span(words, Tone.DIM),)]
    return [*lines, *scorecard_lines(card, width, plain=plain)]


def _earlier(training: Training) -> list[tuple[str, object]]:
    """How long it was at work before it was gone on with, if it was."""
    return [("before that", f"{training.earlier_s / 60:.1f} min")] if training.earlier_s else []


def training_sheet(
    training: Training, curve: Mapping[str, Sequence[tuple[float, float]]], width: int, *, plain: bool
) -> list[Line]:
    """One training: by what, how long, at what cost, and its curves."""
    energy = "not measured" if training.energy_j is None else f"{training.energy_j / 1000:.2f} kJ"
    facts: list[tuple[str, object]] = [
        ("model", training.name),
        ("state", training.state),
        ("reason", training.reason or "none"),
        ("began", date(training.started_at)),
        ("ended", date(training.ended_at) if training.ended_at else "not yet"),
        *_earlier(training),
        ("energy", energy),
        ("host", training.host),
        ("digest", training.digest or "none yet"),
        ("registry", "told" if training.is_published else "not told yet"),
        *training.parameters.items(),
        *((name, too_few(training.metrics, name) or value) for name, value in training.metrics.items()),
    ]
    lines = facts_lines(facts, width)
    plots = {name: points for name, points in curve.items() if "loss" not in name}
    lines += [(), *training_curve_lines(curve, width, PLOT_ROWS, plain=plain)]
    for name, points in list(plots.items())[:4]:
        lines += [(), *plot_lines({name: points}, width, PLOT_ROWS, title="by step", plain=plain)]
    return lines


def scorecard_lines(card: Card, width: int, *, plain: bool) -> list[Line]:
    """The scorecard, stratum by stratum beside the one of the version in use, and its two plots."""
    own, other = card.scorecard or {}, card.champion_scorecard or {}
    is_champion = card.number == card.champion
    names = {f"version {card.number}": own}
    if other and not is_champion:
        names[f"version {card.champion}, in use"] = other
    title = own.get("title")
    title = title if isinstance(title, str) else "Missed at 1 % false positives, by stratum"
    lines: list[Line] = [(), _title(title), *_strata(names, width)]
    for title in _tables(own):
        rows = {name: {"strata": _tables(each).get(title)} for name, each in names.items()}
        lines += [(), _title(title), *_strata(rows, width)]
    reliability = {
        name: _points(each.get("reliability"), "predicted", "observed") for name, each in names.items()
    }
    completeness = {name: _points(each.get("completeness"), "snr", "found") for name, each in names.items()}
    title = "found, by what was said"
    plot = plot_lines(reliability, width, PLOT_ROWS, title=title, plain=plain, x_range=_UNIT, y_range=_UNIT)
    lines += [(), _title("Calibration: share that is real, by what the model said"), *plot] if plot else []
    plot = plot_lines(completeness, width, PLOT_ROWS, title="found, by SNR", plain=plain, y_range=_UNIT)
    lines += [(), _title("Completeness by signal-to-noise ratio"), *plot] if plot else []
    return lines


def _strata(cards: Mapping[str, Mapping[str, Any]], width: int) -> list[Line]:
    found = {name: _by_name(card.get("strata")) for name, card in cards.items()}
    strata = list(dict.fromkeys(stratum for rows in found.values() for stratum in rows))[:MOST_STRATA]
    if not strata:
        return [(span("   none was measured", Tone.DIM),)]
    head = (span(" " * 27), *(column(name, 24, Tone.STRONG) for name in found))
    lines: list[Line] = wrapped(head, width)
    for stratum in strata:
        cells = [column(_rate(rows.get(stratum)), 24) for rows in found.values()]
        lines += wrapped((span("   "), column(stratum, 24, Tone.DIM), *cells), width, indent=_INDENT)
    return lines


def _tables(card: Mapping[str, Any]) -> dict[str, Any]:
    """Further tables of a scorecard, by their titles."""
    tables = card.get("tables")
    rows = [each for each in tables if isinstance(each, dict)] if isinstance(tables, list) else []
    return {str(each.get("title")): each.get("rows") for each in rows[:MOST_TABLES]}


def _by_name(rows: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(rows, list):
        return {}
    return {str(row["name"]): row for row in rows if isinstance(row, dict) and "name" in row}


def _rate(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    value, low, high = (row.get(name) for name in ("value", "low", "high"))
    if not isinstance(value, int | float):
        return f"too few: {row.get('n', 0)}"
    inside = (
        f" ({low:.3f} to {high:.3f})"
        if isinstance(low, int | float) and isinstance(high, int | float)
        else ""
    )
    return f"{value:.3f}{inside}"


def _points(table: object, x: str, y: str) -> list[tuple[float, float]]:
    if not isinstance(table, dict):
        return []
    columns = (table.get(x), table.get(y))
    if not all(isinstance(column, list) for column in columns):
        return []
    pairs = zip(*(column for column in columns if isinstance(column, list)), strict=False)
    return [
        (float(a), float(b)) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)
    ]


def _title(text: str) -> Line:
    return (span(f" {text}", Tone.STRONG),)
