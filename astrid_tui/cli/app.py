"""The command line, put together. Importing this imports Typer and nothing heavier."""

import os
import sys
from collections.abc import Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from astrid_tui.cli import (
    candidates,
    catalog,
    chart,
    database,
    demo,
    deploy,
    diff,
    doctor,
    forced,
    health,
    ingest,
    keys,
    models,
    object_work,
    objects,
    power,
    prefect,
    queue,
    reference,
    review,
    run,
    runs,
    serve,
    show,
    simulate,
    status,
    watch,
    why,
    worker,
)
from astrid_tui.cli.invocation import Invocation
from astrid_tui.cli.wrong_usage import PlainWords
from core.vocabulary import ExitCode
from screens.terminal import is_in_browser

app = typer.Typer(
    cls=PlainWords,
    rich_markup_mode=None,  # Rich's help doubles the time to show it
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"astrid {version('astrid-tui')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def astrid(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings to use instead of ./config.toml or the user's.")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show everything and change nothing.")
    ] = False,
    version: Annotated[  # noqa: ARG001 its callback prints it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find what changed in the sky and decide, at a keyboard, what is real.

    Without a command, the console opens.
    """
    context.obj = Invocation(config=config, read_only=read_only)
    if context.invoked_subcommand is None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()) and not is_in_browser(os.environ):
            typer.echo("astrid: the console needs a terminal; astrid --help lists the commands", err=True)
            raise typer.Exit(ExitCode.USAGE)
        from astrid_tui.app import run_console

        raise typer.Exit(run_console(config, read_only))


app.command(name="demo")(demo.demo)
app.command(name="simulate")(simulate.simulate)
app.command(name="init")(database.init)
app.command(name="doctor")(doctor.doctor)
app.add_typer(health.app, name="health")
app.command(name="status")(status.status)
app.command(name="ingest")(ingest.ingest)
app.command(name="watch")(watch.watch)
app.add_typer(queue.app, name="queue")
app.add_typer(reference.app, name="reference")
app.command(name="run")(run.run)
app.add_typer(runs.app, name="runs")
app.command(name="worker")(worker.worker)
app.command(name="deploy")(deploy.deploy)
app.add_typer(prefect.app, name="prefect")
app.command(name="keys")(keys.keys)
app.command(name="power")(power.power)
app.command(name="diff")(diff.diff)
app.command(name="review")(review.review)
app.command(name="serve")(serve.serve)
app.command(name="show")(show.show)
app.add_typer(candidates.app, name="candidates")
app.add_typer(objects.app, name="objects")
object_work.register(objects.app)
app.add_typer(catalog.app, name="catalog")
app.command(name="chart")(chart.chart)
app.add_typer(models.app, name="models")
app.command(name="why", context_settings=why.SETTINGS)(why.why)
app.command(name="forced", context_settings=forced.SETTINGS)(forced.forced)
app.add_typer(database.app, name="db")


def program(words: Sequence[str]) -> typer.Typer:
    """What understands a command line: of the commands only the one that it names, if it names one.

    Typer makes all options of all the commands that it is given, which takes as long as to load it. Help,
    completion and what is wrong with a word need all of them.

    Parameters
    ----------
    words : sequence of str
        The command line, without the program's own name.
    """
    return _alone(_first(words)) or app


@cache
def _alone(name: str | None) -> typer.Typer | None:
    """The program with one command, if there is one of that name."""
    commands = [each for each in app.registered_commands if each.name == name]
    groups = [each for each in app.registered_groups if each.name == name]
    if not commands and not groups:
        return None
    one = copy(app)
    one.registered_commands, one.registered_groups = commands, groups
    return one


def _first(words: Sequence[str]) -> str | None:
    """The first word behind the options that may come before a command."""
    rest = iter(words)
    for word in rest:
        if word == "--config":
            next(rest, None)
        elif word != "--read-only" and not word.startswith("--config="):
            return word
    return None
