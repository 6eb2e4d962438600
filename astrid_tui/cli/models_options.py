"""What the commands of ``astrid models train`` have in common: options, and what they say without torch."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from astrid_tui.cli.invocation import remark, settings_of, store_of
from core.extras import lacking
from core.vocabulary import ExitCode

FIELDS = 400
MOST_FIELDS = 1_000_000  # from there on the fields of the next seed begin
MOST_SEED = 1000

ExamplesOption = Annotated[
    Path | None, typer.Option("--examples", help="Learn from this set (.npz) instead of simulated fields.")
]
FieldsOption = Annotated[int, typer.Option(min=2, max=MOST_FIELDS, help="Simulated fields to learn from.")]
LabelsOption = Annotated[
    bool, typer.Option("--labels/--no-labels", help="Learn also from what reviewers agree on in the store.")
]
SeedOption = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="The same seed gives the same model.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Of the CPU; one is best on a busy machine.")]
DeviceOption = Annotated[
    Literal["cpu", "cuda"],
    typer.Option(help="Where it learns; with cuda, --threads prepare what the next steps learn from."),
]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="Also put the model's folder here; it must not exist.")
]


def free_outdated(context: typer.Context) -> None:
    """Remove kept fields that no model here could learn from any more, and say what that freed."""
    from core.database.store_errors import StoreError, StoreMissing
    from core.models.versions import versions
    from core.text import size_told
    from pipeline.classify.shipped import SHIPPED
    from pipeline.training.outdated import remove_outdated

    shipped = SHIPPED["unet"].digest
    networks: set[str] | None
    try:
        with closing(store_of(context, read_only=True)) as store:
            networks = {shipped, *(each.digest for each in versions(store, "unet"))}
    except StoreMissing:
        networks = {shipped}
    except StoreError:
        networks = None
    if freed := remove_outdated(settings_of(context).home, networks):
        remark(
            f"{size_told(freed)} of kept fields were removed: no model here could learn from them any more."
        )


def without_torch(missing: ModuleNotFoundError) -> typer.Exit:
    """How a training ends where AstrID is installed without what trains networks; others are raised again."""
    if missing.name != "torch":
        raise missing
    remark(f"Training needs torch: {lacking('train')}.")
    return typer.Exit(ExitCode.UNAVAILABLE)
