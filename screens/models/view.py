"""The models screen as lines: models, versions of the one under the cursor, trainings and their curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from core.models.worth import in_a_line
from core.text import counted
from screens.ages import moment
from screens.lines import (
    Line,
    Tone,
    cells_of,
    column,
    indented,
    padded,
    shortened,
    span,
    spread,
    window,
    wrapped,
)
from screens.models.plots import training_curve_lines

if TYPE_CHECKING:
    from core.models.overview import ModelRow, VersionRow
    from core.models.trainings import Training
    from screens.models.reading import Answer

NAME_COLUMNS = 18
SHIPPED = 0
CURVE_ROWS = 6
LEAST_ROWS_FOR_CURVE = 24
LEAST_COLUMNS_FOR_KEY = 80
USE_TONES = {"champion": Tone.GOOD, "challenger": Tone.KEY}
STATE_TONES = {"running": Tone.KEY, "done": Tone.GOOD, "failed": Tone.BAD, "lost": Tone.BAD}


class Pane(StrEnum):
    """Where the cursor is."""

    MODELS = "models"
    VERSIONS = "versions"
    TRAININGS = "trainings"


PANES = tuple(Pane)


@dataclass(frozen=True, slots=True)
class Page:
    """All that the screen shows."""

    answer: Answer
    now: float
    pane: Pane = Pane.MODELS
    model_place: int = 0
    version_place: int = 0
    training_place: int = 0
    plain: bool = False  # ASCII alone


def page_lines(page: Page, width: int, height: int) -> list[Line]:
    """The page, at most `height` lines."""
    models = page.answer.models
    top = [*_trouble(page, width), *model_lines(page, width, min(len(models), max(height // 3, 2)))]
    room = max(height - len(top), 0)
    curve = CURVE_ROWS if height >= LEAST_ROWS_FOR_CURVE and page.answer.curve else 0
    trainings = min(len(page.answer.trainings) + 1, max((room - curve) // 3, 3))
    versions = max(room - trainings - curve - 2, 2)
    lines = [
        *top,
        *version_lines(page, width, versions),
        *training_lines(page, width, trainings - 1),
    ]
    if curve and page.answer.curve:
        lines += training_curve_lines(
            page.answer.curve, width, min(curve, max(height - len(lines), 0)), plain=page.plain
        )
    return lines[:height]


def version_rows(model: ModelRow) -> list[VersionRow | None]:
    """The versions of a model, and last, as none, the one that AstrID came with."""
    return [*model.versions, None]


def _trouble(page: Page, width: int) -> list[Line]:
    trouble = page.answer.registry.trouble
    lines = [] if trouble is None else indented((span(trouble, Tone.WARN, 400),), width)
    for model in page.answer.models:
        if model.trouble is not None:
            lines += indented((span(model.trouble, Tone.BAD, 400),), width)
    return lines


def model_lines(page: Page, width: int, rows: int) -> list[Line]:
    """A line for each model."""
    answer = page.answer
    here = page.pane is Pane.MODELS
    judged = answer.judged
    learned = f"{counted(judged.real, 'object')} judged real, {judged.bogus} bogus "
    title = (span(" "), span("Models", Tone.KEY if here else Tone.STRONG))
    lines: list[Line] = [spread(title, (span(learned, Tone.DIM),), width)]
    for place in window(page.model_place, len(answer.models), rows):
        lines.append(_model_line(answer.models[place], width, is_chosen=place == page.model_place, here=here))
    return lines


def _model_line(model: ModelRow, width: int, *, is_chosen: bool, here: bool) -> Line:
    used = "as AstrID came" if model.in_use == SHIPPED else f"version {model.in_use}"
    row = next((each for each in model.versions if each.number == model.in_use), None)
    return shortened(
        (
            span((" > " if here else " * ") if is_chosen else "   ", Tone.KEY),
            column(model.name, NAME_COLUMNS, Tone.STRONG if is_chosen else Tone.PLAIN),
            column(used, 16, Tone.GOOD if model.trouble is None else Tone.BAD),
            column(f"of {counted(len(model.versions) + 1, 'version')}", 16, Tone.DIM),
            span(in_a_line(row.metrics) if row else model.shipped, Tone.DIM),
        ),
        width,
    )


def version_lines(page: Page, width: int, rows: int) -> list[Line]:
    """A line for each version of the chosen model, the newest first."""
    if not page.answer.models:
        return []
    model = page.answer.models[page.model_place]
    here = page.pane is Pane.VERSIONS
    title = (span(" "), span(f"Versions of {model.name}", Tone.KEY if here else Tone.STRONG))
    key: Line = ()
    if width >= LEAST_COLUMNS_FOR_KEY and model.shipped.startswith("missed"):
        key = (span("0: missed at 1 % FPR, ECE on independent simulations ", Tone.DIM),)
    lines: list[Line] = [spread(shortened(title, width - cells_of(key)), key, width)]
    versions = version_rows(model)
    for place in window(page.version_place, len(versions), rows):
        has_cursor = here and place == page.version_place
        lines.append(_version_line(model, versions[place], width, has_cursor=has_cursor))
    return lines


def _version_line(model: ModelRow, row: VersionRow | None, width: int, *, has_cursor: bool) -> Line:
    use = model.use(row.number if row else SHIPPED)
    facts: Line = (
        (span("came with AstrID  ", Tone.DIM), span(model.shipped))
        if row is None
        else (
            span(f"{date(row.created_at)}  ", Tone.DIM),
            column(row.origin, 9, Tone.DIM),
            span("" if row.registry_version else "registry not told  ", Tone.WARN),
            span(in_a_line(row.metrics)),
        )
    )
    number = row.number if row else SHIPPED
    head: Line = (
        span(" > " if has_cursor else "   ", Tone.KEY),
        span(f"{number:>4}  ", Tone.STRONG),
        column(use, 11, USE_TONES.get(use, Tone.DIM)),
    )
    return shortened((*head, *facts), width)


def training_lines(page: Page, width: int, rows: int) -> list[Line]:
    """A line for each training, the newest first."""
    trainings = page.answer.trainings
    here = page.pane is Pane.TRAININGS
    lines: list[Line] = [(span(" "), span("Trainings", Tone.KEY if here else Tone.STRONG))]
    if not trainings:
        return [*lines, (span("   none yet", Tone.DIM),)]
    for place in window(page.training_place, len(trainings), rows):
        has_cursor = here and place == page.training_place
        lines.append(_training_line(trainings[place], page.now, width, has_cursor=has_cursor))
    return lines


def _training_line(training: Training, now: float, width: int, *, has_cursor: bool) -> Line:
    energy = "" if training.energy_j is None else f"{training.energy_j / 1000:.1f} kJ  "
    said = training.reason or in_a_line(training.metrics)
    return shortened(
        (
            span(" > " if has_cursor else "   ", Tone.KEY),
            span(f"{date(training.started_at)}  ", Tone.DIM),
            column(training.name, NAME_COLUMNS),
            column(training.state, 9, STATE_TONES.get(training.state, Tone.DIM)),
            span(f"{training.seconds(now) / 60:.1f} min  ", Tone.DIM),
            span(energy, Tone.DIM),
            span(said),
        ),
        width,
    )


def facts_lines(facts: Iterable[tuple[str, object]], width: int) -> list[Line]:
    """Names and values in two columns, each value whole."""
    shown = [(span(name, Tone.DIM, 60), span(_value(value), limit=400)) for name, value in facts]
    widest = max((cells_of((name,)) for name, _ in shown), default=0)
    indent = widest + 3 if width >= 2 * (widest + 3) else 4
    lines = [(span(" "), *padded((name,), widest + 2), value) for name, value in shown]
    return [part for line in lines for part in wrapped(line, width, indent=indent)]


def number(value: float | None) -> str:
    """A metric, to four digits."""
    return "not a number" if value is None else f"{value:.4g}"


def date(at: float | None) -> str:
    """A time of book-keeping, UTC, to a minute."""
    return "at no known time" if at is None else moment(at, "%Y-%m-%d %H:%M")


def _value(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        known = [(name, inner) for name, inner in value.items() if inner is not None]
        return "  ".join(f"{name} {_value(inner)}" for name, inner in known[:12])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value[:12]))
    return str(value)
