"""The pane of the night: the frame under its cursor, and how seeing, depth and registration went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.epochs import unix_of
from core.frames.registration import beyond_noise
from screens.ages import moment
from screens.ingest.view import STATE_TONES
from screens.lines import Line, Tone, padded, shortened, span
from screens.pipeline.strip import LABEL_COLUMNS, Series, strip_lines

if TYPE_CHECKING:
    from core.operations.night import Night, NightPoint
    from screens.pipeline.view import Page


def night_series(night: Night, chosen: int) -> tuple[Series, ...]:
    """What is plotted of a night, for the frame at a place."""
    points = night.points
    return (
        Series("seeing", night.seeing_unit, [point.seeing for point in points]),
        _depth_series(points, chosen),
        _registration_series(points, chosen),
        Series("score σ", "(1 is honest)", [point.score_std for point in points], 3),
    )


def _registration_series(points: Sequence[NightPoint], chosen: int) -> Series:
    """How far stars scatter about those of the reference, and what of it is more than their own noise.

    Frames of which the scatter was not kept are told by that remainder, and then all are.
    """
    measured = [point for point in points if point.residual_px is not None]
    if not measured or any(point.scatter_px is None for point in measured):
        return Series("residual", "px beyond noise", [point.residual_px for point in points], 3)
    here = points[chosen].residual_px
    beyond = "" if here is None else f", {beyond_noise(here)} beyond noise"
    return Series("scatter", f"px of stars{beyond}", [point.scatter_px for point in points], 3)


def _depth_series(points: Sequence[NightPoint], chosen: int) -> Series:
    """The depths, with what the chosen one is: m50 or a 5-sigma limit, which are not the same.

    Where no magnitude is known, the flux at which half is found tells the better frames from the worse.
    """
    known = [point for point in points if point.depth is not None]
    if not known and any(point.flux50 for point in points):
        return Series("depth", "flux50, no zeropoint", [point.flux50 for point in points])
    measured = sum(point.depth_is_m50 for point in known)
    here = points[chosen]
    one = here if here.depth is not None else next(iter(known), here)
    unit = "mag, m50" if one.depth_is_m50 else "mag, 5σ limit"
    if 0 < measured < len(known):
        unit += f" (m50 of {measured}, 5σ of {len(known) - measured})"
    return Series("depth", unit, [point.depth for point in points])


def night_lines(page: Page, width: int, rows: int) -> list[Line]:
    """The frame under the cursor, and four quantities through the night."""
    points = page.answer.night.points
    if not points:
        return [(span(" No frame with a time was registered yet.", Tone.DIM),)]
    chosen = min(page.cursor("night"), len(points) - 1)
    point = points[chosen]
    lines: list[Line] = [
        shortened(
            (
                span(f" {chosen + 1} of {len(points)} ", Tone.DIM),
                span(point.frame, Tone.KEY, 40),
                span(f"  {_hour(point.mjd)} UTC  ", Tone.DIM),
                span(point.state, STATE_TONES.get(point.state, Tone.PLAIN)),
            ),
            width,
        )
    ]
    series = night_series(page.answer.night, chosen)
    shown = series[: max(min((rows - 2) // 2, len(series)), 1)]
    each = max((rows - 2) // len(shown), 2)
    times = [point.mjd for point in points]
    for one in shown:
        lines += strip_lines(times, one, chosen, width=width, rows=each, plain=page.plain)
    first, last = _hour(times[0]), _hour(times[-1])
    axis = padded((span(" " * LABEL_COLUMNS + first, Tone.DIM),), width - len(last))
    return [*lines, (*axis, span(last, Tone.DIM))][:rows]


def _hour(mjd: float) -> str:
    return moment(unix_of(mjd), "%H:%M")
