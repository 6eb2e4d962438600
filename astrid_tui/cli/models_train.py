"""`astrid models train`: a command for each kind of model."""

import typer

from astrid_tui.cli.models_realbogus import realbogus, tree
from astrid_tui.cli.models_stacked import ensemble, outliers
from astrid_tui.cli.models_unet import unet

train_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train a model.")


@train_app.callback()
def train() -> None:
    """Train a model."""


train_app.command()(unet)
train_app.command()(realbogus)
train_app.command()(tree)
train_app.command()(outliers)
train_app.command()(ensemble)
