"""`astrid models`: how models are trained, judged, kept and put to use."""

from __future__ import annotations

import typer

from astrid_tui.cli import models_evaluate, models_registry

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Models: train, judge, score, promote, roll back."
)

models_registry.add_to(app)
models_evaluate.add_to(app)
