"""`astrid models`: how models are trained, judged, kept and put to use."""

from __future__ import annotations

import typer

from astrid_tui.cli import (
    models_drift,
    models_evaluate,
    models_examples,
    models_import,
    models_registry,
    models_rescore,
    models_score,
    models_trainings,
)
from astrid_tui.cli.models_train import train_app

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Models: train, judge, score, promote, roll back."
)

app.add_typer(train_app, name="train")
models_registry.add_to(app)
models_trainings.add_to(app)
models_evaluate.add_to(app)
models_examples.add_to(app)
models_score.add_to(app)
models_rescore.add_to(app)
models_import.add_to(app)
models_drift.add_to(app)
