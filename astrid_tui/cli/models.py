"""`astrid models`: what the model registry holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_table, print_text, settings_of
from astrid_tui.cli.models_train import train_app
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.model_registry import Model

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Models: what is registered.")
app.add_typer(train_app, name="train")


@app.callback()
def models() -> None:
    """Models: what is registered."""


@app.command(name="list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the registered models, their versions, and which of them is in use.

    Exit code 4 where there is a registry that cannot be read.
    """
    from core.model_registry import read_registry

    registry = read_registry(settings_of(context))
    if as_json:
        found = [model.record() for model in registry.models]
        print_json({"registry": registry.place, "trouble": registry.trouble, "models": found})
    elif registry.trouble is not None:
        print_text(registry.trouble)
    elif not registry.models:
        print_text("No model is registered: candidates are ordered by their significance alone.")
    else:
        rows = [row for model in registry.models for row in _rows(model)]
        print_table(("model", "version", "registered", "aliases", "status", "metrics"), rows)
    if registry.trouble is not None:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _rows(model: Model) -> list[tuple[Any, ...]]:
    if not model.versions:
        return [(model.name, None, None, None, "no version yet", None)]
    return [
        (
            model.name,
            version.number,
            version.created_at and time.strftime("%Y-%m-%d %H:%M", time.gmtime(version.created_at)),
            " ".join(version.aliases),
            version.status,
            " ".join(f"{name}={value:.4g}" for name, value in version.metrics.items() if value is not None),
        )
        for version in model.versions
    ]
