"""Which models score for a command that needs no store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from astrid_tui.cli.invocation import remark, store_of

if TYPE_CHECKING:
    from core.settings import Settings
    from pipeline.classify.classify import Models


def models_in_use(context: typer.Context, settings: Settings) -> Models | None:
    """Those in use by the store; those that came with AstrID where there is no store that can be read."""
    from contextlib import closing

    from core.database.store_errors import StoreError
    from pipeline.classify.chosen import chosen

    try:
        with closing(store_of(context, read_only=True)) as store:
            return chosen(store, settings)
    except StoreError as error:
        if settings.store.url or (settings.home / "astrid.db").exists():
            remark(f"the models that came with AstrID score: {error}")
        return None
