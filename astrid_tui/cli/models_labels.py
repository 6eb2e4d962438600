"""What trainings learn from of the reviewers' verdicts, and how much that was."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import typer

from astrid_tui.cli.invocation import remark, store_of

if TYPE_CHECKING:
    from core.database.store import Store
    from core.models.trainings import Training
    from core.settings import Settings
    from pipeline.training.examples import Examples
    from pipeline.training.label_fields import Labels
    from pipeline.training.scored_fields import Scored

NOT_LEARNT = {  # of labelled candidates, why a U-Net learns nothing of them
    "alerts": "are of no frame here",
    "untold": "lie on masked pixels, or are trails of unknown course",
    "gone": "are of frames whose files, or whose references' files, are gone",
    "changed": "are of frames whose files hold something else now",
    "refused": "are of frames that could not be subtracted again: the log says why",
}


def agreed_on(context: typer.Context, settings: Settings) -> Examples | None:
    """What reviewers agree on; none without a store. Where there is nothing, it is told why."""
    found = agreed_and_seen(context, settings, None)
    return None if found is None else found.examples


def agreed_and_seen(context: typer.Context, settings: Settings, network: str | None) -> Scored | None:
    """The same, with what a U-Net, known by its digest, said of each."""
    from core.database.store_errors import StoreMissing
    from pipeline.training.label_examples import scored_labels

    try:
        with closing(store_of(context, read_only=True)) as store:
            found = scored_labels(store, settings.review, settings.site, network)
            if found is None:
                _tell_none(store, settings)
            return found
    except StoreMissing:
        return None


def labelled_frames(context: typer.Context, settings: Settings) -> Labels | None:
    """What reviewers agree on, by frame; none without a store. Where there is nothing, it is told why."""
    from core.database.store_errors import StoreMissing
    from pipeline.training.label_fields import labels_of

    try:
        with closing(store_of(context, read_only=True)) as store:
            found = labels_of(store, settings)
            if not found.frames and not found.alerts:
                _tell_none(store, settings)
            return found
    except StoreMissing:
        return None


def _tell_none(store: Store, settings: Settings) -> None:
    """Say why no verdict is learnt from."""
    from core.review.agreed import agreed_objects, why_none

    if agreed_objects(store, settings.review):
        why = "what is agreed on is of candidates that are no longer there, or have no cutouts"
    else:
        why = why_none(store, settings.review)
    remark(f"No verdict is learnt from: {why}.")


def tell_learnt(training: Training) -> None:
    """Say how many labelled candidates a training that is done learnt from."""
    from core.models.trainings import MODEL
    from pipeline.classify.model_file import read

    learnt = read(training.folder / MODEL).description.trained["labelled"]
    remark(f"{learnt} labelled candidates were learnt from besides.")


def tell_weighed(training: Training) -> None:
    """Say how many labelled candidates an ensemble was weighed by, and why by no others."""
    told = training.parameters.get("labels")
    if not told:
        return
    said = [
        f"{told['weighed_by']} labelled candidates of {told['objects']} objects can be weighed by besides"
    ]
    if told["learnt"]:
        said.append(f"{told['learnt']} are left out because a member learnt of them")
    if told["unknown"]:
        said.append(f"{told['unknown']} are left out because a member does not tell what it learnt of")
    if told["without_unet"]:
        said.append(
            f"{told['without_unet']} count where the U-Net is silent: this one neither saw their frames nor "
            "keeps what it says of them"
        )
    if told["is_too_few"]:
        said.append("they are of too few real or bogus objects, so fields alone weigh")
    remark(f"{'; '.join(said)}.")


def tell_windows(told: dict[str, int]) -> None:
    """Say how many labelled candidates a U-Net learnt of in their frames, and why of no others."""
    if not any(told.values()):
        return
    said = [
        f"{told['learnt']} labelled candidates were learnt from besides, {told['held_out']} were held out"
    ]
    for name, why in NOT_LEARNT.items():
        if told.get(name):
            said.append(f"{told[name]} {why}")
    remark(f"{'; '.join(said)}.")
