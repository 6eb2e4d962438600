"""`astrid status`: where things stand."""

from collections import Counter
from typing import Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    settings_of,
    storable,
    store_of,
)
from core.text import SENTENCES, counted, hourly, safe_text


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
    """Show the queue by state, how fast it goes, watched folders and what became of each frame."""
    from core.operations.standing import of_intake
    from core.operations.status import status as read_status
    from core.operations.told_once import told_once

    store, cadence_s = store_of(context, read_only=True), settings_of(context).camera.cadence_s or None
    report = read_status(store, limit=limit, after=after)
    report["intake"] = of_intake(store, cadence_s)
    if as_json:
        print_json(report)
        return
    counts = ", ".join(f"{count} {state}" for state, count in report["counts"].items())
    print_text(counts or "No frames yet: `astrid ingest PATH` registers some.")
    print_text(f"{counted(report['awaiting_verdict'], 'object')} awaiting a verdict")
    _tell_intake(report["intake"])
    if not report["frames"]:
        return
    told = told_once((each["frame"], each["state"], each["reason"]) for each in report["frames"])
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
            reason,
        )
        for frame, reason in zip(report["frames"], told.reasons, strict=True)
    ]
    headings = (
        "id", "frame", "state", "candidates", "dropped", "seconds", "seeing px", "half found at", "reason"
    )  # fmt: skip
    print_table(
        headings, rows, least=(("seconds",), ("dropped",), ("seeing px",), ("half found at",), ("frame",))
    )
    for line in told.lines:
        print_text(safe_text(f"of the frames above, {line}", SENTENCES))
    _tell_dropped([frame["dropped"] for frame in report["frames"]])
    if report["next"] is not None:
        print_text(f"more: astrid status --after {report['next']}")


def _tell_intake(intake: dict[str, Any]) -> None:
    """How fast frames go by, and the folders that they come from."""
    from core.health.check import ago
    from core.health.checks import unlinked

    told = []
    if intake["oldest_queued_s"] is not None:
        told.append(f"the oldest waits {ago(intake['oldest_queued_s'])}")
    if intake["frames_per_hour"] is not None:
        told.append(f"{hourly(intake['frames_per_hour'])} processed")
    if intake["cadence_s"]:
        told.append(f"the camera takes one in {intake['cadence_s']:.3g} s")
    if (factor := intake["keeps_up"]) is not None:
        told.append(
            f"{'falls behind' if factor < 1 else 'keeps up'}, {factor:.2g} times as fast as they come"
        )
    if told:
        print_text("; ".join(told))
    if intake["unlinked"]:
        print_text(unlinked(intake["unlinked"]))
    for folder in intake["folders"]:
        print_text(f"{folder['host']}:{folder['path']}: {_folder(folder)}")


def _folder(folder: dict[str, Any]) -> str:
    if folder["problem"] is not None:
        state = folder["problem"]
    elif folder["is_silent"]:
        state = "its watcher fell silent"
    else:
        state = "watched" if folder["is_watched"] else "not watched now"
    taken = f"{counted(folder['files'], 'file')} taken"
    return f"{state}; {taken}" + (f", {folder['unsettled']} being written" if folder["unsettled"] else "")


def _tell_dropped(frames: list[dict[str, int]]) -> None:
    """Why detections of the frames listed became no candidates, in one line."""
    causes: Counter[str] = Counter()
    for dropped in frames:
        causes.update(dropped)
    if causes:
        told = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        print_text(f"dropped by cuts, of the frames above: {told} (how significant: `astrid queue show ID`)")
