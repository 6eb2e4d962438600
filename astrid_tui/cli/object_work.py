"""`astrid objects forced|tracklets`: work on the objects of the sky, over all frames there are."""

from typing import Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    progress_bar,
    settings_of,
    storable,
    store_of,
)
from core.vocabulary import ExitCode

app = typer.Typer(help="The objects of the sky.", rich_markup_mode=None, no_args_is_help=True)


def register(objects: typer.Typer) -> None:
    """Add these commands to a group of commands."""
    objects.command()(forced)


def forced(
    context: typer.Context,
    ids: Annotated[
        list[int] | None,
        typer.Argument(callback=storable, help="Objects; default: all that were not judged bogus."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames to subtract again at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure objects in the frames that were processed before they were known.

    Each such frame is subtracted again; its candidates stay as they are. Interrupted, this goes on where
    it was. Exit code 3: some frames could not be measured.
    """
    from pipeline.engines.remeasure import remeasure

    settings, store = settings_of(context), store_of(context)
    with progress_bar("Measuring", quiet=as_json) as report:
        frames, left = remeasure(store, settings, set(ids) if ids else None, limit=limit, progress=report)
    points = sum(each.points for each in frames)
    if as_json:
        rows = [
            {"id": each.observation_id, "frame": each.frame, "points": each.points, "reason": each.reason}
            for each in frames
        ]
        print_json({"points": points, "left": left, "frames": rows})
    else:
        if frames:
            print_table(
                ("id", "frame", "points", "reason"),
                [(each.observation_id, each.frame, each.points, each.reason) for each in frames],
            )
        more = f", {left} frames left" if left else ""
        print_text(f"{points} points added in {len(frames)} frames{more}")
    if any(each.reason for each in frames):
        raise typer.Exit(ExitCode.PARTIAL)


register(app)
