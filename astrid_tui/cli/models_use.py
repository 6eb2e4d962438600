"""Which models a command uses that needs no store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from astrid_tui.cli.invocation import remark, store_of

if TYPE_CHECKING:
    from core.settings import Settings
    from pipeline.classify.classify import Models


def models_in_use(context: typer.Context, settings: Settings) -> Models | None:
    """Those in use by the store; those that came with AstrID where there is no store that can be read."""
    if not (settings.store.url or (settings.home / "astrid.db").exists()):
        return None
    from contextlib import closing

    from core.database.store_errors import StoreError
    from pipeline.classify.chosen import chosen

    try:
        with closing(store_of(context, read_only=True)) as store:
            return chosen(store, settings)
    except StoreError as error:
        remark(f"the models that came with AstrID score: {error}")
        return None


def models_to_learn_with(context: typer.Context, settings: Settings) -> Models:
    """Those in use by the store; those that came with AstrID where there is none yet."""
    from contextlib import closing

    from core.database.store_errors import StoreMissing
    from pipeline.classify.chosen import chosen
    from pipeline.classify.shipped import SHIPPED

    try:
        with closing(store_of(context, read_only=True)) as store:
            return chosen(store, settings)
    except StoreMissing:
        return {name: (each.folder, each.digest) for name, each in SHIPPED.items()}
