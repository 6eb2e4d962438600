"""`astrid prefect`: the Prefect server that runs with a history use."""

from dataclasses import asdict
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
from core.vocabulary import ExitCode

app = typer.Typer(help="The Prefect server of AstrID's own.", rich_markup_mode=None, no_args_is_help=True)


@app.command()
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the server that a run would use. Exit code 4: none answers."""
    from core.operations.prefect_server import look

    found = look(settings_of(context))
    if as_json:
        print_json(asdict(found))
    else:
        print_text(found.message)
    if found.state != "ready":
        raise typer.Exit(ExitCode.UNAVAILABLE)


@app.command()
def start(
    context: typer.Context,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until it answers.")] = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Start AstrID's own server, unless it runs or PREFECT_API_URL names another."""
    from core.operations.prefect_server import ensure, look

    must_write(context)
    settings = settings_of(context)
    with progress_bar("Starting Prefect", quiet=as_json) as report:
        ensure(settings, wait_s=wait, report=lambda waited: report(int(waited), int(wait), ""))
    found = look(settings)
    if as_json:
        print_json(asdict(found))
    else:
        print_text(found.message)


@app.command()
def stop(context: typer.Context, as_json: JsonOption = False) -> None:
    """Stop AstrID's own server; what it knows of runs is kept."""
    from core.operations import prefect_server

    must_write(context)
    stopped = prefect_server.stop(settings_of(context))
    if as_json:
        print_json({"stopped": stopped})
    else:
        print_text(
            "The Prefect server was stopped." if stopped else "AstrID's Prefect server is not running."
        )
