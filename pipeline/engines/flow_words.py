"""What Prefect is told of a run and its frames, in the words of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from core.text import safe_text
from core.vocabulary import ObservationState
from pipeline.engines.local import RunSummary
from pipeline.engines.worker import FrameEvent

REPORTED_AT_MOST = 1000  # frames in a report, the troubled ones first


def frame_state(event: FrameEvent | None) -> State[Any]:
    """What Prefect is told of a frame: our own word for its state, and our reason."""
    if event is None:
        return Cancelled(name="Given back", message="the run ended with this frame in hand")
    if event.state == ObservationState.DONE:
        return Completed(name="Done", message=f"{event.candidates} candidates in {event.seconds:.1f} s")
    return Failed(name=event.state.capitalize(), message=safe_text(event.reason or "no reason is known"))


def run_state(summary: RunSummary) -> State[Any]:
    """What Prefect is told of a run."""
    counts = counted(summary)
    if summary.state == "interrupted":
        return Cancelled(name="Interrupted", message=f"stopped by a signal; {counts}")
    return Completed(name="Done", message=counts)


def counted(summary: RunSummary) -> str:
    """The frames of a run by state, in words."""
    return ", ".join(f"{n} {state}" for state, n in sorted(summary.counts.items())) or "nothing was due"


def report_markdown(summary: RunSummary, frames: Sequence[dict[str, Any]]) -> str:
    """The report of a run: what became of each frame, the troubled ones first.

    Parameters
    ----------
    summary : RunSummary
    frames : sequence of dict
        Their records as `core.operations.status.frames_status` gives them.
    """
    lines = [
        f"# Run {summary.run_id}: {summary.state}",
        "",
        f"{counted(summary)} in {summary.seconds:.1f} s",
        "",
        "| frame | state | candidates | seeing, px | m50 | seconds | reason |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    ordered = sorted(frames, key=lambda each: each["state"] == ObservationState.DONE)
    for each in ordered[:REPORTED_AT_MOST]:
        seconds = sum(each["seconds"].values())
        cells = (
            each["frame"],
            each["state"],
            each["candidates"],
            _rounded(each["seeing_px"]),
            _rounded(each["m50"]),
            _rounded(seconds),
            each["reason"],
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    if len(frames) > REPORTED_AT_MOST:
        lines += ["", f"and {len(frames) - REPORTED_AT_MOST} more"]
    return "\n".join(lines) + "\n"


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _cell(value: object) -> str:
    """A value in a table of Markdown, which would take a bar, a bracket or a backtick as its own."""
    text = safe_text("" if value is None else value)
    return "".join(f"\\{sign}" if sign in "|\\`*_<>[]#" else sign for sign in text)
