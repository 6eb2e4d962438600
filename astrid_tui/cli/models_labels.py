"""What trainings learn from of the reviewers' verdicts, and how much that was."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import typer

from astrid_tui.cli.invocation import remark, store_of

if TYPE_CHECKING:
    from core.models.trainings import Training
    from core.settings import Settings
    from pipeline.training.examples import Examples


def agreed_on(context: typer.Context, settings: Settings) -> Examples | None:
    """What reviewers agree on; none without a store. Where there is nothing, it is told why."""
    from core.database.store_errors import StoreMissing
    from core.review.agreed import agreed_objects, why_none
    from pipeline.training.label_examples import of_labels

    try:
        with closing(store_of(context, read_only=True)) as store:
            found = of_labels(store, settings.review, settings.site)
            if found is None and not agreed_objects(store, settings.review):
                remark(f"No verdict is learnt from: {why_none(store, settings.review)}.")
            return found
    except StoreMissing:
        return None


def tell_learnt(training: Training) -> None:
    """Say how many labelled candidates a training that is done learnt from."""
    from core.models.trainings import MODEL
    from pipeline.classify.model_file import read

    learnt = read(training.folder / MODEL).description.trained["labelled"]
    remark(f"{learnt} labelled candidates were learnt from besides.")
