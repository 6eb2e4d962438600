"""The power screen as lines: devices, the history of one of them, what run and night took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from core.text import counted
from screens.lines import Line, Tone, cells_of, column, shortened, span
from screens.power.plot import area_lines, ceiling

if TYPE_CHECKING:
    from core.operations.power import DevicePower, EnergyUse, History, Quantity

FRESH_S = 30.0
LEAST_PLOT_ROWS = 5
MOST_PLOT_ROWS = 24
NOT_MEASURED = "not measured"
TITLE_COLUMNS = 14  # of the lines about energy


class Shown(NamedTuple):
    """One quantity as it is plotted: ``scale`` times what the store has, in ``unit``."""

    quantity: Quantity
    title: str
    unit: str
    scale: float
    least_top: float  # of the axis


QUANTITIES = (
    Shown("watts", "draw", "W", 1.0, 10.0),
    Shown("temperature_c", "temperature", "°C", 1.0, 100.0),
    Shown("utilisation", "load", "%", 100.0, 100.0),
    Shown("memory_mib", "memory", "GiB", 1 / 1024, 1.0),
)


class Span(NamedTuple):
    """A length of time that the plot can cover."""

    seconds: float
    title: str
    ago: str


SPANS = (
    Span(600.0, "10 minutes", "-10 min"),
    Span(3600.0, "1 hour", "-1 h"),
    Span(43200.0, "12 hours", "-12 h"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """All that the screen shows."""

    now: float
    devices: Sequence[DevicePower] = ()
    cursor: int = 0
    shown: Shown = QUANTITIES[0]
    span: Span = SPANS[1]
    history: History | None = None  # of the device under the cursor
    run: EnergyUse | None = None
    night: EnergyUse | None = None


def page_lines(page: Page, width: int, rows: int, *, plain: bool) -> list[Line]:
    """The page, at most `rows` lines: the plot takes what the tables leave, and is left out last of all.

    Parameters
    ----------
    page : Page
    width, rows : int
        Cells.
    plain : bool
        ASCII only.
    """
    energy = energy_lines(page, width)
    room = rows - len(energy) - 2 - LEAST_PLOT_ROWS
    devices = device_lines(page, width, max(room, 2))
    left = rows - len(devices) - len(energy) - 2
    plot = plot_lines(page, width, min(left, MOST_PLOT_ROWS), plain=plain) if left >= LEAST_PLOT_ROWS else []
    blocks = [block for block in (devices, plot, energy) if block]
    lines = [line for block in blocks for line in ((), *block)][1:]
    return lines[:rows]


# -- devices ----------------------------------------------------------------------------------------


def device_lines(page: Page, width: int, rows: int) -> list[Line]:
    """One line a device, a window of them around the cursor where there are many."""
    if not page.devices:
        return [
            (span("Nothing was measured yet.", Tone.STRONG),),
            (
                span(
                    "Power is sampled while a run is at work, or by: astrid power --watch --record",
                    Tone.DIM,
                    width,
                ),
            ),
        ]
    longest = max(cells_of((span(each.device),)) for each in page.devices)
    name_columns = min(longest + 2, max(width // 4, 12))
    heading = (
        span("  "),
        column("device", name_columns, Tone.DIM),
        span(f"{'draw':>9} {'temp':>6} {'load':>5}  {'memory':<16} name", Tone.DIM, width),
    )
    fits = max(rows - 1, 1)
    first = min(max(page.cursor - fits + 1, 0), max(len(page.devices) - fits, 0))
    window = list(enumerate(page.devices))[first : first + fits]
    lines = [_device_line(page, place, device, name_columns, width) for place, device in window]
    return [shortened(line, width) for line in (heading, *lines)]


def _device_line(page: Page, place: int, device: DevicePower, name_columns: int, width: int) -> Line:
    at_cursor = place == page.cursor
    tone = Tone.KEY if at_cursor else Tone.STRONG
    name = span("> " if at_cursor else "  ", tone), column(device.device, name_columns, tone)
    if device.reason is not None:
        return (*name, span(f"{NOT_MEASURED}: {device.reason}", Tone.WARN))
    if device.at is None:
        return (*name, span("not sampled yet", Tone.DIM))
    values = (
        f"{_value(device.watts, 'W', 1):>9} {_value(device.temperature_c, '°C', 0):>6} "
        f"{_percent(device.utilisation):>5}  {_memory(device):<16} "
    )
    stale = _stale(page, device)
    pieces: Line = (*name, span(values, Tone.DIM if stale else Tone.PLAIN))
    if stale:
        pieces = (*pieces, span(f"at {stale} ", Tone.WARN))
    return (*pieces, span(device.name, Tone.DIM)) if width - cells_of(pieces) > 4 else pieces


def _stale(page: Page, device: DevicePower) -> str:
    """When a device was sampled last; nothing while that is now. Not its age, which would always change."""
    if device.at is None or page.now - device.at < FRESH_S:
        return ""
    pattern = "%H:%M" if page.now - device.at < 86400.0 else "%m-%d %H:%M"
    return time.strftime(f"{pattern} UTC", time.gmtime(device.at))


def _value(value: float | None, unit: str, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _memory(device: DevicePower) -> str:
    if device.memory_mib is None:
        return "–"
    used = f"{device.memory_mib / 1024:.1f}"
    total = device.memory_total_mib
    return f"{used} GiB" if total is None else f"{used} of {total / 1024:.0f} GiB"


# -- the history ------------------------------------------------------------------------------------


def plot_lines(page: Page, width: int, rows: int, *, plain: bool) -> list[Line]:
    """The history of the device under the cursor, or one line that says why there is none."""
    history = page.history
    if history is None:
        return []
    heading = _plot_heading(page, history.device, width)
    if all(mean is None for mean in history.means):
        return [heading, (span(_why_empty(page), Tone.DIM, width),)]
    values = [None if mean is None else mean * page.shown.scale for mean in history.means]
    device = _plotted(page)
    least = page.shown.least_top
    if page.shown.quantity == "memory_mib" and device is not None and device.memory_total_mib:
        least = round(device.memory_total_mib * page.shown.scale, 1)
    area = area_lines(
        values,
        top=ceiling(values, least),
        unit=page.shown.unit,
        rows=rows - 1,
        plain=plain,
        ends=(page.span.ago, (_stale(page, device) if device else "") or "now"),
    )
    return [heading, *area]


def _plot_heading(page: Page, device: str, width: int) -> Line:
    """Every quantity there is, the one that is shown set apart; on a narrow screen that one alone."""
    name = shortened((span(f"of {device}", Tone.STRONG),), max(width - 24, 10))
    of: Line = (*name, span(f"  {page.span.title}", Tone.DIM))
    titles = [each.title for each in QUANTITIES]
    if sum(len(title) + 3 for title in titles) + cells_of(of) > width:
        return (span(f"{page.shown.title} ", Tone.STRONG), *of)
    chips = [
        (span(f" {title} ", Tone.CHIP if title == page.shown.title else Tone.DIM), span(" "))
        for title in titles
    ]
    return (*(piece for chip in chips for piece in chip), *of)


def _plotted(page: Page) -> DevicePower | None:
    """The device of the history, which is that under the cursor once it was read."""
    wanted = page.history.device if page.history else None
    return next((each for each in page.devices if each.device == wanted), None)


def _why_empty(page: Page) -> str:
    device = _plotted(page)
    if device is not None and device.reason is not None:
        return f"{NOT_MEASURED}: {device.reason}"
    return f"no {page.shown.title} was told in the last {page.span.title}"


# -- energy -----------------------------------------------------------------------------------------


def energy_lines(page: Page, width: int) -> list[Line]:
    """What the last run and the last night took: in all, by frame, by object judged real, by stage."""
    if page.run is None:
        return [(span("No run yet.", Tone.DIM),)]
    lines = [_use_line(f"run {page.run.run_ids[0]}", page.run, width)]
    if page.night is not None:
        count = len(page.night.run_ids)
        lines.append(_use_line("24 h" if count == 1 else f"24 h, {count} runs", page.night, width))
    stages = [
        f"{each.stage} {_joules(each.joules / each.frames)}"
        for each in page.run.stages
        if each.joules is not None and each.frames
    ]
    if stages:
        lines.append(_titled("a frame", "  ".join(stages), Tone.PLAIN, width))
    missing = [each for each in page.run.devices if each.joules is None]
    if missing and page.run.joules is not None:
        told = ", ".join(f"{each.device} ({each.reason or NOT_MEASURED})" for each in missing)
        lines.append(_titled("without", told, Tone.WARN, width))
    return lines


def _titled(title: str, text: str, tone: Tone, width: int) -> Line:
    return shortened((column(title, TITLE_COLUMNS, Tone.DIM), span(text, tone)), width)


def _use_line(title: str, use: EnergyUse, width: int) -> Line:
    name = column(title, TITLE_COLUMNS, Tone.STRONG)
    frames = f"{counted(use.frames, 'frame')}, {use.judged_real} judged real"
    if use.joules is None:
        return (name, span(f"energy {NOT_MEASURED}  ", Tone.WARN), span(frames, Tone.DIM))
    parts = [("at least " if use.is_partial else "") + _joules(use.joules)]
    if use.joules_per_frame is not None:
        parts.append(f"{_joules(use.joules_per_frame)} a frame")
    if use.joules_per_real is not None:
        parts.append(f"{_joules(use.joules_per_real)} an object judged real")
    told = "  ".join(parts)
    line: Line = (name, span(told))
    beside: Line = (*line, span("  " + frames, Tone.DIM))
    return beside if cells_of(beside) <= width else shortened(line, width)


def _joules(joules: float) -> str:
    """An energy in the unit in which it is easily read."""
    for unit, size in (("MJ", 1e6), ("kJ", 1e3)):
        if joules >= 10 * size:
            return f"{joules / size:.1f} {unit}"
    return f"{joules:.1f} J" if joules < 1000 else f"{joules:.0f} J"
