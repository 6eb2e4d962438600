"""`astrid demo`: a simulated night, processed; then the console."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    must_write,
    print_json,
    print_text,
    progress_bar,
    settings_of,
)


def demo(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where night and store go: new, empty or a demo's.")
    ] = Path("astrid-demo"),
    headless: Annotated[bool, typer.Option("--headless", help="Do not open the console at the end.")] = False,
    frames: Annotated[int, typer.Option(min=1, help="Science frames of the night.")] = 8,
    size: Annotated[int, typer.Option(min=128, help="Pixels on a side.")] = 1024,
    seed: Annotated[int, typer.Option(help="The same seed gives the same night.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Simulate a night, process it with the real pipeline, and open the console on it.

    Everything stays in one folder; what is done there already is not done again. Of the settings only
    [fakes] is heeded: what share of the cards are injected sources.
    """
    from astrid_tui.demo import demo_settings, run_demo

    must_write(context)
    with progress_bar("Demo", quiet=as_json) as report:
        summary = run_demo(
            folder, frames=frames, size=size, seed=seed, fakes=settings_of(context).fakes, progress=report
        )
    if as_json:
        print_json(summary.record())
        return
    for line in summary.lines():
        print_text(line)
    if headless or not (sys.stdin.isatty() and sys.stdout.isatty()):
        print_text(f"To review it: ASTRID_HOME={demo_settings(folder).home} astrid")
        return
    import os

    from astrid_tui.app import run_console

    os.environ["ASTRID_HOME"] = str(demo_settings(folder).home)
    raise typer.Exit(run_console(None, False))
