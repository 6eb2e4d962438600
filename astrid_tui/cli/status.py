"""`astrid status`: where things stand."""

from collections import Counter
from typing import Annotated, Any

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_table, print_text, storable, store_of
from core.text import counted


def _depth(frame: dict[str, Any]) -> str | None:
    """How bright half of the injected sources are found: a magnitude, else a flux, with its unit."""
    if frame["m50"] is not None:
        return f"{frame['m50']:.2f} mag"
    if frame["flux50"] is None:
        return None
    sigma = "" if frame["snr50"] is None else f" ({frame['snr50']:.1f} σ)"
    return f"{frame['flux50']:.4g} {frame['flux_unit']}{sigma}"


def status(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, callback=storable, help="Frames to list, newest first.")] = 20,
    after: Annotated[
        int | None, typer.Option(callback=storable, help="List frames older than this id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the queue by state and what became of each frame."""
    from core.operations.status import status as read_status

    report = read_status(store_of(context, read_only=True), limit=limit, after=after)
    if as_json:
        print_json(report)
        return
    counts = ", ".join(f"{count} {state}" for state, count in report["counts"].items())
    print_text(counts or "No frames yet: `astrid ingest PATH` registers some.")
    print_text(f"{counted(report['awaiting_verdict'], 'object')} awaiting a verdict")
    if not report["frames"]:
        return
    rows = [
        (
            frame["id"],
            frame["frame"],
            frame["state"],
            frame["candidates"],
            sum(frame["dropped"].values()),
            round(sum(frame["seconds"].values()), 1) or None,
            frame["seeing_px"] and round(frame["seeing_px"], 2),
            _depth(frame),
            frame["reason"],
        )
        for frame in report["frames"]
    ]
    headings = (
        "id", "frame", "state", "candidates", "dropped", "seconds", "seeing px", "half found at", "reason"
    )  # fmt: skip
    print_table(
        headings, rows, least=(("seconds",), ("dropped",), ("seeing px",), ("half found at",), ("frame",))
    )
    _tell_dropped([frame["dropped"] for frame in report["frames"]])
    if report["next"] is not None:
        print_text(f"more: astrid status --after {report['next']}")


def _tell_dropped(frames: list[dict[str, int]]) -> None:
    """Why detections of the frames listed became no candidates, in one line."""
    causes: Counter[str] = Counter()
    for dropped in frames:
        causes.update(dropped)
    if causes:
        told = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        print_text(f"dropped by cuts, of the frames above: {told} (how significant: `astrid queue show ID`)")
