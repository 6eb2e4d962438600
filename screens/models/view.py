"""The models screen as lines: what is registered, and the versions of the model under the cursor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from screens.lines import Line, Tone, counted, indented, plain, shortened, span, spread

if TYPE_CHECKING:
    from core.models.registry import Model, ModelVersion, Registry
    from core.review.judged import Judged

NAME_COLUMNS = 24
METRICS = 3  # in the line of a version
READY = "READY"


class Pane(StrEnum):
    """Where the cursor is."""

    MODELS = "models"
    VERSIONS = "versions"


@dataclass(frozen=True, slots=True)
class Page:
    """All that the screen shows."""

    registry: Registry
    judged: Judged
    pane: Pane = Pane.MODELS
    model_place: int = 0
    version_place: int = 0


def page_lines(page: Page, width: int, height: int) -> list[Line]:
    """The page, at most `height` lines."""
    registry = page.registry
    if registry.trouble is not None:
        return indented((span(registry.trouble, Tone.WARN, 400),), width)[:height]
    if not registry.models:
        return nothing_lines(page, width)[:height]
    versions = registry.models[page.model_place].versions
    most = max(height // 2 - 2, 1)
    models = model_lines(page, width, min(len(registry.models), most))
    room = height - len(models) - 2
    return [*models, (), *version_lines(page, versions, width, max(room, 1))][:height]


def nothing_lines(page: Page, width: int) -> list[Line]:
    """What is true while nothing is registered."""
    judged = page.judged
    real, bogus = counted(judged.real, "object"), judged.bogus
    found: Line = (
        span("No model is registered: candidates are ordered by their significance alone.", Tone.STRONG),
    )
    learned: Line = (
        span(f"Models will learn from verdicts; so far {real} judged real and {bogus} bogus.", Tone.DIM),
    )
    return [*indented(found, width), *indented(learned, width)]


def model_lines(page: Page, width: int, rows: int) -> list[Line]:
    """A line for each model."""
    models = page.registry.models
    here = page.pane is Pane.MODELS
    title = (span(" "), span("Models", Tone.KEY if here else Tone.STRONG))
    lines: list[Line] = [spread(title, (span(f"{page.registry.place} ", Tone.DIM, 60),), width)]
    for place in _window(page.model_place, len(models), rows):
        lines.append(_model_line(models[place], width, is_chosen=place == page.model_place, has_cursor=here))
    return lines


def _model_line(model: Model, width: int, *, is_chosen: bool, has_cursor: bool) -> Line:
    sign = (" > " if has_cursor else " * ") if is_chosen else "   "
    champion = model.champion
    used = f"version {champion.number} in use" if champion else "none in use"
    head: Line = (
        span(sign, Tone.KEY),
        span(model.name, Tone.STRONG if is_chosen else Tone.PLAIN, NAME_COLUMNS),
    )
    gap = span(" " * max(NAME_COLUMNS + 4 - len(plain(head)), 1))
    return shortened(
        (
            *head,
            gap,
            span(used.ljust(18), Tone.GOOD if champion else Tone.DIM),
            span(f"of {counted(len(model.versions), 'version')}  ".ljust(16), Tone.DIM),
            span(model.description.partition("\n")[0], Tone.DIM),
        ),
        width,
    )


def version_lines(page: Page, versions: Sequence[ModelVersion], width: int, rows: int) -> list[Line]:
    """A line for each version of the chosen model, the newest first."""
    model = page.registry.models[page.model_place]
    here = page.pane is Pane.VERSIONS
    tone = Tone.KEY if here else Tone.STRONG
    lines: list[Line] = [shortened((span(" "), span(f"Versions of {model.name}", tone)), width)]
    if not versions:
        return [*lines, (span("   it has none yet", Tone.DIM),)]
    for place in _window(page.version_place, len(versions), rows):
        has_cursor = here and place == page.version_place
        lines.append(_version_line(versions[place], width, has_cursor=has_cursor))
    return lines


def _version_line(version: ModelVersion, width: int, *, has_cursor: bool) -> Line:
    metrics = list(version.metrics.items())[:METRICS]
    pieces: Line = (
        span(" > " if has_cursor else "   ", Tone.KEY),
        span(f"{version.number:>4}  ", Tone.STRONG),
        span(f"{_date(version.created_at)}  ", Tone.DIM),
        span("".join(f"{alias} " for alias in version.aliases), Tone.GOOD),
        *(() if version.status == READY else (span(f"{version.status or 'of no status'} ", Tone.WARN, 30),)),
        span("  ".join(f"{name} {number(value)}" for name, value in metrics)),
    )
    return shortened(pieces, width)


def version_sheet(model: Model, version: ModelVersion, width: int) -> list[Line]:
    """Everything about one version."""
    facts = [
        ("version", f"{version.number} of {model.name}"),
        ("registered", _date(version.created_at)),
        ("status", version.status or "none"),
        ("aliases", ", ".join(version.aliases) or "none"),
        ("source", version.source or "none"),
        ("run", version.run_id or "none"),
    ]
    lines = _facts(facts)
    if version.description:
        lines += [(), *indented((span(version.description, limit=2000),), width)]
    for title, values in (
        ("Metrics", [(name, number(value)) for name, value in version.metrics.items()]),
        ("Tags", list(version.tags.items())),
    ):
        lines += [(), (span(f" {title}", Tone.STRONG),), *(_facts(values) or [(span(" none", Tone.DIM),)])]
    return [shortened(line, width) for line in lines]


def number(value: float | None) -> str:
    """A metric, to four digits."""
    return "not a number" if value is None else f"{value:.4g}"


def _facts(facts: Sequence[tuple[str, str]]) -> list[Line]:
    columns = max((min(len(name), NAME_COLUMNS) for name, _ in facts), default=0) + 2
    lines: list[Line] = []
    for name, value in facts:
        label = span(name, Tone.DIM, NAME_COLUMNS)
        gap = span(" " * (columns - len(label.text)))
        lines.append((span(" "), label, gap, span(value, limit=400)))
    return lines


def _date(at: float | None) -> str:
    return "of no date      " if at is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def _window(place: int, count: int, rows: int) -> range:
    fits = max(rows, 1)
    first = min(max(place - fits // 2, 0), max(count - fits, 0))
    return range(first, min(first + fits, count))
